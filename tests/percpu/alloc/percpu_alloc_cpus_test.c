/*
 * The dynamic allocator and its CPUs: what magazines may hold, CPUs that park, CPUs that come for
 * the first time, magazines at any number of CPUs.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/alloc/alloc_chunks.h"
#include "percpu/alloc/alloc_magazines.h"
#include "tests/host/random.h"
#include "tests/percpu/alloc/alloc_rig.h"

static u32 seed = 12345;

static u32 rnd(u32 n)
{
    return (u32)((u64)(random_lcg32(&seed) >> 4) * n >> 28);
}

/* ---- how much is cached ---------------------------------------------------------------------- */

static void check_quota(struct alloc_rig *r)
{
    struct percpu_stats st;

    pcpu_get_stats(&r->a, &st);
    if (st.cached_bytes > st.cached_limit)
        ktest_fail(__FILE__, __LINE__, "%llu bytes cached, at most %llu",
                   (unsigned long long)st.cached_bytes, (unsigned long long)st.cached_limit);
    for (u32 i = 0; i < r->a.nr_cpus; i++)
        if (r->a.mags[i]->headroom < 0)
            ktest_fail(__FILE__, __LINE__, "magazines %u over their quota", i);
}

static void quota_of(const struct world_shape *shape, u64 limit)
{
    enum { N = 400 };
    struct alloc_rig *r = rig_new(shape);
    void *ptr[N] = {0};
    struct percpu_stats st;

    pcpu_get_stats(&r->a, &st);
    EXPECT_EQ(st.cached_bytes, 0);
    EXPECT_EQ(st.cached_limit, limit);
    for (u32 step = 0; step < 40000; step++) {
        u32 i = rnd(N);

        host_cpu_number = rnd(r->a.nr_cpus);
        if (ptr[i]) {
            pcpu_free(&r->a, ptr[i]);
            ptr[i] = NULL;
        } else {
            ptr[i] = pcpu_alloc(&r->a, 4u << rnd(11), 4, 0);
        }
        check_quota(r);
    }
    pcpu_free_bulk(&r->a, N, ptr);
    check_quota(r);
    pcpu_get_stats(&r->a, &st);
    EXPECT_TRUE(st.cached_bytes > 0);
    host_cpu_number = 0;
    rig_end(r);
}

KTEST(percpu_alloc_cpus, quota)
{
    quota_of(&(struct world_shape){.nr_nodes = 1, .nr_cpus = 1}, 32768);
    quota_of(&(struct world_shape){.nr_nodes = 2, .nr_cpus = 8}, 8 * 32768);
    quota_of(&(struct world_shape){.nr_nodes = 2, .nr_cpus = 64}, 256 * 4096);
    quota_of(&(struct world_shape){.nr_nodes = 4, .nr_cpus = 128}, 256 * 4096);
}

/* A CPU that parks keeps nothing, and what it was asked to do is not lost. */
KTEST(percpu_alloc_cpus, parking)
{
    struct alloc_rig *r = rig_new(&(struct world_shape){.nr_nodes = 2, .nr_cpus = 4});
    static void *ptr[20000];
    u32 n = 0;

    host_cpu_number = 3;
    for (u32 i = 0; i < 500; i++)
        ptr[i] = pcpu_alloc(&r->a, 8 + i, 8, 0);
    for (u32 i = 0; i < 500; i++)
        rig_fill(r, ptr[i], 8 + i, i);
    pcpu_free_bulk(&r->a, 500, ptr);
    EXPECT_TRUE(rig_cached(r, 3) > 0);
    pcpu_cpu_parking(&r->a);
    EXPECT_EQ(rig_cached(r, 3), 0);
    EXPECT_VALID(r);

    while (n < ARRAY_SIZE(ptr) && (ptr[n] = pcpu_alloc(&r->a, 64, 8, PCPU_ATOMIC)))
        n++;
    EXPECT_TRUE(pcpu_work_pending(&r->a));
    pcpu_cpu_parking(&r->a);
    EXPECT_EQ(r->a.work[3], PCPU_WORK_PARKED);
    host_cpu_number = 0;
    EXPECT_TRUE(pcpu_work_pending(&r->a));
    EXPECT_TRUE(pcpu_idle_work(&r->a));
    EXPECT_FALSE(pcpu_work_pending(&r->a));
    EXPECT_GE(r->a.nr_empty, PCPU_RESERVE_MIN);
    pcpu_free_bulk(&r->a, n, ptr);
    rig_end(r);
}

