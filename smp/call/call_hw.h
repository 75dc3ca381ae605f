/*
 * The hardware under smp/call/call_core.h, for both that stand on it: cross-CPU calls
 * (smp/call/call.h) and TLB shoot-down (smp/call/tlb.h). Each has requests and a vector of its own,
 * so that a shoot-down gets through where a call does not; the way to a CPU, the clock and who is
 * online are the same.
 *
 * The functions are a struct call_ops' callbacks, with a struct call_kind as their context.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_CALL_CALL_HW_H
#define PERCH_SMP_CALL_CALL_HW_H

#include "smp/call/call_core.h"

#define CALL_FIRST_DEADLINE (1ULL << 34) /* ticks: some seconds, until the clock is known */

struct call_kind {
    struct call_cpu *cpus; /* per CPU */
    u8 vector;
    bool (*serve)(void); /* on this CPU, interrupts off */
};

struct call_cpu *call_hw_of(void *ctx, u32 cpu);
void call_hw_kick(void *ctx, u32 cpu);
u64 call_hw_now(void *ctx); /* lets the other hardware thread run */
void call_hw_serve(void *ctx);
bool call_hw_online(void *ctx, u32 cpu);

/* How long the other CPUs have, in ticks, before the NMI; returns what it was. */
static inline u64 call_set_deadline(struct call_ops *ops, u64 ticks)
{
    u64 old = ops->deadline;

    ops->deadline = ticks;
    return old;
}

#endif
