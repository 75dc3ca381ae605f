/*
 * Virtual address space by areas: pieces of a window [base, end), allocated alone (stacks above a
 * guard page, MMIO) or as congruent sets (areas at fixed distances from one base, for the per-CPU
 * chunks). Every area has a name, so that a fault handler can name an address. vspace decides
 * addresses only; vspace_map_range adds page tables.
 *
 * Context: pure; the caller holds the lock of the vspace. A fault handler may call vspace_find and
 * vspace_describe without it: at worst they name a neighbour.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_MM_MAP_VSPACE_H
#define PERCH_MM_MAP_VSPACE_H

#include "kernel/base/types.h"
#include "mm/map/pagetable.h"

/* An area takes [start, end). [va, end) is the user's; [start, va) is the guard, never mapped. */
struct varea {
    u64 start, va, end;
    const char *name; /* not copied: string literals */
    s32 owner;        /* CPU number, or VAREA_NO_OWNER; in a congruent set the index */
    u32 flags;
};
#define VAREA_NO_OWNER  (-1)
#define VAREA_CONGRUENT 1u /* one of a congruent set */

/* Storage for more areas; alloc returns NULL when there is none. */
struct vspace_storage {
    struct varea *(*alloc)(void *ctx, u32 count);
    void (*free)(void *ctx, struct varea *areas, u32 count);
    void *ctx;
};

/* Invariants, checked by vspace_verify(): areas[0..count) sorted, disjoint, inside the window. */
struct vspace {
    const char *name;
    u64 base, end;
    struct varea *areas;
    u32 count, capacity;
    const struct vspace_storage *storage; /* NULL: fixed table */
    bool own_array;                       /* areas came from storage */
    u64 cursor; /* the next search starts here, so that addresses are reused late */
    u64 used;   /* bytes taken, guards included */
};

/* The name of an area in vspace_describe(). */
struct varea_tag {
    const char *name;
    s32 owner;
};

/*
 * An empty window [base, base + size). vs owns areas[capacity] from now on, and does not free it
 * when storage replaces it. -EINVAL: not whole pages, empty, or wraps.
 */
int vspace_init(struct vspace *vs, const char *name, u64 base, u64 size, struct varea *areas,
                u32 capacity, const struct vspace_storage *storage) MUST_CHECK;

/*
 * Takes size bytes at a multiple of align, with guard bytes below them that stay unmapped.
 * -EINVAL: size or guard not whole pages, size 0, align not a power of two of at least a page.
 * -ENOSPC: no gap is large enough. -ENOMEM: no room for one more record.
 */
int vspace_alloc(struct vspace *vs, u64 size, u64 align, u64 guard, struct varea_tag tag,
                 u64 *va) MUST_CHECK;

/* Frees the area whose user part begins at va; unmap it before. -ENOENT: there is none. */
int vspace_free(struct vspace *vs, u64 va) MUST_CHECK;

/*
 * Takes n areas [base + offsets[i], base + offsets[i] + sizes[i]) at the lowest base, a multiple of
 * align, where all are free; *base may be below the window when no offset is 0. Offsets in any
 * order; area i gets owner i. All or nothing. (Linux: pcpu_get_vm_areas, where a bad argument is a
 * BUG.) -EINVAL: n 0, align not a power of two of at least a page, an offset or size that is not a
 * multiple of align, size 0, two areas overlap. -ENOSPC: the span exceeds the window, or no base
 * fits. -ENOMEM: no room for the records (2n while the call runs).
 */
int vspace_alloc_congruent(struct vspace *vs, const u64 *offsets, const u64 *sizes, u32 n,
                           u64 align, const char *name, u64 *base) MUST_CHECK;

/* Frees all n areas. -ENOENT: one does not begin at its address; then none is freed. */
int vspace_free_congruent(struct vspace *vs, u64 base, const u64 *offsets, u32 n) MUST_CHECK;

/* The area that contains addr, guard included (addr < area->va: the guard); NULL: none. */
const struct varea *vspace_find(const struct vspace *vs, u64 addr);

/*
 * Names addr: "guard page below stack of CPU 3", "stack of CPU 3 +0x1f0", "chunk area 2 +0x40" (one
 * of a congruent set), "unused address in NAME".
 * Returns the length of the text, 0 when addr is outside the window.
 */
int vspace_describe(const struct vspace *vs, u64 addr, char *buf, size_t size);

/* For tests: checks the invariants; 0, or -EINVAL with a line that names the fault. */
int vspace_verify(const struct vspace *vs) MUST_CHECK;

/* ---- an area with pages in it (vspace_map.c) ------------------------------------------------- */

/* Permissions and place of an area. */
struct vspace_map_args {
    u32 prot;  /* PT_PROT and PT_MAX_* */
    s32 node;  /* for table pages */
    u64 guard; /* bytes below, unmapped */
    struct varea_tag tag;
};

/*
 * Allocates an area and maps it to [pa, pa + size) (a stack, device registers). pa need not be
 * aligned; *va has the same offset in its page. 2 MiB leaves when pa is so aligned and prot allows.
 * On error nothing is allocated or mapped. Errors of vspace_alloc and pagetable_map.
 */
int vspace_map_range(struct vspace *vs, struct pagetable *pt, u64 pa, u64 size,
                     const struct vspace_map_args *args, u64 *va) MUST_CHECK;

#endif