static u64 stats_empty(struct alloc_rig *r)
{
    struct percpu_stats st;

    pcpu_get_stats(&r->a, &st);
    return st.empty_blocks;
}

/* Between its drain and its last instruction interrupts come, which free and ask for more. */
KTEST(percpu_alloc_cpus, interrupts_while_it_parks)
{
    struct alloc_rig *r = rig_new(&(struct world_shape){.nr_nodes = 2, .nr_cpus = 4});
    static void *ptr[20000];
    u32 n = 0;

    host_cpu_number = 3;
    ptr[n++] = pcpu_alloc(&r->a, 64, 8, 0);
    pcpu_cpu_parking(&r->a);
    pcpu_free(&r->a, ptr[--n]);
    while (n < ARRAY_SIZE(ptr) && (ptr[n] = pcpu_alloc(&r->a, 64, 8, PCPU_ATOMIC)))
        n++;
    EXPECT_TRUE(rig_cached(r, 3) > 0 || r->a.work[3] != PCPU_WORK_PARKED);
    host_irqs_off = true;
    pcpu_cpu_parking(&r->a); /* once more, with interrupts off */
    host_irqs_off = false;
    EXPECT_EQ(rig_cached(r, 3), 0);
    EXPECT_EQ(r->a.work[3], PCPU_WORK_PARKED);
    host_cpu_number = 0;
    EXPECT_TRUE(pcpu_work_pending(&r->a)); /* it is not lost */
    pcpu_free_bulk(&r->a, n, ptr);
    rig_end(r);
}

KTEST(percpu_alloc_cpus, an_idle_cpu_works)
{
    struct alloc_rig *r = rig_new(&(struct world_shape){.nr_nodes = 2, .nr_cpus = 4});
    static void *ptr[20000];
    struct percpu_stats st;
    u32 n = 0;

    r->idle = 2;
    while (n < ARRAY_SIZE(ptr) && (ptr[n] = pcpu_alloc(&r->a, 64, 8, PCPU_ATOMIC)))
        n++;
    EXPECT_EQ(r->wakes, 1); /* one reason, one CPU woken */
    host_cpu_number = 2;
    EXPECT_TRUE(pcpu_work_pending(&r->a));
    EXPECT_TRUE(pcpu_idle_work(&r->a));
    EXPECT_FALSE(pcpu_idle_work(&r->a));
    pcpu_get_stats(&r->a, &st);
    EXPECT_EQ(st.background, 1);
    EXPECT_EQ(st.inline_work, 0);
    EXPECT_GE(st.empty_blocks, st.reserve_target);
    host_cpu_number = 0;
    pcpu_free_bulk(&r->a, n, ptr);
    rig_end(r);
}

/* The CPU that has the work never comes to it: the next safe point of any other CPU does it. */
KTEST(percpu_alloc_cpus, an_idle_cpu_that_does_not_come)
{
    struct alloc_rig *r = rig_new(&(struct world_shape){.nr_nodes = 2, .nr_cpus = 4});
    static void *ptr[20000];
    u32 n = 0;

    r->idle = 2;
    while (n < ARRAY_SIZE(ptr) && (ptr[n] = pcpu_alloc(&r->a, 64, 8, PCPU_ATOMIC)))
        n++;
    EXPECT_EQ(r->wakes, 1);
    EXPECT_EQ(r->a.work[2], PCPU_WORK_REFILL); /* and there it stays */
    EXPECT_EQ(stats_empty(r), 0);
    pcpu_safe_point(&r->a);
    EXPECT_GE(stats_empty(r), PCPU_RESERVE_MIN);
    EXPECT_NE(ptr[n] = pcpu_alloc(&r->a, 64, 8, PCPU_ATOMIC), NULL);
    pcpu_free_bulk(&r->a, n + 1, ptr);
    rig_end(r);
}

