/*
 * The tree over a chunk's blocks that knows its free runs.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/string.h"
#include "percpu/chunk_internal.h"

static const struct pcpu_runs no_runs = {0, 0, 0};
static const struct pcpu_runs full_runs = {PCPU_BLOCK_GRANULES, PCPU_BLOCK_GRANULES,
                                           PCPU_BLOCK_GRANULES};

/* A parent's view of one of its children, of one kind of runs. */
static ALWAYS_INLINE const struct pcpu_runs *runs(const struct pcpu_tree_node *node, bool any)
{
    return any ? &node->all : &node->pop;
}

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

        for (u32 i = 0, left = c->nr_blocks; i < nodes; i++) {
            struct pcpu_tree_node *node = &c->level[level][i];
            u32 blocks = MIN(span, left), free = blocks * PCPU_BLOCK_GRANULES;

            node->pop = no_runs;
            node->all.pre = node->all.max = free;
            node->all.suf = blocks == span ? free : 0;
            node->nr_unpopulated = blocks;
            node->nr_empty = 0;
            left -= blocks;
        }
    }
}

void pcpu_tree_leaf(struct pcpu_chunk *c, u32 block)
{
    struct pcpu_tree_node *leaf = &c->level[0][block];
    const struct pcpu_block *b = c->blocks[block];

    leaf->pop = leaf->all = no_runs;
    leaf->nr_unpopulated = leaf->nr_empty = 0;
    if (c->state[block] == PCPU_UNPOPULATED) {
        leaf->all = full_runs;
        leaf->nr_unpopulated = 1;
    } else if (c->state[block] == PCPU_POPULATED && b->free == PCPU_BLOCK_GRANULES) {
        leaf->pop = leaf->all = full_runs;
        leaf->nr_empty = 1;
    } else if (c->state[block] == PCPU_POPULATED) {
        leaf->pop.pre = pcpu_block_run_end(b, 0);
        leaf->pop.suf = PCPU_BLOCK_GRANULES - pcpu_block_run_begin(b, PCPU_BLOCK_GRANULES);
        leaf->pop.max = pcpu_block_max(b, b->free);
        leaf->all = leaf->pop;
    }
}

void pcpu_tree_count_empty(struct pcpu_chunk *c, u32 block, u32 add)
{
    for (u32 level = 0; level <= c->height; level++, block >>= FANOUT_SHIFT)
        c->level[level][block].nr_empty += add;
}

/* ---- a node from all of its children --------------------------------------------------------- */

struct scan {
    u32 run; /* the one that reaches the next child */
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

/* len: granules of a child's span. Returns whether anything changed. */
static ALWAYS_INLINE bool from_children(struct pcpu_runs *out, const struct pcpu_tree_node *child,
                                        bool any, u32 len)
{
    struct scan s = {0, 0};
    u32 pre = runs(child, any)->pre, changed;

    /* Written out, for this is most of the work of an allocation that changes the tree. */
    scan_child(&s, runs(child, any), len);
    scan_child(&s, runs(child + 1, any), len);
    scan_child(&s, runs(child + 2, any), len);
    scan_child(&s, runs(child + 3, any), len);
    scan_child(&s, runs(child + 4, any), len);
    scan_child(&s, runs(child + 5, any), len);
    scan_child(&s, runs(child + 6, any), len);
    scan_child(&s, runs(child + 7, any), len);
    s.max = MAX(s.max, s.run);
    if (s.run == FANOUT * len)
        pre = s.run;
    for (u32 j = 1; pre == j * len && j < FANOUT; j++)
        pre += runs(&child[j], any)->pre;
    changed = (out->pre ^ pre) | (out->suf ^ s.run) | (out->max ^ s.max);
    out->pre = pre;
    out->suf = s.run;
    out->max = s.max;
    return changed;
}

/* Both counts of a node in one word: no sum of either one leaves its half. */
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
        node->all = node->pop; /* they differ by UNPOPULATED blocks only */
}

static void refresh_any(struct pcpu_chunk *c, u32 level, u32 i)
{
    refresh_node(c, level, i, false);
}

static void refresh_both(struct pcpu_chunk *c, u32 level, u32 i)
{
    refresh_node(c, level, i, true);
}

/* A node whose eight children are all like this one. */
static ALWAYS_INLINE void node_of_same(struct pcpu_tree_node *node,
                                       const struct pcpu_tree_node *child)
{
    u32 pop = child->pop.max * FANOUT, all = child->all.max * FANOUT;

    node->pop = (struct pcpu_runs){pop, pop, pop};
    node->all = (struct pcpu_runs){all, all, all};
    node->nr_unpopulated = child->nr_unpopulated * FANOUT;
    node->nr_empty = child->nr_empty * FANOUT;
}

