/*
 * CPUs that allocate and free at the same time, their own objects and each other's, while one CPU
 * does the deferred work, trims, looks at statistics, and brings further CPUs online. Cross-calls
 * run on each CPU's own thread, as interrupts, which allocate too.
 * SPDX-License-Identifier: MIT
 */
#include "tests/host/cpus.h"
#include "tests/host/random.h"
#include "tests/percpu/alloc/alloc_rig.h"

#define WORKERS 4u /* CPUs 0..3 from the start; two more come later */
#define LATE    2u
#define MANAGER (WORKERS + LATE)
#define CPUS    (MANAGER + 1)
#define ROUNDS  4000u
#define OWN     64u

struct object {
    void *ptr;
    u32 size;
    u32 cpu, seed; /* whose copy was written, and how */
};

static struct alloc_rig *rig;
static _Atomic u32 failures, online, working;

static void fail_at(int line)
{
    if (atomic_fetch_add(&failures, 1) == 0)
        ktest_fail(__FILE__, line, "CPU %u", cpu_number());
}
#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond))                                                                               \
            fail_at(__LINE__);                                                                     \
    } while (0)

/* ---- cross-calls ----------------------------------------------------------------------------- */

struct call {
    void (*fn)(void *arg);
    void *arg;
};
static struct call *_Atomic mail[CPUS][CPUS]; /* [to][from] */

static _Thread_local u32 interrupts;
static _Thread_local struct object kept;

/* Every so often what an interrupt does to the allocator. */
static void atomic_work(void)
{
    if (kept.ptr) {
        u8 *copy = rig_ptr(rig, kept.ptr, cpu_number());

        CHECK(copy[0] == 77 && copy[kept.size - 1] == 77);
        pcpu_free(&rig->a, kept.ptr);
        kept.ptr = NULL;
        return;
    }
    kept.size = 8 + interrupts % 60;
    kept.ptr = pcpu_alloc(&rig->a, kept.size, 4, PCPU_ATOMIC);
    if (kept.ptr) {
        u8 *copy = rig_ptr(rig, kept.ptr, cpu_number());

        CHECK(copy[0] == 0 && copy[kept.size - 1] == 0);
        copy[0] = copy[kept.size - 1] = 77;
    }
}

static void interrupt(void)
{
    u64 irq = local_irq_save();
    u32 self = cpu_number();

    for (u32 from = 0; from < CPUS; from++) {
        struct call *c = atomic_load_explicit(&mail[self][from], memory_order_acquire);

        if (!c)
            continue;
        c->fn(c->arg);
        atomic_store_explicit(&mail[self][from], NULL, memory_order_release);
    }
    if (++interrupts % 37 == 0)
        atomic_work();
    local_irq_restore(irq);
}

static int call_all(void *ctx, void (*fn)(void *arg), void *arg)
{
    struct call c = {fn, arg};
    u32 self = cpu_number(), to = atomic_load(&online);
    u64 irq;

    (void)ctx;
    CHECK(local_irqs_enabled());
    for (u32 cpu = 0; cpu < CPUS; cpu++)
        if (cpu != self && to >> cpu & 1)
            atomic_store_explicit(&mail[cpu][self], &c, memory_order_release);
    irq = local_irq_save();
    fn(arg);
    local_irq_restore(irq);
    for (u32 cpu = 0; cpu < CPUS; cpu++)
        while (atomic_load_explicit(&mail[cpu][self], memory_order_acquire))
            cpu_relax();
    return 0;
}

static void nothing(void *arg)
{
    (void)arg;
}

static int grace_period(void *ctx)
{
    return call_all(ctx, nothing, NULL);
}

static bool pick_idle(void *ctx, u32 *cpu)
{
    (void)ctx;
    *cpu = MANAGER;
    return true;
}

static void wake(void *ctx, u32 cpu) /* it looks by itself */
{
    (void)ctx;
    (void)cpu;
}

/* ---- objects that others free ---------------------------------------------------------------- */

#define QUEUE 256u
static struct queue {
    struct spinlock lock;
    u32 n;
    struct object objects[QUEUE];
} queues[CPUS];

