/*
 * Four-level page tables, built and changed in software: map, unmap, look up and walk, with 4 KiB,
 * 2 MiB and 1 GiB leaves, on tables that CPUs may be using. Every changing call is all or nothing:
 * it first checks every entry it would change, then allocates every table page it needs, and only
 * then writes. So a call that fails (-ENOMEM too) has changed no entry and keeps no page. The
 * caller flushes the TLB: calls that remove or change an entry put what to flush into a `struct
 * pt_flush`.
 *
 * Entries: SDM vol 3 4.5.4, tables 4-15 to 4-20. Tables point to tables with W = 1, NX = 0, U = 0,
 * so the leaf alone decides; leaves are made with the accessed and dirty bits set.
 *
 * A piece of address space may be opened as a slot (mm/map/pagetable_range.h). Only its owner can
 * change it then: map refuses it with -EEXIST, unmap with -EBUSY.
 *
 * Context: pure. The caller holds the lock of the table; any CPU; allocates through the page source
 * only. Readers (lookup, walk) may run beside a writer of other addresses: entries are written
 * whole, and tables go back only through pagetable_release().
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_MM_MAP_PAGETABLE_H
#define PERCH_MM_MAP_PAGETABLE_H

#include "kernel/base/types.h"

/* Permissions of a mapping. All memory can be read; none is accessible in user mode. */
#define PT_W    (1u << 0) /* writable */
#define PT_X    (1u << 1) /* executable */
#define PT_G    (1u << 2) /* global: survives a write to CR3 (SDM vol 3 4.10.2.4) */
#define PT_UC   (1u << 3) /* PCD | PWT: uncached, PAT as at reset (SDM vol 3 12.12.4) */
#define PT_WC   (1u << 4) /* PWT alone: PAT entry 1, which paging.c makes write-combining */
#define PT_PROT (PT_W | PT_X | PT_G | PT_UC | PT_WC) /* PT_UC | PT_WC: PCD alone, UC- */
/* Limits of the leaves that pagetable_map chooses; lookup and walk do not report them. */
#define PT_MAX_4K (1u << 8) /* only 4 KiB leaves */
#define PT_MAX_2M (1u << 9) /* 4 KiB and 2 MiB leaves */

/* Index of a leaf size in counters. */
enum pt_leaf_kind { PT_LEAF_4K, PT_LEAF_2M, PT_LEAF_1G, PT_LEAF_KINDS };

/*
 * The source of table pages. alloc: one 4 KiB page, best on that node (NODE_NONE: anywhere),
 * perhaps not cleared; 0 or -ENOMEM. map: a pointer to a table page; NULL only for a page of
 * foreign tables that cannot be reached. The first call of alloc is for the root, so that a source
 * can put it below 4 GiB (for the trampoline's CR3).
 */
struct page_source {
    int (*alloc)(void *ctx, s32 node, u64 *pa);
    void (*free)(void *ctx, u64 pa);
    void *(*map)(void *ctx, u64 pa);
    void *ctx;
};

struct pagetable {
    u64 root_pa;
    const struct page_source *src;
    bool has_1g; /* CPUID 80000001h EDX bit 26 */
    bool has_nx; /* EFER.NXE is set; else bit 63 is reserved, and all memory is executable */
    /* Changed atomically; with open slots, exact only while no owner changes one. */
    u64 tables;                /* table pages in use, the root included */
    u64 leaves[PT_LEAF_KINDS]; /* present leaves of each size */
};

/*
 * The flush that a call needs: addresses whose translations every CPU must drop, and table pages
 * that became empty. Start with PT_FLUSH_NONE; several calls may add to one flush. After the flush
 * on all CPUs, never before (SDM vol 3 4.10.4.2), hand it to pagetable_release().
 */
struct pt_flush {
    u64 start, end; /* [start, end), including all of a leaf that was split; may be empty */
    u64 tables;     /* list of table pages: pt_list_push() */
};
#define PT_FLUSH_NONE ((struct pt_flush){0, 0, 0})

/* Allocates a cleared root. -ENOMEM. */
int pagetable_init(struct pagetable *pt, const struct page_source *src, s32 node, bool has_1g,
                   bool has_nx) MUST_CHECK;

/*
 * A handle on foreign tables (the boot tables, a CR3 value), for lookup and walk only. Uses only
 * map of src. The low bits of cr3 are ignored.
 */
struct pagetable pagetable_view(u64 cr3, const struct page_source *src, bool has_nx);

/*
 * Maps [va, va + size) to [pa, pa + size) with the largest leaves that alignment, the CPU, PT_MAX_*
 * and existing tables allow. Table pages come from node. No flush is needed (SDM vol 3 4.10.4.3:
 * not-present entries are not cached).
 * -EINVAL: va, pa or size not whole pages, size 0, unknown prot bit. -ERANGE: va not canonical,
 * the range leaves its half, includes the last page of the address space, or pa is above 52 bits.
 * -EEXIST: a part of the range is mapped already, to any address. -ENOMEM.
 */
int pagetable_map(struct pagetable *pt, u64 va, u64 pa, u64 size, u32 prot, s32 node) MUST_CHECK;

/* The same for one 4 KiB page. */
int pagetable_map_page(struct pagetable *pt, u64 va, u64 pa, u32 prot, s32 node) MUST_CHECK;

/*
 * Unmaps [va, va + size); holes are skipped. A large leaf that is unmapped in part is split, which
 * may need up to four table pages. Table pages that become empty go to flush->tables, unless
 * PT_KEEP_TABLES. -EINVAL, -ERANGE as pagetable_map; -EBUSY: an open slot; -ENOMEM: only of a
 * split.
 */
#define PT_KEEP_TABLES 1u
int pagetable_unmap(struct pagetable *pt, u64 va, u64 size, u32 flags,
                    struct pt_flush *flush) MUST_CHECK;

/* Frees flush->tables, after the TLBs (paging-structure caches too) were flushed; clears flush. */
void pagetable_release(struct pagetable *pt, struct pt_flush *flush);

/* Moves the tables of *flush to *kept, for a later release; clears flush. Returns how many. */
u32 pagetable_keep(const struct pagetable *pt, struct pt_flush *kept, struct pt_flush *flush);

/*
 * Translates va: its physical address (offset inside the page included), its permissions as the CPU
 * combines them over the levels, the size of its leaf. Each pointer may be NULL.
 * -ENOENT: not mapped. -ERANGE: not canonical. -EFAULT: a table cannot be reached.
 */
int pagetable_lookup(const struct pagetable *pt, u64 va, u64 *pa, u32 *prot, u64 *leaf_size);

struct pt_leaf {
    u64 va, pa, size;
    u64 entry;     /* the raw entry */
    u32 prot;      /* PT_PROT bits; W and X as combined over all levels (SDM vol 3 4.6.1) */
    bool user_any; /* the U/S bit is set in this entry or in any table entry above it */
};

/*
 * Calls fn for every leaf that overlaps [start, end), in order of address (end 0: up to the end of
 * the address space). A nonzero result of fn ends the walk and is returned. -EFAULT: a table cannot
 * be reached. Allocates nothing; works on live and foreign tables.
 */
typedef int (*pt_walk_fn)(void *ctx, const struct pt_leaf *leaf);
int pagetable_walk(const struct pagetable *pt, u64 start, u64 end, pt_walk_fn fn, void *ctx);

#endif
