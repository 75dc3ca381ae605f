/*
 * Reports of the debug build: damage, wrong frees, leaks, names of pointers, counts and
 * invariants. See debug.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/printf.h"
#include "percpu/debug/debug_internal.h"

/* A call site as text. */
struct site_name {
    char text[64];
};

static struct site_name name_of(const struct pcpu_debug *d, uintptr_t site)
{
    const struct pcpu_debug_config *c = &d->config;
    struct site_name n;

    if (!c->site_name || c->site_name(c->ctx, site, n.text, sizeof(n.text)) <= 0)
        kscnprintf(n.text, sizeof(n.text), "0x%llx", (unsigned long long)site);
    return n;
}

static bool may_say(struct pcpu_debug *d)
{
    return d->nr_lines++ < PCPU_DEBUG_LINES;
}

/* ---- damage ---------------------------------------------------------------------------------- */

static void say_zone(struct pcpu_debug *d, const struct pcpu_debug_record *r,
                     const struct pcpu_debug_find *f)
{
    bool front = f->part == PCPU_PART_FRONT;
    struct site_name alloc = name_of(d, r->alloc_site);

    pr_err("percpu: debug: %s of %p: CPU %u's copy has 0x%02x in byte %u %s; %u bytes, allocated "
           "by %s",
           front ? "underflow" : "overflow", (void *)r->ptr, f->cpu, f->byte,
           front ? r->front - f->off : f->off, front ? "before its start" : "after its end",
           r->size, alloc.text);
    if (r->freed)
        pr_err("percpu: debug: freed by %s", name_of(d, r->free_site).text);
}

static void say_poison(struct pcpu_debug *d, const struct pcpu_debug_record *r,
                       const struct pcpu_debug_find *f)
{
    struct site_name alloc = name_of(d, r->alloc_site), freed = name_of(d, r->free_site);

    pr_err("percpu: debug: use after free of %p: CPU %u's copy has 0x%02x at offset %u; %u bytes, "
           "allocated by %s, freed by %s",
           (void *)r->ptr, f->cpu, f->byte, f->off, r->size, alloc.text, freed.text);
}

bool pcpu_debug_check(struct pcpu_debug *d, const struct pcpu_debug_record *r)
{
    struct pcpu_debug_find find;

    if (pcpu_debug_whole(d, r, &find))
        return true;
    d->st.damage++;
    if (may_say(d)) {
        if (find.part == PCPU_PART_BODY)
            say_poison(d, r, &find);
        else
            say_zone(d, r, &find);
    }
    pcpu_debug_mark(d, r);
    return false;
}

void pcpu_debug_say_not_zero(struct pcpu_debug *d, const struct pcpu_debug_record *r,
                             const struct pcpu_debug_find *f)
{
    d->st.damage++;
    if (may_say(d))
        pr_err("percpu: debug: write to free memory: CPU %u's copy of %p has 0x%02x; found when "
               "allocated by %s",
               f->cpu, (void *)(r->ptr - r->front + f->off), f->byte,
               name_of(d, r->alloc_site).text);
}

void pcpu_debug_say_mapped(struct pcpu_debug *d, const struct pcpu_debug_record *r)
{
    d->st.damage++;
    if (may_say(d))
        pr_err("percpu: debug: something is mapped at the pointer %p itself, allocated by %s",
               (void *)r->ptr, name_of(d, r->alloc_site).text);
}

/* ---- wrong frees ----------------------------------------------------------------------------- */

static void say_freed_before(struct pcpu_debug *d, uintptr_t ptr, u32 size, uintptr_t alloc_site,
                             uintptr_t free_site, uintptr_t site)
{
    struct site_name alloc = name_of(d, alloc_site), before = name_of(d, free_site);

    d->st.refused++;
    if (may_say(d))
        pr_err("percpu: free of %p refused: freed before by %s, now by %s; %u bytes, allocated "
               "by %s",
               (void *)ptr, before.text, name_of(d, site).text, size, alloc.text);
}

