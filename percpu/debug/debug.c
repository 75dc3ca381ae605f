/*
 * Allocation and free of the debug build: records, zones around objects, quarantine. See debug.h.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/debug/debug_internal.h"

/* ---- records --------------------------------------------------------------------------------- */

static struct pcpu_debug_record **find_link(struct pcpu_debug *d, uintptr_t ptr)
{
    struct pcpu_debug_record **link = &d->bucket[pcpu_debug_hash(ptr) % PCPU_DEBUG_BUCKETS];

    while (*link && (*link)->ptr != ptr)
        link = &(*link)->next;
    return link;
}

static void enter(struct pcpu_debug *d, struct pcpu_debug_record *r)
{
    struct pcpu_debug_record **head = &d->bucket[pcpu_debug_hash(r->ptr) % PCPU_DEBUG_BUCKETS];

    r->next = *head;
    *head = r;
}

/* Sets the zones around r->size bytes, if a unit has room for them. */
static void shape(const struct pcpu_debug *d, struct pcpu_debug_record *r, size_t align)
{
    u32 unit = d->a->unit_size, back = PCPU_DEBUG_ZONE;

    r->front = align <= PAGE_SIZE ? (u32)MAX(align, PCPU_DEBUG_ZONE) : 0;
    if (r->front + r->size + back > unit)
        r->front = 0;
    if (r->size + back > unit)
        back = unit - r->size;
    r->whole = r->front + r->size + back;
}

/* ---- the quarantine -------------------------------------------------------------------------- */

static void quarantine(struct pcpu_debug *d, struct pcpu_debug_record *r)
{
    r->later = NULL;
    if (d->newest)
        d->newest->later = r;
    else
        d->oldest = r;
    d->newest = r;
    d->st.quarantine_objects++;
    d->st.quarantine_bytes += r->whole;
}

/* Checks the oldest object and removes its record. */
static struct pcpu_debug_record *release_oldest(struct pcpu_debug *d)
{
    struct pcpu_debug_record *r = d->oldest;

    pcpu_debug_check(d, r);
    d->oldest = r->later;
    if (!d->oldest)
        d->newest = NULL;
    d->st.quarantine_objects--;
    d->st.quarantine_bytes -= r->whole;
    *find_link(d, r->ptr) = r->next;
    d->past[pcpu_debug_hash(r->ptr) % PCPU_DEBUG_PAST] =
        (struct pcpu_debug_past){r->ptr, r->alloc_site, r->free_site, r->size};
    return r;
}

/* Removes objects over the limits; returns them, linked by ->next, for really_free() unlocked. */
static struct pcpu_debug_record *release(struct pcpu_debug *d, u64 objects, u64 bytes)
{
    struct pcpu_debug_record *list = NULL;

    while (d->st.quarantine_objects > objects || d->st.quarantine_bytes > bytes) {
        struct pcpu_debug_record *r = release_oldest(d);

        r->next = list;
        list = r;
    }
    return list;
}

static u64 really_free(struct pcpu_debug *d, struct pcpu_debug_record *list)
{
    u64 n = 0;

    while (list) {
        struct pcpu_debug_record *r = list;

        list = r->next;
        pcpu_free(d->a, (void *)(r->ptr - r->front));
        pcpu_meta_free(d->a, r, sizeof(*r));
        n++;
    }
    return n;
}

u64 pcpu_debug_flush(struct pcpu_debug *d)
{
    u64 irq = spin_lock_irqsave(&d->lock);
    struct pcpu_debug_record *list = release(d, 0, 0);

    spin_unlock_irqrestore(&d->lock, irq);
    return really_free(d, list);
}

/* ---- allocation ------------------------------------------------------------------------------ */

/* When memory is short, empties the quarantine and tries again. */
static void *from_allocator(struct pcpu_debug *d, size_t size, size_t align, u32 flags)
{
    u64 irq = spin_lock_irqsave(&d->lock);
    bool waiting = d->st.quarantine_objects != 0;
    void *p;

    spin_unlock_irqrestore(&d->lock, irq);
    p = pcpu_alloc(d->a, size, align, waiting ? flags | PCPU_NOWARN : flags);
    if (p || !waiting)
        return p;
    pcpu_debug_flush(d);
    return pcpu_alloc(d->a, size, align, flags);
}

