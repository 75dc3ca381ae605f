/*
 * The world's address space: a window of it, slots whose entries are numbers and, unless the world
 * is unmapped, mappings of the memory file, and the books of what is not flushed yet. See
 * percpu_world.h.
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include "tests/host/percpu_world.h"

#include <stdlib.h>
#include <sys/mman.h>

static void map_at(struct world *w, u64 va, u64 bytes, int prot, u64 pa)
{
    void *at = (void *)(uintptr_t)va, *got;

    if (w->shape.unmapped)
        return;
    if (pa)
        got =
            mmap(at, bytes, prot, MAP_SHARED | MAP_FIXED, w->memory_file, (off_t)(pa - WORLD_PHYS));
    else
        got = mmap(at, bytes, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    if (got != at)
        abort();
}

static u64 entry_va(const struct world_slot *s, u32 index)
{
    return s->va + index * PAGE_SIZE;
}

/* ---- address space --------------------------------------------------------------------------- */

static int area_alloc(void *ctx, const u64 *offsets, const u64 *sizes, u32 n, u64 align, u64 *base)
{
    struct world *w = ctx;
    int err = -ENOMEM;

    spin_lock(&w->lock);
    if (!world_fails(w, WORLD_AREA))
        err = vspace_alloc_congruent(&w->vspace, offsets, sizes, n, align, "chunk", base);
    spin_unlock(&w->lock);
    return err;
}

static void area_free(void *ctx, u64 base, const u64 *offsets, u32 n)
{
    struct world *w = ctx;

    spin_lock(&w->lock);
    for (struct world_slot *s = w->slots; s; s = s->next) {
        const struct varea *a = vspace_find(&w->vspace, s->va);

        for (u32 i = 0; i < n; i++) {
            if (a && a->va == base + offsets[i])
                world_violation(w, "an area was freed before its tables were flushed", s->va);
        }
    }
    if (vspace_free_congruent(&w->vspace, base, offsets, n))
        world_violation(w, "an area was freed that was not taken", base);
    spin_unlock(&w->lock);
}

static struct world_slot *slot_at(struct world *w, u64 va)
{
    struct world_slot *s = w->slots;

    while (s && (va < s->va || va - s->va >= PCPU_RANGE_SIZE))
        s = s->next;
    return s;
}

static int slot_open(void *ctx, u64 va, s32 node, void **slot)
{
    struct world *w = ctx;
    struct world_slot *s;
    int err = -ENOMEM;

    spin_lock(&w->lock);
    if (!is_aligned(va, PCPU_RANGE_SIZE) || !vspace_find(&w->vspace, va) || node < 0)
        world_violation(w, "a slot lies outside of its area", va);
    if (slot_at(w, va))
        world_violation(w, "a slot was opened twice", va);
    if (!world_fails(w, WORLD_SLOT)) {
        s = calloc(1, sizeof(*s));
        if (!s)
            abort();
        s->va = va;
        s->next = w->slots;
        w->slots = s;
        *slot = s;
        err = 0;
    }
    spin_unlock(&w->lock);
    return err;
}

/* It stays until it was flushed, as its tables would. */
static void slot_close(void *ctx, void *slot)
{
    struct world *w = ctx;
    struct world_slot *s = slot;

    spin_lock(&w->lock);
    for (u32 i = 0; i < PCPU_RANGE_PAGES; i++) {
        if (s->entry[i] != PCPU_GET_NONE)
            world_violation(w, "a slot was closed with a page in it", entry_va(s, i));
    }
    s->closed = true;
    spin_unlock(&w->lock);
}

/* ---- entries --------------------------------------------------------------------------------- */

static void enter(struct world *w, struct world_slot *s, u32 index, u64 value)
{
    if (s->leaf)
        world_violation(w, "a page of a leaf was changed", entry_va(s, index));
    if (s->old[index])
        world_violation(w, "a page was mapped before the flush", entry_va(s, index));
    if (value != PCPU_GET_ZERO) {
        struct world_page *p;

        if (!world_has_page(w, value)) {
            world_violation(w, "what is mapped is not a page", value);
            return;
        }
        p = world_page(w, value);
        if (p->state != WORLD_TAKEN || p->mapped || p->stale)
            world_violation(w, "a page was mapped that is free, mapped or not flushed", value);
        p->mapped = 1;
    }
    s->entry[index] = value;
}

