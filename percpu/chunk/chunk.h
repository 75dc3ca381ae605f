/*
 * The bookkeeping of one chunk: the taken granules of its units, the starts of objects, the states
 * of blocks, and an exact summary of the free space. It promises the allocator: a fitting hole is
 * found if the chunk has one, and it is the lowest (but see PCPU_CHUNK_TRIES); the units themselves
 * are neither read nor written.
 *
 * A granule is 4 bytes. A block is a page of the offset space: the same page in every unit. Offsets
 * and sizes are in granules unless stated otherwise.
 *
 * Cost: logarithmic in the chunk's blocks, and linear in the blocks of an object. Creation,
 * statistics, walk and verify are linear in the chunk. So is a search with an alignment above 8
 * bytes, if many holes are large enough but not aligned, and no hole fits at any start.
 *
 * Block states: UNPOPULATED -> BUSY -> POPULATED, and back through BUSY. A BUSY block belongs to
 * the caller that populates or returns it, outside of the chunk's lock. ABSENT blocks do not belong
 * to the chunk (in the first chunk). Objects are in POPULATED blocks only.
 *
 * Summary: a tree over the blocks, eight children to a node (chunk_tree.h). Runs cross blocks. BUSY
 * and ABSENT blocks count as taken. So the root has the exact size of the largest hole.
 *
 * Boundary map: one byte, the tag, per granule (size_class.h); 0 where no object begins.
 *
 * Invariants (pcpu_chunk_verify recomputes everything by brute force):
 *  - a set bit of the allocation map belongs to exactly one object, bump region or hidden edge;
 *    each object begins at a tag and covers its size in set bits; all other tags are 0, except the
 *    size bytes of a big object;
 *  - the tree and all counters agree with maps and states; a BUSY block in a return (take_empty)
 *    has metadata without taken granules.
 *
 * Pure. The caller holds the chunk's lock, except for pcpu_chunk_tag() and pcpu_chunk_object_size()
 * of an object that it owns or makes in its bump region. Any context. Allocates nothing: block
 * metadata and the chunk's arrays come from the caller.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_CHUNK_CHUNK_H
#define PERCH_PERCPU_CHUNK_CHUNK_H

#include "kernel/base/errno.h"
#include "percpu/chunk/chunk_types.h"

/*
 * Limits of one call of pcpu_chunk_alloc(). VISITS: blocks or holes that it takes objects from.
 * TRIES: holes that are large enough but not aligned, checked one by one. After these, it takes the
 * lowest hole of size + align - 1, which fits at any start. If no such hole exists and the call has
 * no object yet, it continues hole by hole.
 */
#define PCPU_CHUNK_VISITS 3u
#define PCPU_CHUNK_TRIES  4u

/* Bytes for the arrays of a chunk of nr_blocks; a multiple of 64. */
size_t pcpu_chunk_bytes(u32 nr_blocks);

/* A chunk without a populated block. memory: pcpu_chunk_bytes(), aligned to 64, any contents. */
void pcpu_chunk_init(struct pcpu_chunk *c, u32 nr_blocks, void *memory);

/*
 * A chunk with only [start, end) of the unit, always populated: the first chunk's dynamic or
 * reserved area. start and end are bytes from the unit's start, multiples of 4. blocks[i]: metadata
 * for the i-th block of the range, contents undefined. The rest of the edge blocks is hidden: taken
 * without an object.
 */
void pcpu_chunk_init_region(struct pcpu_chunk *c, u32 nr_blocks, void *memory, size_t start,
                            size_t end, struct pcpu_block **blocks);

/* ---- population ------------------------------------------------------------------------------ */

/* Lists of blocks ascend (block_list.h). A run of neighbours costs one update of the tree. */

/*
 * Finds the lowest hole, populated or not, for size granules at a multiple of align granules (a
 * power of two). [*first, *first + *count): the blocks of an object there. The UNPOPULATED ones
 * become BUSY; *nr_busy is their number. The caller populates exactly these and calls
 * pcpu_chunk_populate_done(). -ENOSPC: no hole.
 */
int pcpu_chunk_grow(struct pcpu_chunk *c, u32 size, u32 align, u32 *first, u32 *count,
                    u32 *nr_busy) MUST_CHECK;

/* Marks up to max UNPOPULATED blocks BUSY, lowest first; returns how many, and which. */
u32 pcpu_chunk_grow_reserve(struct pcpu_chunk *c, u32 max, u32 *blocks);

/* n blocks BUSY -> POPULATED and empty, with this clean metadata (pcpu_block_init()). */
void pcpu_chunk_populate_done(struct pcpu_chunk *c, u32 n, const u32 *blocks,
                              struct pcpu_block **metas);

