/*
 * The tree over a chunk's blocks; see chunk_tree.h.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/chunk/chunk_tree.h"

#include "percpu/chunk/block_list.h"
#include "percpu/chunk/chunk_block.h"

static const struct pcpu_runs no_runs = {0, 0, 0};
static const struct pcpu_runs full_runs = {PCPU_BLOCK_GRANULES, PCPU_BLOCK_GRANULES,
                                           PCPU_BLOCK_GRANULES};

/* ---- all nodes ------------------------------------------------------------------------------- */

u32 pcpu_tree_nodes(u32 nr_blocks, u32 height, u32 level)
{
    u32 span = 1u << FANOUT_SHIFT * level;

    return level == height ? 1 : (u32)align_up((nr_blocks + span - 1) / span, FANOUT);
}

void pcpu_tree_init(struct pcpu_chunk *c)
{
    for (u32 level = 0; level <= c->height; level++) {
        u32 nodes = pcpu_tree_nodes(c->nr_blocks, c->height, level);
        u32 span = 1u << FANOUT_SHIFT * level;

        for (u32 i = 0, rest = c->nr_blocks; i < nodes; i++) {
            struct pcpu_tree_node *node = &c->level[level][i];
            u32 blocks = MIN(span, rest), free = blocks * PCPU_BLOCK_GRANULES;

            node->pop = no_runs;
            node->all.pre = node->all.max = free;
            node->all.suf = blocks == span ? free : 0;
            node->nr_unpopulated = blocks;
            node->nr_empty = 0;
            rest -= blocks;
        }
    }
}

void pcpu_tree_count_empty(struct pcpu_chunk *c, u32 block, u32 add)
{
    for (u32 level = 0; level <= c->height; level++, block >>= FANOUT_SHIFT)
        c->level[level][block].nr_empty += add;
}

/* ---- a node from all of its children --------------------------------------------------------- */

struct scan {
    u32 run; /* free run at the end of the last child scanned */
    u32 max;
};

static ALWAYS_INLINE void scan_child(struct scan *s, const struct pcpu_runs *r, u32 len)
{
    if (r->max == len) {
        s->run += len;
        return;
    }
    if (!r->max) {
        s->max = MAX(s->max, s->run);
        s->run = 0;
        return;
    }
    s->run += r->pre;
    s->max = MAX(s->max, s->run);
    s->max = MAX(s->max, r->max);
    s->run = r->suf;
}

/* len: granules of a child's span. True: *out has changed. */
static ALWAYS_INLINE bool from_children(struct pcpu_runs *out, const struct pcpu_tree_node *child,
                                        bool any, u32 len)
{
    struct scan s = {0, 0};
    u32 pre = pcpu_node_runs(child, any)->pre, changed;

    /* Unrolled for speed: an allocation that changes the tree spends most of its time here. */
    scan_child(&s, pcpu_node_runs(child, any), len);
    scan_child(&s, pcpu_node_runs(child + 1, any), len);
    scan_child(&s, pcpu_node_runs(child + 2, any), len);
    scan_child(&s, pcpu_node_runs(child + 3, any), len);
    scan_child(&s, pcpu_node_runs(child + 4, any), len);
    scan_child(&s, pcpu_node_runs(child + 5, any), len);
    scan_child(&s, pcpu_node_runs(child + 6, any), len);
    scan_child(&s, pcpu_node_runs(child + 7, any), len);
    s.max = MAX(s.max, s.run);
    if (s.run == FANOUT * len)
        pre = s.run;
    for (u32 j = 1; pre == j * len && j < FANOUT; j++)
        pre += pcpu_node_runs(&child[j], any)->pre;
    changed = (out->pre ^ pre) | (out->suf ^ s.run) | (out->max ^ s.max);
    out->pre = pre;
    out->suf = s.run;
    out->max = s.max;
    return changed;
}

/* Both counts of a node in one word. No sum of a count overflows its half. */
static ALWAYS_INLINE u64 counts(const struct pcpu_tree_node *node)
{
    u64 both;

    memcpy(&both, (const u8 *)node + offsetof(struct pcpu_tree_node, nr_unpopulated), sizeof(both));
    return both;
}

static ALWAYS_INLINE void refresh_node(struct pcpu_chunk *c, u32 level, u32 i, bool pop)
{
    struct pcpu_tree_node *node = &c->level[level][i], *child = &c->level[level - 1][i * FANOUT];
    u32 len = pcpu_span(level - 1);
    u64 sum = counts(child) + counts(child + 1) + counts(child + 2) + counts(child + 3) +
              counts(child + 4) + counts(child + 5) + counts(child + 6) + counts(child + 7);

    memcpy((u8 *)node + offsetof(struct pcpu_tree_node, nr_unpopulated), &sum, sizeof(sum));
    if (pop)
        from_children(&node->pop, child, false, len);
    if (node->nr_unpopulated)
        from_children(&node->all, child, true, len);
    else
        node->all = node->pop; /* only UNPOPULATED blocks make them differ */
}

