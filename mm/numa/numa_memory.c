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

/*
 * Ranges are visited by rising start. Each is compared with two earlier ones: the one of its own
 * node with the highest end, and the one of another node with the highest end. So each range makes
 * at most one finding of either kind. top: the range with the highest end so far; other: the one
 * with the highest end among ranges that are not on top's node.
 */
static int report_overlaps(struct numa_builder *b)
{
    struct numa_piece **own = numa_get(b, b->t->node_count, sizeof(struct numa_piece *));
    struct numa_piece *top = NULL, *other = NULL;

    if (!own)
        return -ENOMEM;
    for (u32 i = 0; i < b->srat.count; i++) {
        struct numa_piece *p = &b->srat.p[i];
        struct numa_piece *foreign = top && top->node == p->node ? other : top;

        if (own[p->node] && own[p->node]->end > p->start)
            report(own[p->node], p);
        if (foreign && foreign->end > p->start)
            report(foreign, p);
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
    err = report_overlaps(b);
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
