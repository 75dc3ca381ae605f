/*
 * Overlapping memory ranges of the SRAT: their findings, and the node that gets the bytes. See
 * numa.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/errno.h"
#include "kernel/base/print.h"
#include "kernel/base/sort.h"
#include "mm/numa/numa_types.h"

static int by_start(const void *a, const void *b, void *ctx UNUSED)
{
    const struct numa_piece *x = a, *y = b;

    return sort_order(x->start, y->start) ?: sort_order(x->entry, y->entry);
}

void numa_sort_pieces(struct numa_piece *p, u32 count)
{
    sort(p, count, sizeof(*p), by_start, NULL);
}

/* Without a memory map what is plugged in later, and what is persistent, counts as no RAM. */
static bool has_ram(const struct numa_input *in, const struct numa_piece *p)
{
    u32 at;

    if (!in->ram)
        return !p->hotplug && !p->nonvolatile;
    at = FIRST_WHERE(i, in->ram_count, in->ram[i].end > p->start);
    return at < in->ram_count && in->ram[at].start < p->end;
}

/* Linux drops ranges without RAM before it looks for overlaps (numa_cleanup_meminfo()). */
static void report_unused(const struct numa_piece *x, const struct numa_piece *y)
{
    const struct numa_piece *first = x->entry < y->entry ? x : y, *later = first == x ? y : x;
    const struct numa_piece *empty = later->has_ram ? first : later;

    firmware_finding(FW_SRAT_OVERLAP_NO_RAM,
                     "entry %u node %d " RANGE_FMT " overlaps with entry %u node %d " RANGE_FMT
                     ", entry %u has no RAM",
                     later->entry, later->node, RANGE_ARG(*later), first->entry, first->node,
                     RANGE_ARG(*first), empty->entry);
}

static void report(const struct numa_piece *x, const struct numa_piece *y)
{
    const struct numa_piece *first = x->entry < y->entry ? x : y, *later = first == x ? y : x;
    struct range lost =
        range_intersect((struct range){x->start, x->end}, (struct range){y->start, y->end});

    if (x->node == y->node) {
        firmware_finding(FW_SRAT_SELF_OVERLAP,
                         "entry %u node %d " RANGE_FMT
                         " overlaps with entry %u of the same node " RANGE_FMT ", merged",
                         later->entry, later->node, RANGE_ARG(*later), first->entry,
                         RANGE_ARG(*first));
        return;
    }
    firmware_finding(FW_SRAT_OVERLAP,
                     "entry %u node %d " RANGE_FMT " overlaps with entry %u node %d " RANGE_FMT
                     ", entry %u loses " RANGE_FMT,
                     later->entry, later->node, RANGE_ARG(*later), first->entry, first->node,
                     RANGE_ARG(*first), later->entry, RANGE_ARG(lost));
}

/* x may be NULL; it starts before y, or where y does. */
static void report_pair(const struct numa_piece *x, const struct numa_piece *y, bool ram)
{
    if (!x || x->end <= y->start)
        return;
    if (ram)
        report(x, y);
    else if (!x->has_ram || !y->has_ram)
        report_unused(x, y);
}

/*
 * ram: overlaps of ranges that both have RAM, else those of pairs in which one has none.
 * Ranges are visited by rising start. Each is compared with two earlier ones: the one of its own
 * node with the highest end, and the one of another node with the highest end. So each range makes
 * at most one finding of either kind. top: the range with the highest end so far; other: the one
 * with the highest end among ranges that are not on top's node.
 */
static int report_overlaps(struct numa_builder *b, bool ram)
{
    struct numa_piece **own = numa_get(b, b->t->node_count, sizeof(struct numa_piece *));
    struct numa_piece *top = NULL, *other = NULL;

    if (!own)
        return -ENOMEM;
    for (u32 i = 0; i < b->srat.count; i++) {
        struct numa_piece *p = &b->srat.p[i];
        struct numa_piece *foreign = top && top->node == p->node ? other : top;

        if (ram && !p->has_ram)
            continue;
        report_pair(own[p->node], p, ram);
        report_pair(foreign, p, ram);
        if (!own[p->node] || p->end > own[p->node]->end)
            own[p->node] = p;
        if (!top || p->end > top->end) {
            if (top && top->node != p->node)
                other = top;
            top = p;
        } else if (p->node != top->node && (!other || p->end > other->end)) {
            other = p;
        }
    }
    numa_put(b, own, b->t->node_count, sizeof(struct numa_piece *));
    return 0;
}

/* A heap of the ranges that contain an address. The lowest entry number, on top, owns it. */
struct owners {
    struct numa_piece **heap;
    u32 count;
};

static void push(struct owners *o, struct numa_piece *p)
{
    u32 i = o->count++;

    for (; i && o->heap[(i - 1) / 2]->entry > p->entry; i = (i - 1) / 2)
        o->heap[i] = o->heap[(i - 1) / 2];
    o->heap[i] = p;
}

static void pop(struct owners *o)
{
    struct numa_piece *last = o->heap[--o->count];
    u32 i = 0;

    for (;;) {
        u32 child = 2 * i + 1;

        if (child >= o->count)
            break;
        if (child + 1 < o->count && o->heap[child + 1]->entry < o->heap[child]->entry)
            child++;
        if (o->heap[child]->entry > last->entry)
            break;
        o->heap[i] = o->heap[child];
        i = child;
    }
    o->heap[i] = last;
}

/* Adds [start, end) of from; extends the last piece when it ends at start and has the entry. */
static void emit(struct numa_pieces *out, const struct numa_piece *from, u64 start, u64 end)
{
    struct numa_piece *last = out->count ? &out->p[out->count - 1] : NULL;

    if (last && last->end == start && last->entry == from->entry) {
        last->end = end;
        return;
    }
    ASSERT(out->count < out->max);
    out->p[out->count] = *from;
    out->p[out->count].start = start;
    out->p[out->count++].end = end;
}

/* Visits all starts and ends upwards; between two of them the owner is the same. */
static void give_to_owners(struct numa_builder *b, struct owners *o)
{
    struct numa_piece *p = b->srat.p;
    u32 n = b->srat.count, i = 0;
    u64 at = 0, next;

    while (i < n || o->count) {
        if (!o->count)
            at = p[i].start;
        while (i < n && p[i].start <= at)
            push(o, &p[i++]);
        while (o->count && o->heap[0]->end <= at)
            pop(o);
        if (!o->count)
            continue;
        next = o->heap[0]->end;
        if (i < n && p[i].start < next)
            next = p[i].start;
        emit(&b->pieces, o->heap[0], at, next);
        at = next;
    }
}

int numa_settle_memory(struct numa_builder *b)
{
    struct owners o = {0};
    u32 n = b->srat.count;
    int err;

    numa_sort_pieces(b->srat.p, n);
    for (u32 i = 0; i < n; i++)
        b->srat.p[i].has_ram = has_ram(b->in, &b->srat.p[i]);
    err = report_overlaps(b, true);
    if (!err)
        err = report_overlaps(b, false);
    if (err)
        return err;
    /* n ranges have 2 n starts and ends, and a piece begins only at one of these. */
    b->pieces.max = 2 * n;
    b->pieces.p = numa_get(b, b->pieces.max, sizeof(*b->pieces.p));
    o.heap = numa_get(b, n, sizeof(struct numa_piece *));
    if (!b->pieces.p || !o.heap)
        return -ENOMEM;
    give_to_owners(b, &o);
    numa_put(b, o.heap, n, sizeof(struct numa_piece *));
    return 0;
}
