/*
 * The bookkeeping of one chunk: which granules (4 bytes) of its units are taken, where objects
 * begin, which blocks (pages of the offset space, the same page in every unit) are populated, and
 * an exact summary of its free space. It promises the allocator: if a chunk has a fitting hole, it
 * is found; the lowest one is taken (but see PCPU_CHUNK_TRIES); nothing here touches the units.
 * Cost grows with the logarithm of a chunk's blocks and with the blocks that an object covers;
 * linear in a chunk are only creation, looking (statistics, walk, verify), and a search for more
 * than 8 bytes of alignment when many holes of the size are not aligned and none is so large that
 * it must fit.
 *
 * Block states. A block moves UNPOPULATED -> BUSY -> POPULATED and back the same way; BUSY belongs
 * to whoever populates or returns it, outside of the chunk's lock. ABSENT blocks are never ours
 * (parts of the first chunk). Objects lie in POPULATED blocks only.
 *
 * Summary: a tree over the blocks, eight children to a node. Each node holds, twice, the free
 * granules at the start of its span (pre), at its end (suf) and the longest run in it (max): `pop`
 * counts populated blocks only, `all` counts an UNPOPULATED block as free from end to end. Runs
 * cross blocks. BUSY and ABSENT blocks are taken in both. The root is therefore the exact largest
 * hole.
 *
 * Boundary map: one byte per granule (percpu/size_class.h): 0 where no object begins.
 *
 * Invariants (pcpu_chunk_verify, which recomputes everything by brute force):
 *  - a set bit of the allocation map belongs to exactly one object, to a strip or to a hidden
 *    edge; each object begins at a tag and covers its size in set bits; all other tags are 0 (but
 *    the size bytes of a big object);
 *  - the tree and all counters are what the maps and states say; the metadata of a BUSY block that
 *    is on its way back (take_empty) says "entirely free".
 *
 * Offsets and sizes are granules where nothing else is said. A unit is below 2^28 granules (1 GiB).
 *
 * Pure. The caller holds the chunk's lock for everything but pcpu_chunk_tag() and
 * pcpu_chunk_object_size() on an object it owns or makes of its strip; any context; allocates
 * nothing: block metadata and the chunk's arrays come from the caller.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_CHUNK_H
#define PERCH_PERCPU_CHUNK_H

#include "kernel/base/errno.h"
#include "kernel/base/string.h"
#include "kernel/base/types.h"
#include "percpu/size_class.h"

#define PCPU_BLOCK_SHIFT    12
#define PCPU_BLOCK_SIZE     4096u
#define PCPU_BLOCK_GRANULES 1024u
#define PCPU_BLOCK_WORDS    16u

/*
 * Bounds of one call of pcpu_chunk_alloc(). So many places, blocks or holes, it takes from. So many
 * holes that are large enough, but not aligned, it looks at one by one; then it takes the lowest
 * hole that fits wherever it begins (size + align - 1), and only when there is none, and nothing
 * was taken yet, the search goes on hole by hole.
 */
#define PCPU_CHUNK_VISITS 3u
#define PCPU_CHUNK_TRIES  4u

enum pcpu_block_state { PCPU_ABSENT, PCPU_UNPOPULATED, PCPU_BUSY, PCPU_POPULATED };

/* Metadata of one populated block. */
struct pcpu_block {
    u64 taken[PCPU_BLOCK_WORDS];            /* allocation map: a bit per granule */
    u8 tag[PCPU_BLOCK_GRANULES] ALIGNED(8); /* boundary map */
    u8 word_run[PCPU_BLOCK_WORDS];          /* longest free run inside each word, 0..64 */
    u32 free;                               /* granules */
};

struct pcpu_runs {
    u32 pre, suf, max; /* granules */
};

#define PCPU_TREE_LEVELS 8 /* 8^7 blocks */

struct pcpu_tree_node {
    struct pcpu_runs pop, all;
    u32 nr_unpopulated, nr_empty; /* blocks of its span: UNPOPULATED; populated and entirely free */
};

