/*
 * The order of leaving and joining; see park_core.h.
 * SPDX-License-Identifier: MIT
 */
#include "smp/run/park_core.h"

#include "kernel/base/print.h"

bool park_step(struct park_cpu *p, enum park_state from, enum park_state to)
{
    u32 expect = from;

    return atomic_compare_exchange_strong_explicit(&p->state, &expect, to, memory_order_acq_rel,
                                                   memory_order_acquire);
}

void park_stay(struct park_cpu *p, u32 cpu, const struct park_ops *ops)
{
    ops->leave(ops->ctx, cpu);
    ops->refuse(ops->ctx, cpu);
    ASSERT(park_step(p, PARK_LEAVING, PARK_PARKED));
    while (park_state(p) == PARK_PARKED)
        ops->halt(ops->ctx, p);
    ops->enter(ops->ctx, cpu);
    ops->flush(ops->ctx);
}