static NOINLINE void refresh_any(struct pcpu_chunk *c, u32 level, u32 i)
{
    refresh_node(c, level, i, false);
}

static NOINLINE void refresh_both(struct pcpu_chunk *c, u32 level, u32 i)
{
    refresh_node(c, level, i, true);
}

static inline void refresh(struct pcpu_chunk *c, u32 level, u32 i, bool pop)
{
    if (pop)
        refresh_both(c, level, i);
    else
        refresh_any(c, level, i);
}

static_assert(sizeof(struct pcpu_tree_node) == 4 * sizeof(u64), "four words");

typedef u64 __attribute__((may_alias)) node_word;

/*
 * Writes n equal nodes, maybe many, in words of 8 bytes. If inlined, the compiler would store field
 * by field.
 */
static NOINLINE void fill(struct pcpu_tree_node *nodes, u32 n, const struct pcpu_tree_node *like)
{
    const node_word *from = (const node_word *)like;
    node_word *to = (node_word *)nodes, *end = to + (size_t)n * 4;
    u64 a = from[0], b = from[1], c = from[2], d = from[3];

    if (n & 1) {
        to[0] = a;
        to[1] = b;
        to[2] = c;
        to[3] = d;
        to += 4;
    }
    for (; to != end; to += 8) {
        to[0] = to[4] = a;
        to[1] = to[5] = b;
        to[2] = to[6] = c;
        to[3] = to[7] = d;
    }
}

/* The parent of eight nodes equal to this one. */
static ALWAYS_INLINE struct pcpu_tree_node above_same(struct pcpu_tree_node child)
{
    u32 pop = child.pop.max * FANOUT, all = child.all.max * FANOUT;

    return (struct pcpu_tree_node){.pop = {pop, pop, pop},
                                   .all = {all, all, all},
                                   .nr_unpopulated = child.nr_unpopulated * FANOUT,
                                   .nr_empty = child.nr_empty * FANOUT};
}

/*
 * Makes the leaves first..last equal to `like`. pop: their populated runs change, too. On each
 * level, nodes whose leaves all changed are equal as well; only the node at each end is computed
 * from its children. An ancestor of `next`, the next run's first block, is updated with that run.
 */
static void set_run(struct pcpu_chunk *c, u32 first, u32 last, u32 next, struct pcpu_tree_node like,
                    bool pop)
{
    u32 lo = first, hi = last + 1; /* the equal nodes of a level */

    fill(&c->level[0][lo], hi - lo, &like);
    for (u32 level = 1; level <= c->height; level++) {
        first >>= FANOUT_SHIFT;
        last >>= FANOUT_SHIFT;
        next >>= FANOUT_SHIFT;
        lo = (lo + FANOUT - 1) >> FANOUT_SHIFT;
        hi >>= FANOUT_SHIFT;
        like = above_same(like);
        if (lo < hi)
            fill(&c->level[level][lo], hi - lo, &like);
        if (first < last && (first < lo || lo >= hi))
            refresh(c, level, first, pop);
        if (last != next && (last >= hi || lo >= hi))
            refresh(c, level, last, pop);
    }
}

void pcpu_tree_set(struct pcpu_chunk *c, u32 n, const u32 *blocks, enum pcpu_block_state from,
                   enum pcpu_block_state to)
{
    struct pcpu_tree_node leaf = {no_runs, no_runs, 0, 0};
    bool pop = from == PCPU_POPULATED || to == PCPU_POPULATED;

    if (to != PCPU_BUSY)
        leaf.all = full_runs;
    if (to == PCPU_POPULATED) {
        leaf.pop = full_runs;
        leaf.nr_empty = 1;
    }
    leaf.nr_unpopulated = to == PCPU_UNPOPULATED;
    for (u32 i = 0, run; i < n; i += run) {
        run = pcpu_blocks_run(blocks, i, n);
        set_run(c, blocks[i], blocks[i + run - 1], i + run < n ? blocks[i + run] : NO_BLOCK, leaf,
                pop);
    }
}

void pcpu_tree_refresh(struct pcpu_chunk *c, u32 first, u32 last)
{
    for (u32 level = 1; level <= c->height; level++) {
        first >>= FANOUT_SHIFT;
        last >>= FANOUT_SHIFT;
        for (u32 i = first; i <= last; i++)
            refresh_both(c, level, i);
    }
}

