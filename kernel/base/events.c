/*
 * The list of events and their counters. See events.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/events.h"

#include "kernel/base/print.h"

static const struct event_kind kinds[EVENT_NR_IDS] = {
#define EVENT_KIND(name, id, class, text) [EVENT_##name] = {id, text, EVENT_CLASS_##class},
    EVENT_IDS(EVENT_KIND)
#undef EVENT_KIND
};

static struct {
    u64 total, excused;
} counts[EVENT_NR_IDS];

const struct event_kind *event_kind(enum event_id id)
{
    ASSERT((u32)id < EVENT_NR_IDS);
    return &kinds[id];
}

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
