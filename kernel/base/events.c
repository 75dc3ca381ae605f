/*
 * The counters of events. See events.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/events.h"

#include "kernel/base/print.h"

static struct {
    u64 total, excused;
} counts[EVENT_NR_IDS];

void event_add(enum event_id id, u64 n)
{
    __atomic_fetch_add(&counts[id].total, n, __ATOMIC_RELAXED);
}

u64 event_total(enum event_id id)
{
    return __atomic_load_n(&counts[id].total, __ATOMIC_RELAXED);
}

u64 event_excused(enum event_id id)
{
    return __atomic_load_n(&counts[id].excused, __ATOMIC_RELAXED);
}

void event_excuse(enum event_id id, u64 n)
{
    ASSERT(event_excused(id) + n <= event_total(id));
    __atomic_fetch_add(&counts[id].excused, n, __ATOMIC_RELAXED);
}