struct pcpu_chunk {
    u32 nr_blocks;               /* of a unit */
    u32 height;                  /* of the tree: 8^height >= nr_blocks */
    u32 start, end;              /* granules of the unit that are ours */
    bool permanent;              /* nothing is ever returned: pcpu_chunk_init_region() */
    struct pcpu_block **blocks;  /* [nr_blocks]; NULL unless POPULATED, or BUSY on the way back */
    u8 *state;                   /* [nr_blocks] enum pcpu_block_state */
    struct pcpu_tree_node *root; /* level[height] */
    /* level[0][b]: block b; level[h][i]: 8 * i and its 7 neighbours in level[h - 1] */
    struct pcpu_tree_node *level[PCPU_TREE_LEVELS];

    u64 free_granules; /* in populated blocks */
    u32 nr_populated;  /* blocks */
    u32 nr_busy;
    u32 nr_absent;
    u32 nr_empty; /* populated and entirely free */
};

/* Bytes for the arrays of a chunk of so many blocks; a multiple of 64. */
size_t pcpu_chunk_bytes(u32 nr_blocks);

/* A chunk without a populated block. memory: pcpu_chunk_bytes(), aligned to 64, any contents. */
void pcpu_chunk_init(struct pcpu_chunk *c, u32 nr_blocks, void *memory);

/*
 * A chunk of which only [start, end), bytes from the unit's start, multiples of 4, is ours and
 * populated for good: the first chunk's dynamic or reserved area. blocks[i]: metadata for the i-th
 * block that the range touches, contents undefined. What the edge blocks hold outside of the range
 * is hidden: taken, without an object.
 */
void pcpu_chunk_init_region(struct pcpu_chunk *c, u32 nr_blocks, void *memory, size_t start,
                            size_t end, struct pcpu_block **blocks);

/* ---- population ------------------------------------------------------------------------------ */

/*
 * Lists of blocks ascend (percpu/block_list.h). A run of neighbours costs one way up the tree, and
 * next to nothing for each of its blocks.
 */

/*
 * The lowest hole of the `all` tree that holds size granules at a multiple of align granules (a
 * power of two): the blocks that an object there would touch. Those of them that are UNPOPULATED
 * become BUSY, their number is returned in *nr_busy; the caller populates exactly these and calls
 * pcpu_chunk_populate_done(). -ENOSPC: no hole.
 */
int pcpu_chunk_grow(struct pcpu_chunk *c, u32 size, u32 align, u32 *first, u32 *count,
                    u32 *nr_busy) MUST_CHECK;

/* Marks up to max UNPOPULATED blocks BUSY, lowest first; returns how many, and which. */
u32 pcpu_chunk_grow_reserve(struct pcpu_chunk *c, u32 max, u32 *blocks);

/*
 * Makes metadata clean: entirely free, no object. Metadata that pcpu_chunk_unpopulate_done() gives
 * back is clean, too.
 */
void pcpu_block_init(struct pcpu_block *meta);

/* The same in memory that is zero. */
static inline void pcpu_block_init_zero(struct pcpu_block *meta)
{
    memset(meta->word_run, 64, sizeof(meta->word_run));
    meta->free = PCPU_BLOCK_GRANULES;
}

/* n blocks BUSY -> POPULATED, entirely free, with this clean metadata. */
void pcpu_chunk_populate_done(struct pcpu_chunk *c, u32 n, const u32 *blocks,
                              struct pcpu_block **metas);

/*
 * POPULATED blocks that are entirely free -> BUSY, the highest ones, up to max; returns how many
 * (of a permanent chunk none). Their metadata stays until pcpu_chunk_unpopulate_done().
 */
u32 pcpu_chunk_take_empty(struct pcpu_chunk *c, u32 max, u32 *blocks);

/*
 * n blocks BUSY -> UNPOPULATED: they were returned, or could not be populated. metas[i] gets their
 * metadata for the caller to free or to use again (NULL when it had none).
 */
void pcpu_chunk_unpopulate_done(struct pcpu_chunk *c, u32 n, const u32 *blocks,
                                struct pcpu_block **metas);

