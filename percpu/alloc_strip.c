/*
 * Strips: what objects are cut from that no magazine stocks.
 *
 * Where many sizes are in demand, each of them now and then, a stock of each would be large and
 * would lie about for long. Objects are cut from one strip instead, in the order in which they are
 * asked for: one lock and one way up the tree serve a page of them, and those that were asked for
 * together lie together, and go together when they do.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/alloc_internal.h"

#define STRIP_PART 4 /* so much of the quota may be one */

/* An object off a strip, which has room for it. */
static struct pcpu_entry cut(const struct pcpu_allocator *a, struct pcpu_strip *s, u32 tag,
                             u32 size)
{
    struct pcpu_entry e = {s->ptr, pcpu_tag_in(a, s->ch, s->ptr)};

    pcpu_set_tag(e.tag, tag);
    s->ptr += size;
    s->bytes -= size;
    return e;
}

u32 pcpu_strip_cut_some(const struct pcpu_allocator *a, struct pcpu_mags *m, u32 class, u32 n,
                        struct pcpu_entry *out)
{
    u32 size = pcpu_class_size(class), got = MIN(n, m->strip.bytes / size);

    for (u32 i = 0; i < got; i++)
        out[i] = cut(a, &m->strip, class, size);
    cpu_local_add(m->left, got * size);
    return got;
}

void *pcpu_strip_cut_one(const struct pcpu_allocator *a, struct pcpu_mags *m, u32 class)
{
    u32 size = pcpu_mag_size(&m->mag[class]);

    if (m->strip.bytes < size)
        return NULL;
    cpu_local_add(m->left, size);
    cpu_local_inc(m->nr_alloc);
    return (void *)cut(a, &m->strip, class | PCPU_TAG_OWNED, size).ptr;
}

void pcpu_strip_leave(struct pcpu_mags *m, struct pcpu_strip *out)
{
    *out = m->strip;
    m->strip.bytes = 0;
    cpu_local_add(m->left, out->bytes);
}

/* A strip becomes the set's; the set may have got another one meanwhile. */
static void set_strip(struct pcpu_allocator *a, struct pcpu_strip *s)
{
    u64 irq;
    struct pcpu_mags *m = pcpu_mags_enter(a, &irq);
    bool over;

    cpu_local_inc(m->nr_alloc);
    cpu_local_inc(m->refills);
    m->overflowed = false;
    if (!m->strip.bytes) {
        m->strip = *s;
        cpu_local_sub(m->left, s->bytes);
        s->bytes = 0;
    }
    over = m->left < 0;
    pcpu_mags_exit(m, irq);
    pcpu_give_strip(a, s);
    if (over)
        pcpu_mag_evict(a);
}

void pcpu_strip_plan(struct pcpu_mags *m, struct pcpu_new_strip *new)
{
    new->max = (u32)MAX(MIN(m->quota / STRIP_PART, m->left), 0);
    pcpu_strip_leave(m, &new->ended);
}

void *pcpu_strip_renew(struct pcpu_allocator *a, u32 class, u32 flags,
                       const struct pcpu_new_strip *new)
{
    u32 size = pcpu_class_size(class);
    struct pcpu_strip s;
    struct pcpu_request r = {
        .size = size / PCPU_GRANULE,
        .align = 8 / PCPU_GRANULE,
        .n = 1,
        .strip = &s,
        .max = MAX(size, new->max) / PCPU_GRANULE,
    };
    struct pcpu_entry e;

    pcpu_give_strip(a, &new->ended);
    while (!pcpu_take(a, &r, NULL)) {
        if ((flags & PCPU_ATOMIC) || pcpu_grow(a, r.size, r.align))
            return NULL;
    }
    pcpu_reserve_check(a, flags);
    if (flags & PCPU_ATOMIC)
        pcpu_count_demand(a, size);
    e = cut(a, &s, class | PCPU_TAG_OWNED, size);
    set_strip(a, &s);
    return (void *)e.ptr;
}