static void set(void *ctx, void *slot, u32 index, u32 n, u64 pa)
{
    struct world *w = ctx;
    struct world_slot *s = slot;

    spin_lock(&w->lock);
    for (u32 i = 0; i < n; i++) {
        if (s->entry[index + i] != PCPU_GET_NONE)
            world_violation(w, "a page was mapped over another one", entry_va(s, index + i));
        enter(w, s, index + i, pa + i * PAGE_SIZE);
    }
    map_at(w, entry_va(s, index), n * PAGE_SIZE, PROT_READ | PROT_WRITE, pa);
    spin_unlock(&w->lock);
}

static void set_zero(void *ctx, void *slot, u32 index, u32 n)
{
    struct world *w = ctx;
    struct world_slot *s = slot;

    spin_lock(&w->lock);
    for (u32 i = 0; i < n; i++) {
        if (s->entry[index + i] != PCPU_GET_NONE)
            world_violation(w, "the zero page was mapped over a page", entry_va(s, index + i));
        enter(w, s, index + i, PCPU_GET_ZERO);
    }
    map_at(w, entry_va(s, index), n * PAGE_SIZE, PROT_READ, 0);
    spin_unlock(&w->lock);
}

static void replace(void *ctx, void *slot, u32 index, u64 pa)
{
    struct world *w = ctx;
    struct world_slot *s = slot;

    spin_lock(&w->lock);
    if (s->entry[index] != PCPU_GET_ZERO)
        world_violation(w, "what was replaced is not the zero page", entry_va(s, index));
    enter(w, s, index, pa);
    s->old[index] = PCPU_GET_ZERO;
    map_at(w, entry_va(s, index), PAGE_SIZE, PROT_READ | PROT_WRITE, pa);
    spin_unlock(&w->lock);
}

static u64 clear(void *ctx, void *slot, u32 index)
{
    struct world *w = ctx;
    struct world_slot *s = slot;
    u64 value;

    spin_lock(&w->lock);
    value = s->entry[index];
    if (s->leaf || s->resized)
        world_violation(w, "a page was cleared before the flush of a new size", entry_va(s, index));
    if (value == PCPU_GET_NONE)
        world_violation(w, "a page was cleared that was not there", entry_va(s, index));
    if (value > PCPU_GET_ZERO) {
        world_page(w, value)->mapped = 0;
        world_page(w, value)->stale = true;
    }
    s->entry[index] = PCPU_GET_NONE;
    s->old[index] = value;
    map_at(w, entry_va(s, index), PAGE_SIZE, PROT_NONE, 0);
    spin_unlock(&w->lock);
    return value == PCPU_GET_ZERO ? 0 : value;
}

/* No lock: what a reader beside the others sees. */
static u64 get(void *ctx, void *slot, u32 index)
{
    struct world_slot *s = slot;

    (void)ctx;
    return atomic_load_explicit(&s->entry[index], memory_order_relaxed);
}

static int promote(void *ctx, void *slot, u64 block)
{
    struct world *w = ctx;
    struct world_slot *s = slot;
    int err = -ENOMEM;

    spin_lock(&w->lock);
    if (!world_fails(w, WORLD_PROMOTE)) {
        for (u32 i = 0; i < PCPU_RANGE_PAGES; i++) {
            if (s->entry[i] != block + i * PAGE_SIZE)
                world_violation(w, "a promoted range is not its block", entry_va(s, i));
            if (s->old[i])
                world_violation(w, "a page was promoted before the flush", entry_va(s, i));
        }
        if (s->resized)
            world_violation(w, "a range was promoted before the flush of its old size", s->va);
        if (s->leaf || !is_aligned(block, PCPU_RANGE_SIZE))
            world_violation(w, "this cannot be promoted", s->va);
        s->leaf = s->resized = true;
        err = 0;
    }
    spin_unlock(&w->lock);
    return err;
}

