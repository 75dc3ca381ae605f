/*
 * The list of events. See events.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/events.h"
#include "kernel/base/print.h"
#include "kernel/base/string.h"

static const struct event_kind kinds[EVENT_NR_IDS] = {
#define EVENT_KIND(name, id, class, text) [EVENT_##name] = {id, text, EVENT_CLASS_##class},
    EVENT_IDS(EVENT_KIND)
#undef EVENT_KIND
};

const struct event_kind *event_kind(enum event_id id)
{
    ASSERT((u32)id < EVENT_NR_IDS);
    return &kinds[id];
}

enum event_id event_find(const char *id)
{
    u32 i = 0;

    while (i < EVENT_NR_IDS && strcmp(kinds[i].id, id) != 0)
        i++;
    return i;
}