static bool leads_somewhere(const struct pcpu_debug *d, const struct pcpu_debug_record *r)
{
    const struct pcpu_debug_config *c = &d->config;

    return c->mapped && !pcpu_debug_in_first(d, r->ptr) &&
           (c->mapped(c->ctx, r->ptr) || c->mapped(c->ctx, r->ptr + r->size - 1));
}

/* Checks and marks the new object, and enters its record. */
static void begin(struct pcpu_debug *d, struct pcpu_debug_record *r, u32 flags)
{
    bool mapped = leads_somewhere(d, r);
    u64 irq = spin_lock_irqsave(&d->lock);
    struct pcpu_debug_find find;

    if (!pcpu_debug_zero(d, r, &find)) {
        pcpu_debug_say_not_zero(d, r, &find);
        pcpu_debug_fill(d, r, r->ptr - r->front, r->whole, 0);
    }
    if (mapped)
        pcpu_debug_say_mapped(d, r);
    pcpu_debug_mark(d, r);
    if (flags & PCPU_NOZERO)
        pcpu_debug_fill(d, r, r->ptr, r->size, PCPU_DEBUG_UNINIT);
    enter(d, r);
    d->st.live_objects++;
    d->st.live_bytes += r->size;
    spin_unlock_irqrestore(&d->lock, irq);
}

void *pcpu_debug_alloc(struct pcpu_debug *d, size_t size, size_t align, u32 flags, uintptr_t site)
{
    struct pcpu_allocator *a = d->a;
    struct pcpu_debug_record *r;
    u8 *p;

    if (!size || !is_pow2(align) || size > a->unit_size || align > a->unit_size)
        return pcpu_alloc(a, size, align, flags); /* logs the error */
    r = pcpu_meta_alloc(a, sizeof(*r));
    if (!r) {
        pcpu_count(&a->nr_failed, 1);
        return NULL;
    }
    *r = (struct pcpu_debug_record){.size = (u32)size, .alloc_site = site};
    shape(d, r, align);
    p = from_allocator(d, r->whole, align, flags);
    if (!p) {
        pcpu_meta_free(a, r, sizeof(*r));
        return NULL;
    }
    r->whole = (u32)pcpu_size(a, p);
    r->ptr = (uintptr_t)p + r->front;
    begin(d, r, flags);
    return (void *)r->ptr;
}

u32 pcpu_debug_alloc_bulk(struct pcpu_debug *d, size_t size, size_t align, u32 flags, u32 n,
                          void **ptrs, uintptr_t site)
{
    u32 done = 0;

    while (done < n && (ptrs[done] = pcpu_debug_alloc(d, size, align, flags, site)))
        done++;
    return done;
}

/* ---- free ------------------------------------------------------------------------------------ */

/* No record: a wrong free, or an object taken from the allocator itself. */
static void free_unknown(struct pcpu_debug *d, uintptr_t ptr, uintptr_t site)
{
    u64 irq = spin_lock_irqsave(&d->lock);
    bool said = pcpu_debug_say_wrong(d, ptr, site);

    spin_unlock_irqrestore(&d->lock, irq);
    if (said)
        pcpu_count(&d->a->bad_free, 1);
    else
        pcpu_free(d->a, (void *)ptr);
}

void pcpu_debug_free(struct pcpu_debug *d, void *ptr, uintptr_t site)
{
    struct pcpu_debug_record *r, *list = NULL;
    u64 irq;

    if (!ptr)
        return;
    irq = spin_lock_irqsave(&d->lock);
    r = *find_link(d, (uintptr_t)ptr);
    if (r && r->freed) {
        pcpu_debug_say_double(d, r, site);
        pcpu_count(&d->a->bad_free, 1);
    } else if (r) {
        pcpu_debug_check(d, r);
        r->freed = true;
        r->free_site = site;
        d->st.live_objects--;
        d->st.live_bytes -= r->size;
        pcpu_debug_fill(d, r, r->ptr, r->size, PCPU_DEBUG_FREED);
        quarantine(d, r);
        list = release(d, PCPU_DEBUG_QUARANTINE_OBJECTS, PCPU_DEBUG_QUARANTINE_BYTES);
    }
    spin_unlock_irqrestore(&d->lock, irq);
    really_free(d, list);
    if (!r)
        free_unknown(d, (uintptr_t)ptr, site);
}

