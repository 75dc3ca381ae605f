/*
 * The HMAT against SRAT and SLIT; see numa_check.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/firmware.h"
#include "mm/numa/numa_check.h"

/* True for domains of nodes, and of ports (SRAT type 6), which have no node. */
static bool known(const struct numa_check *c, u32 pxm)
{
    const struct srat_records *srat = c->in->srat;

    if (numa_pxm_node(c->topo, pxm) != NODE_NONE)
        return true;
    for (u32 i = 0; i < srat->initiator_count; i++)
        if (srat->initiators[i].enabled && srat->initiators[i].pxm == pxm)
            return true;
    return false;
}

static void domain(const struct numa_check *c, const struct hmat_item *item, const char *what,
                   u32 pxm)
{
    if (!known(c, pxm))
        firmware_finding(FW_HMAT_DOMAIN,
                         "structure %u at offset 0x%x: %s domain %u is not in the SRAT",
                         item->index, item->offset, what, pxm);
}

static void check_known(const struct numa_check *c, const struct hmat_item *item)
{
    const struct hmat_locality *l = &item->locality;

    if (item->type == HMAT_CACHE)
        domain(c, item, "memory", item->cache.memory);
    if (item->type == HMAT_PROXIMITY && item->proximity.has_memory)
        domain(c, item, "memory", item->proximity.memory);
    if (item->type == HMAT_PROXIMITY && item->proximity.has_initiator)
        domain(c, item, "initiator", item->proximity.initiator);
    for (u32 i = 0; item->type == HMAT_LOCALITY && i < l->initiators; i++)
        domain(c, item, "initiator", hmat_initiator(l, i));
    for (u32 i = 0; item->type == HMAT_LOCALITY && i < l->targets; i++)
        domain(c, item, "target", hmat_target(l, i));
}

/* The fastest and the slowest target of one initiator, by distance in the SLIT. */
struct by_distance {
    u32 least[256], most[256]; /* latency; 0: no target at this distance */
    u32 least_pxm[256], most_pxm[256];
};

static void sort_targets(const struct numa_check *c, const struct hmat_locality *l, u32 initiator,
                         s32 from, struct by_distance *d)
{
    *d = (struct by_distance){0};
    for (u32 t = 0; t < l->targets; t++) {
        u32 pxm = hmat_target(l, t), latency = hmat_value(l, initiator, t);
        s32 to = numa_pxm_node(c->topo, pxm);
        u8 at = to == NODE_NONE ? 0 : numa_distance(c->topo, from, to);

        if (!at || !latency)
            continue;
        if (!d->least[at] || latency < d->least[at]) {
            d->least[at] = latency;
            d->least_pxm[at] = pxm;
        }
        if (latency > d->most[at]) {
            d->most[at] = latency;
            d->most_pxm[at] = pxm;
        }
    }
}

/* Reports the first target that is nearer than another by the SLIT, and slower by the HMAT. */
static void compare(const struct hmat_locality *l, u32 initiator, const struct by_distance *d)
{
    u32 slowest = 0, nearer = 0;

    for (u32 at = SLIT_LOCAL; at < ARRAY_SIZE(d->least); at++) {
        if (!d->least[at])
            continue;
        if (slowest && d->most[nearer] > d->least[at]) {
            firmware_finding(FW_HMAT_SLIT_ORDER,
                             "from domain %u the SLIT has domain %u (%u) nearer than domain %u "
                             "(%u), the HMAT's %s is %u and %u nsec",
                             hmat_initiator(l, initiator), d->most_pxm[nearer], nearer,
                             d->least_pxm[at], at, hmat_data_name(l->data), d->most[nearer],
                             d->least[at]);
            return;
        }
        if (d->most[at] > slowest) {
            slowest = d->most[at];
            nearer = at;
        }
    }
}

static void check_order(const struct numa_check *c, const struct hmat_locality *l)
{
    struct by_distance d;

    if (l->hierarchy != 0 || !hmat_is_latency(l->data))
        return;
    for (u32 i = 0; i < l->initiators; i++) {
        s32 from = numa_pxm_node(c->topo, hmat_initiator(l, i));

        if (from == NODE_NONE)
            continue;
        sort_targets(c, l, i, from, &d);
        compare(l, i, &d);
    }
}

void numa_check_hmat(const struct numa_check *c)
{
    struct hmat_walk w;
    struct hmat_item item;

    hmat_walk_begin(&w, c->hmat);
    while (hmat_walk_next(&w, &item)) {
        check_known(c, &item);
        if (item.type == HMAT_LOCALITY && c->topo->distance_source == NUMA_DISTANCE_SLIT)
            check_order(c, &item.locality);
    }
}
