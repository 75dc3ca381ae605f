/*
 * Magazines: small stocks of ready objects, one set per CPU (or per group on large machines), so
 * that most allocations and frees touch nothing that another CPU uses. See alloc.h.
 *
 * Whatever takes long (clearing, chunks, population) is done on a batch that was taken out first,
 * with interrupts as the caller had them.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/alloc_fast.h"

#define HOT_MISSES     4u     /* two misses of a class with so few others between them */
#define STOCK_FROM     8u     /* a refill that asks for fewer is cut from the strip, as needed */
#define SPILL          16u    /* entries that leave a full magazine at a time */
#define EVICT_PART     8      /* so much of the quota is free after an eviction */
#define IN_PLACE_BYTES 65536u /* of all units: about 8,000 instructions with interrupts off */

/* ---- set up ---------------------------------------------------------------------------------- */

static u32 class_cap(u32 class, u32 quota)
{
    u32 size = pcpu_class_size(class);

    return MAX(1u, MIN(PCPU_BATCH_MAX, MIN(4096u, quota) / size));
}

static struct pcpu_mags *new_mags(struct pcpu_allocator *a, s32 node, u32 quota, bool shared)
{
    u64 entries = 0, bytes;
    struct pcpu_mags *m;
    struct pcpu_entry *next;

    for (u32 c = PCPU_CLASS_4; c < PCPU_CLASSES; c++)
        entries += class_cap(c, quota);
    bytes = align_up(sizeof(*m), 64) + entries * sizeof(struct pcpu_entry);
    m = pcpu_meta_alloc(a, node, bytes);
    if (!m)
        return NULL;
    memset(m, 0, bytes);
    m->memory_bytes = bytes;
    m->quota = m->left = quota;
    m->shared = shared;
    m->victim = PCPU_CLASS_4;
    m->clock = HOT_MISSES + 1; /* no class is in demand */
    next = (struct pcpu_entry *)((u8 *)m + align_up(sizeof(*m), 64));
    for (u32 c = PCPU_CLASS_4; c < PCPU_CLASSES; c++) {
        m->mag[c].entries = next;
        m->mag[c].max = m->mag[c].cap = m->mag[c].dirty = (u8)class_cap(c, quota);
        m->mag[c].want = 1;
        m->mag[c].minus = (s16) - (s32)pcpu_class_size(c);
        next += m->mag[c].cap;
    }
    return m;
}

/* The set's CPUs: one, or all of a group. */
static int add_mags(struct pcpu_allocator *a, const u32 *cpus, u32 n, u32 quota, bool shared)
{
    struct pcpu_mags *m = NULL;

    for (u32 i = 0; i < n; i++) {
        if (cpus[i] == PCPU_NO_CPU)
            continue;
        if (!m)
            m = new_mags(a, a->env->cpu_node[cpus[i]], quota, shared);
        if (!m)
            return -ENOMEM;
        a->own_mags[cpus[i]] = m;
        a->mags[cpus[i]] = shared ? a->no_room : m;
    }
    if (m)
        a->all_mags[a->nr_mags++] = m;
    return 0;
}

int pcpu_init_mags(struct pcpu_allocator *a)
{
    const struct pcpu_first_chunk *fc = a->fc;
    bool shared = a->nr_cpus >= PCPU_SHARED_FROM_CPUS;
    u32 sets = shared ? fc->nr_groups : a->nr_cpus, step, err = 0;
    u64 quota = PCPU_CACHE_PAGES * PCPU_BLOCK_SIZE / sets;
    const u32 *cpus = fc->unit_cpu;

    quota = MIN(MAX(quota, PCPU_BLOCK_SIZE), PCPU_CACHE_MAX_BYTES);
    for (u32 g = 0; g < fc->nr_groups && !err; g++) {
        for (u32 i = 0; i < fc->group_units[g] && !err; i += step) {
            step = shared ? fc->group_units[g] : 1;
            err = add_mags(a, cpus + i, step, (u32)quota, shared) != 0;
        }
        cpus += fc->group_units[g];
    }
    return err ? -ENOMEM : 0;
}

void pcpu_free_mags(struct pcpu_allocator *a)
{
    for (u32 i = 0; i < a->nr_mags; i++)
        pcpu_meta_free(a, a->all_mags[i], a->all_mags[i]->memory_bytes);
    a->nr_mags = 0;
}

void pcpu_mags_lock(struct pcpu_mags *m)
{
    spin_lock(&m->lock);
}

/* ---- in and out -------------------------------------------------------------------------- */

