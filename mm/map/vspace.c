/*
 * Areas of virtual addresses, one at a time, and the names of addresses. The contract is in
 * mm/map/vspace.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/print.h"
#include "kernel/base/printf.h"
#include "kernel/base/sort.h"
#include "kernel/base/string.h"
#include "mm/map/vspace_table.h"

int vspace_init(struct vspace *vs, const char *name, u64 base, u64 size, struct varea *areas,
                u32 capacity, const struct vspace_storage *storage)
{
    if (!size || !is_aligned(base | size, PAGE_SIZE) || base + size <= base)
        return -EINVAL;
    *vs = (struct vspace){
        .name = name,
        .base = base,
        .end = base + size,
        .areas = areas,
        .capacity = capacity,
        .storage = storage,
        .cursor = base,
    };
    return 0;
}

u32 vspace_index(const struct vspace *vs, u64 addr)
{
    return FIRST_WHERE(i, vs->count, vs->areas[i].end > addr);
}

int vspace_reserve(struct vspace *vs, u32 needed)
{
    u32 capacity = vs->capacity > ~0u / 2 ? needed : MAX(vs->capacity * 2, needed);
    struct varea *grown;

    if (needed <= vs->capacity)
        return 0;
    grown = vs->storage ? vs->storage->alloc(vs->storage->ctx, capacity) : NULL;
    if (!grown)
        return -ENOMEM;
    if (vs->count)
        memcpy(grown, vs->areas, vs->count * sizeof(*grown));
    if (vs->own_array)
        vs->storage->free(vs->storage->ctx, vs->areas, vs->capacity);
    vs->areas = grown;
    vs->capacity = capacity;
    vs->own_array = true;
    return 0;
}

static int insert(struct vspace *vs, const struct varea *area)
{
    u32 i = vspace_index(vs, area->start);
    int err = vspace_reserve(vs, vs->count + 1);

    if (err)
        return err;
    memmove(&vs->areas[i + 1], &vs->areas[i], (vs->count - i) * sizeof(*area));
    vs->areas[i] = *area;
    vs->count++;
    vs->used += area->end - area->start;
    return 0;
}

/* The lowest place for the request in the free piece [lo, hi). */
static bool fits(u64 lo, u64 hi, u64 size, u64 align, u64 guard, u64 *va)
{
    u64 user;

    if (lo >= hi || guard > hi - lo)
        return false;
    user = align_up(lo + guard, align);
    if (user < lo + guard || user >= hi || size > hi - user)
        return false;
    *va = user;
    return true;
}

/* Searches the gaps in front of areas[from..to]; to == count includes the last gap. */
static bool find_gap(const struct vspace *vs, u32 from, u32 to, u64 floor, u64 size, u64 align,
                     u64 guard, u64 *va)
{
    for (u32 i = from; i <= to; i++) {
        u64 lo = i ? vs->areas[i - 1].end : vs->base;
        u64 hi = i < vs->count ? vs->areas[i].start : vs->end;

        if (fits(MAX(lo, floor), hi, size, align, guard, va))
            return true;
    }
    return false;
}

int vspace_alloc(struct vspace *vs, u64 size, u64 align, u64 guard, struct varea_tag tag, u64 *va)
{
    u32 from = vspace_index(vs, vs->cursor);
    struct varea area = {.name = tag.name, .owner = tag.owner};
    int err;

    if (!size || !is_aligned(size | guard, PAGE_SIZE) || !is_pow2(align) || align < PAGE_SIZE)
        return -EINVAL;
    /* From the cursor to the end, then from the base up to the gap the cursor is in. */
    if (!find_gap(vs, from, vs->count, vs->cursor, size, align, guard, &area.va) &&
        !find_gap(vs, 0, from, vs->base, size, align, guard, &area.va))
        return -ENOSPC;
    area.start = area.va - guard;
    area.end = area.va + size;
    err = insert(vs, &area);
    if (err)
        return err;
    vs->cursor = area.end;
    *va = area.va;
    return 0;
}

struct varea *vspace_area_at(const struct vspace *vs, u64 va)
{
    u32 i = vspace_index(vs, va);

    return i < vs->count && vs->areas[i].va == va ? &vs->areas[i] : NULL;
}

int vspace_free(struct vspace *vs, u64 va)
{
    struct varea *area = vspace_area_at(vs, va);
    u32 i;

    if (!area)
        return -ENOENT;
    i = (u32)(area - vs->areas);
    vs->used -= area->end - area->start;
    vs->count--;
    memmove(area, area + 1, (vs->count - i) * sizeof(*area));
    return 0;
}

const struct varea *vspace_find(const struct vspace *vs, u64 addr)
{
    u32 i = vspace_index(vs, addr);

    return i < vs->count && vs->areas[i].start <= addr ? &vs->areas[i] : NULL;
}

int vspace_describe(const struct vspace *vs, u64 addr, char *buf, size_t size)
{
    const struct varea *area = vspace_find(vs, addr);
    char owner[24] = "";

    if (addr < vs->base || addr >= vs->end)
        return 0;
    if (!area)
        return ksnprintf(buf, size, "unused address in %s", vs->name);
    if (area->flags & VAREA_CONGRUENT)
        ksnprintf(owner, sizeof(owner), " area %d", area->owner);
    else if (area->owner != VAREA_NO_OWNER)
        ksnprintf(owner, sizeof(owner), " of CPU %d", area->owner);
    if (addr < area->va)
        return ksnprintf(buf, size, "guard page below %s%s", area->name, owner);
    return ksnprintf(buf, size, "%s%s +0x%llx", area->name, owner, (ull)(addr - area->va));
}

static const char *area_fault(const struct vspace *vs, u32 i)
{
    const struct varea *a = &vs->areas[i];

    if (!is_aligned(a->start | a->va | a->end, PAGE_SIZE))
        return "is not whole pages";
    if (a->start > a->va || a->va >= a->end)
        return "has no user part";
    if (a->start < vs->base || a->end > vs->end)
        return "leaves the window";
    if (i && a->start < vs->areas[i - 1].end)
        return "overlaps the one before";
    return NULL;
}

int vspace_verify(const struct vspace *vs)
{
    const char *fault = NULL;
    u64 used = 0;
    u32 i;

    if (vs->count > vs->capacity || vs->cursor < vs->base || vs->cursor > vs->end) {
        pr_err("vspace %s: count, capacity or cursor is wrong", vs->name);
        return -EINVAL;
    }
    for (i = 0; i < vs->count && !fault; i++) {
        fault = area_fault(vs, i);
        used += vs->areas[i].end - vs->areas[i].start;
    }
    if (fault) {
        pr_err("vspace %s: area %u (%s at 0x%llx) %s", vs->name, i - 1, vs->areas[i - 1].name,
               (ull)vs->areas[i - 1].va, fault);
        return -EINVAL;
    }
    if (used != vs->used) {
        pr_err("vspace %s: 0x%llx bytes taken, 0x%llx counted", vs->name, (ull)used, (ull)vs->used);
        return -EINVAL;
    }
    return 0;
}
