/*
 * The slow paths of the per-CPU counter; see counter.h.
 *
 * Locks: one per node and counter, interrupts off. A fold takes its own node's lock. An exact sum
 * takes all locks, in order of nodes. No CPU writes another CPU's part unless that CPU is parked:
 * its add has no LOCK prefix and would overwrite the change.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/sync/counter.h"

#include "kernel/base/print.h"
#include "percpu/sync/counter_internal.h"

#define BATCH 32

static s64 add_wrap(s64 a, s64 b)
{
    return (s64)((u64)a + (u64)b);
}

static u64 magnitude(s64 x)
{
    return x < 0 ? 0 - (u64)x : (u64)x;
}

struct percpu_counter_geometry percpu_counter_geometry(u32 nr_cpus, u32 nr_nodes)
{
    struct percpu_counter_geometry g = {
        .parts = 1, .batch = MAX(BATCH, 2 * (s64)nr_cpus), .node_batch = 1};

    if (nr_nodes > 1 && nr_nodes + 16 < nr_cpus) {
        g.parts = nr_nodes;
        g.batch = BATCH;
        g.node_batch = 2 * (s64)nr_cpus;
    }
    g.bound = nr_cpus * (u64)g.batch + g.parts * (u64)(g.node_batch - 1);
    return g;
}

/* ---- creation, destruction ------------------------------------------------------------------- */

static size_t group_bytes(u32 parts)
{
    return sizeof(struct percpu_counter_group) + parts * sizeof(struct percpu_counter_part *);
}

static void free_group(struct percpu_counter_group *g)
{
    const struct percpu_lib *lib = g->lib;

    for (u32 k = 0; k < g->geo.parts; k++)
        if (g->part[k])
            lib->node_free(lib->ctx, g->part[k], g->n * sizeof(*g->part[k]));
    if (g->globals)
        lib->node_free(lib->ctx, g->globals, g->n * sizeof(*g->globals));
    if (g->local)
        lib->free(lib->ctx, g->local);
    lib->node_free(lib->ctx, g, group_bytes(g->geo.parts));
}

static struct percpu_counter_group *alloc_group(const struct percpu_lib *lib, u32 n,
                                                const struct percpu_counter_geometry *geo)
{
    s32 node = lib->part_node[0];
    struct percpu_counter_group *g = lib->node_alloc(lib->ctx, node, group_bytes(geo->parts));
    bool ok;

    if (!g)
        return NULL;
    g->lib = lib;
    g->geo = *geo;
    g->n = n;
    g->local = lib->alloc(lib->ctx, n * sizeof(s64), sizeof(s64));
    g->globals = lib->node_alloc(lib->ctx, node, n * sizeof(*g->globals));
    ok = g->local && g->globals;
    for (u32 k = 0; k < geo->parts; k++) {
        g->part[k] = lib->node_alloc(lib->ctx, lib->part_node[k], n * sizeof(*g->part[k]));
        ok = ok && g->part[k];
        for (u32 i = 0; g->part[k] && i < n; i++)
            g->part[k][i] = (struct percpu_counter_part){.count = 0};
    }
    if (ok)
        return g;
    free_group(g);
    return NULL;
}

int percpu_counter_init_geometry(const struct percpu_lib *lib, struct percpu_counter *c, u32 n,
                                 s64 amount, const struct percpu_counter_geometry *geo)
{
    struct percpu_counter_group *g;

    ASSERT(n && (geo->parts == 1 || geo->parts == lib->nr_parts));
    ASSERT(geo->batch >= 1 && geo->node_batch >= 1);
    g = alloc_group(lib, n, geo);
    if (!g)
        return -ENOMEM;
    for (u32 i = 0; i < n; i++) {
        g->globals[i].group = g;
        g->globals[i].index = i;
        atomic_init(&g->globals[i].count, amount);
        c[i] =
            (struct percpu_counter){g->local + i, geo->batch, 2 * (u64)geo->batch, &g->globals[i]};
    }
    return 0;
}