/*
 * Nobody was idle, and this CPU never comes to a safe point; or who was idle does not come. An idle
 * CPU that was not asked is, at the next call that fails.
 */
KTEST(percpu_alloc_cpus, an_empty_reserve_asks_every_idle_cpu)
{
    struct alloc_rig *r = rig_new(&(struct world_shape){.nr_nodes = 2, .nr_cpus = 4});
    static void *ptr[20000];
    u32 n = 0;

    while (n < ARRAY_SIZE(ptr) && (ptr[n] = pcpu_alloc(&r->a, 64, 8, PCPU_ATOMIC)))
        n++;
    EXPECT_EQ(r->a.work[0], PCPU_WORK_REFILL);
    for (u32 cpu = 2; cpu < 4; cpu++) {
        r->idle = cpu;
        for (u32 i = 0; i < 2 * PCPU_REFILL_ASKS; i++)
            EXPECT_EQ(pcpu_alloc(&r->a, 64, 8, PCPU_ATOMIC), NULL);
        EXPECT_EQ(r->wakes, cpu - 1); /* once each */
        EXPECT_EQ(r->a.work[cpu], PCPU_WORK_REFILL);
    }
    host_cpu_number = 3;
    EXPECT_TRUE(pcpu_idle_work(&r->a));
    host_cpu_number = 0;
    EXPECT_NE(ptr[n] = pcpu_alloc(&r->a, 64, 8, PCPU_ATOMIC), NULL);
    pcpu_free_bulk(&r->a, n + 1, ptr);
    rig_end(r);
}

/* The same for memory that should go back: neither who has the work nor its size is without end. */
KTEST(percpu_alloc_cpus, a_return_that_does_not_come)
{
    struct alloc_rig *r = rig_new(&(struct world_shape){.nr_nodes = 2, .nr_cpus = 4});
    static void *ptr[1000];

    EXPECT_EQ(pcpu_alloc_bulk(&r->a, 4096, 8, 0, ARRAY_SIZE(ptr), ptr), ARRAY_SIZE(ptr));
    r->a.work_handed = r->a.work[0] = r->wakes = 0;
    atomic_store(&r->a.peak, 0);           /* what was populated long ago */
    atomic_store(&r->a.decay_asked, true); /* decay has a CPU */
    r->idle = 2;
    pcpu_free_bulk(&r->a, 200, ptr);
    EXPECT_TRUE(r->a.work[2] & PCPU_WORK_RETURN);
    r->idle = 3;
    pcpu_free_bulk(&r->a, ARRAY_SIZE(ptr) - 200, ptr + 200);
    EXPECT_TRUE(r->a.work[3] & PCPU_WORK_RETURN);
    EXPECT_TRUE(r->a.work[0] & PCPU_WORK_RETURN);
    EXPECT_EQ(r->wakes, 2);
    EXPECT_GE(stats_empty(r), 500);
    for (u32 i = 0; i < 20; i++) /* each gives back a bounded number */
        pcpu_free(&r->a, pcpu_alloc(&r->a, 5000, 8, 0));
    EXPECT_LE((s64)stats_empty(r), pcpu_enough_blocks(&r->a) + PCPU_RETURN_LATE);
    rig_end(r);
}

