/*
 * The tree over a chunk's blocks that knows its free runs.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/chunk_internal.h"

static const struct pcpu_runs no_runs = {0, 0, 0};
static const struct pcpu_runs full_runs = {PCPU_BLOCK_GRANULES, PCPU_BLOCK_GRANULES,
                                           PCPU_BLOCK_GRANULES};

/* Did anything change? len: granules of each child's span. */
static ALWAYS_INLINE u32 join(struct pcpu_runs *out, const struct pcpu_runs *left,
                              const struct pcpu_runs *right, u32 len)
{
    u32 pre = left->pre, suf = right->suf, max = left->suf + right->pre, changed;

    max = MAX(max, left->max);
    max = MAX(max, right->max);
    pre += pre == len ? right->pre : 0;
    suf += suf == len ? left->suf : 0;
    changed = (out->pre ^ pre) | (out->suf ^ suf) | (out->max ^ max);
    out->pre = pre;
    out->suf = suf;
    out->max = max;
    return changed;
}

/*
 * Recomputes the runs of inner node i. Did they change? (Only right for changes that leave
 * nr_unpopulated as it is.)
 */
static ALWAYS_INLINE u32 join_node(struct pcpu_chunk *c, u32 i, u32 len)
{
    struct pcpu_tree_node *node = &c->tree[i], *child = &c->tree[2 * i];
    u32 changed = join(&node->pop, &child[0].pop, &child[1].pop, len);

    if (node->nr_unpopulated)
        return changed | join(&node->all, &child[0].all, &child[1].all, len);
    node->all = node->pop; /* they differ by UNPOPULATED blocks only */
    return changed;
}

void pcpu_tree_init(struct pcpu_chunk *c)
{
    u32 span = c->leaves;

    for (u32 first = 1; first <= c->leaves; first *= 2, span /= 2) {
        for (u32 i = 0; i < first; i++) {
            u32 begin = i * span, blocks = 0;
            struct pcpu_tree_node *node = &c->tree[first + i];

            if (begin < c->nr_blocks)
                blocks = MIN(span, c->nr_blocks - begin);
            node->pop = no_runs;
            node->all.pre = node->all.max = blocks << BLOCK_GRANULE_SHIFT;
            node->all.suf = blocks == span ? node->all.pre : 0;
            node->nr_unpopulated = blocks;
            node->nr_empty = 0;
        }
    }
}

void pcpu_tree_build(struct pcpu_chunk *c)
{
    u32 len = PCPU_BLOCK_GRANULES;

    for (u32 first = c->leaves / 2; first; first /= 2, len *= 2) {
        for (u32 i = first; i < 2 * first; i++) {
            struct pcpu_tree_node *node = &c->tree[i], *child = &c->tree[2 * i];

            node->nr_unpopulated = child[0].nr_unpopulated + child[1].nr_unpopulated;
            node->nr_empty = child[0].nr_empty + child[1].nr_empty;
            join_node(c, i, len);
        }
    }
}

void pcpu_tree_leaf(struct pcpu_chunk *c, u32 block)
{
    struct pcpu_tree_node *leaf = &c->tree[c->leaves + block];
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

void pcpu_tree_count(struct pcpu_chunk *c, u32 block, u32 unpopulated, u32 empty)
{
    for (u32 i = c->leaves + block; i; i /= 2) {
        c->tree[i].nr_unpopulated += unpopulated;
        c->tree[i].nr_empty += empty;
    }
}

void pcpu_tree_climb(struct pcpu_chunk *c, u32 block, u32 next, u32 *pending)
{
    u32 i = c->leaves + block, end = 2 * c->leaves, todo = *pending, len = PCPU_BLOCK_GRANULES;

    if (next != NO_BLOCK)
        end = 2u << (31 - __builtin_clz(block ^ next));
    for (u32 level = 2; todo & (end - 1); level *= 2, len *= 2) {
        i /= 2;
        if (todo & level) {
            todo &= ~level;
            if (join_node(c, i, len))
                todo |= 2 * level;
        }
    }
    *pending = todo;
}

u32 pcpu_tree_lowest_unpopulated(const struct pcpu_chunk *c)
{
    u32 i = 1;

    while (i < c->leaves)
        i = 2 * i + !c->tree[2 * i].nr_unpopulated;
    return i - c->leaves;
}

u32 pcpu_tree_highest_empty(const struct pcpu_chunk *c)
{
    u32 i = 1;

    while (i < c->leaves)
        i = 2 * i + !!c->tree[2 * i + 1].nr_empty;
    return i - c->leaves;
}
