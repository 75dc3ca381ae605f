/*
 * The report's part about the HMAT.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/report/report.h"

#include "kernel/base/print.h"

#define ROW_TARGETS 12 /* of one object: two lists of this many numbers fit a line */

static void must_add(struct report_list *list, bool known, u32 value)
{
    ASSERT(report_list_add(list, known, value));
}

/* From one initiator, in pieces. */
static void row(struct report *r, u32 structure, const struct hmat_locality *l, u32 initiator)
{
    for (u32 t = 0; t < l->targets;) {
        struct report_list targets = {0}, values = {0};

        for (u32 n = 0; n < ROW_TARGETS && t < l->targets; n++, t++) {
            u32 value = hmat_value(l, initiator, t);

            must_add(&targets, true, hmat_target(l, t));
            must_add(&values, value != 0, value);
        }
        report_object(r,
                      "\"type\":\"hmat\",\"structure\":%u,\"data\":\"%s\",\"unit\":\"%s\","
                      "\"hierarchy\":%u,\"initiator\":%u,\"targets\":[%s],\"values\":[%s]",
                      structure, hmat_data_id(l->data), hmat_is_latency(l->data) ? "ns" : "MB/s",
                      l->hierarchy, hmat_initiator(l, initiator), targets.text, values.text);
    }
}

static void attached(struct report *r, u32 structure, const struct hmat_proximity *p)
{
    struct report_list memory = {0}, initiator = {0};

    must_add(&memory, p->has_memory, p->memory);
    must_add(&initiator, p->has_initiator, p->initiator);
    report_object(r,
                  "\"type\":\"hmat\",\"structure\":%u,\"data\":\"attached-initiator\","
                  "\"memory\":%s,\"initiator\":%s",
                  structure, memory.text, initiator.text);
}

static void cache(struct report *r, const struct hmat_cache *c)
{
    report_object(r,
                  "\"type\":\"cache\",\"pxm\":%u,\"size\":%llu,\"levels\":%u,\"level\":%u,"
                  "\"associativity\":\"%s\",\"policy\":\"%s\",\"line\":%u",
                  c->memory, (ull)c->size, c->levels, c->level,
                  hmat_associativity_id(c->associativity), hmat_policy_id(c->policy), c->line);
}

void report_hmat(struct report *r, const struct hmat *h)
{
    struct hmat_walk w;
    struct hmat_item item;

    hmat_walk_begin(&w, h);
    while (hmat_walk_next(&w, &item)) {
        if (item.type == HMAT_PROXIMITY)
            attached(r, item.index, &item.proximity);
        else if (item.type == HMAT_CACHE)
            cache(r, &item.cache);
        for (u32 i = 0; item.type == HMAT_LOCALITY && i < item.locality.initiators; i++)
            row(r, item.index, &item.locality, i);
    }
}
