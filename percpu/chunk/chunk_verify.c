/*
 * Checks the invariants of a chunk by brute force, from the maps alone. It shares no function with
 * the code that keeps the summaries. For tests, and for users of the allocator as a library.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/string.h"
#include "percpu/chunk/chunk.h"

#define GRANULES PCPU_BLOCK_GRANULES

struct check {
    const struct pcpu_chunk *c;
    u32 end;        /* granules of the unit */
    u64 bump;       /* taken granules without an object */
    u32 rest;       /* granules of the current object not seen yet */
    u32 size_bytes; /* the first of these have tag bytes with its size */
};

static const char *verify_shape(const struct pcpu_chunk *c)
{
    if (!c->nr_blocks || c->height >= PCPU_TREE_LEVELS || 1u << 3 * c->height < c->nr_blocks ||
        (c->height && 1u << 3 * (c->height - 1) >= c->nr_blocks))
        return "height";
    if (c->root != c->level[c->height])
        return "root";
    if (c->start > c->end || c->end > c->nr_blocks * GRANULES)
        return "the region is not in the unit";
    if (!c->permanent && (c->start || c->end != c->nr_blocks * GRANULES))
        return "only a permanent chunk is a region";
    for (u32 i = 0; i < c->nr_blocks; i++) {
        if (c->state[i] > PCPU_POPULATED)
            return "unknown block state";
        if (c->state[i] == PCPU_POPULATED && !c->blocks[i])
            return "populated block without metadata";
        if ((c->state[i] == PCPU_ABSENT || c->state[i] == PCPU_UNPOPULATED) && c->blocks[i])
            return "metadata of a block that is not populated";
        if (c->permanent && c->state[i] != PCPU_ABSENT && c->state[i] != PCPU_POPULATED)
            return "a permanent chunk's block changed";
    }
    return NULL;
}

/* ---- maps ------------------------------------------------------------------------------------ */

/* Granules of the object with this tag at granule g; 0: impossible tag. */
static u32 size_by_tag(const struct check *l, u32 g, u8 tag)
{
    u32 kind = tag & PCPU_TAG_KIND, size = 0;

    if (kind == PCPU_TAG_BIG) {
        for (u32 i = 1; i <= 4; i++) {
            u32 at = g + i, bits;

            if (at >= l->end || l->c->state[at / GRANULES] != PCPU_POPULATED)
                return 0;
            bits = l->c->blocks[at / GRANULES]->tag[at % GRANULES];
            if (bits & PCPU_TAG_OWNED)
                return 0;
            size |= bits << (7 * (i - 1));
        }
        return size >= 5 ? size : 0;
    }
    if (!kind || kind >= PCPU_CLASSES || g * PCPU_GRANULE % pcpu_class_align(kind))
        return 0;
    return pcpu_class_size(kind) / PCPU_GRANULE;
}

static const char *verify_object(struct check *l, u32 g, u8 tag)
{
    u32 size = size_by_tag(l, g, tag);

    if (!size)
        return "tag that no object can have";
    if (g < l->c->start || size > l->c->end - g)
        return "object outside of the region";
    l->rest = size;
    l->size_bytes = (tag & PCPU_TAG_KIND) == PCPU_TAG_BIG ? 4 : 0;
    return NULL;
}

/* Granule i of a populated block: its bit and its tag. */
static const char *verify_granule(struct check *l, const struct pcpu_block *b, u32 base, u32 i)
{
    bool taken = b->taken[i / 64] >> (i % 64) & 1;
    u32 g = base + i;

    if (l->rest) {
        if (l->size_bytes)
            l->size_bytes--;
        else if (b->tag[i])
            return "tag inside an object";
    } else if (b->tag[i]) {
        const char *broken = verify_object(l, g, b->tag[i]);

        if (broken)
            return broken;
    }
    if (l->rest) {
        l->rest--;
        return taken ? NULL : "free granule in an object";
    }
    if (g < l->c->start || g >= l->c->end)
        return taken ? NULL : "granule outside of the region is free";
    l->bump += taken;
    return NULL;
}

static u32 longest_in_word(u64 taken)
{
    u32 run = 0, longest = 0;

    for (u32 i = 0; i < 64; i++) {
        run = taken >> i & 1 ? 0 : run + 1;
        longest = MAX(longest, run);
    }
    return longest;
}

static const char *verify_words(const struct pcpu_block *b)
{
    u32 free = 0;

    for (u32 w = 0; w < PCPU_BLOCK_WORDS; w++) {
        u64 x = b->taken[w];

        if (b->word_run[w] != (x == 0 ? 64 : ~x == 0 ? 0 : longest_in_word(x)))
            return "word_run";
        for (x = ~x; x; x &= x - 1)
            free++;
    }
    return b->free == free ? NULL : "free granules of a block";
}

/* True: 16 granules without a tag, all free or all in one object: they need no verify_granule(). */
static bool is_plain(const struct check *l, const struct pcpu_block *b, u32 base, u32 i)
{
    static const u8 none[16];
    u64 bits = b->taken[i / 64] >> (i % 64) & 0xffff;

    if (l->size_bytes || memcmp(&b->tag[i], none, sizeof(none)) != 0)
        return false;
    if (l->rest)
        return l->rest >= 16 && bits == 0xffff;
    return bits == 0 && base + i >= l->c->start && base + i + 16 <= l->c->end;
}