/* The window back over all of its memory: clean entries at its start, dirty ones at its end. */
static void unshift(struct pcpu_mag *mag)
{
    struct pcpu_entry *base = mag->entries - mag->shift;
    u32 dirty = mag->cap - mag->dirty;

    /* Upwards into what is free, then downwards: neither runs into the other. */
    for (u32 i = dirty; i-- > 0;)
        base[mag->max - dirty + i] = mag->entries[mag->dirty + i];
    for (u32 i = 0; i < mag->clean; i++)
        base[i] = mag->entries[i];
    mag->entries = base;
    mag->shift = 0;
    mag->cap = mag->max;
    mag->dirty = (u8)(mag->max - dirty);
}

/* All dirty entries have been cleared, and there is no clean one. */
static void dirty_are_clean(struct pcpu_mag *mag)
{
    u32 n = mag->cap - mag->dirty;

    mag->entries += mag->dirty;
    mag->shift = (u8)(mag->shift + mag->dirty);
    mag->clean = mag->dirty = mag->cap = (u8)n;
}

/*
 * Takes up to n entries out, dirty ones (else clean ones); dirty ones in the order in which they
 * were freed, which is often the order of their addresses.
 */
static u32 pull(struct pcpu_mags *m, u32 class, bool dirty, u32 n, struct pcpu_entry *out)
{
    struct pcpu_mag *mag = &m->mag[class];
    u32 got = MIN(n, dirty ? (u32)(mag->cap - mag->dirty) : mag->clean);
    const struct pcpu_entry *from = mag->entries + (dirty ? mag->dirty : mag->clean - got);

    if (dirty) {
        for (u32 i = got; i--;)
            *out++ = from[i];
        mag->dirty = (u8)(mag->dirty + got);
    } else {
        for (u32 i = 0; i < got; i++)
            out[i] = from[i];
        mag->clean = (u8)(mag->clean - got);
    }
    cpu_local_add(m->left, got * pcpu_mag_size(mag));
    return got;
}

/*
 * Puts entries in as far as they fit; returns how many did. Clean ones so that the first goes out
 * first: a batch from a chunk is handed out in the order of addresses.
 */
static u32 push(struct pcpu_mags *m, u32 class, bool dirty, u32 n, const struct pcpu_entry *in)
{
    struct pcpu_mag *mag = &m->mag[class];
    struct pcpu_entry *to;
    u32 put;

    if (mag->clean + n > mag->dirty && mag->cap < mag->max)
        unshift(mag);
    put = MIN(n, (u32)(mag->dirty - mag->clean));
    to = mag->entries + (dirty ? mag->dirty - put : mag->clean);
    for (u32 i = 0; i < put; i++)
        to[i] = in[dirty ? i : put - 1 - i];
    if (dirty)
        mag->dirty = (u8)(mag->dirty - put);
    else
        mag->clean = (u8)(mag->clean + put);
    cpu_local_sub(m->left, put * pcpu_mag_size(mag));
    return put;
}

/* By the set of magazines: a counter of all CPUs would be a locked instruction for each batch. */
static void count_cleared(struct pcpu_allocator *a, u64 bytes)
{
    u64 irq;
    struct pcpu_mags *m = pcpu_mags_enter(a, &irq);

    cpu_local_add(m->cleared_bytes, bytes);
    pcpu_mags_exit(m, irq);
}

/* Clean objects go into the magazine, what does not fit into the chunks. */
static void put_clean(struct pcpu_allocator *a, u32 class, struct pcpu_entry *batch, u32 n)
{
    struct pcpu_mags *m;
    u64 irq;
    u32 put;
    bool over;

    if (!n)
        return;
    m = pcpu_mags_enter(a, &irq);
    put = push(m, class, false, n, batch);
    over = m->left < 0;
    pcpu_mags_exit(m, irq);
    if (put < n)
        pcpu_give_back(a, batch + put, n - put);
    if (over)
        pcpu_mag_evict(a);
}

/* ---- from the chunks -------------------------------------------------------------------------
 */

/* n objects from populated holes, which are made as needed; 0: no memory. */
static u32 refill(struct pcpu_allocator *a, u32 class, u32 n, u32 flags, struct pcpu_entry *batch)
{
    struct pcpu_request r = {
        .size = pcpu_class_size(class) / PCPU_GRANULE,
        .align = pcpu_class_align(class) / PCPU_GRANULE,
        .n = n,
        .tag = (u8) class,
    };
    u32 got;

    while (!(got = pcpu_take(a, &r, batch))) {
        if ((flags & PCPU_ATOMIC) || pcpu_grow(a, r.size, r.align))
            return 0;
    }
    pcpu_reserve_check(a, flags);
    return got;
}

/*
 * How many the next refill of the class asks for: twice as many when its last miss was not long
 * ago, half as many when it was. So a class that is in demand is stocked, and one that is asked for
 * now and then does not push the others out.
 */