void pcpu_debug_free_bulk(struct pcpu_debug *d, u32 n, void **ptrs, uintptr_t site)
{
    for (u32 i = 0; i < n; i++)
        pcpu_debug_free(d, ptrs[i], site);
}

size_t pcpu_debug_size(struct pcpu_debug *d, const void *ptr)
{
    u64 irq = spin_lock_irqsave(&d->lock);
    struct pcpu_debug_record *r = *find_link(d, (uintptr_t)ptr);
    size_t size = 0;

    if (r && !r->freed) {
        pcpu_debug_check(d, r);
        size = r->size;
    }
    spin_unlock_irqrestore(&d->lock, irq);
    return size;
}

/* ---- new CPUs, set-up ------------------------------------------------------------------------ */

static bool is_patterned(const struct pcpu_debug *d, u32 cpu)
{
    for (u32 i = 0; i < d->nr_units; i++)
        if (d->cpus[i] == cpu)
            return true;
    return false;
}

int pcpu_debug_cpu_first_online(struct pcpu_debug *d, u32 cpu)
{
    int err = pcpu_cpu_first_online(d->a, cpu);
    struct pcpu_debug_record *r = NULL;
    u32 bucket = 0;
    u64 irq;

    if (err)
        return err;
    irq = spin_lock_irqsave(&d->lock);
    if (!is_patterned(d, cpu)) {
        while ((r = pcpu_debug_next(d, r, &bucket)))
            if (!pcpu_debug_in_first(d, r->ptr))
                pcpu_debug_mark_cpu(d, r, cpu);
        d->cpus[d->nr_units++] = cpu;
    }
    spin_unlock_irqrestore(&d->lock, irq);
    return 0;
}

/* One object fills the first chunk's dynamic area, so that no pointer is in the kernel image. */
static void hold_first_chunk(struct pcpu_debug *d)
{
    struct pcpu_locked l;
    u32 off = 0;

    if (!pcpu_lock_chunk(d->a, PCPU_CHUNK_FIRST, &l))
        return;
    pcpu_chunk_alloc(&l.ch->c, pcpu_chunk_max_populated(&l.ch->c), 1, PCPU_TAG_BIG | PCPU_TAG_OWNED,
                     1, &off);
    pcpu_unlock_chunk(d->a, &l);
    d->held_offset = off;
    pcpu_grow_reserve(d->a, (u32)MAX((s64)PCPU_RESERVE_BOOT - pcpu_empty_blocks(d->a), 0));
}

int pcpu_debug_init(struct pcpu_debug *d, struct pcpu_allocator *a,
                    const struct pcpu_debug_config *config)
{
    memset(d, 0, sizeof(*d));
    d->a = a;
    d->config = *config;
    d->cpus = pcpu_meta_alloc(a, a->nr_cpus * sizeof(u32));
    if (!d->cpus)
        return -ENOMEM;
    for (u32 cpu = 0; cpu < a->nr_cpus; cpu++)
        if (bitmap_test_bit(a->live_map, cpu))
            d->cpus[d->nr_units++] = cpu;
    hold_first_chunk(d);
    return 0;
}

void pcpu_debug_destroy(struct pcpu_debug *d)
{
    struct pcpu_locked l;

    pcpu_debug_flush(d);
    ASSERT(d->st.live_objects == 0);
    if (d->held_offset && pcpu_lock_chunk(d->a, PCPU_CHUNK_FIRST, &l)) {
        pcpu_chunk_free(&l.ch->c, 1, &d->held_offset);
        pcpu_unlock_chunk(d->a, &l);
    }
    pcpu_meta_free(d->a, d->cpus, d->a->nr_cpus * sizeof(u32));
}
