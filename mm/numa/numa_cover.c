/*
 * Every byte of RAM gets a node: RAM in no SRAT entry gets the node of a neighbour, neighbouring
 * ranges of one node are joined, and RAM is counted by node. See numa.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/errno.h"
#include "kernel/base/print.h"
#include "mm/numa/numa_types.h"

struct cover {
    struct numa_pieces gaps;
    u32 lines; /* printed so far, to bound their number */
};

/* RAM [start, end) is in no piece; above: index of the first piece above it. */
static void add_gap(struct numa_builder *b, struct cover *c, u64 start, u64 end, u32 above)
{
    const struct numa_piece *neighbour = &b->pieces.p[above ? above - 1 : 0];
    struct numa_piece gap = {.start = start, .end = end, .node = neighbour->node};

    ASSERT(c->gaps.count < c->gaps.max);
    c->gaps.p[c->gaps.count++] = gap;
    b->t->uncovered_bytes += end - start;
    if (c->lines++ < FIRMWARE_LINES)
        pr_info("NUMA: " RANGE_FMT " is in no SRAT entry: node %d", RANGE_ARG(gap), gap.node);
}

/* Gaps are RAM without the pieces; both lists are sorted and disjoint. */
static void find_gaps(struct numa_builder *b, struct cover *c)
{
    const struct numa_pieces *p = &b->pieces;
    u32 i = 0;

    for (u32 r = 0; r < b->in->ram_count; r++) {
        u64 at = b->in->ram[r].start, end = b->in->ram[r].end;

        while (i < p->count && p->p[i].end <= at)
            i++;
        while (at < end) {
            u64 stop = i < p->count ? MIN(p->p[i].start, end) : end;

            if (at < stop)
                add_gap(b, c, at, stop, i);
            if (i == p->count || p->p[i].end > end)
                break;
            at = MAX(stop, p->p[i].end);
            i++;
        }
    }
}

static void judge_gaps(struct numa_builder *b)
{
    u64 bytes = b->t->uncovered_bytes;

    if (bytes)
        firmware_finding(bytes > NUMA_UNCOVERED_SLACK ? FW_SRAT_UNCOVERED : FW_SRAT_UNCOVERED_SMALL,
                         "%llu KiB of RAM are in no entry", (ull)(bytes / SZ_1K));
}

/* Makes the topology's memory from sorted, disjoint pieces. Prints joins as Linux does. */
static int join(struct numa_builder *b, const struct numa_piece *p, u32 count)
{
    struct numa_topology *t = b->t;

    t->memory = numa_get(b, count, sizeof(*t->memory));
    if (!t->memory)
        return -ENOMEM;
    for (u32 i = 0; i < count; i++) {
        struct numa_memory *last = t->memory_count ? &t->memory[t->memory_count - 1] : NULL;

        if (last && last->node == p[i].node && last->hotplug == p[i].hotplug &&
            last->nonvolatile == p[i].nonvolatile) {
            struct range joined = {last->start, p[i].end};

            pr_info("NUMA: Node %d " RANGE_FMT " + " RANGE_FMT " -> " RANGE_FMT, last->node,
                    RANGE_ARG(*last), RANGE_ARG(p[i]), RANGE_ARG(joined));
            last->end = p[i].end;
            continue;
        }
        t->memory[t->memory_count++] = (struct numa_memory){
            .start = p[i].start,
            .end = p[i].end,
            .node = p[i].node,
            .hotplug = p[i].hotplug,
            .nonvolatile = p[i].nonvolatile,
        };
    }
    return 0;
}

/* Bytes of RAM in each node's memory. Both lists are sorted. */
void numa_count_ram(struct numa_topology *t, const struct range *ram, u32 ram_count)
{
    u32 i = 0;

    for (u32 r = 0; r < ram_count; r++) {
        while (i < t->memory_count && t->memory[i].end <= ram[r].start)
            i++;
        for (u32 m = i; m < t->memory_count && t->memory[m].start < ram[r].end; m++) {
            struct range part =
                range_intersect(ram[r], (struct range){t->memory[m].start, t->memory[m].end});

            t->nodes[t->memory[m].node].ram_bytes += range_size(part);
        }
    }
    for (u32 n = 0; n < t->node_count; n++)
        t->nodes[n].has_memory = t->nodes[n].ram_bytes != 0;
}

/* Without a map of RAM: the ranges of the SRAT, without the gaps that a join spans. */
static void count_srat_memory(struct numa_builder *b)
{
    struct numa_topology *t = b->t;

    for (u32 i = 0; i < b->pieces.count; i++)
        t->nodes[b->pieces.p[i].node].ram_bytes += b->pieces.p[i].end - b->pieces.p[i].start;
    for (u32 n = 0; n < t->node_count; n++)
        t->nodes[n].has_memory = t->nodes[n].ram_bytes != 0;
}

int numa_cover_ram(struct numa_builder *b)
{
    struct cover c = {.gaps.max = 2 * b->pieces.count + b->in->ram_count};
    u32 n = b->pieces.count;
    int err;

    /* Gaps and pieces go into one array: at most one gap below each piece and in each range. */
    c.gaps.p = numa_get(b, c.gaps.max, sizeof(*c.gaps.p));
    if (!c.gaps.p)
        return -ENOMEM;
    c.gaps.max -= n;
    find_gaps(b, &c);
    judge_gaps(b);
    for (u32 i = 0; i < n; i++)
        c.gaps.p[c.gaps.count + i] = b->pieces.p[i];
    numa_sort_pieces(c.gaps.p, c.gaps.count + n);
    err = join(b, c.gaps.p, c.gaps.count + n);
    numa_put(b, c.gaps.p, c.gaps.max + n, sizeof(*c.gaps.p));
    if (err)
        return err;
    if (b->in->ram)
        numa_count_ram(b->t, b->in->ram, b->in->ram_count);
    else
        count_srat_memory(b);
    return 0;
}
