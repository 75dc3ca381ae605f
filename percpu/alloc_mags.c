/*
 * Magazines: small stocks of ready objects, one set per CPU (or per group on large machines), so
 * that most allocations and frees touch nothing that another CPU uses. See alloc.h.
 *
 * Whatever takes long (clearing, chunks, population) is done on a batch that was taken out first,
 * with interrupts as the caller had them.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/alloc_internal.h"

/* ---- set up ------------------------------------------------------------------------------------
 */

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
    next = (struct pcpu_entry *)((u8 *)m + align_up(sizeof(*m), 64));
    for (u32 c = PCPU_CLASS_4; c < PCPU_CLASSES; c++) {
        m->mag[c].entries = next;
        m->mag[c].cap = m->mag[c].dirty = (u8)class_cap(c, quota);
        m->mag[c].want = 1;
        m->mag[c].size = (u16)pcpu_class_size(c);
        m->mag[c].minus = (s16)-m->mag[c].size;
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
        a->mags[cpus[i]] = m;
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

/* ---- in and out --------------------------------------------------------------------------------
 */

/* Takes up to n entries out, dirty ones (else clean ones). */
static u32 pull(struct pcpu_mags *m, u32 class, bool dirty, u32 n, struct pcpu_entry *out)
{
    struct pcpu_mag *mag = &m->mag[class];
    u32 got = MIN(n, dirty ? (u32)(mag->cap - mag->dirty) : mag->clean);

    for (u32 i = 0; i < got; i++)
        out[i] = dirty ? mag->entries[mag->dirty++] : mag->entries[--mag->clean];
    cpu_local_add(m->left, got * mag->size);
    return got;
}

/* Puts entries in as far as they fit; returns how many did. */
static u32 push(struct pcpu_mags *m, u32 class, bool dirty, u32 n, const struct pcpu_entry *in)
{
    struct pcpu_mag *mag = &m->mag[class];
    u32 put = MIN(n, (u32)(mag->dirty - mag->clean));

    for (u32 i = 0; i < put; i++) {
        if (dirty)
            mag->entries[--mag->dirty] = in[i];
        else
            mag->entries[mag->clean++] = in[i];
    }
    cpu_local_sub(m->left, put * mag->size);
    return put;
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

/* ---- a miss ------------------------------------------------------------------------------------
 */

/* n objects from populated holes, which are made as needed; 0: no memory. */
static u32 refill(struct pcpu_allocator *a, u32 class, u32 n, u32 flags, struct pcpu_entry *batch)
{
    u32 size = pcpu_class_size(class) / PCPU_GRANULE;
    u32 align = pcpu_class_align(class) / PCPU_GRANULE, got;

    while (!(got = pcpu_take(a, size, align, (u8) class, n, batch))) {
        if ((flags & PCPU_ATOMIC) || pcpu_grow(a, size, align))
            return 0;
    }
    pcpu_reserve_check(a, flags);
    return got;
}

/* What the magazine gives at once: a clean object, or all its dirty ones into the batch. */
static u32 pull_any(struct pcpu_allocator *a, u32 class, bool *clean, u32 *want,
                    struct pcpu_entry *batch)
{
    struct pcpu_mags *m;
    struct pcpu_mag *mag;
    u64 irq;
    u32 n;

    m = pcpu_mags_enter(a, &irq);
    mag = &m->mag[class];
    *clean = mag->clean != 0;
    n = pull(m, class, !*clean, *clean ? 1 : PCPU_BATCH_MAX, batch);
    *want = mag->want;
    if (!*clean)
        mag->want = (u8)MIN(2 * mag->want, MAX(1, mag->cap / 2));
    cpu_local_inc(m->nr_alloc);
    pcpu_mags_exit(m, irq);
    return n;
}

static void count_refill(struct pcpu_allocator *a, u32 size, u32 flags, bool failed)
{
    u64 irq;
    struct pcpu_mags *m = pcpu_mags_enter(a, &irq);

    if (failed)
        cpu_local_dec(m->nr_alloc);
    else
        cpu_local_inc(m->refills);
    pcpu_mags_exit(m, irq);
    if ((flags & PCPU_ATOMIC) && !failed)
        pcpu_count_demand(a, size);
}

void *pcpu_mag_alloc_slow(struct pcpu_allocator *a, u32 class, u32 flags)
{
    struct pcpu_entry batch[PCPU_BATCH_MAX];
    u32 size = pcpu_class_size(class), want, n;
    uintptr_t ptr;
    bool clean;

    n = pull_any(a, class, &clean, &want, batch);
    if (n && !clean && (n > 1 || !(flags & PCPU_NOZERO)))
        pcpu_clear_batch(a, batch, n, size);
    if (!clean && n < want) {
        u32 got = refill(a, class, want - n, n ? flags | PCPU_ATOMIC : flags, batch + n);

        n += got;
        count_refill(a, got * size, flags, n == 0);
        if (!n)
            return NULL;
    }
    /* The first one: it may be the dirty one of a caller that does not mind. */
    ptr = batch[0].ptr;
    pcpu_set_tag(batch[0].tag, class | PCPU_TAG_OWNED);
    put_clean(a, class, batch + 1, n - 1);
    return (void *)ptr;
}

/* ---- too many ----------------------------------------------------------------------------------
 */

/* Half of a full magazine and the object that did not fit. */
void pcpu_mag_spill(struct pcpu_allocator *a, u32 class, uintptr_t ptr, u8 *tag)
{
    struct pcpu_entry batch[PCPU_BATCH_MAX + 1], extra = {ptr, tag};
    struct pcpu_mags *m;
    u32 n, dirty, half;
    u64 irq;

    m = pcpu_mags_enter(a, &irq);
    half = (m->mag[class].cap + 1) / 2;
    n = pull(m, class, false, half, batch); /* clean ones need no work */
    dirty = n < half ? pull(m, class, true, half - n, batch + n) : 0;
    cpu_local_inc(m->drains);
    if (n + dirty && push(m, class, true, 1, &extra)) {
        pcpu_mags_exit(m, irq);
    } else {
        pcpu_mags_exit(m, irq);
        batch[n + dirty++] = extra;
    }
    if (dirty)
        pcpu_clear_batch(a, batch + n, dirty, pcpu_class_size(class));
    pcpu_give_back(a, batch, n + dirty);
}

/* One class's entries, as far as the batch has room; the class asks for less from now on. */
static u32 evict_class(struct pcpu_allocator *a, bool all, bool *more)
{
    struct pcpu_entry batch[PCPU_BATCH_MAX];
    struct pcpu_mags *m;
    u32 n, dirty, class;
    u64 irq;

    m = pcpu_mags_enter(a, &irq);
    class = m->victim;
    n = pull(m, class, false, PCPU_BATCH_MAX, batch);
    dirty = pull(m, class, true, PCPU_BATCH_MAX - n, batch + n);
    m->victim = class + 1 < PCPU_CLASSES ? class + 1 : PCPU_CLASS_4;
    if (n + dirty) {
        m->mag[class].want = (u8)MAX(1, m->mag[class].want / 2);
        cpu_local_inc(m->drains);
        cpu_local_inc(m->evictions);
    }
    *more = all ? m->left != m->quota : m->left < m->quota / 4;
    pcpu_mags_exit(m, irq);
    if (dirty)
        pcpu_clear_batch(a, batch + n, dirty, pcpu_class_size(class));
    if (n + dirty)
        pcpu_give_back(a, batch, n + dirty);
    return n + dirty;
}

/* Round the classes, from where it ended last time. */
void pcpu_mag_evict(struct pcpu_allocator *a)
{
    bool more = true;

    while (more)
        evict_class(a, false, &more);
}

void pcpu_mag_drain_all(struct pcpu_allocator *a)
{
    bool more = true;

    while (more)
        evict_class(a, true, &more);
}

/* ---- background --------------------------------------------------------------------------------
 */

bool pcpu_mag_clear_some(struct pcpu_allocator *a)
{
    struct pcpu_entry batch[PCPU_BATCH_MAX];
    bool done = false;

    for (u32 class = PCPU_CLASS_4; class < PCPU_CLASSES; class ++) {
        u64 irq;
        struct pcpu_mags *m = pcpu_mags_enter(a, &irq);
        u32 n = m->mag[class].clean ? 0 : pull(m, class, true, PCPU_BATCH_MAX, batch);

        pcpu_mags_exit(m, irq);
        if (!n)
            continue;
        pcpu_clear_batch(a, batch, n, pcpu_class_size(class));
        put_clean(a, class, batch, n);
        done = true;
    }
    return done;
}
