/*
 * Starts many processors as one batch with one set of deadlines. All get INIT, then all get a
 * start-up IPI, then silent ones get a second. Half-way through the deadline, processors that are
 * not online get INIT and start-up once more. At its end they get a last INIT and are left out. So
 * dead processors cost one deadline, whatever their number, and never stop the boot. Under a
 * hypervisor the second start-up IPI waits until nobody has made progress for a quarter of the
 * deadline: there none gets lost, and a processor that its host does not run is not silent.
 *
 * The deadline restarts whenever a processor reaches a stage for the first time, and is longer on a
 * busy host (kernel/base/patience.h): there a processor can be many seconds late without being
 * dead. Reaching the same stage again is no progress, so a stuck processor gains no time.
 *
 * A processor whose host did not run it between the two INITs sees them as one, and QEMU keeps the
 * first start-up IPI for it. It then enters the trampoline before the second start-up IPI is sent,
 * which it will ignore, as it runs. So a processor that finds its record held waits there for the
 * offer (smp/start/trampoline.asm): no start-up is lost.
 *
 * Pure: the boot CPU's side only, hardware by ops, times in ticks of ops->now. Boot CPU; allocates
 * nothing. It waits by reading the clock without PAUSE: in some emulators a PAUSE costs a round
 * through all virtual CPUs.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_START_BRINGUP_BATCH_H
#define PERCH_SMP_START_BRINGUP_BATCH_H

#include "kernel/base/patience.h"
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
    /* Called every few seconds without progress, so that the log shows life. May be NULL. */
    void (*still_waiting)(void *ctx, u32 missing, u64 ticks);
};

/* All in ticks. */
struct bringup_times {
    u64 init_wait;       /* between INIT and start-up, first attempt */
    u64 retry_init_wait; /* the same, second attempt: an earlier INIT must have arrived */
    u64 second_startup;  /* from the first start-up IPI to the second; 0: without progress */
    u64 deadline;        /* without progress until the end; half of it until the second attempt */
    u64 say;             /* between two calls of still_waiting() */
};

struct bringup_batch {
    struct smp_record *rec;
    u32 n;
    const struct bringup_ops *ops;
    void *ctx;
    struct bringup_times times;
    struct patience_host *host; /* NULL: the deadline is exact */
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
 * The deadline is 100 ms, under a hypervisor 2 s, on a busy host more.
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