void pcpu_debug_say_double(struct pcpu_debug *d, const struct pcpu_debug_record *r, uintptr_t site)
{
    say_freed_before(d, r->ptr, r->size, r->alloc_site, r->free_site, site);
}

/* The record of the object that contains ptr, zones included; NULL: none. O(objects). */
static const struct pcpu_debug_record *around(const struct pcpu_debug *d, uintptr_t ptr)
{
    struct pcpu_debug_record *r = NULL;
    u32 bucket = 0;

    while ((r = pcpu_debug_next(d, r, &bucket)))
        if (ptr - (r->ptr - r->front) < r->whole)
            return r;
    return NULL;
}

bool pcpu_debug_say_wrong(struct pcpu_debug *d, uintptr_t ptr, uintptr_t site)
{
    const struct pcpu_debug_past *past = &d->past[pcpu_debug_hash(ptr) % PCPU_DEBUG_PAST];
    const struct pcpu_debug_record *r = around(d, ptr);

    if (!r && (past->ptr != ptr || pcpu_size(d->a, (void *)ptr)))
        return false; /* never had a record, or an object taken from the allocator itself */
    if (past->ptr == ptr) {
        say_freed_before(d, ptr, past->size, past->alloc_site, past->free_site, site);
        return true;
    }
    d->st.refused++;
    if (may_say(d))
        pr_err("percpu: free of %p by %s refused: inside of an object of %u bytes at %p, "
               "allocated by %s",
               (void *)ptr, name_of(d, site).text, r->size, (void *)r->ptr,
               name_of(d, r->alloc_site).text);
    return true;
}

/* ---- leaks ----------------------------------------------------------------------------------- */

/* All objects of one site. */
struct site_sum {
    uintptr_t site;
    u64 objects, bytes;
};

/* Sums up the lowest site > above that has an object; sum->objects 0: no such site. */
static void next_site(const struct pcpu_debug *d, uintptr_t above, struct site_sum *sum)
{
    struct pcpu_debug_record *r = NULL;
    u32 bucket = 0;

    *sum = (struct site_sum){0};
    while ((r = pcpu_debug_next(d, r, &bucket))) {
        if (r->freed || r->alloc_site <= above || (sum->objects && r->alloc_site > sum->site))
            continue;
        if (!sum->objects || r->alloc_site < sum->site)
            *sum = (struct site_sum){.site = r->alloc_site};
        sum->objects++;
        sum->bytes += r->size;
    }
}

u64 pcpu_debug_leaks(struct pcpu_debug *d)
{
    struct site_sum sum = {0};
    u64 objects = 0, bytes = 0;
    u32 sites = 0;

    for (;;) {
        u64 irq = spin_lock_irqsave(&d->lock);

        next_site(d, sum.site, &sum);
        spin_unlock_irqrestore(&d->lock, irq);
        if (!sum.objects)
            break;
        pr_info("percpu: leak: %llu objects, %llu bytes per unit, allocated by %s",
                (unsigned long long)sum.objects, (unsigned long long)sum.bytes,
                name_of(d, sum.site).text);
        objects += sum.objects;
        bytes += sum.bytes;
        sites++;
    }
    pr_info("percpu: leaks: %llu objects, %llu bytes per unit, %u call sites",
            (unsigned long long)objects, (unsigned long long)bytes, sites);
    return objects;
}

/* ---- all objects, counts --------------------------------------------------------------------- */

u64 pcpu_debug_check_all(struct pcpu_debug *d)
{
    u64 irq = spin_lock_irqsave(&d->lock), bad = 0;
    struct pcpu_debug_record *r = NULL;
    u32 bucket = 0;

    while ((r = pcpu_debug_next(d, r, &bucket)))
        bad += !pcpu_debug_check(d, r);
    spin_unlock_irqrestore(&d->lock, irq);
    return bad;
}

