/*
 * The hardware under smp/call/call_core.h, for both kinds of request: cross-CPU calls
 * (smp/call/call.h) and TLB shoot-downs (smp/call/tlb.h). Each kind has its own requests and its
 * own vector, so that a shoot-down gets through while a call hangs. Both send the same IPI, read
 * the same clock and ask the same online set.
 *
 * Context: an online CPU; more at each function.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_CALL_CALL_HW_H
#define PERCH_SMP_CALL_CALL_HW_H

#include "smp/call/call_core.h"

struct call_kind {
    struct call_ops ops;
    struct call_cpu *cpus; /* per CPU */
    u8 vector;
    const char *name; /* "call" */
};

/* Ticks, a few seconds: the deadline until the boot knows the clock. */
#define CALL_FIRST_DEADLINE (1ULL << 34)
/* A longer silence is said in the log, again and again. */
#define CALL_SAY_MS 5000

/* Initialises kind `k`: its per-CPU requests, its vector, and what to do about a silent CPU. */
#define CALL_KIND(k, what, per_cpu_requests, its_vector, nmi_fn)                                   \
    {                                                                                              \
        .ops = {call_hw_of,                                                                        \
                call_hw_kick,                                                                      \
                nmi_fn,                                                                            \
                call_hw_now,                                                                       \
                call_hw_serve,                                                                     \
                call_hw_online,                                                                    \
                call_hw_waiting,                                                                   \
                &(k),                                                                              \
                CALL_FIRST_DEADLINE,                                                               \
                {CALL_FIRST_DEADLINE, NULL}},                                                      \
        .cpus = (per_cpu_requests), .vector = (its_vector), .name = (what),                        \
    }

/* The callbacks of struct call_ops; ctx is the struct call_kind. */
struct call_cpu *call_hw_of(void *ctx, u32 cpu);
void call_hw_kick(void *ctx, u32 cpu);
u64 call_hw_now(void *ctx); /* lets the other hardware thread run */
void call_hw_serve(void *ctx);
bool call_hw_online(void *ctx, u32 cpu);
void call_hw_waiting(void *ctx, u32 pending, u64 ticks);

/* Runs the requests that wait for this CPU. True: there was one. Interrupts off. */
bool call_kind_serve(const struct call_kind *kind);

/* This CPU has left the online set: refuses its waiting callers. Interrupts off. */
void call_kind_refuse(const struct call_kind *kind);

/*
 * How long a caller waits before the NMI, and again before it fails, in TSC ticks; the time
 * restarts when a target has finished. The boot sets it with patience_host(); tests shorten it,
 * without. Returns the old value.
 */
static inline struct call_deadline call_kind_set_deadline(struct call_kind *kind,
                                                          struct call_deadline deadline)
{
    struct call_deadline old = kind->ops.deadline;

    kind->ops.deadline = deadline;
    return old;
}

#endif