/* The list may be in any order. */
static ALWAYS_INLINE bool eight_in_order(const u32 *blocks)
{
    u32 other = 0;

    for (u32 i = 1; i < FANOUT; i++)
        other |= (blocks[i] - blocks[0]) ^ i;
    return !other;
}

/* Eight blocks of one parent: their leaves and the parent. */
static ALWAYS_INLINE void set_eight(struct pcpu_chunk *c, u32 block,
                                    const struct pcpu_tree_node *leaf)
{
    struct pcpu_tree_node *to = &c->level[0][block];

    /* Written out, as above. */
    to[0] = *leaf;
    to[1] = *leaf;
    to[2] = *leaf;
    to[3] = *leaf;
    to[4] = *leaf;
    to[5] = *leaf;
    to[6] = *leaf;
    to[7] = *leaf;
    node_of_same(&c->level[1][block >> FANOUT_SHIFT], leaf);
}

/* The nodes above `block` from `level` on, but those that are above the next block, too. */
static ALWAYS_INLINE void refresh_path(struct pcpu_chunk *c, u32 block, u32 next, u32 level,
                                       bool pop)
{
    /* The nodes that it shares with the next are the next one's; the last has none. */
    u32 apart = next == NO_BLOCK ? ~0u : (block ^ next) >> FANOUT_SHIFT * (level - 1);

    block >>= FANOUT_SHIFT * (level - 1);
    for (; level <= c->height && apart >= FANOUT; level++) {
        block >>= FANOUT_SHIFT;
        apart >>= FANOUT_SHIFT;
        if (pop)
            refresh_both(c, level, block);
        else
            refresh_any(c, level, block);
    }
}

/* The leaves of these blocks become this (all alike); pop: their populated runs change, too. */
static ALWAYS_INLINE void set_leaves(struct pcpu_chunk *c, u32 n, const u32 *blocks,
                                     const struct pcpu_tree_node *leaf, bool pop)
{
    for (u32 k = 0; k < n;) {
        u32 block = blocks[k], level = 1, done = 1;

        if (block % FANOUT == 0 && c->height && n - k >= FANOUT && eight_in_order(blocks + k)) {
            set_eight(c, block, leaf);
            level = 2;
            done = FANOUT;
        } else {
            c->level[0][block] = *leaf;
        }
        k += done;
        refresh_path(c, block, k < n ? blocks[k] : NO_BLOCK, level, pop);
    }
}

void pcpu_tree_set(struct pcpu_chunk *c, u32 n, const u32 *blocks, enum pcpu_block_state from,
                   enum pcpu_block_state to)
{
    struct pcpu_tree_node leaf = {no_runs, no_runs, 0, 0};

    if (to != PCPU_BUSY)
        leaf.all = full_runs;
    if (to == PCPU_POPULATED) {
        leaf.pop = full_runs;
        leaf.nr_empty = 1;
    }
    leaf.nr_unpopulated = to == PCPU_UNPOPULATED;
    if (from == PCPU_POPULATED || to == PCPU_POPULATED)
        set_leaves(c, n, blocks, &leaf, true);
    else
        set_leaves(c, n, blocks, &leaf, false);
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

void pcpu_tree_build(struct pcpu_chunk *c)
{
    for (u32 level = 1; level <= c->height; level++) {
        u32 nodes = pcpu_tree_nodes(c->nr_blocks, c->height, level);
        u32 below = pcpu_tree_nodes(c->nr_blocks, c->height, level - 1);

        memset(c->level[level], 0, nodes * sizeof(struct pcpu_tree_node));
        for (u32 i = 0; i * FANOUT < below; i++)
            refresh_both(c, level, i);
    }
}

/* ---- a node after one child changed ---------------------------------------------------------- */

/* The child changed from *was to *is. Did the node? All children are looked at only if need be. */
static ALWAYS_INLINE bool child_changed(struct pcpu_runs *node, const struct pcpu_tree_node *child,
                                        bool any, u32 len, const struct pcpu_runs *was,
                                        const struct pcpu_runs *is)
{
    if (!((is->pre ^ was->pre) | (is->suf ^ was->suf))) {
        /* Only inside of it, so that no run across its borders changed. */
        if (is->max > node->max) {
            node->max = is->max;
            return true;
        }
        if (was->max < node->max)
            return false;
    }
    return from_children(node, child, any, len);
}

/* The kinds differ only in nodes with UNPOPULATED blocks, whose `all` is brought up to date here.
 */
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

    /* Up, until a node at i or right of it has one. At i = 8 * x that is what is above, x, too. */
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
    u32 i = below, level = 0; /* i: one more than the node that comes next */

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
