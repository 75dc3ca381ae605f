/*
 * The hosted machine's address space: units are mappings of the memory file. The host's kernel
 * flushes the translations of all threads, so a flush here only waits for readers.
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include "tools/library/host_internal.h"

#include <stdlib.h>
#include <sys/mman.h>
#include "kernel/base/print.h"

/* pa 0: anonymous. Replaces the old mapping, for all threads, before it returns. */
static void map_at(struct host *h, u64 va, u64 bytes, int prot, u64 pa)
{
    int anonymous = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void *at = (void *)(uintptr_t)va;

    if (mmap(at, bytes, prot, MAP_FIXED | (pa ? MAP_SHARED : anonymous), pa ? h->file : -1,
             pa ? (off_t)(pa - SZ_1G) : 0) != at)
        panic("percpu: the host maps no more pages (vm.max_map_count?)");
}

static u64 page_va(const struct host_slot *s, u32 index)
{
    return s->va + index * PAGE_SIZE;
}

static void enter(struct host_slot *s, u32 index, u64 value)
{
    atomic_store_explicit(&s->entry[index], value, memory_order_relaxed);
}

/* ---- address space --------------------------------------------------------------------------- */

static int area_alloc(void *ctx, const u64 *offsets, const u64 *sizes, u32 n, u64 align, u64 *base)
{
    struct host *h = ctx;
    int err;

    spin_lock(&h->lock);
    err = vspace_alloc_congruent(&h->vspace, offsets, sizes, n, align, "chunk", base);
    spin_unlock(&h->lock);
    return err;
}

static void area_free(void *ctx, u64 base, const u64 *offsets, u32 n)
{
    struct host *h = ctx;

    spin_lock(&h->lock);
    if (vspace_free_congruent(&h->vspace, base, offsets, n))
        panic("percpu: the area of a chunk was not taken");
    spin_unlock(&h->lock);
}

static int slot_open(void *ctx, u64 va, s32 node, void **slot)
{
    struct host_slot *s = calloc(1, sizeof(*s));

    (void)ctx;
    (void)node;
    if (!s)
        return -ENOMEM;
    s->va = va;
    *slot = s;
    return 0;
}

/* A thread may still be in get(). */
static void slot_close(void *ctx, void *slot)
{
    struct host *h = ctx;
    struct host_slot *s = slot;

    spin_lock(&h->lock);
    s->next = h->closed;
    h->closed = s;
    spin_unlock(&h->lock);
}

/* ---- pages ----------------------------------------------------------------------------------- */

static void set(void *ctx, void *slot, u32 index, u32 n, u64 pa)
{
    map_at(ctx, page_va(slot, index), n * PAGE_SIZE, PROT_READ | PROT_WRITE, pa);
    for (u32 i = 0; i < n; i++)
        enter(slot, index + i, pa + i * PAGE_SIZE);
}

static void set_zero(void *ctx, void *slot, u32 index, u32 n)
{
    map_at(ctx, page_va(slot, index), n * PAGE_SIZE, PROT_READ, 0);
    for (u32 i = 0; i < n; i++)
        enter(slot, index + i, PCPU_GET_ZERO);
}

static void replace(void *ctx, void *slot, u32 index, u64 pa)
{
    set(ctx, slot, index, 1, pa);
}

/* With h->lock. */
static void unmap_cleared(struct host *h)
{
    for (u32 i = 0; i < h->nr_cleared; i++)
        map_at(h, h->cleared[i].start, range_size(h->cleared[i]), PROT_NONE, 0);
    h->nr_cleared = 0;
}

/* A call of the system for each run of pages: they stay mapped until the flush. */
static u64 clear(void *ctx, void *slot, u32 index)
{
    struct host *h = ctx;
    struct host_slot *s = slot;
    u64 value = atomic_load_explicit(&s->entry[index], memory_order_relaxed);
    u64 va = page_va(s, index);

    enter(s, index, PCPU_GET_NONE);
    spin_lock(&h->lock);
    if (h->nr_cleared && h->cleared[h->nr_cleared - 1].end == va) {
        h->cleared[h->nr_cleared - 1].end += PAGE_SIZE;
    } else {
        if (h->nr_cleared == HOST_CLEARED)
            unmap_cleared(h);
        h->cleared[h->nr_cleared++] = (struct range){va, va + PAGE_SIZE};
    }
    spin_unlock(&h->lock);
    return value == PCPU_GET_ZERO ? 0 : value;
}

static u64 get(void *ctx, void *slot, u32 index)
{
    struct host_slot *s = slot;

    (void)ctx;
    return atomic_load_explicit(&s->entry[index], memory_order_relaxed);
}

/* No effect on the host's page tables: the same pages stay at the same place. */
static int promote(void *ctx, void *slot, u64 block)
{
    (void)ctx;
    (void)slot;
    (void)block;
    return 0;
}

static int demote(void *ctx, void *slot)
{
    (void)ctx;
    (void)slot;
    return 0;
}

static int flush(void *ctx, const struct pcpu_flush_range *ranges, u32 n)
{
    struct host *h = ctx;
    struct host_slot *closed;

    (void)ranges;
    (void)n;
    spin_lock(&h->lock);
    unmap_cleared(h);
    closed = h->closed;
    h->closed = NULL;
    spin_unlock(&h->lock);
    host_quiesce(h);
    while (closed) {
        struct host_slot *next = closed->next;

        free(closed);
        closed = next;
    }
    return 0;
}

/* ---- begin and end --------------------------------------------------------------------------- */

int host_map_init(struct host *h)
{
    u64 bytes = HOST_ROOM + HOST_WINDOW + SZ_1G;
    void *raw = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (raw == MAP_FAILED)
        return -ENOMEM;
    h->raw = raw;
    h->room = (u8 *)(uintptr_t)align_up((uintptr_t)raw, SZ_1G);
    h->window = h->room + HOST_ROOM;
    h->areas = calloc(HOST_AREAS, sizeof(*h->areas));
    if (!h->areas)
        return -ENOMEM;
    h->map_ops = (struct pcpu_map_ops){
        .ctx = h,
        .area_alloc = area_alloc,
        .area_free = area_free,
        .slot_open = slot_open,
        .slot_close = slot_close,
        .set = set,
        .set_zero = set_zero,
        .replace = replace,
        .clear = clear,
        .get = get,
        .promote = promote,
        .demote = demote,
        .can_promote = true,
        .flush = flush,
    };
    return vspace_init(&h->vspace, "chunks", (uintptr_t)h->window, HOST_WINDOW, h->areas,
                       HOST_AREAS, NULL);
}

void host_map_done(struct host *h)
{
    if (h->raw)
        munmap(h->raw, HOST_ROOM + HOST_WINDOW + SZ_1G);
    free(h->areas);
}