/* It is named as idle and parks before it is asked: nobody waits for it. */
KTEST(percpu_alloc_cpus, an_idle_cpu_that_parks_first)
{
    struct alloc_rig *r = rig_new(&(struct world_shape){.nr_nodes = 2, .nr_cpus = 4});
    static void *ptr[20000];
    u32 n = 0;

    host_cpu_number = r->idle = 2;
    pcpu_cpu_parking(&r->a);
    host_cpu_number = 1;
    while (n < ARRAY_SIZE(ptr) && (ptr[n] = pcpu_alloc(&r->a, 64, 8, PCPU_ATOMIC)))
        n++;
    EXPECT_EQ(r->wakes, 0);
    EXPECT_TRUE(pcpu_work_pending(&r->a));
    EXPECT_TRUE(pcpu_idle_work(&r->a));
    EXPECT_GE(r->a.nr_empty, PCPU_RESERVE_MIN);
    pcpu_free_bulk(&r->a, n, ptr);
    n = 0;
    /* Back again, once it has looked. */
    host_cpu_number = 2;
    pcpu_idle_work(&r->a);
    EXPECT_FALSE(pcpu_work_pending(&r->a));
    host_cpu_number = 1;
    while (n < ARRAY_SIZE(ptr) && (ptr[n] = pcpu_alloc(&r->a, 64, 8, PCPU_ATOMIC)))
        n++;
    EXPECT_EQ(r->wakes, 1);
    host_cpu_number = 0;
    pcpu_free_bulk(&r->a, n, ptr);
    rig_end(r);
}

/* Nobody is idle: the next call that may populate does it. */
KTEST(percpu_alloc_cpus, inline_work)
{
    struct alloc_rig *r = rig_new(&(struct world_shape){.nr_nodes = 2, .nr_cpus = 4});
    static void *ptr[20000];
    struct percpu_stats st;
    u32 n = 0;

    while (n < ARRAY_SIZE(ptr) && (ptr[n] = pcpu_alloc(&r->a, 64, 8, PCPU_ATOMIC)))
        n++;
    EXPECT_TRUE(pcpu_work_pending(&r->a));
    pcpu_free(&r->a, pcpu_alloc(&r->a, 5000, 8, 0));
    EXPECT_FALSE(pcpu_work_pending(&r->a));
    pcpu_get_stats(&r->a, &st);
    EXPECT_EQ(st.background, 0);
    EXPECT_GE(st.inline_work, 1);
    EXPECT_GE(st.empty_blocks, PCPU_RESERVE_MIN - 2);
    pcpu_free_bulk(&r->a, n, ptr);
    rig_end(r);
}

/* ---- CPUs that were never online ------------------------------------------------------------- */

static bool in_chunk(const struct alloc_rig *r, const void *ptr)
{
    return (uintptr_t)ptr - r->a.static_start >= r->a.unit_size;
}

/* cpu's copy: zero, and a write is a fault (but in the first chunk). */
static bool reads_zero_only(const struct alloc_rig *r, const void *ptr, size_t size, u32 cpu)
{
    u8 *copy = rig_ptr(r, ptr, cpu);

    for (size_t i = 0; i < size; i++)
        if (copy[i])
            return false;
    return !in_chunk(r, ptr) || (!world_writable(copy) && !world_writable(copy + size - 1));
}

static const struct world_shape half_there = {.nr_nodes = 2, .nr_cpus = 8, .absent = {0xa4}};

enum { LIVE = 600 };
struct live {
    void *ptr[LIVE];
    u32 size[LIVE];
};

static void make_live(struct alloc_rig *r, struct live *l)
{
    for (u32 i = 0; i < LIVE; i++) {
        l->size[i] = i % 50 ? 8 + i % 500 : 6000 + 8 * i;
        l->ptr[i] = pcpu_alloc(&r->a, l->size[i], 8, 0);
        REQUIRE_TRUE(l->ptr[i] && rig_all_zero(r, l->ptr[i], l->size[i]));
        rig_fill(r, l->ptr[i], l->size[i], i);
    }
}

static u32 wrong_contents(struct alloc_rig *r, const struct live *l)
{
    u32 wrong = 0;

    for (u32 i = 0; i < LIVE; i++)
        wrong += !rig_holds(r, l->ptr[i], l->size[i], i);
    return wrong;
}

