/*
 * Starts many processors as one batch with one set of deadlines. INIT goes to all, then a start-up
 * IPI to all, then a second one to those that are silent. Half-way through the deadline those that
 * are not online get INIT and start-up once more. At its end they are reset by INIT and left out.
 * So dead processors cost one deadline, whatever their number, and never stop the boot.
 *
 * The deadline restarts whenever a processor reaches a stage it had not reached before: on a busy
 * hypervisor a processor can be late by seconds without being dead. The second INIT costs nothing
 * for a processor that its host does not run at all. Reaching the same stage again is no progress,
 * so a stuck processor gains no time.
 *
 * Pure: the boot CPU's side only, hardware by ops, times in ticks of ops->now. Boot CPU; allocates
 * nothing. It waits by reading the clock, without PAUSE, which costs a round through all virtual
 * CPUs in some emulators.
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
    /* Did the processor run its first instruction in this attempt? Known before it finds its
     * record. forget_arrival() clears the sign before an attempt. */
    bool (*arrived)(void *ctx, const struct smp_record *rec);
    void (*forget_arrival)(void *ctx, const struct smp_record *rec);
};

/* All in ticks. */
struct bringup_times {
    u64 init_wait;       /* between INIT and start-up, first attempt */
    u64 retry_init_wait; /* the same in the second: an INIT in flight must have arrived */
    u64 second_startup;  /* after the first, to silent processors only */
    u64 retry;           /* without progress: the second attempt begins */
    u64 deadline;        /* the same from the same moment: the end of both attempts */
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
    u32 second_startup; /* start-up IPIs repeated */
    u64 silent_ticks;   /* from the last progress to giving up; 0: nobody was given up */
    u64 init_ticks;     /* sending INIT to all, first attempt */
    u64 startup_ticks;  /* sending the first start-up IPI to all, first attempt */
    u64 total_ticks;    /* from the first INIT to the end */
};

/*
 * How long to wait, for ticks_per_ms: INIT needs 10 ms before the start-up IPI on processors before
 * the Pentium 4 and Athlon 64 only, 0 elsewhere and under a hypervisor (Linux: init_udelay); under
 * a hypervisor deadlines are 20 times as long (2 s instead of 100 ms). The retry is in their
 * middle.
 */
struct bringup_times bringup_default_times(u64 ticks_per_ms, bool hypervisor, bool old_cpu);

/* Does this CPUID leaf 0 vendor (EBX, EDX, ECX as 12 characters) and family need the 10 ms? */
bool bringup_old_cpu(const char *vendor, u32 family);

/*
 * Starts all n processors; afterwards each record is BRING_ONLINE or BRING_GIVEN_UP. Those given up
 * are in INIT again, or ignore what they were sent; should one come late, its claim fails.
 */
void bringup_run(struct bringup_batch *batch, struct bringup_result *result);

#endif