int percpu_counter_init_many(const struct percpu_lib *lib, struct percpu_counter *c, u32 n,
                             s64 amount)
{
    struct percpu_counter_geometry geo = percpu_counter_geometry(lib->nr_cpus, lib->nr_parts);

    return percpu_counter_init_geometry(lib, c, n, amount, &geo);
}

void percpu_counter_destroy_many(struct percpu_counter *c, u32 n)
{
    struct percpu_counter_group *g = (struct percpu_counter_group *)c[0].global->group;

    ASSERT(c[0].global->index == 0 && g->n == n);
    for (u32 i = 0; i < n; i++)
        c[i] = (struct percpu_counter){0};
    free_group(g);
}

/* ---- parts ----------------------------------------------------------------------------------- */

static struct percpu_counter_part *part_of(const struct percpu_counter *c, u32 cpu)
{
    const struct percpu_counter_group *g = c->global->group;

    return &g->part[g->geo.parts == 1 ? 0 : g->lib->cpu_part[cpu]][c->global->index];
}

static void global_add(struct percpu_counter *c, s64 amount)
{
    atomic_fetch_add_explicit(&c->global->count, amount, memory_order_relaxed);
}

/* Lock held. Adds amount to the node's part, and folds a full part into the global one. */
static void part_add(struct percpu_counter *c, struct percpu_counter_part *p, s64 amount)
{
    p->count = add_wrap(p->count, amount);
    if (magnitude(p->count) < (u64)c->global->group->geo.node_batch)
        return;
    global_add(c, p->count);
    p->count = 0;
}

void percpu_counter_fold(struct percpu_counter *c)
{
    struct percpu_counter_part *p = part_of(c, cpu_number());
    u64 flags = spin_lock_irqsave(&p->lock);

    part_add(c, p, this_cpu_xchg(*c->local, 0));
    spin_unlock_irqrestore(&p->lock, flags);
}

void percpu_counter_sync(struct percpu_counter *c)
{
    struct percpu_counter_part *p = part_of(c, cpu_number());
    u64 flags = spin_lock_irqsave(&p->lock);

    global_add(c, add_wrap(p->count, this_cpu_xchg(*c->local, 0)));
    p->count = 0;
    spin_unlock_irqrestore(&p->lock, flags);
}

void percpu_counter_cpu_dead(struct percpu_counter *c, u32 cpu)
{
    struct percpu_counter_part *p = part_of(c, cpu);
    s64 *local = per_cpu_ptr(c->local, cpu);
    u64 flags = spin_lock_irqsave(&p->lock);
    s64 rest = __atomic_load_n(local, __ATOMIC_RELAXED);

    /* The copy of a CPU that never ran is the read-only zero page: no write. */
    if (rest) {
        __atomic_store_n(local, 0, __ATOMIC_RELAXED);
        part_add(c, p, rest);
    }
    spin_unlock_irqrestore(&p->lock, flags);
}

/* ---- the exact value ------------------------------------------------------------------------- */

static u64 lock_all(struct percpu_counter *c)
{
    const struct percpu_counter_group *g = c->global->group;
    u64 flags = local_irq_save();

    for (u32 k = 0; k < g->geo.parts; k++)
        spin_lock(&g->part[k][c->global->index].lock);
    return flags;
}

static void unlock_all(struct percpu_counter *c, u64 flags)
{
    const struct percpu_counter_group *g = c->global->group;

    for (u32 k = 0; k < g->geo.parts; k++)
        spin_unlock(&g->part[k][c->global->index].lock);
    local_irq_restore(flags);
}