static u32 adapt(struct pcpu_mags *m, u32 class)
{
    struct pcpu_mag *mag = &m->mag[class];
    u16 age = (u16)(m->clock - m->missed[class]);

    mag->want = (u8)(age <= HOT_MISSES ? MIN(2 * mag->want, MAX(1, mag->max * 9 / 16))
                                       : MAX(1, mag->want / 2));
    m->missed[class] = m->clock++;
    if (!pcpu_class_has_steps(class)) {
        /* A second one costs next to nothing while there is room for it. */
        if (mag->want == 1 && mag->max > 1 && m->left > m->quota / 4)
            mag->want = 2;
        return mag->want;
    }
    return mag->want < STOCK_FROM ? 1 : mag->want;
}

/*
 * Enough dirty entries, and little to clear: done where they are, interrupts off. True: the class
 * has clean ones now.
 */
static bool clear_in_place(struct pcpu_allocator *a, struct pcpu_mags *m, u32 class, u32 want)
{
    struct pcpu_mag *mag = &m->mag[class];
    u32 n = mag->cap - mag->dirty;
    u64 bytes = (u64)n * pcpu_mag_size(mag) * a->nr_cpus;

    if (mag->clean || !n || n < want || bytes > IN_PLACE_BYTES)
        return false;
    cpu_local_add(m->cleared_bytes,
                  pcpu_clear_batch(a, mag->entries + mag->dirty, n, pcpu_mag_size(mag)));
    dirty_are_clean(mag);
    return true;
}

/* An object comes from a chunk, at the caller's; so many bytes of memory were asked for. */
static void count_refill(struct pcpu_allocator *a, u32 bytes, u32 flags, bool first)
{
    u64 irq;
    struct pcpu_mags *m = pcpu_mags_enter(a, &irq);

    if (first)
        cpu_local_inc(m->nr_alloc);
    cpu_local_inc(m->refills);
    m->overflowed = false;
    if (flags & PCPU_ATOMIC)
        cpu_local_add(m->atomic_bytes, bytes);
    pcpu_mags_exit(m, irq);
}

/* ---- a miss ----------------------------------------------------------------------------------
 */

/*
 * What this CPU has of a class into a batch: all dirty ones, cleared, and if that is too few, what
 * the strip has. Returns how many; *enough: no need to ask the chunks.
 */
static u32 own_batch(struct pcpu_allocator *a, u32 class, u32 flags, u32 want, bool *enough,
                     struct pcpu_entry *batch)
{
    u64 irq;
    struct pcpu_mags *m = pcpu_mags_enter(a, &irq);
    u32 n = pull(m, class, true, PCPU_BATCH_MAX, batch), more = 0;

    if (n < want && pcpu_class_has_steps(class))
        more = pcpu_strip_cut_some(a, m, class, want - n, batch + n);
    if (n + more)
        cpu_local_inc(m->nr_alloc);
    pcpu_mags_exit(m, irq);
    if (n > 1 || (n && !(flags & PCPU_NOZERO)))
        count_cleared(a, pcpu_clear_batch(a, batch, n, pcpu_class_size(class)));
    *enough = more || n >= want;
    return n + more;
}

/* From what this CPU has (own: there is something), and from the chunks what is missing. */
static NOINLINE void *from_batch(struct pcpu_allocator *a, u32 class, u32 flags, u32 want, bool own)
{
    struct pcpu_entry batch[PCPU_BATCH_MAX];
    bool enough = false;
    u32 n = own ? own_batch(a, class, flags, want, &enough, batch) : 0;

    if (!enough) {
        u32 got = refill(a, class, want - n, n ? flags | PCPU_ATOMIC : flags, batch + n);

        if (got)
            count_refill(a, got * pcpu_class_size(class), flags, n == 0);
        n += got;
        if (!n)
            return NULL;
    }
    /* The first one: it may be the dirty one of a caller that does not mind. */
    pcpu_set_tag(batch[0].tag, class | PCPU_TAG_OWNED);
    put_clean(a, class, batch + 1, n - 1);
    return (void *)batch[0].ptr;
}

/*
 * At once: an object that is clean, or is so now, or off the strip. Else what to ask the chunks
 * for.
 */