static const char *verify_counts(const struct pcpu_debug *d, u64 live, u64 live_bytes, u64 freed)
{
    u64 waiting = 0, bytes = 0;

    for (const struct pcpu_debug_record *r = d->oldest; r; r = r->later) {
        waiting++;
        bytes += r->whole;
    }
    if (live != d->st.live_objects || live_bytes != d->st.live_bytes)
        return "debug: the count of objects";
    if (waiting != d->st.quarantine_objects || waiting != freed || bytes != d->st.quarantine_bytes)
        return "debug: the count of the quarantine";
    if (waiting > PCPU_DEBUG_QUARANTINE_OBJECTS || bytes > PCPU_DEBUG_QUARANTINE_BYTES)
        return "debug: the quarantine is over its limit";
    return NULL;
}

const char *pcpu_debug_verify(struct pcpu_debug *d)
{
    u64 irq = spin_lock_irqsave(&d->lock), live = 0, bytes = 0, freed = 0;
    struct pcpu_debug_record *r = NULL;
    struct pcpu_debug_find find;
    const char *bad = NULL;
    u32 bucket = 0;

    while (!bad && (r = pcpu_debug_next(d, r, &bucket))) {
        live += !r->freed;
        bytes += r->freed ? 0 : r->size;
        freed += r->freed;
        if (!pcpu_debug_whole(d, r, &find))
            bad = find.part == PCPU_PART_BODY ? "debug: poison is damaged"
                                              : "debug: a red zone is damaged";
    }
    if (!bad)
        bad = verify_counts(d, live, bytes, freed);
    spin_unlock_irqrestore(&d->lock, irq);
    return bad;
}

u64 pcpu_debug_forgive(struct pcpu_debug *d)
{
    u64 irq = spin_lock_irqsave(&d->lock), damage = d->st.damage;

    d->st.damage = 0;
    d->nr_lines = 0;
    spin_unlock_irqrestore(&d->lock, irq);
    return damage;
}

void pcpu_debug_get_stats(struct pcpu_debug *d, struct pcpu_debug_stats *out)
{
    u64 irq = spin_lock_irqsave(&d->lock);

    *out = d->st;
    spin_unlock_irqrestore(&d->lock, irq);
}

void pcpu_debug_alloc_stats(struct pcpu_debug *d, struct percpu_stats *out)
{
    struct pcpu_debug_stats st;

    pcpu_get_stats(d->a, out);
    pcpu_debug_get_stats(d, &st);
    out->nr_free += st.quarantine_objects;
}

/* ---- pointers -------------------------------------------------------------------------------- */

bool pcpu_debug_base_usable(const struct pcpu_allocator *a, const struct pcpu_debug_config *config,
                            u64 base)
{
    for (u32 off = 0; off < a->unit_size; off += PAGE_SIZE)
        if (config->mapped(config->ctx, base - a->delta + off))
            return false;
    return true;
}

int pcpu_describe(const struct pcpu_allocator *a, u64 addr, char *buf, size_t size)
{
    struct pcpu_dchunk *ch = NULL;
    u32 off;

    if (a->fc)
        ch = pcpu_chunk_of(a, addr, &off);
    if (!ch || ch->fixed)
        return 0;
    return ksnprintf(buf, size, "per-CPU pointer without per_cpu_ptr, chunk %u offset 0x%x",
                     ch->number, off);
}

int pcpu_debug_describe(struct pcpu_debug *d, u64 addr, char *buf, size_t size)
{
    const struct pcpu_debug_record *r;
    int len = 0;
    u64 irq;

    if (!d->a)
        return 0;
    /* Only tries: this CPU, or a stopped one, may hold the lock at the fault. */
    irq = local_irq_save();
    if (spin_trylock(&d->lock)) {
        r = around(d, addr);
        if (r)
            len = ksnprintf(buf, size, "per-CPU pointer without per_cpu_ptr, %s by %s",
                            r->freed ? "freed" : "allocated",
                            name_of(d, r->freed ? r->free_site : r->alloc_site).text);
        spin_unlock(&d->lock);
    }
    local_irq_restore(irq);
    return len ? len : pcpu_describe(d->a, addr, buf, size);
}
