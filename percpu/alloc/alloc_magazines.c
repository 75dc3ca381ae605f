/*
 * Magazines: small stocks of ready objects, one set per CPU, so that most allocations and frees
 * touch no memory that another CPU uses. See alloc_magazines.h.
 *
 * Long work (clearing, chunks, population) runs with interrupts as the caller had them, on a batch
 * that was first taken out of its magazine.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/alloc/alloc_magazines.h"
#include "percpu/alloc/alloc.h"
#include "percpu/alloc/alloc_batch.h"
#include "percpu/alloc/alloc_fast.h"
#include "percpu/alloc/alloc_set.h"

#define STOCK_FROM     8u  /* refills below this, or below the most: the bump region serves */
#define SHORT          16u /* magazines up to this may be filled further, to clear more at once */
#define SPILL          16u /* entries that leave a full magazine at a time */
#define EVICT_PART     8   /* the share of the quota that is free after an eviction */
#define IN_PLACE_BYTES 65536u /* of all units: about 8,000 instructions with interrupts off */

/* ---- in and out ------------------------------------------------------------------------------ */

/* Spreads the window over all of its memory: clean entries at its start, dirty ones at its end. */
static void unshift(struct pcpu_mag *mag)
{
    struct pcpu_entry *base = mag->entries - mag->shift;
    u32 dirty = mag->cap - mag->dirty;

    /* Dirty entries move up into free memory first, so that neither half overwrites the other. */
    for (u32 i = dirty; i-- > 0;)
        base[mag->max - dirty + i] = mag->entries[mag->dirty + i];
    for (u32 i = 0; i < mag->clean; i++)
        base[i] = mag->entries[i];
    mag->entries = base;
    mag->shift = 0;
    mag->cap = mag->max;
    mag->dirty = (u8)(mag->max - dirty);
}

static u32 nr_dirty(const struct pcpu_mag *mag)
{
    return (u32)(mag->cap - mag->dirty);
}

/* Takes out up to n dirty entries in the order of their frees, often also of their addresses. */
static u32 pull_dirty(struct pcpu_mags *m, u32 class, u32 n, struct pcpu_entry *out)
{
    struct pcpu_mag *mag = &m->mag[class];
    u32 got = MIN(n, nr_dirty(mag));
    const struct pcpu_entry *from = mag->entries + mag->dirty;

    for (u32 i = got; i--;)
        *out++ = from[i];
    mag->dirty = (u8)(mag->dirty + got);
    cpu_local_add(m->headroom, got * pcpu_mag_size(mag));
    return got;
}

static u32 pull_clean(struct pcpu_mags *m, u32 class, u32 n, struct pcpu_entry *out)
{
    struct pcpu_mag *mag = &m->mag[class];
    u32 got = MIN(n, mag->clean);

    mag->clean = (u8)(mag->clean - got);
    for (u32 i = 0; i < got; i++)
        out[i] = mag->entries[mag->clean + i];
    cpu_local_add(m->headroom, got * pcpu_mag_size(mag));
    return got;
}

/* Makes room for n entries, or for fewer if the memory is full. */
static void mag_make_room(struct pcpu_mag *mag, u32 n)
{
    if (mag->clean + n > mag->dirty && mag->cap < mag->max)
        unshift(mag);
}

/* Counts in the set: one counter for all CPUs would need a locked instruction for each batch. */
static void count_cleared(struct pcpu_allocator *a, u64 bytes)
{
    u64 irq;
    struct pcpu_mags *m = pcpu_set_enter(a, &irq);

    cpu_local_add(m->cleared_bytes, bytes);
    pcpu_set_exit(irq);
}

/*
 * Puts clean objects into the magazine, or into the chunks when it is full. The first is on top, so
 * that a batch from a chunk is handed out in the order of addresses.
 */
static void put_clean(struct pcpu_allocator *a, u32 class, struct pcpu_entry *batch, u32 n)
{
    struct pcpu_mags *m;
    struct pcpu_mag *mag;
    u64 irq;
    u32 put;
    bool over;

    if (!n)
        return;
    m = pcpu_set_enter(a, &irq);
    mag = &m->mag[class];
    mag_make_room(mag, n);
    put = MIN(n, (u32)(mag->dirty - mag->clean));
    for (u32 i = put; i--;)
        mag->entries[mag->clean++] = batch[i];
    cpu_local_sub(m->headroom, put * pcpu_mag_size(mag));
    over = m->headroom < 0;
    pcpu_set_exit(irq);
    if (put < n)
        pcpu_give_back(a, batch + put, n - put);
    if (over)
        pcpu_mag_evict(a);
}

