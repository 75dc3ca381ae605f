/*
 * Small-object memory for the kernel's own records, above the page allocator: 8 to 2048 bytes by
 * size classes, larger pieces as whole blocks. An object is on the node asked for, or else on the
 * nearest node that has memory. Alloc and free are O(1). A slab whose objects are all free returns
 * to the page allocator, except one spare of each class and node. A free of a free object, of an
 * address inside an object, or with a size of another class changes nothing; it is refused with a
 * line and counted.
 *
 * Alignment: a size that is a power of two is aligned to itself, up to 64; other sizes to 16 (8, up
 * to 8 bytes); a piece over 2048 bytes to a page at least. Nothing is cleared.
 *
 * Context: any CPU, any context but NMI; a lock per node, taken with interrupts off, and never held
 * while the page allocator is called; never sleeps. CPU-local: state by pointer.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_MM_PAGES_SMALLMEM_H
#define PERCH_MM_PAGES_SMALLMEM_H

#include "mm/pages/buddy.h"

#define SMALL_MAX     2048u
#define SMALL_CLASSES 14u

struct small_node;

/* Pages come from b; its map must reach whole blocks, and keep addresses aligned up to 16 KiB. */
struct small_mem {
    struct buddy *b;
    u64 (*phys)(void *ctx, const void *ptr); /* the reverse of b's map, with b's ctx */
    struct small_node **nodes;
    u8 class_of[SMALL_MAX / 16 + 1]; /* by (size + 15) / 16 */
    _Atomic u64 large_pages;         /* in pieces over SMALL_MAX */
    _Atomic u64 bad_frees;           /* refused */
};

/* Of the slabs on one node. */
struct small_stats {
    u64 pages;   /* of all slabs, spares too */
    u64 objects; /* in use */
    u64 bytes;   /* of these objects, by size class */
    u64 spares;  /* slabs without objects */
};

/* Takes one page on each node and the table of nodes from b. -ENOMEM. */
int small_init(struct small_mem *m, struct buddy *b,
               u64 (*phys)(void *ctx, const void *ptr)) MUST_CHECK;

/* size bytes on node or the nearest (NODE_NONE: anywhere); NULL: size 0, or no memory. */
void *small_alloc(struct small_mem *m, s32 node, size_t size) MUST_CHECK;

/* Frees the result of small_alloc(size); NULL does nothing. */
void small_free(struct small_mem *m, void *ptr, size_t size);

/* For tests, as is small_verify(). */
void small_stats(struct small_mem *m, s32 node, struct small_stats *out);

/* Checks every slab; 0, or -EINVAL with a line. */
int small_verify(struct small_mem *m) MUST_CHECK;

#endif