/* n blocks BUSY -> POPULATED again with the metadata they still have (a return given up). */
void pcpu_chunk_untake(struct pcpu_chunk *c, u32 n, const u32 *blocks);

/* ---- objects --------------------------------------------------------------------------------- */

/* Is there a populated hole (pop), or any hole at all, for size granules without alignment? O(1) */
static inline u32 pcpu_chunk_max_populated(const struct pcpu_chunk *c)
{
    return c->root->pop.max;
}
static inline u32 pcpu_chunk_max_any(const struct pcpu_chunk *c)
{
    return c->root->all.max;
}

/*
 * Up to n objects of size granules at multiples of align granules in populated holes, lowest first,
 * each tagged `tag`; offs[i]: byte offset in the unit, ascending. Returns how many; 0 only when
 * none fits, but less than n also when PCPU_CHUNK_VISITS places were too small for all (so that the
 * time that a lock is held does not grow with fragmentation: call again). A hole takes as many as
 * it can before the next is looked for; each block and tree path is brought up to date once. tag: a
 * class, whose size this is, or PCPU_TAG_BIG (size is stored then; size >= 5), with or without
 * PCPU_TAG_OWNED.
 */
u32 pcpu_chunk_alloc(struct pcpu_chunk *c, u32 size, u32 align, u8 tag, u32 n, u32 *offs);

/*
 * A strip: taken granules without an object, from which their owner makes objects one behind the
 * other, by nothing but writing their tags (classes of 8-byte steps, percpu/size_class.h), and
 * without the chunk's lock. It begins in the lowest populated hole for size granules at a multiple
 * of 8 bytes, and has what is free behind them, up to max granules in all and to the end of the
 * block in which the size ends; sizes are even. Returns its granules, and *off, its byte offset; 0
 * when nothing fits. give_strip: n granules of it are free again, which are no object; returns the
 * blocks that became empty by it.
 */
u32 pcpu_chunk_take_strip(struct pcpu_chunk *c, u32 size, u32 max, u32 *off);
u32 pcpu_chunk_give_strip(struct pcpu_chunk *c, u32 off, u32 n);

/*
 * Frees n objects that begin at these byte offsets (checked before; of any sizes, ascending order;
 * each block is summed up once). Their tags become 0. Returns the blocks that became empty by it.
 */
u32 pcpu_chunk_free(struct pcpu_chunk *c, u32 n, const u32 *offs);

/* The tag byte at a byte offset (multiple of 4), NULL when its block has no metadata. */
static inline u8 *pcpu_chunk_tag(const struct pcpu_chunk *c, u32 off)
{
    struct pcpu_block *b = c->blocks[off >> PCPU_BLOCK_SHIFT];

    return b ? &b->tag[off >> PCPU_GRANULE_SHIFT & (PCPU_BLOCK_GRANULES - 1)] : NULL;
}

/* Bytes of the object that begins at off. */
u32 pcpu_chunk_object_size(const struct pcpu_chunk *c, u32 off);

/* ---- looking --------------------------------------------------------------------------------- */

/*
 * What Linux's percpu_stats shows of a chunk; sizes and offsets in bytes, of populated memory only.
 * Fragments are the holes below the end of the last object. first_free: where the lowest hole
 * begins, the unit's size when there is none. The median of an even number is the lower one.
 * O(granules + objects * log(largest object)).
 */
struct pcpu_chunk_stats {
    u64 nr_objects, free_bytes, largest_free, sum_frag, max_frag, first_free;
    u32 min_size, med_size, max_size;
};
void pcpu_chunk_stats(const struct pcpu_chunk *c, struct pcpu_chunk_stats *out);

/*
 * Calls fn for each object in order, with byte offset, bytes and the tag byte; a nonzero result
 * ends it and is returned. fn may change the tag's OWNED bit, nothing else.
 */
int pcpu_chunk_walk(const struct pcpu_chunk *c, int (*fn)(void *ctx, u32 off, u32 size, u8 tag),
                    void *ctx);

/* NULL, or which invariant is broken; strips: the granules in strips. O(granules). */
const char *pcpu_chunk_verify(const struct pcpu_chunk *c, u64 strips);

#endif