KTEST(percpu_alloc_cpus, absent_cpus_read_zero)
{
    struct alloc_rig *r = rig_new(&half_there);
    const struct pcpu_dchunk *ch = r->a.chunks[2];
    struct live l;
    u32 wrong = 0;

    make_live(r, &l);
    for (u32 i = 0; i < LIVE; i++)
        for (u32 cpu = 0; cpu < 8; cpu++)
            wrong += 0xa4 >> cpu & 1 ? !reads_zero_only(r, l.ptr[i], l.size[i], cpu) : 0;
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(wrong_contents(r, &l), 0);
    /* What is not populated is nobody's, not even to read. */
    for (u32 cpu = 0; cpu < 8; cpu++)
        EXPECT_FALSE(world_readable(
            (void *)(uintptr_t)(ch->base + r->w.fc.unit_off[cpu] + r->a.unit_size - PAGE_SIZE)));
    EXPECT_VALID(r);
    pcpu_free_bulk(&r->a, LIVE, l.ptr);
    rig_end(r);
}

KTEST(percpu_alloc_cpus, first_online)
{
    static const u32 coming[] = {5, 2, 7};
    struct alloc_rig *r = rig_new(&half_there);
    struct live l;
    u32 wrong = 0;

    make_live(r, &l);
    for (u32 c = 0; c < ARRAY_SIZE(coming); c++) {
        u32 cpu = coming[c], node = r->w.cpu_node[cpu];
        u64 populated = r->w.count[node].populated;
        struct percpu_stats st;

        pcpu_get_stats(&r->a, &st);
        EXPECT_EQ(wrong_contents(r, &l), 0);
        EXPECT_EQ(pcpu_cpu_first_online(&r->a, cpu), 0);
        EXPECT_TRUE(rig_is_live(r, cpu));
        for (u32 i = 0; i < LIVE; i++) {
            u8 *copy = rig_ptr(r, l.ptr[i], cpu);

            for (u32 b = 0; b < l.size[i]; b++)
                wrong += copy[b] != 0;
            wrong += !world_writable(copy);
            rig_fill(r, l.ptr[i], l.size[i], i);
        }
        EXPECT_EQ(wrong, 0);
        EXPECT_GE(r->w.count[node].populated, populated + 10);
        EXPECT_EQ(wrong_contents(r, &l), 0);
        EXPECT_EQ(pcpu_cpu_first_online(&r->a, cpu), 0); /* again: nothing */
        EXPECT_EQ(wrong_contents(r, &l), 0);
    }
    EXPECT_VALID(r);
    /* Its copies are cleared like everybody's now. */
    pcpu_free_bulk(&r->a, LIVE, l.ptr);
    EXPECT_VALID(r);
    make_live(r, &l);
    pcpu_free_bulk(&r->a, LIVE, l.ptr);
    rig_end(r);
}

/*
 * The k-th page fails, for each k: the CPU does not come, others see nothing, the next try works.
 */
KTEST(percpu_alloc_cpus, first_online_without_memory)
{
    for (u32 k = 1; k <= 40; k += 3) {
        struct alloc_rig *r = rig_new(&half_there);
        struct live l;
        int err;

        EXPECT_TRUE(pcpu_backing_break_reservations(&r->a.chunks[2]->backing) > 0);
        world_fragment(&r->w, 0);
        world_fragment(&r->w, 1);
        make_live(r, &l);
        world_fail(&r->w, WORLD_PAGE, k, true);
        err = pcpu_cpu_first_online(&r->a, 5);
        EXPECT_EQ(err, -ENOMEM);
        EXPECT_FALSE(rig_is_live(r, 5));
        EXPECT_EQ(wrong_contents(r, &l), 0);
        EXPECT_VALID(r);
        world_fail(&r->w, 0, 0, false);
        /* Meanwhile the others go on. */
        for (u32 i = 0; i < LIVE; i += 2)
            pcpu_free(&r->a, l.ptr[i]);
        for (u32 i = 0; i < LIVE; i += 2) {
            l.ptr[i] = pcpu_alloc(&r->a, l.size[i], 8, 0);
            EXPECT_TRUE(rig_all_zero(r, l.ptr[i], l.size[i]));
            rig_fill(r, l.ptr[i], l.size[i], i);
        }
        EXPECT_VALID(r);
        EXPECT_EQ(pcpu_cpu_first_online(&r->a, 5), 0);
        for (u32 i = 0; i < LIVE; i++)
            rig_fill(r, l.ptr[i], l.size[i], i);
        EXPECT_EQ(wrong_contents(r, &l), 0);
        pcpu_free_bulk(&r->a, LIVE, l.ptr);
        rig_end(r);
    }
}