/* All locks held, so no amount moves between levels. */
static s64 sum_locked(struct percpu_counter *c)
{
    const struct percpu_counter_group *g = c->global->group;
    u64 sum = (u64)percpu_counter_read(c);
    u32 nr_cpus = g->lib->nr_cpus;

    for (u32 k = 0; k < g->geo.parts; k++)
        sum += (u64)g->part[k][c->global->index].count;
    for (u32 cpu = 0; cpu < nr_cpus; cpu++)
        sum += (u64)__atomic_load_n(per_cpu_ptr(c->local, cpu), __ATOMIC_RELAXED);
    return (s64)sum;
}

s64 percpu_counter_sum(struct percpu_counter *c)
{
    u64 flags = lock_all(c);
    s64 sum = sum_locked(c);

    unlock_all(c, flags);
    return sum;
}

u64 percpu_counter_bound(const struct percpu_counter *c)
{
    return c->global->group->geo.bound;
}

int percpu_counter_compare(struct percpu_counter *c, s64 rhs)
{
    s64 value = percpu_counter_read(c), distance;

    if (!__builtin_sub_overflow(value, rhs, &distance) &&
        magnitude(distance) <= percpu_counter_bound(c))
        value = percpu_counter_sum(c);
    return (value > rhs) - (value < rhs);
}

void percpu_counter_set(struct percpu_counter *c, s64 amount)
{
    u64 flags = lock_all(c);

    global_add(c, (s64)((u64)amount - (u64)sum_locked(c)));
    unlock_all(c, flags);
}

/* True: value + amount does not pass limit and fits 64 bits. */
static bool within(s64 value, s64 amount, s64 limit)
{
    s64 next;

    if (__builtin_add_overflow(value, amount, &next))
        return false;
    return amount > 0 ? next <= limit : next >= limit;
}

/*
 * Adds to this CPU's part if the sum cannot pass the limit for any values of the other parts, and
 * if this part stays within its batch. The node's lock excludes exact adds between check and add.
 * Other CPUs in this function stay within their share of the bound, too.
 */
static bool add_within_bound(struct percpu_counter *c, s64 limit, s64 amount)
{
    struct percpu_counter_part *p = part_of(c, cpu_number());
    s64 bound = (s64)percpu_counter_bound(c);
    u64 flags = spin_lock_irqsave(&p->lock);
    s64 next = add_wrap(this_cpu_read(*c->local), amount);
    bool ok = magnitude(amount) <= (u64)c->batch && magnitude(next) <= (u64)c->batch &&
              within(percpu_counter_read(c), amount > 0 ? bound : -bound, limit);

    if (ok)
        this_cpu_add(*c->local, amount);
    spin_unlock_irqrestore(&p->lock, flags);
    return ok;
}

bool percpu_counter_limited_add(struct percpu_counter *c, s64 limit, s64 amount)
{
    u64 flags;
    bool ok;

    if (amount == 0 || add_within_bound(c, limit, amount))
        return true;
    flags = lock_all(c);
    ok = within(sum_locked(c), amount, limit);
    if (ok)
        global_add(c, amount);
    unlock_all(c, flags);
    return ok;
}

const char *percpu_counter_verify(struct percpu_counter *c)
{
    const struct percpu_counter_group *g = c->global->group;
    s64 exact = percpu_counter_sum(c);

    if (c->batch != g->geo.batch || c->span != 2 * (u64)c->batch ||
        c->local != g->local + c->global->index)
        return "the counter is not its group's";
    for (u32 cpu = 0; cpu < g->lib->nr_cpus; cpu++)
        if (magnitude(*per_cpu_ptr(c->local, cpu)) > (u64)c->batch)
            return "a CPU's part is above its batch";
    for (u32 k = 0; k < g->geo.parts; k++)
        if (magnitude(g->part[k][c->global->index].count) >= (u64)g->geo.node_batch)
            return "a node's part is above its batch";
    if (magnitude((s64)((u64)exact - (u64)percpu_counter_read(c))) > g->geo.bound)
        return "the approximate value is outside of its bound";
    return NULL;
}