/* ---- a miss ---------------------------------------------------------------------------------- */

/*
 * Returns the number of objects to ask for: twice the last number if the class missed recently,
 * else half. So a class in demand is stocked, and a rare one does not displace others. 1: no stock.
 */
static u32 adapt(struct pcpu_mags *m, u32 class)
{
    struct pcpu_mag *mag = &m->mag[class];
    u16 age = (u16)(m->clock - m->last_miss[class]);
    u32 most = MAX(1u, mag->max > SHORT ? mag->max * 9u / 16 : mag->max * 3u / 4);

    mag->refill =
        (u8)(age <= PCPU_HOT_MISSES ? MIN(2u * mag->refill, most) : MAX(1, mag->refill / 2));
    m->last_miss[class] = m->clock++;
    if (!pcpu_class_has_steps(class)) {
        /* A second object costs little while the set has room. */
        if (mag->refill == 1 && mag->max > 1 && m->headroom > m->quota / 4)
            mag->refill = 2;
        return mag->refill;
    }
    return mag->refill < MIN(STOCK_FROM, most) ? 1 : mag->refill;
}

/*
 * Turns the dirty entries into clean ones: clears them in place, with interrupts off. Only if they
 * are at least `enough` and few enough to clear quickly.
 */
static bool clear_in_place(struct pcpu_allocator *a, struct pcpu_mags *m, u32 class, u32 enough)
{
    struct pcpu_mag *mag = &m->mag[class];
    u32 n = nr_dirty(mag);
    u64 bytes = (u64)n * pcpu_mag_size(mag) * a->nr_cpus;

    if (mag->clean || !n || n < enough || bytes > IN_PLACE_BYTES)
        return false;
    cpu_local_add(m->cleared_bytes,
                  pcpu_clear_batch(a, mag->entries + mag->dirty, n, pcpu_mag_size(mag)));
    mag->entries += mag->dirty;
    mag->shift = (u8)(mag->shift + mag->dirty);
    mag->clean = mag->dirty = mag->cap = (u8)n;
    return true;
}

/*
 * Takes up to n objects from the chunks. own: the caller already has objects, so this does not
 * populate for more. Else one of the new objects is the caller's and is counted.
 */
static u32 refill(struct pcpu_allocator *a, u32 class, u32 n, u32 flags, u32 own,
                  struct pcpu_entry *batch)
{
    struct pcpu_request r = {
        .size = pcpu_class_size(class) / PCPU_GRANULE,
        .align = pcpu_class_align(class) / PCPU_GRANULE,
        .n = n,
        .tag = (u8) class,
    };
    u32 got = pcpu_take(a, &r, own ? flags | PCPU_ATOMIC : flags, batch);
    struct pcpu_mags *m;
    u64 irq;

    if (!got)
        return 0;
    m = pcpu_set_enter(a, &irq);
    if (!own)
        cpu_local_inc(m->nr_alloc);
    cpu_local_inc(m->refills);
    m->overflowed = false;
    if (flags & PCPU_ATOMIC)
        cpu_local_add(m->atomic_bytes, got * pcpu_class_size(class));
    pcpu_set_exit(irq);
    return got;
}

/*
 * Serves a miss from this CPU's set (own: it has something): clears its dirty entries, and adds
 * objects of the bump region up to `need`. If these are too few, takes objects from the chunks.
 */
static NOINLINE void *from_batch(struct pcpu_allocator *a, u32 class, u32 flags, u32 need, bool own)
{
    struct pcpu_entry batch[PCPU_BATCH_MAX];
    u32 n = 0, more = 0;

    if (own) {
        u64 irq;
        struct pcpu_mags *m = pcpu_set_enter(a, &irq);

        n = pull_dirty(m, class, PCPU_BATCH_MAX, batch);
        if (n < need && pcpu_class_has_steps(class))
            more = pcpu_bump_alloc_many(a, m, class, need - n, batch + n);
        if (n + more)
            cpu_local_inc(m->nr_alloc);
        pcpu_set_exit(irq);
        if (n > 1 || (n && !(flags & PCPU_NOZERO)))
            count_cleared(a, pcpu_clear_batch(a, batch, n, pcpu_class_size(class)));
    }
    if (n < need && !more)
        n += refill(a, class, need - n, flags, n, batch + n);
    n += more;
    if (!n)
        return NULL;
    /* With PCPU_NOZERO this one may be dirty. */
    pcpu_set_tag(batch[0].tag, class | PCPU_TAG_OWNED);
    put_clean(a, class, batch + 1, n - 1);
    return (void *)batch[0].ptr;
}