/* Free pages of reservations are memory, too. */
KTEST(percpu_alloc_cpus, first_online_takes_reserved_pages)
{
    struct alloc_rig *r = rig_new(&half_there);
    struct live l;

    make_live(r, &l);
    world_exhaust(&r->w, 0, 0);
    world_exhaust(&r->w, 1, 0);
    EXPECT_EQ(pcpu_cpu_first_online(&r->a, 5), 0);
    EXPECT_EQ(pcpu_cpu_first_online(&r->a, 2), 0);
    world_refill(&r->w, 0);
    world_refill(&r->w, 1);
    for (u32 i = 0; i < LIVE; i++)
        rig_fill(r, l.ptr[i], l.size[i], i);
    EXPECT_VALID(r);
    pcpu_free_bulk(&r->a, LIVE, l.ptr);
    rig_end(r);
}

KTEST(percpu_alloc_cpus, first_online_when_a_cpu_does_not_answer)
{
    struct alloc_rig *r = rig_new(&half_there);
    struct live l;

    make_live(r, &l);
    world_fail(&r->w, WORLD_FLUSH, 1, false);
    EXPECT_EQ(pcpu_cpu_first_online(&r->a, 7), -ETIMEDOUT);
    EXPECT_FALSE(rig_is_live(r, 7));
    EXPECT_EQ(wrong_contents(r, &l), 0);
    EXPECT_EQ(pcpu_cpu_first_online(&r->a, 7), 0);
    for (u32 i = 0; i < LIVE; i++)
        rig_fill(r, l.ptr[i], l.size[i], i);
    EXPECT_EQ(wrong_contents(r, &l), 0);
    EXPECT_VALID(r);
    pcpu_free_bulk(&r->a, LIVE, l.ptr);
    rig_end(r);
}

/* ---- magazines at any number of CPUs --------------------------------------------------------- */

KTEST(percpu_alloc_cpus, objects_move_between_96_cpus)
{
    enum { N = 2000 };
    struct alloc_rig *r = rig_new(&(struct world_shape){.nr_nodes = 4, .nr_cpus = 96});
    static void *ptr[N];
    u32 bad = 0;

    for (u32 round = 0; round < 3; round++) {
        for (u32 i = 0; i < N; i++) {
            host_cpu_number = rnd(96);
            ptr[i] = pcpu_alloc(&r->a, 8 + i % 200, 4, 0);
            bad += !rig_all_zero(r, ptr[i], 8 + i % 200);
            *(u8 *)rig_ptr(r, ptr[i], i % 96) = 1;
        }
        EXPECT_VALID(r);
        for (u32 i = 0; i < N; i++) {
            host_cpu_number = rnd(96);
            pcpu_free(&r->a, ptr[i]);
        }
        EXPECT_VALID(r);
    }
    EXPECT_EQ(bad, 0);
    host_cpu_number = 5;
    pcpu_cpu_parking(&r->a);
    EXPECT_EQ(rig_cached(r, 5), 0);
    host_cpu_number = 0;
    rig_end(r);
}