void pcpu_tree_init_region(struct pcpu_chunk *c)
{
    for (u32 level = 0; level <= c->height; level++)
        memset(c->level[level], 0,
               pcpu_tree_nodes(c->nr_blocks, c->height, level) * sizeof(struct pcpu_tree_node));
    for (u32 block = 0; block < c->nr_blocks; block++) {
        struct pcpu_tree_node *leaf = &c->level[0][block];
        const struct pcpu_block *b = c->blocks[block];

        if (!b)
            continue;
        leaf->pop.pre = pcpu_block_run_end(b, 0);
        leaf->pop.suf = PCPU_BLOCK_GRANULES - pcpu_block_run_begin(b, PCPU_BLOCK_GRANULES);
        leaf->pop.max = pcpu_block_max(b, b->free);
        leaf->all = leaf->pop;
        leaf->nr_empty = b->free == PCPU_BLOCK_GRANULES;
    }
    pcpu_tree_refresh(c, 0, c->nr_blocks - 1);
}

/* ---- a node after one child changed ---------------------------------------------------------- */

/* A child changed from *was to *is. True: the node changed. Avoids reading all children. */
static ALWAYS_INLINE bool child_changed(struct pcpu_runs *node, const struct pcpu_tree_node *child,
                                        bool any, u32 len, const struct pcpu_runs *was,
                                        const struct pcpu_runs *is)
{
    if (!((is->pre ^ was->pre) | (is->suf ^ was->suf))) {
        /* No run across the child's borders has changed. */
        if (is->max > node->max) {
            node->max = is->max;
            return true;
        }
        if (was->max < node->max)
            return false;
    }
    return from_children(node, child, any, len);
}

/* Updates `all`. It differs from `pop` only in nodes with UNPOPULATED blocks. */
static void climb_all(struct pcpu_chunk *c, u32 block, const struct pcpu_runs *before)
{
    struct pcpu_runs was = *before, next;

    for (u32 level = 1; level <= c->height; level++) {
        const struct pcpu_tree_node *below = c->level[level - 1];
        struct pcpu_tree_node *node = &c->level[level][block >> FANOUT_SHIFT];

        next = node->all;
        if (!node->nr_unpopulated)
            node->all = node->pop;
        else if (!child_changed(&node->all, &below[block & -FANOUT], true, pcpu_span(level - 1),
                                &was, &below[block].all))
            return;
        was = next;
        block >>= FANOUT_SHIFT;
    }
}

void pcpu_tree_climb(struct pcpu_chunk *c, u32 block, const struct pcpu_runs *before)
{
    struct pcpu_runs was = *before, next;
    bool all = c->root->nr_unpopulated != 0;
    u32 i = block;

    for (u32 level = 1; level <= c->height; level++) {
        const struct pcpu_tree_node *below = c->level[level - 1];
        struct pcpu_tree_node *node = &c->level[level][i >> FANOUT_SHIFT];

        next = node->pop;
        if (!child_changed(&node->pop, &below[i & -FANOUT], false, pcpu_span(level - 1), &was,
                           &below[i].pop))
            break;
        if (!all)
            node->all = node->pop;
        was = next;
        i >>= FANOUT_SHIFT;
    }
    if (all)
        climb_all(c, block, before);
}

/* ---- blocks by their counts ------------------------------------------------------------------ */

u32 pcpu_tree_next_unpopulated(const struct pcpu_chunk *c, u32 from)
{
    u32 i = from, level = 0;

    /* Climbs until a node >= i has one. For i = 8 * x, node x of the next level starts at i. */
    for (; level < c->height; level++) {
        while (i % FANOUT && !c->level[level][i].nr_unpopulated)
            i++;
        if (i % FANOUT)
            break;
        i /= FANOUT;
    }
    if (level == c->height && (i || !c->root->nr_unpopulated))
        return NO_BLOCK;
    while (level--) {
        i *= FANOUT;
        while (!c->level[level][i].nr_unpopulated)
            i++;
    }
    return i;
}

u32 pcpu_tree_last_empty(const struct pcpu_chunk *c, u32 below)
{
    u32 i = below, level = 0; /* i - 1: the next node to check */

    for (; level < c->height; level++) {
        while (i % FANOUT && !c->level[level][i - 1].nr_empty)
            i--;
        if (i % FANOUT)
            break;
        i /= FANOUT;
    }
    if (level == c->height && (!i || !c->root->nr_empty))
        return NO_BLOCK;
    i--;
    while (level--) {
        i = i * FANOUT + FANOUT - 1;
        while (!c->level[level][i].nr_empty)
            i--;
    }
    return i;
}