static const char *verify_block(struct check *l, u32 block)
{
    const struct pcpu_block *b = l->c->blocks[block];
    u32 base = block * GRANULES, i = 0;

    while (i < GRANULES) {
        const char *broken;

        if (i % 16 == 0 && is_plain(l, b, base, i)) {
            l->rest -= l->rest ? 16 : 0;
            i += 16;
            continue;
        }
        broken = verify_granule(l, b, base, i++);
        if (broken)
            return broken;
    }
    return verify_words(b);
}

/* A block in a return must be empty. */
static const char *verify_leaving(const struct pcpu_block *b)
{
    for (u32 i = 0; i < GRANULES; i++) {
        if (b->tag[i])
            return "tag in a block that leaves";
    }
    if (b->free != GRANULES)
        return "a block leaves that is not empty";
    return verify_words(b);
}

static const char *verify_maps(struct check *l)
{
    const struct pcpu_chunk *c = l->c;

    for (u32 block = 0; block < c->nr_blocks; block++) {
        const char *broken = NULL;

        if (c->state[block] == PCPU_POPULATED)
            broken = verify_block(l, block);
        else if (l->rest)
            broken = "object reaches into a block that is not populated";
        else if (c->blocks[block])
            broken = verify_leaving(c->blocks[block]);
        if (broken)
            return broken;
    }
    return l->rest ? "object reaches out of the unit" : NULL;
}

static const char *verify_counters(const struct pcpu_chunk *c)
{
    u32 states[PCPU_POPULATED + 1] = {0}, empty = 0;
    u64 free = 0;

    for (u32 i = 0; i < c->nr_blocks; i++) {
        states[c->state[i]]++;
        if (c->state[i] != PCPU_POPULATED)
            continue;
        free += c->blocks[i]->free;
        empty += c->blocks[i]->free == GRANULES;
    }
    if (c->nr_absent != states[PCPU_ABSENT])
        return "nr_absent";
    if (c->nr_busy != states[PCPU_BUSY])
        return "nr_busy";
    if (c->nr_populated != states[PCPU_POPULATED])
        return "nr_populated";
    if (c->nr_empty != empty)
        return "nr_empty";
    return c->free_granules == free ? NULL : "free_granules";
}

/* ---- the tree: runs of each node, counted again from the maps -------------------------------- */

struct count {
    u32 len, run; /* granules counted; free ones at their end */
    struct pcpu_runs runs;
};

static void count_run(struct count *n, bool free, u32 granules)
{
    if (!free) {
        n->run = 0;
    } else {
        if (n->run == n->len)
            n->runs.pre += granules;
        n->run += granules;
        n->runs.max = MAX(n->runs.max, n->run);
    }
    n->len += granules;
    n->runs.suf = n->run;
}

static void count_block(struct count *n, const struct pcpu_block *b)
{
    for (u32 w = 0; w < PCPU_BLOCK_WORDS; w++) {
        u64 x = b->taken[w];
        u32 rest = 64;

        while (rest) {
            bool free = !(x & 1);
            u64 other = free ? x : ~x; /* the lowest one ends the run */
            u32 part = other ? MIN(rest, (u32)__builtin_ctzll(other)) : rest;

            count_run(n, free, part);
            x = part < 64 ? x >> part : 0;
            rest -= part;
        }
    }
}

static bool same_runs(const struct pcpu_runs *a, const struct pcpu_runs *b)
{
    return a->pre == b->pre && a->suf == b->suf && a->max == b->max;
}

static const char *verify_node(const struct pcpu_chunk *c, const struct pcpu_tree_node *node,
                               u32 first, u32 blocks)
{
    struct count pop = {0}, all = {0};
    u32 unpopulated = 0, empty = 0;

    for (u32 i = first; i < first + blocks; i++) {
        u8 state = i < c->nr_blocks ? c->state[i] : PCPU_ABSENT;

        if (state == PCPU_POPULATED) {
            count_block(&pop, c->blocks[i]);
            count_block(&all, c->blocks[i]);
            empty += c->blocks[i]->free == GRANULES;
        } else {
            count_run(&pop, false, GRANULES);
            count_run(&all, state == PCPU_UNPOPULATED, GRANULES);
            unpopulated += state == PCPU_UNPOPULATED;
        }
    }
    if (!same_runs(&node->pop, &pop.runs))
        return "tree: runs of populated blocks";
    if (!same_runs(&node->all, &all.runs))
        return "tree: runs of all blocks";
    if (node->nr_unpopulated != unpopulated)
        return "tree: nr_unpopulated";
    return node->nr_empty == empty ? NULL : "tree: nr_empty";
}

const char *pcpu_chunk_verify(const struct pcpu_chunk *c, u64 bump)
{
    struct check l = {.c = c, .end = c->nr_blocks * GRANULES};
    const char *broken = verify_shape(c);

    broken = broken ? broken : verify_maps(&l);
    broken = broken ? broken : verify_counters(c);
    if (!broken && l.bump != bump)
        broken = "taken granules that belong to nothing";
    for (u32 level = 0, span = 1; level <= c->height && !broken; level++, span *= 8) {
        /* One root; the other levels have groups of eight nodes. */
        u32 nodes = level == c->height ? 1 : (c->nr_blocks + 8 * span - 1) / (8 * span) * 8;

        for (u32 i = 0; i < nodes && !broken; i++)
            broken = verify_node(c, &c->level[level][i], i * span, span);
    }
    return broken;
}