static int demote(void *ctx, void *slot)
{
    struct world *w = ctx;
    struct world_slot *s = slot;
    int err = -ENOMEM;

    spin_lock(&w->lock);
    if (!s->leaf)
        world_violation(w, "no leaf to demote", s->va);
    if (!world_fails(w, WORLD_DEMOTE)) {
        s->leaf = false;
        s->resized = true;
        err = 0;
    }
    spin_unlock(&w->lock);
    return err;
}

/* ---- flush ----------------------------------------------------------------------------------- */

static void forget(struct world *w, struct world_slot *s, u64 start, u64 end)
{
    u32 first = start > s->va ? (u32)((start - s->va) / PAGE_SIZE) : 0;
    u32 last = end - s->va < PCPU_RANGE_SIZE ? (u32)((end - s->va) / PAGE_SIZE) : PCPU_RANGE_PAGES;

    for (u32 i = first; i < last; i++) {
        if (s->old[i] > PCPU_GET_ZERO)
            world_page(w, s->old[i])->stale = false;
        s->old[i] = 0;
    }
    if (last - first == PCPU_RANGE_PAGES) {
        s->resized = false;
        s->flushed = s->closed;
    }
}

static void drop_closed(struct world *w)
{
    struct world_slot **link = &w->slots;

    while (*link) {
        struct world_slot *s = *link;

        if (s->closed && s->flushed) {
            *link = s->next;
            free(s);
        } else {
            link = &s->next;
        }
    }
}

static int flush(void *ctx, const struct pcpu_flush_range *ranges, u32 n)
{
    struct world *w = ctx;
    int err = w->before_flush ? w->before_flush(w->before_flush_ctx) : 0;

    spin_lock(&w->lock);
    if (host_irqs_off)
        world_violation(w, "a flush with interrupts off", n);
    if (!err && world_fails(w, WORLD_FLUSH))
        err = -ETIMEDOUT;
    w->flushed_ranges += n;
    for (u32 i = 0; i < n; i++) {
        if (ranges[i].start >= ranges[i].end || !is_aligned(ranges[i].start, PAGE_SIZE) ||
            !is_aligned(ranges[i].end, PAGE_SIZE))
            world_violation(w, "not a range to flush", ranges[i].start);
        for (struct world_slot *s = err ? NULL : w->slots; s; s = s->next) {
            if (ranges[i].start < s->va + PCPU_RANGE_SIZE && ranges[i].end > s->va)
                forget(w, s, ranges[i].start, ranges[i].end);
        }
    }
    drop_closed(w);
    spin_unlock(&w->lock);
    return err;
}

u64 world_entry(struct world *w, u64 va)
{
    struct world_slot *s;
    u64 value;

    spin_lock(&w->lock);
    s = slot_at(w, va);
    value = s ? atomic_load(&s->entry[(va - s->va) / PAGE_SIZE]) : PCPU_GET_NONE;
    spin_unlock(&w->lock);
    return value;
}

void world_make_window(struct world *w)
{
    u64 bytes = w->shape.window_bytes;
    u8 *room =
        mmap(NULL, bytes + SZ_2M, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    u8 *base = (u8 *)(uintptr_t)align_up((uintptr_t)room, SZ_2M);

    if (room == MAP_FAILED)
        abort();
    if (base > room)
        munmap(room, (size_t)(base - room));
    munmap(base + bytes, (size_t)(room + SZ_2M - base));
    w->window = base;
    if (vspace_init(&w->vspace, "chunks", (uintptr_t)base, bytes, w->areas, WORLD_AREAS, NULL))
        abort();
    w->map_ops = (struct pcpu_map_ops){w,
                                       area_alloc,
                                       area_free,
                                       slot_open,
                                       slot_close,
                                       set,
                                       set_zero,
                                       replace,
                                       clear,
                                       get,
                                       promote,
                                       demote,
                                       !w->shape.no_promotion,
                                       flush};
}

void world_drop_window(struct world *w)
{
    munmap(w->window, w->shape.window_bytes);
}