static bool put(u32 cpu, const struct object *o)
{
    struct queue *q = &queues[cpu];
    bool room;

    spin_lock(&q->lock);
    room = q->n < QUEUE;
    if (room)
        q->objects[q->n++] = *o;
    spin_unlock(&q->lock);
    return room;
}

static bool get(u32 cpu, struct object *o)
{
    struct queue *q = &queues[cpu];
    bool any;

    spin_lock(&q->lock);
    any = q->n != 0;
    if (any)
        *o = q->objects[--q->n];
    spin_unlock(&q->lock);
    return any;
}

/* ---- one CPU's life -------------------------------------------------------------------------- */

static _Thread_local u32 seed;

static u32 rnd(u32 n)
{
    return (u32)((u64)(random_lcg32(&seed) >> 4) * n >> 28);
}

static bool holds(const struct object *o)
{
    const u8 *copy = rig_ptr(rig, o->ptr, o->cpu);

    for (u32 i = 0; i < o->size; i += 1 + o->size / 40)
        if (copy[i] != rig_byte(o->seed, o->cpu, i))
            return false;
    return true;
}

/* New memory is zero in the copies of all CPUs that are online. */
static void fill(struct object *o, bool zero)
{
    u32 cpus = atomic_load(&online);

    for (u32 cpu = 0; zero && cpu < CPUS; cpu++) {
        const u8 *copy = rig_ptr(rig, o->ptr, cpu);

        for (u32 i = 0; (cpus >> cpu & 1) && i < o->size; i += 1 + o->size / 20)
            CHECK(copy[i] == 0);
    }
    o->cpu = cpu_number();
    o->seed = rnd(1000);
    for (u32 i = 0; i < o->size; i++)
        ((u8 *)rig_ptr(rig, o->ptr, o->cpu))[i] = rig_byte(o->seed, o->cpu, i);
}

static u32 some_size(void)
{
    switch (rnd(12)) {
    case 0:
        return 520 + rnd(9000);
    case 1:
        return 4096;
    case 2:
        return rnd(40) ? 1024 : 60000;
    default:
        return 1 + rnd(512);
    }
}

static void release(struct object *o)
{
    CHECK(holds(o));
    CHECK(pcpu_size(&rig->a, o->ptr) >= o->size);
    pcpu_free(&rig->a, o->ptr);
    o->ptr = NULL;
}

static void new_object(struct object *o)
{
    u32 flags = (rnd(8) ? 0 : PCPU_ATOMIC) | (rnd(8) ? 0 : PCPU_NOZERO) | PCPU_NOWARN;

    o->size = some_size();
    o->ptr = pcpu_alloc(&rig->a, o->size, 1u << rnd(4), flags);
    CHECK(o->ptr || flags & PCPU_ATOMIC);
    if (o->ptr)
        fill(o, !(flags & PCPU_NOZERO));
}

static void bulk(void)
{
    struct object o[32];
    void *ptr[32];
    u32 size = 1 + rnd(200), n = pcpu_alloc_bulk(&rig->a, size, 4, 0, 32, ptr);

    CHECK(n == 32);
    for (u32 i = 0; i < n; i++) {
        o[i] = (struct object){.ptr = ptr[i], .size = size};
        fill(&o[i], true);
    }
    for (u32 i = 0; i < n; i++)
        CHECK(holds(&o[i]));
    pcpu_free_bulk(&rig->a, n, ptr);
}

static void worker(void)
{
    struct object own[OWN] = {{0}}, o;

    for (u32 round = 0; round < ROUNDS; round++) {
        struct object *at = &own[rnd(OWN)];

        if (!at->ptr)
            new_object(at);
        else if (rnd(3) || !put(rnd(CPUS), at))
            release(at);
        else
            at->ptr = NULL;
        if (rnd(4) == 0 && get(cpu_number(), &o))
            release(&o);
        if (rnd(200) == 0)
            bulk();
        if (rnd(500) == 0)
            pcpu_balance(&rig->a);
        if (rnd(300) == 0)
            pcpu_decay_cpu(&rig->a);
        if (rnd(2000) == 0)
            pcpu_decay_shared(&rig->a);
    }
    for (u32 i = 0; i < OWN; i++)
        if (own[i].ptr)
            release(&own[i]);
}

