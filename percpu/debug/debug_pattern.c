/*
 * Writes and checks the patterns of the debug build in every backed unit; see debug.h.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/debug/debug_internal.h"

typedef u64 __attribute__((may_alias)) any_u64;

static u8 *copy_of(const struct pcpu_debug *d, uintptr_t ptr, u32 cpu)
{
    return (u8 *)(uintptr_t)(ptr + d->a->delta + d->a->fc->unit_off[cpu]);
}

/* The number of backed units of r. unit_cpu(): the CPU of the i-th one. */
static u32 nr_units(const struct pcpu_debug *d, const struct pcpu_debug_record *r)
{
    return pcpu_debug_in_first(d, r->ptr) ? d->a->nr_cpus : d->nr_units;
}

static u32 unit_cpu(const struct pcpu_debug *d, const struct pcpu_debug_record *r, u32 i)
{
    return pcpu_debug_in_first(d, r->ptr) ? i : d->cpus[i];
}

static u32 back_zone(const struct pcpu_debug_record *r)
{
    return r->whole - r->front - r->size;
}

/* ---- writing --------------------------------------------------------------------------------- */

void pcpu_debug_mark_cpu(struct pcpu_debug *d, const struct pcpu_debug_record *r, u32 cpu)
{
    memset(copy_of(d, r->ptr - r->front, cpu), PCPU_DEBUG_RED, r->front);
    memset(copy_of(d, r->ptr + r->size, cpu), PCPU_DEBUG_RED, back_zone(r));
    if (r->freed)
        memset(copy_of(d, r->ptr, cpu), PCPU_DEBUG_FREED, r->size);
}

void pcpu_debug_mark(struct pcpu_debug *d, const struct pcpu_debug_record *r)
{
    for (u32 i = 0; i < nr_units(d, r); i++)
        pcpu_debug_mark_cpu(d, r, unit_cpu(d, r, i));
}

void pcpu_debug_fill(struct pcpu_debug *d, const struct pcpu_debug_record *r, uintptr_t start,
                     u32 size, u8 byte)
{
    for (u32 i = 0; i < nr_units(d, r); i++)
        memset(copy_of(d, start, unit_cpu(d, r, i)), byte, size);
}

/* ---- checking -------------------------------------------------------------------------------- */

/* Index of the first byte that differs, or n. Compares words where p + i is aligned. */
static u32 first_other(const u8 *p, u32 n, u8 byte)
{
    u64 word = byte * 0x0101010101010101ULL;
    u32 i = 0;

    for (; i < n && (uintptr_t)(p + i) % 8; i++)
        if (p[i] != byte)
            return i;
    while (i + 8 <= n && *(const any_u64 *)(p + i) == word)
        i += 8;
    while (i < n && p[i] == byte)
        i++;
    return i;
}

static bool all_are(const struct pcpu_debug *d, uintptr_t ptr, u32 n, u8 byte, u32 cpu,
                    enum pcpu_debug_part part, struct pcpu_debug_find *find)
{
    const u8 *p = copy_of(d, ptr, cpu);
    u32 off = first_other(p, n, byte);

    if (off != n)
        *find = (struct pcpu_debug_find){part, cpu, off, p[off]};
    return off == n;
}

/* Reports the damage nearest to the object: an underflow begins there. */
static bool front_is_red(const struct pcpu_debug *d, const struct pcpu_debug_record *r, u32 cpu,
                         struct pcpu_debug_find *find)
{
    const u8 *p = copy_of(d, r->ptr - r->front, cpu);

    if (all_are(d, r->ptr - r->front, r->front, PCPU_DEBUG_RED, cpu, PCPU_PART_FRONT, find))
        return true;
    for (u32 off = r->front; off-- > 0;)
        if (p[off] != PCPU_DEBUG_RED) {
            find->off = off;
            find->byte = p[off];
            break;
        }
    return false;
}

bool pcpu_debug_whole(struct pcpu_debug *d, const struct pcpu_debug_record *r,
                      struct pcpu_debug_find *find)
{
    d->st.checks++;
    for (u32 i = 0; i < nr_units(d, r); i++) {
        u32 cpu = unit_cpu(d, r, i);

        if (!front_is_red(d, r, cpu, find) ||
            !all_are(d, r->ptr + r->size, back_zone(r), PCPU_DEBUG_RED, cpu, PCPU_PART_BACK, find))
            return false;
        if (r->freed && !all_are(d, r->ptr, r->size, PCPU_DEBUG_FREED, cpu, PCPU_PART_BODY, find))
            return false;
    }
    return true;
}

bool pcpu_debug_zero(struct pcpu_debug *d, const struct pcpu_debug_record *r,
                     struct pcpu_debug_find *find)
{
    d->st.checks++;
    for (u32 i = 0; i < nr_units(d, r); i++)
        if (!all_are(d, r->ptr - r->front, r->whole, 0, unit_cpu(d, r, i), PCPU_PART_BODY, find))
            return false;
    return true;
}
