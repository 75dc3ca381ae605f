/*
 * Starts many processors as one batch with one set of deadlines. All get INIT, then all get a
 * start-up IPI, then silent ones get a second. Half-way through the deadline, processors that are
 * not online get INIT and start-up once more. At its end they get a last INIT and are left out. So
 * dead processors cost one deadline, whatever their number, and never stop the boot.
 *
 * The deadline restarts whenever a processor reaches a stage for the first time: on a busy
 * hypervisor a processor can be seconds late without being dead. A second INIT does no harm to a
 * processor that its host does not run. Reaching the same stage again is no progress, so a stuck
 * processor gains no time.
 *
 * Pure: the boot CPU's side only, hardware by ops, times in ticks of ops->now. Boot CPU; allocates
 * nothing. It waits by reading the clock without PAUSE: in some emulators a PAUSE costs a round
 * through all virtual CPUs.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_START_BRINGUP_BATCH_H
#define PERCH_SMP_START_BRINGUP_BATCH_H

#include "smp/start/bringup_state.h"

#define BRINGUP_ATTEMPTS 2

struct bringup_ops {
    void (*send_init)(void *ctx, u32 apic_id);
    void (*send_startup)(void *ctx, u32 apic_id);
    u64 (*now)(void *ctx); /* ticks, monotone */
    /*
     * Has the processor run its first instruction in this attempt? It may have done so without
     * finding its record. forget_arrival() clears the mark before an attempt.
     */
    bool (*arrived)(void *ctx, const struct smp_record *rec);
    void (*forget_arrival)(void *ctx, const struct smp_record *rec);
};

/* All in ticks. */
struct bringup_times {
    u64 init_wait;       /* between INIT and start-up, first attempt */
    u64 retry_init_wait; /* the same, second attempt: an earlier INIT must have arrived */
    u64 second_startup;  /* from the first start-up IPI to the second */
    u64 retry;           /* without progress until the second attempt */
    u64 deadline;        /* without progress until the end of both attempts */
};

struct bringup_batch {
    struct smp_record *rec;
    u32 n;
    const struct bringup_ops *ops;
    void *ctx;
    struct bringup_times times;
};

struct bringup_result {
    u32 online, given_up;
    u32 retried;        /* processors that needed the second attempt */
    u32 second_startup; /* repeated start-up IPIs */
    u64 silent_ticks;   /* from the last progress to giving up; 0: none was given up */
    u64 init_ticks;     /* sending INIT to all, first attempt */
    u64 startup_ticks;  /* sending the first start-up IPI to all, first attempt */
    u64 total_ticks;    /* from the first INIT to the end */
};

/*
 * The default times. Only processors older than the Pentium 4 and the Athlon 64 need 10 ms between
 * INIT and the start-up IPI; others, and all under a hypervisor, need none (Linux: init_udelay).
 * The deadline is 100 ms, under a hypervisor 2 s. The retry is half-way.
 */
struct bringup_times bringup_default_times(u64 ticks_per_ms, bool hypervisor, bool old_cpu);

/* Does a CPU of this vendor (12 characters of CPUID leaf 0) and family need the 10 ms? */
bool bringup_old_cpu(const char *vendor, u32 family);

/*
 * Starts all n processors. Afterwards each record is BRING_ONLINE or BRING_GIVEN_UP. A processor
 * that was given up waits after INIT, or ignores what it is sent. If it runs late, its claim fails.
 */
void bringup_run(struct bringup_batch *batch, struct bringup_result *result);

#endif