static void look_around(void)
{
    struct percpu_stats st;
    struct percpu_node_stats node;
    struct percpu_location loc;
    struct object o;

    pcpu_get_stats(&rig->a, &st);
    pcpu_node_stats(&rig->a, rnd(rig->a.env->nr_nodes), &node);
    if (rnd(20) == 0)
        pcpu_dump(&rig->a);
    if (!get(MANAGER, &o))
        return;
    CHECK(pcpu_decode(&rig->a, (u64)(uintptr_t)rig_ptr(rig, o.ptr, o.cpu), &loc) == 0);
    CHECK(loc.cpu == o.cpu);
    CHECK(pcpu_to_phys(&rig->a, (u64)(uintptr_t)rig_ptr(rig, o.ptr, o.cpu)) != ~0ULL);
    CHECK(pcpu_to_phys(&rig->a, rig->a.window_base + (u64)rnd(1 << 20) * 64) != 1);
    release(&o);
}

static void manager(void)
{
    u32 late = 0;

    for (u32 round = 0; atomic_load(&working) > 1 || late < LATE; round++) {
        pcpu_idle_work(&rig->a);
        if (round % 50 == 20)
            pcpu_trim(&rig->a);
        if (round % 20 == 13)
            pcpu_decay(&rig->a);
        if (round % 10 == 7)
            pcpu_balance(&rig->a);
        if (round % 30 == 29 && late < LATE) {
            u32 cpu = WORKERS + late++;

            CHECK(pcpu_cpu_first_online(&rig->a, cpu) == 0);
            atomic_fetch_or(&online, 1u << cpu);
        }
        look_around();
        cpu_relax();
    }
}

static void one_cpu(void *arg)
{
    struct object o;

    (void)arg;
    seed = 77 + cpu_number() * 12345;
    while (!(atomic_load(&online) >> cpu_number() & 1))
        sched_yield();
    host_interrupt = interrupt;
    if (cpu_number() == MANAGER)
        manager();
    else
        worker();
    atomic_fetch_sub(&working, 1);
    while (atomic_load(&working)) /* the others may still call */
        cpu_relax();
    host_interrupt = NULL;
    while (get(cpu_number(), &o))
        release(&o);
    if (kept.ptr)
        pcpu_free(&rig->a, kept.ptr);
    pcpu_cpu_parking(&rig->a);
}

static void run(const struct world_shape *shape)
{
    rig = rig_new(shape);
    host_cpus_init(CPUS, 64);
    rig->ops = (struct pcpu_alloc_ops){rig, pick_idle, wake, call_all, rig_phys};
    rig->w.before_flush = grace_period;
    failures = 0;
    online = ((1u << WORKERS) - 1u) | 1u << MANAGER;
    working = CPUS;
    host_cpus_run(CPUS, one_cpu, NULL);
    EXPECT_EQ(failures, 0);
    EXPECT_EQ(rig->a.nr_live, CPUS);
    host_cpus_end();
    rig->w.before_flush = NULL;
    rig->ops.call_all = NULL;
    EXPECT_VALID(rig);
    pcpu_trim(&rig->a);
    EXPECT_TRUE(rig->a.blocks_returned > 0);
    rig_end(rig);
}

KTEST(percpu_alloc_tsan, cpus_of_two_nodes)
{
    run(&(struct world_shape){.nr_nodes = 2, .nr_cpus = CPUS, .absent = {3u << WORKERS}});
}

KTEST(percpu_alloc_tsan, a_chunk_is_one_range)
{
    run(&(struct world_shape){
        .nr_nodes = 1, .nr_cpus = 32, .absent = {~0ULL << CPUS | 3u << WORKERS}});
}

KTEST(percpu_alloc_tsan, small_magazines)
{
    run(&(struct world_shape){
        .nr_nodes = 2, .nr_cpus = 70, .absent = {~0ULL << CPUS | 3u << WORKERS, 0x3f}});
}