void *pcpu_mag_alloc_slow(struct pcpu_allocator *a, u32 class, u32 flags)
{
    u64 irq;
    struct pcpu_mags *m = pcpu_set_enter(a, &irq);
    struct pcpu_mag *mag = &m->mag[class];
    struct pcpu_bump_request new;
    bool own, bump = false;
    void *ptr = NULL;
    u32 need = 0;

    if (!mag->clean) {
        need = adapt(m, class);
        if (nr_dirty(mag))
            clear_in_place(a, m, class, need);
    }
    own = mag->dirty < mag->cap;
    if (mag->clean) {
        ptr = pcpu_alloc_fast(m, class);
    } else if (need == 1 && !own && pcpu_class_has_steps(class)) {
        bump = true;
        ptr = pcpu_bump_alloc(a, m, class);
        if (!ptr)
            pcpu_bump_plan(m, &new);
    }
    own |= m->bump.bytes >= pcpu_mag_size(mag);
    pcpu_set_exit(irq);
    if (ptr && bump && (flags & PCPU_ATOMIC))
        pcpu_count_demand(a, pcpu_class_size(class));
    if (ptr)
        return ptr;
    if (!bump)
        return from_batch(a, class, flags, need, own);
    ptr = pcpu_bump_renew(a, class, flags, &new);
    if (new.over_quota)
        pcpu_mag_evict(a);
    return ptr;
}

/* ---- full magazines -------------------------------------------------------------------------- */

/* A batch on its way to the chunks. Not initialised, because it is large. */
struct outgoing {
    struct pcpu_entry batch[PCPU_BATCH_MAX];
    u32 n, nr_runs;
    struct {
        u8 class, first, n;
    } runs[PCPU_BATCH_MAX]; /* of dirty entries */
};

static void take_out(struct pcpu_mags *m, u32 class, u32 max, struct outgoing *out)
{
    u32 n = pull_clean(m, class, max, out->batch + out->n); /* they need no clearing */
    u32 dirty = pull_dirty(m, class, max - n, out->batch + out->n + n);

    if (dirty) {
        out->runs[out->nr_runs].class = (u8) class;
        out->runs[out->nr_runs].first = (u8)(out->n + n);
        out->runs[out->nr_runs++].n = (u8)dirty;
    }
    out->n += n + dirty;
}

static void send_out(struct pcpu_allocator *a, struct outgoing *out)
{
    u64 bytes = 0;

    for (u32 i = 0; i < out->nr_runs; i++)
        bytes += pcpu_clear_batch(a, out->batch + out->runs[i].first, out->runs[i].n,
                                  pcpu_class_size(out->runs[i].class));
    if (bytes)
        count_cleared(a, bytes);
    pcpu_give_back(a, out->batch, out->n);
}

void pcpu_mag_put(struct pcpu_allocator *a, uintptr_t ptr)
{
    struct outgoing out;
    u64 irq;
    struct pcpu_mags *m = pcpu_set_enter(a, &irq);
    u8 *tag = pcpu_tag_of(a, ptr);
    u32 class = *tag & PCPU_TAG_KIND;
    struct pcpu_mag *mag = &m->mag[class];
    bool over;

    out.n = out.nr_runs = 0;
    if (mag->clean == mag->dirty && mag->cap == mag->max) {
        take_out(m, class, MIN((mag->max + 1u) / 2, SPILL), &out);
        cpu_local_inc(m->drains);
        m->overflowed = true;
    }
    pcpu_set_tag(tag, class);
    mag_make_room(mag, 1);
    mag->entries[--mag->dirty] = (struct pcpu_entry){ptr, tag};
    cpu_local_sub(m->headroom, pcpu_mag_size(mag));
    cpu_local_inc(m->nr_free);
    over = m->headroom < 0;
    pcpu_set_exit(irq);
    if (out.n)
        send_out(a, &out);
    if (over)
        pcpu_mag_evict(a);
}

