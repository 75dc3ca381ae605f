/*
 * Events: each counts alone, excused ones are told apart, and the list is complete.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/events.h"
#include "kernel/base/ktest.h"
#include "kernel/base/string.h"

KTEST(events, counted_and_excused_apart)
{
    u64 retries = event_total(EVENT_AP_RETRY), lost = event_total(EVENT_LOG_LOST);
    u64 excused = event_excused(EVENT_AP_RETRY);

    event_count(EVENT_AP_RETRY);
    event_add(EVENT_AP_RETRY, 2);
    EXPECT_EQ(event_total(EVENT_AP_RETRY), retries + 3);
    EXPECT_EQ(event_total(EVENT_LOG_LOST), lost);
    event_excuse(EVENT_AP_RETRY, 3);
    EXPECT_EQ(event_excused(EVENT_AP_RETRY), excused + 3);
    EXPECT_EQ(event_total(EVENT_AP_RETRY), retries + 3);
}

KTEST(events, every_id_has_its_own_name_and_a_text)
{
    for (u32 i = 0; i < EVENT_NR_IDS; i++) {
        const struct event_kind *kind = event_kind(i);

        EXPECT_TRUE(kind->id && kind->id[0] && kind->text && kind->text[0]);
        for (u32 j = 0; j < i; j++)
            EXPECT_NE(strcmp(kind->id, event_kind(j)->id), 0);
    }
}