/*
 * Up to max empty POPULATED blocks, the highest ones, become BUSY for a return. Returns how many; 0
 * for a permanent chunk. Their metadata stays until pcpu_chunk_unpopulate_done().
 */
u32 pcpu_chunk_take_empty(struct pcpu_chunk *c, u32 max, u32 *blocks);

/*
 * n blocks BUSY -> UNPOPULATED: after their return, or after a failed population. metas[i]: the
 * clean metadata of each, for the caller to free or to use again; NULL: the block had none.
 */
void pcpu_chunk_unpopulate_done(struct pcpu_chunk *c, u32 n, const u32 *blocks,
                                struct pcpu_block **metas);

/* n blocks BUSY -> POPULATED with the metadata they have: the return failed. */
void pcpu_chunk_unpopulate_cancel(struct pcpu_chunk *c, u32 n, const u32 *blocks);

/* ---- objects --------------------------------------------------------------------------------- */

/* Granules of the largest populated hole, and of the largest hole of all. O(1). */
static inline u32 pcpu_chunk_max_populated(const struct pcpu_chunk *c)
{
    return c->root->pop.max;
}
static inline u32 pcpu_chunk_max_any(const struct pcpu_chunk *c)
{
    return c->root->all.max;
}

/*
 * Takes up to n objects of size granules at multiples of align granules in populated holes, lowest
 * first. offs[i]: byte offset in the unit, ascending. Returns how many. 0: none fits. Between 0 and
 * n: none fits any more, or the call ended after PCPU_CHUNK_VISITS places, so that fragmentation
 * does not prolong the time under the lock; call again. tag: a class of this size, or PCPU_TAG_BIG
 * (which stores the size; size >= 5), with or without PCPU_TAG_OWNED.
 */
u32 pcpu_chunk_alloc(struct pcpu_chunk *c, u32 size, u32 align, u8 tag, u32 n, u32 *offs);

/*
 * A bump region is a run of taken granules without an object. Its owner makes objects in it, one
 * after another, by writing their tags, without the chunk's lock (classes of 8-byte steps,
 * size_class.h).
 * take: the region begins in the lowest populated hole for size granules at a multiple of 8 bytes.
 * It takes the hole, up to max granules and to the end of the block in which size ends; sizes are
 * even. Returns its granules, and its byte offset in *off. 0: nothing fits.
 * give: frees n granules of the region without an object. Returns how many blocks became empty.
 */
u32 pcpu_chunk_take_bump(struct pcpu_chunk *c, u32 size, u32 max, u32 *off);
u32 pcpu_chunk_give_bump(struct pcpu_chunk *c, u32 off, u32 n);

/*
 * Frees n objects of any sizes at these byte offsets, ascending; the caller has checked them. Their
 * tags become 0. Returns how many blocks became empty.
 */
u32 pcpu_chunk_free(struct pcpu_chunk *c, u32 n, const u32 *offs);

/* The tag byte at a byte offset (multiple of 4); NULL: its block has no metadata. */
static inline u8 *pcpu_chunk_tag(const struct pcpu_chunk *c, u32 off)
{
    struct pcpu_block *b = c->blocks[off >> PCPU_BLOCK_SHIFT];

    return b ? &b->tag[off >> PCPU_GRANULE_SHIFT & (PCPU_BLOCK_GRANULES - 1)] : NULL;
}

/* Bytes of the object that begins at byte offset off. */
u32 pcpu_chunk_object_size(const struct pcpu_chunk *c, u32 off);

/* Granules of the object that begins at granule g with this tag. */
u32 pcpu_object_granules(const struct pcpu_chunk *c, u32 g, u8 tag);

/* ---- statistics ------------------------------------------------------------------------------ */

/*
 * The figures of Linux's percpu_stats for a chunk, in bytes, of populated memory only. Fragments
 * are the holes below the end of the last object. first_free: start of the lowest hole, or the
 * unit's size. The median of an even number of objects is the lower one. O(granules + objects *
 * log(largest object)).
 */
struct pcpu_chunk_stats {
    u64 nr_objects, free_bytes, largest_free, sum_frag, max_frag, first_free;
    u32 min_size, med_size, max_size;
};
void pcpu_chunk_stats(const struct pcpu_chunk *c, struct pcpu_chunk_stats *out);

/*
 * Calls fn for each object in order, with byte offset, bytes and the tag byte. A nonzero result
 * ends the walk and is returned. fn may change the tag's OWNED bit, nothing else.
 */
int pcpu_chunk_walk(const struct pcpu_chunk *c, int (*fn)(void *ctx, u32 off, u32 size, u8 tag),
                    void *ctx);

/* NULL, or which invariant is broken; bump: the granules in bump regions. O(granules). */
const char *pcpu_chunk_verify(const struct pcpu_chunk *c, u64 bump);

#endif
