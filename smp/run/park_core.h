/*
 * How a CPU leaves and joins the online set while other CPUs call it and shoot down translations:
 * the state of one CPU, and the order of the steps. Promises, under any interleaving:
 *   - a request posted to a CPU that leaves is either run before it leaves or refused;
 *   - no shoot-down waits for a parked CPU;
 *   - a CPU that comes back has no translation that was shot down while it was parked.
 *
 * Leaving: out of the set, then refuse the waiting callers (smp/call/call_core.h has the other
 * half). Joining: into the set, then the full flush, then everything else. A shoot-down changes the
 * tables, then reads the set. If it does not see the CPU, its read came before the CPU's entry; so
 * the tables changed before the flush, and what the CPU loads after the flush is new. If it sees
 * the CPU, it waits for the CPU's answer. There is no third case: entering is one atomic operation.
 *
 *     RUNNING -> ASKED -> LEAVING -> PARKED -> WAKING -> RUNNING
 *        ^---------' (taken back)
 *     RUNNING -> WAKING -> RUNNING             a CPU that starts for the first time
 *
 * Pure: state by pointer, the CPU by ops; C11 atomics.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_RUN_PARK_CORE_H
#define PERCH_SMP_RUN_PARK_CORE_H

#include <stdatomic.h>
#include "kernel/base/types.h"

enum park_state { PARK_RUNNING, PARK_ASKED, PARK_LEAVING, PARK_PARKED, PARK_WAKING };

/*
 *  - who writes: the state, by compare-and-swap: the CPU itself from ASKED, LEAVING and WAKING on,
 *    the one CPU that has asked (one request at a time) from RUNNING and PARKED on, and back to
 *    RUNNING from ASKED, or from WAKING when a first start has failed;
 *  - who reads: both, the CPU also while it halts;
 *  - which order: each step acquires and releases: who sees PARKED sees that the CPU has left the
 *    online set and refused its callers; who sees RUNNING again sees what its hooks did. The halt
 *    is woken by an NMI, after which the state is read again, so no step is slept over.
 */
struct park_cpu {
    _Atomic u32 state;
};

/* All on the CPU itself, interrupts off; leave and enter are sequentially consistent. */
struct park_ops {
    void (*leave)(void *ctx, u32 cpu);                 /* out of the online set */
    void (*refuse)(void *ctx, u32 cpu);                /* the callers that wait for this CPU */
    void (*halt)(void *ctx, const struct park_cpu *p); /* until the state is not PARKED */
    void (*enter)(void *ctx, u32 cpu);                 /* into the online set */
    void (*flush)(void *ctx);                          /* every translation, global ones too */
    void *ctx;
};

static inline enum park_state park_state(const struct park_cpu *p)
{
    return atomic_load_explicit(&p->state, memory_order_acquire);
}

/* One step of the diagram; false: the CPU is not in state from. */
bool park_step(struct park_cpu *p, enum park_state from, enum park_state to);

/*
 * The CPU's own part between LEAVING and WAKING. Returns when another CPU has stepped PARKED to
 * WAKING and this CPU is online again. Interrupts off throughout.
 */
void park_stay(struct park_cpu *p, u32 cpu, const struct park_ops *ops);

#endif