/* Evicts one batch of several classes, round robin across calls. True: call again. */
static bool evict_some(struct pcpu_allocator *a, bool all)
{
    struct outgoing out;
    u64 irq;
    struct pcpu_mags *m = pcpu_set_enter(a, &irq);
    s32 enough = all ? m->quota : m->quota / EVICT_PART;
    bool more;

    out.n = out.nr_runs = 0;
    for (u32 i = 0; i < PCPU_CLASSES && m->headroom < enough; i++) {
        struct pcpu_mag *mag = &m->mag[m->victim];

        if (out.n + mag->clean + nr_dirty(mag) > PCPU_BATCH_MAX)
            break;
        if (mag->clean || mag->dirty < mag->cap)
            take_out(m, m->victim, PCPU_BATCH_MAX, &out);
        m->victim = m->victim + 1 < PCPU_CLASSES ? m->victim + 1 : PCPU_CLASS_4;
    }
    if (out.n)
        cpu_local_inc(m->drains);
    m->overflowed = !all;
    more = m->headroom < enough;
    pcpu_set_exit(irq);
    if (out.n)
        send_out(a, &out);
    return more && out.n;
}

void pcpu_mag_evict(struct pcpu_allocator *a)
{
    while (evict_some(a, false))
        ;
}

void pcpu_mag_drain_all(struct pcpu_allocator *a)
{
    struct pcpu_bump bump;
    u64 irq;
    struct pcpu_mags *m = pcpu_set_enter(a, &irq);

    pcpu_bump_detach(m, &bump);
    pcpu_set_exit(irq);
    pcpu_give_back_bump(a, &bump);
    while (evict_some(a, true))
        ;
}

/* One batch: half of the objects of *class and the classes after it. True: call again. */
static bool decay_some(struct pcpu_allocator *a, u32 *class)
{
    struct outgoing out;
    u64 irq;
    struct pcpu_mags *m = pcpu_set_enter(a, &irq);

    out.n = out.nr_runs = 0;
    for (; *class < PCPU_CLASSES; (*class)++) {
        const struct pcpu_mag *mag = &m->mag[*class];
        u32 half = (mag->clean + nr_dirty(mag) + 1) / 2;

        if (out.n + half > PCPU_BATCH_MAX)
            break;
        if (half)
            take_out(m, *class, half, &out);
    }
    if (out.n)
        cpu_local_inc(m->drains);
    pcpu_set_exit(irq);
    if (out.n)
        send_out(a, &out);
    return *class < PCPU_CLASSES;
}

void pcpu_decay_cpu(struct pcpu_allocator *a)
{
    struct pcpu_mags *own = a->mags[cpu_number()];
    struct pcpu_bump bump;
    u32 class = PCPU_CLASS_4;
    u64 irq;

    if (!spin_trylock(&own->draining))
        return; /* this CPU drains it, below an interrupt */
    pcpu_bump_detach(pcpu_set_enter(a, &irq), &bump);
    pcpu_set_exit(irq);
    pcpu_give_back_bump(a, &bump);
    while (decay_some(a, &class))
        ;
    spin_unlock(&own->draining);
}

static bool drain_overflowed(struct pcpu_allocator *a)
{
    struct pcpu_mags *own = a->mags[cpu_number()], *m;
    bool overflowed;
    u64 irq;

    if (!spin_trylock(&own->draining))
        return false;
    m = pcpu_set_enter(a, &irq);
    overflowed = m->overflowed;
    pcpu_set_exit(irq);
    if (overflowed)
        pcpu_mag_drain_all(a);
    spin_unlock(&own->draining);
    return overflowed;
}

/* Clears in place, so that the objects stay available. Large batches wait for a miss. */
bool pcpu_mag_tidy(struct pcpu_allocator *a)
{
    bool done = drain_overflowed(a);

    for (u32 class = PCPU_CLASS_4; class < PCPU_CLASSES; class ++) {
        u64 irq;
        struct pcpu_mags *m = pcpu_set_enter(a, &irq);

        done |= clear_in_place(a, m, class, 0);
        pcpu_set_exit(irq);
    }
    return done;
}

void pcpu_mag_wait_drained(struct pcpu_allocator *a)
{
    for (u32 i = 0; i < a->nr_cpus; i++) {
        spin_lock(&a->mags[i]->draining);
        spin_unlock(&a->mags[i]->draining);
    }
}