void *pcpu_mag_alloc_slow(struct pcpu_allocator *a, u32 class, u32 flags)
{
    u64 irq;
    struct pcpu_mags *m = pcpu_mags_enter(a, &irq);
    struct pcpu_mag *mag = &m->mag[class];
    struct pcpu_new_strip new;
    bool own, strip = false;
    void *ptr = NULL;
    u32 want = 0;

    if (!mag->clean) {
        want = adapt(m, class);
        clear_in_place(a, m, class, want);
    }
    own = mag->dirty < mag->cap;
    if (mag->clean) {
        ptr = pcpu_alloc_fast(m, class);
    } else if (want == 1 && !own && pcpu_class_has_steps(class)) {
        strip = true;
        ptr = pcpu_strip_cut_one(a, m, class);
        if (!ptr)
            pcpu_strip_plan(m, &new);
    }
    own |= m->strip.bytes >= pcpu_mag_size(mag);
    pcpu_mags_exit(m, irq);
    if (ptr && strip && (flags & PCPU_ATOMIC))
        pcpu_count_demand(a, pcpu_class_size(class));
    if (ptr)
        return ptr;
    return strip ? pcpu_strip_renew(a, class, flags, &new) : from_batch(a, class, flags, want, own);
}

/* ---- too many -------------------------------------------------------------------------------- */

/* A batch on its way to the chunks. Only as much of it is written as is used. */
struct outgoing {
    struct pcpu_entry batch[PCPU_BATCH_MAX];
    u32 n, nr_runs;
    struct {
        u8 class, first, n;
    } runs[PCPU_BATCH_MAX]; /* of dirty entries */
};

static void take_out(struct pcpu_mags *m, u32 class, u32 max, struct outgoing *out)
{
    u32 n = pull(m, class, false, max, out->batch + out->n); /* clean ones need no work */
    u32 dirty = pull(m, class, true, max - n, out->batch + out->n + n);

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
    struct pcpu_mags *m = pcpu_mags_enter(a, &irq);
    u8 *tag = pcpu_tag_of(a, ptr);
    struct pcpu_entry extra = {ptr, tag};
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
    push(m, class, true, 1, &extra);
    cpu_local_inc(m->nr_free);
    over = m->left < 0;
    pcpu_mags_exit(m, irq);
    if (out.n)
        send_out(a, &out);
    if (over)
        pcpu_mag_evict(a);
}

/* A batch of several classes, round the classes from where it ended last time. */
static bool evict_some(struct pcpu_allocator *a, bool all)
{
    struct outgoing out;
    u64 irq;
    struct pcpu_mags *m = pcpu_mags_enter(a, &irq);
    s32 enough = all ? m->quota : m->quota / EVICT_PART;
    bool more;

    out.n = out.nr_runs = 0;
    for (u32 i = 0; i < PCPU_CLASSES && m->left < enough; i++) {
        struct pcpu_mag *mag = &m->mag[m->victim];

        if (out.n + mag->clean + mag->cap - mag->dirty > PCPU_BATCH_MAX)
            break;
        if (mag->clean || mag->dirty < mag->cap) {
            take_out(m, m->victim, PCPU_BATCH_MAX, &out);
            cpu_local_inc(m->evictions);
        }
        m->victim = m->victim + 1 < PCPU_CLASSES ? m->victim + 1 : PCPU_CLASS_4;
    }
    if (out.n)
        cpu_local_inc(m->drains);
    m->overflowed = !all;
    more = m->left < enough;
    pcpu_mags_exit(m, irq);
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
    struct pcpu_strip strip;
    u64 irq;
    struct pcpu_mags *m = pcpu_mags_enter(a, &irq);

    pcpu_strip_leave(m, &strip);
    pcpu_mags_exit(m, irq);
    pcpu_give_strip(a, &strip);
    while (evict_some(a, true))
        ;
}

bool pcpu_mag_drain_overflowed(struct pcpu_allocator *a)
{
    struct pcpu_mags *own = a->own_mags[cpu_number()], *m;
    bool overflowed;
    u64 irq;

    /* Of a set that is shared another CPU may be at it. */
    if (!spin_trylock(&own->draining))
        return false;
    m = pcpu_mags_enter(a, &irq);
    overflowed = m->overflowed;
    pcpu_mags_exit(m, irq);
    if (overflowed)
        pcpu_mag_drain_all(a);
    spin_unlock(&own->draining);
    return overflowed;
}

void pcpu_mags_wait_drained(struct pcpu_allocator *a)
{
    for (u32 i = 0; i < a->nr_mags; i++) {
        spin_lock(&a->all_mags[i]->draining);
        spin_unlock(&a->all_mags[i]->draining);
    }
}

/* ---- background ------------------------------------------------------------------------------ */

/* Where they are, so that nobody finds some of them gone meanwhile; large batches wait. */
bool pcpu_mag_clear_some(struct pcpu_allocator *a)
{
    bool done = false;

    for (u32 class = PCPU_CLASS_4; class < PCPU_CLASSES; class ++) {
        u64 irq;
        struct pcpu_mags *m = pcpu_mags_enter(a, &irq);

        done |= clear_in_place(a, m, class, 0);
        pcpu_mags_exit(m, irq);
    }
    return done;
}