/* On either side of each number of CPUs at which the rule of a CPU's share changes. */
KTEST(percpu_alloc_cpus, each_cpu_has_its_own_magazines)
{
    static const struct {
        u32 cpus, quota;
    } rows[] = {{1, 32768},  {32, 32768}, {33, 31775},  {64, 16384},
                {65, 16131}, {255, 4112}, {1024, 1024}, {1100, 1024}};

    for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
        struct alloc_rig *r = rig_new(&(struct world_shape){
            .nr_nodes = 1, .nr_cpus = rows[i].cpus, .node_bytes = 512 * SZ_1M});
        void *p[16];

        for (u32 cpu = 0; cpu < rows[i].cpus; cpu++) {
            EXPECT_EQ(r->a.mags[cpu]->quota, rows[i].quota);
            EXPECT_TRUE(!cpu || r->a.mags[cpu] != r->a.mags[cpu - 1]);
        }
        for (u32 j = 0; j < ARRAY_SIZE(p); j++)
            p[j] = pcpu_alloc(&r->a, 8, 8, 0);
        for (u32 j = 0; j < ARRAY_SIZE(p); j++)
            pcpu_free(&r->a, p[j]);
        EXPECT_GE(rig_cached(r, 0), sizeof(p)); /* they stay with the CPU that freed them */
        EXPECT_VALID(r);
        rig_end(r);
    }
}

/* Idle time clears what was freed, so that the next allocation finds it ready. */
KTEST(percpu_alloc_cpus, idle_clears)
{
    struct alloc_rig *r = rig_new(&(struct world_shape){.nr_nodes = 1, .nr_cpus = 2});
    struct pcpu_mag *mag = &r->a.mags[0]->mag[pcpu_class_of(64, 8)];
    void *p[4];

    for (u32 i = 0; i < 4; i++)
        p[i] = pcpu_alloc(&r->a, 64, 8, 0);
    pcpu_mag_drain_all(&r->a); /* none is ready */
    pcpu_idle_work(&r->a);
    EXPECT_FALSE(pcpu_idle_pending(&r->a));
    for (u32 i = 0; i < 4; i++) {
        rig_fill(r, p[i], 64, i);
        pcpu_free(&r->a, p[i]);
    }
    EXPECT_TRUE(pcpu_idle_pending(&r->a));
    EXPECT_EQ(mag->cap - mag->dirty, 4);
    EXPECT_TRUE(pcpu_idle_work(&r->a));
    EXPECT_EQ(mag->clean, 4);
    EXPECT_EQ(mag->dirty, mag->cap);
    EXPECT_FALSE(pcpu_idle_pending(&r->a));
    EXPECT_VALID(r);
    rig_end(r);
}

/* A CPU that cannot begin must not look again and again: who is at it takes its work over. */
KTEST(percpu_alloc_cpus, work_is_left_to_who_balances)
{
    struct alloc_rig *r = rig_new(&(struct world_shape){.nr_nodes = 1, .nr_cpus = 32});
    struct percpu_node_stats st;
    void *ptr[40];

    r->idle = 9;
    EXPECT_EQ(pcpu_alloc_bulk(&r->a, 4096, 8, 0, 40, ptr), 40);
    spin_lock(&r->a.balance_mutex);
    host_cpu_number = 9;
    EXPECT_TRUE(pcpu_idle_pending(&r->a));
    EXPECT_FALSE(pcpu_idle_work(&r->a));
    EXPECT_FALSE(pcpu_idle_pending(&r->a));
    host_cpu_number = 0;
    EXPECT_FALSE(pcpu_work_pending(&r->a));
    pcpu_balance_unlock(&r->a);
    EXPECT_TRUE(pcpu_work_pending(&r->a));
    EXPECT_TRUE(pcpu_idle_work(&r->a));
    pcpu_node_stats(&r->a, 0, &st);
    EXPECT_GE(st.leaves_2m, 2);
    EXPECT_FALSE(pcpu_work_pending(&r->a));
    pcpu_free_bulk(&r->a, 40, ptr);
    rig_end(r);
}
