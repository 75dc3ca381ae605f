/*
 * The dynamic allocator and memory: the reserve for atomic callers, chunks that come and go, what
 * a trim leaves, large pages, other nodes, pressure.
 * SPDX-License-Identifier: MIT
 */
#include "tests/host/random.h"
#include "tests/percpu/alloc/alloc_rig.h"

static const struct world_shape small = {.nr_nodes = 2, .nr_cpus = 4};
static const struct world_shape dense = {.nr_nodes = 1, .nr_cpus = 32}; /* a chunk is one range */

static struct percpu_stats stats(struct alloc_rig *r)
{
    struct percpu_stats st;

    pcpu_get_stats(&r->a, &st);
    return st;
}

static struct percpu_node_stats node_stats(struct alloc_rig *r, u32 node)
{
    struct percpu_node_stats st;

    pcpu_node_stats(&r->a, node, &st);
    return st;
}

static u64 free_pages(const struct alloc_rig *r)
{
    u64 n = 0;

    for (u32 node = 0; node < r->w.shape.nr_nodes; node++)
        n += world_free_pages(&r->w, node);
    return n;
}

static u32 atomic_row(struct alloc_rig *r, u32 n, void **ptr)
{
    u32 got = 0;

    while (got < n && (ptr[got] = pcpu_alloc(&r->a, 64, 8, PCPU_ATOMIC)))
        got++;
    return got;
}

/* ---- the reserve ----------------------------------------------------------------------------- */

KTEST(percpu_alloc_memory, a_cold_start_has_512_atomic_objects)
{
    static const struct world_shape shapes[] = {
        {.nr_nodes = 1, .nr_cpus = 1},
        {.nr_nodes = 2, .nr_cpus = 4},
        {.nr_nodes = 2, .nr_cpus = 16, .dyn_size = 20 * SZ_1K},
        {.nr_nodes = 1, .nr_cpus = 32, .dyn_size = 20 * SZ_1K},
        {.nr_nodes = 4, .nr_cpus = 128},
    };

    for (u32 i = 0; i < ARRAY_SIZE(shapes); i++) {
        struct alloc_rig *r = rig_new(&shapes[i]);
        void *ptr[512];

        EXPECT_GE(stats(r).empty_blocks, PCPU_RESERVE_MIN);
        EXPECT_EQ(atomic_row(r, 512, ptr), 512);
        pcpu_free_bulk(&r->a, 512, ptr);
        rig_end(r);
    }
}

KTEST(percpu_alloc_memory, the_reserve_follows_demand_and_decays)
{
    enum { N = 4096 };
    struct alloc_rig *r = rig_new(&small);
    static void *ptr[2 * N];
    u32 got = atomic_row(r, N, ptr), n = got;
    u64 target;

    EXPECT_LT(got, N);
    for (u32 i = got; i < N; i++) { /* it keeps trying, in vain */
        void *p = pcpu_alloc(&r->a, 64, 8, PCPU_ATOMIC);

        if (p)
            ptr[n++] = p;
    }
    EXPECT_EQ(stats(r).nr_failed_atomic, N + 1 - n);
    pcpu_balance(&r->a);
    EXPECT_GE(stats(r).empty_blocks, N * 64 / 4096);
    EXPECT_EQ(atomic_row(r, N, ptr + n), N);
    n += N;

    /* Met again at once: as much is ready after the next balance. */
    pcpu_free_bulk(&r->a, n, ptr);
    pcpu_balance(&r->a);
    target = stats(r).reserve_target;
    EXPECT_GE(target, N * 64 / 4096);
    /* Held for some looks, then it decays. */
    for (u32 i = 0; i <= PCPU_RESERVE_HOLD && stats(r).reserve_target == target; i++)
        pcpu_balance(&r->a);
    EXPECT_EQ(stats(r).reserve_target, target - (target + 3) / 4);
    target = stats(r).reserve_target;
    while (target > PCPU_RESERVE_MIN) {
        u64 next;

        pcpu_balance(&r->a);
        next = stats(r).reserve_target;
        EXPECT_EQ(next, MAX(target - (target + 3) / 4, PCPU_RESERVE_MIN));
        target = next;
    }
    EXPECT_LE(stats(r).empty_blocks, PCPU_RESERVE_MIN + PCPU_RETURN_SLACK);
    rig_end(r);
}

static void demand_past_the_magazines(const struct world_shape *shape)
{
    struct alloc_rig *r = rig_new(shape);
    void *ptr[64];

    pcpu_free(&r->a, pcpu_alloc(&r->a, 30000, 8, PCPU_ATOMIC));
    EXPECT_EQ(pcpu_alloc_bulk(&r->a, 512, 8, PCPU_ATOMIC, 32, ptr), 32);
    pcpu_free_bulk(&r->a, 32, ptr);
    pcpu_balance(&r->a);
    EXPECT_GE(stats(r).reserve_target, (30000 + 32 * 512) * 5 / 4 / 4096);
    rig_end(r);
}

KTEST(percpu_alloc_memory, demand_past_the_magazines_counts)
{
    demand_past_the_magazines(&small);
    demand_past_the_magazines(&(struct world_shape){.nr_nodes = 4, .nr_cpus = 128});
}

KTEST(percpu_alloc_memory, the_reserve_is_bounded)
{
    struct alloc_rig *r = rig_new(&small);

    for (u32 i = 0; i < 100; i++)
        EXPECT_TRUE(!pcpu_alloc(&r->a, r->a.unit_size, 8, PCPU_ATOMIC));
    pcpu_balance(&r->a);
    EXPECT_EQ(stats(r).reserve_target, PCPU_RESERVE_MAX);
    EXPECT_EQ(stats(r).empty_blocks, PCPU_RESERVE_MAX);
    rig_end(r);
}

/* ---- chunks ---------------------------------------------------------------------------------- */

KTEST(percpu_alloc_memory, chunks_come_and_go)
{
    struct alloc_rig *r = rig_new(&dense);
    u64 start = free_pages(r), meta = r->w.meta_live;
    void *ptr[10];

    EXPECT_EQ(stats(r).nr_chunks, 2);
    for (u32 i = 0; i < 10; i++)
        ptr[i] = pcpu_alloc(&r->a, r->a.unit_size, 8, 0);
    EXPECT_GE(stats(r).chunks_made, 10);
    EXPECT_GE(stats(r).nr_chunks, 11);
    EXPECT_VALID(r);
    for (u32 i = 0; i < 10; i++) /* the highest number is not always the last */
        pcpu_free(&r->a, ptr[i * 3 % 10]);
    EXPECT_VALID(r);
    EXPECT_TRUE(pcpu_trim(&r->a) >= 9 * 512);
    EXPECT_EQ(stats(r).nr_chunks, 2);
    EXPECT_EQ(stats(r).nr_chunks, 1 + stats(r).chunks_made - stats(r).chunks_returned);
    EXPECT_GE(free_pages(r), start);
    EXPECT_LE(r->w.meta_live, meta + 4096 * 3); /* the tables of the window stay */
    EXPECT_VALID(r);
    rig_end(r);
}

/* All of a life, then a trim: not more than the least reserve is left. */
KTEST(percpu_alloc_memory, trim_goes_back_to_the_start)
{
    static const struct world_shape shapes[] = {
        {.nr_nodes = 2, .nr_cpus = 4},
        {.nr_nodes = 1, .nr_cpus = 32},
        {.nr_nodes = 2, .nr_cpus = 8, .absent = {0xc0}},
    };

    for (u32 s = 0; s < ARRAY_SIZE(shapes); s++) {
        struct alloc_rig *r = rig_new(&shapes[s]);
        static void *ptr[3000];
        u64 populated = stats(r).populated_blocks;

        for (u32 i = 0; i < 3000; i++) {
            host_cpu_number = i % 4;
            ptr[i] = pcpu_alloc(&r->a, 8 + i * 7 % 1200, 8, 0);
        }
        EXPECT_TRUE(stats(r).populated_blocks > populated + 400);
        for (u32 i = 0; i < 3000; i++) {
            host_cpu_number = i % 3;
            pcpu_free(&r->a, ptr[i]);
        }
        host_cpu_number = 0;
        pcpu_trim(&r->a);
        EXPECT_EQ(stats(r).cached_bytes, 0);
        EXPECT_LE(stats(r).populated_blocks, populated + 16);
        EXPECT_GE(stats(r).empty_blocks, PCPU_RESERVE_MIN);
        for (u32 node = 0; node < r->w.shape.nr_nodes; node++)
            EXPECT_EQ(node_stats(r, node).reserved, 0);
        EXPECT_VALID(r);
        rig_end(r);
    }
}

KTEST(percpu_alloc_memory, trim_when_a_cpu_does_not_answer)
{
    struct alloc_rig *r = rig_new(&small);
    static void *ptr[1000];

    for (u32 i = 0; i < 1000; i++)
        ptr[i] = pcpu_alloc(&r->a, 1000, 8, 0);
    pcpu_free_bulk(&r->a, 1000, ptr);
    r->call_error = -ETIMEDOUT;
    pcpu_trim(&r->a);
    EXPECT_TRUE(shim_log_contains("a CPU did not answer"));
    EXPECT_VALID(r);
    r->call_error = 0;
    rig_end(r);
}

/* Blocks that cannot be returned stay ours and stay useful. */
static void return_fails(const struct world_shape *shape, u32 kind, u32 n, const char *line)
{
    struct alloc_rig *r = rig_new(shape);
    static void *ptr[200];

    for (u32 k = 1; k < 6; k++) {
        EXPECT_EQ(pcpu_alloc_bulk(&r->a, 4096, 8, 0, n, ptr), n);
        pcpu_balance(&r->a);
        pcpu_free_bulk(&r->a, n, ptr);
        world_fail(&r->w, kind, k, false);
        pcpu_trim(&r->a);
        world_fail(&r->w, 0, 0, false);
        EXPECT_VALID(r);
    }
    for (u32 i = 0; i < n; i++) {
        ptr[i] = pcpu_alloc(&r->a, 4096, 8, 0);
        EXPECT_TRUE(rig_all_zero(r, ptr[i], 4096));
    }
    pcpu_free_bulk(&r->a, n, ptr);
    EXPECT_TRUE(shim_log_contains(line));
    rig_end(r);
}

KTEST(percpu_alloc_memory, a_return_that_fails)
{
    return_fails(&small, WORLD_FLUSH, 150, "are not used again"); /* one chunk, which stays */
    return_fails(&dense, WORLD_DEMOTE, 100, "could not be returned");
}

/* ---- regressions of Linux -------------------------------------------------------------------- */

/* A free inside of a block other than the first leaves the chunk looking full. */
KTEST(percpu_alloc_memory, linux_hint_defect)
{
    struct alloc_rig *r = rig_new(&small);
    static void *ptr[1200];
    u32 n = r->a.unit_size / 1000;
    u64 made, populated;

    for (u32 i = 0; i < n; i++)
        ptr[i] = pcpu_alloc(&r->a, 1000, 8, 0);
    made = stats(r).chunks_made;
    /* In the middle of every third block of the chunk, a hole. */
    for (u32 i = 12; i < n; i += 12) {
        pcpu_free(&r->a, ptr[i]);
        populated = stats(r).populated_blocks;
        ptr[i] = pcpu_alloc(&r->a, 1000, 8, PCPU_ATOMIC);
        EXPECT_TRUE(ptr[i] != NULL);
        EXPECT_EQ(stats(r).populated_blocks, populated);
    }
    for (u32 i = 12; i < n; i += 12)
        pcpu_free(&r->a, ptr[i]);
    pcpu_balance(&r->a); /* the reserve that the atomic calls used up */
    populated = stats(r).populated_blocks;
    for (u32 i = 12; i < n; i += 12)
        ptr[i] = pcpu_alloc(&r->a, 1000, 8, 0);
    EXPECT_EQ(stats(r).populated_blocks, populated);
    EXPECT_EQ(stats(r).chunks_made, made);
    EXPECT_VALID(r);
    pcpu_free_bulk(&r->a, n, ptr);
    rig_end(r);
}

/*
 * A chunk is made only when no chunk has the room (for the object and the reserve), and memory in
 * use bounds memory held.
 */
KTEST(percpu_alloc_memory, churn)
{
    enum { N = 500 };
    struct alloc_rig *r = rig_new(&dense);
    void *ptr[N] = {0};
    u32 seed = 1, needless = 0, failed = 0;
    u64 most = 0;

    for (u32 step = 0; step < 30000; step++) {
        u32 i, size;

        i = (random_lcg32(&seed) >> 8) % N;
        if (ptr[i]) {
            pcpu_free(&r->a, ptr[i]);
            ptr[i] = NULL;
        } else {
            u64 made = r->a.chunks_made;
            u32 room = 0, unpopulated = 0;

            size = 520 + (seed >> 20) % 300 * 8;
            for (u32 c = 0; c < r->a.chunks_end; c++) {
                if (!r->a.chunks[c])
                    continue;
                room = MAX(room, pcpu_chunk_max_any(&r->a.chunks[c]->c));
                unpopulated += r->a.chunks[c]->c.root->nr_unpopulated;
            }
            ptr[i] = pcpu_alloc(&r->a, size, 8, 0);
            failed += !ptr[i];
            needless += r->a.chunks_made != made && room >= size / 4 && unpopulated > 16;
        }
        most = MAX(most, stats(r).populated_blocks);
        if (step % 3000 == 0)
            EXPECT_VALID(r);
    }
    EXPECT_EQ(failed, 0);
    EXPECT_EQ(needless, 0);
    /* Half of 500 objects of 1.7 KiB are alive: 104 blocks, reserve and slack 42, holes. */
    EXPECT_LE(most, 230);
    pcpu_free_bulk(&r->a, N, ptr);
    rig_end(r);
}

/*
 * A call that populates does the more at once the more there is, and never more than what its bound
 * for all units allows: 128 pages, 32 blocks of 4 CPUs.
 */
KTEST(percpu_alloc_memory, growth_runs_ahead_within_its_bound)
{
    struct alloc_rig *r = rig_new(&small);
    static void *ptr[1500];
    u32 calls = 0, most = 0, early = 0;

    for (u32 i = 0; i < ARRAY_SIZE(ptr); i++) {
        u64 before = stats(r).populated_blocks, more;

        ptr[i] = pcpu_alloc(&r->a, 4096, 8, 0);
        EXPECT_TRUE(ptr[i] != NULL);
        more = stats(r).populated_blocks - before;
        calls += more != 0;
        most = MAX(most, (u32)more);
        if (i == 200)
            early = most;
        EXPECT_LE(stats(r).empty_blocks, PCPU_RESERVE_BOOT + PCPU_GROW_AHEAD_PAGES / 4);
    }
    EXPECT_LE(early, PCPU_RESERVE_BOOT + PCPU_GROW_AHEAD + 1);
    EXPECT_GE(most, 16);
    EXPECT_LE(most, PCPU_RESERVE_BOOT + PCPU_GROW_AHEAD_PAGES / 4 + 1);
    EXPECT_LE(calls, ARRAY_SIZE(ptr) / 12);
    EXPECT_VALID(r);
    pcpu_free_bulk(&r->a, ARRAY_SIZE(ptr), ptr);
    pcpu_trim(&r->a);
    EXPECT_LE(stats(r).empty_blocks, PCPU_RESERVE_BOOT);
    EXPECT_VALID(r);
    rig_end(r);
}

/* ---- large pages ----------------------------------------------------------------------------- */

static void fill_chunk(struct alloc_rig *r, void **ptr, u32 n)
{
    EXPECT_EQ(pcpu_alloc_bulk(&r->a, 4096, 8, 0, n, ptr), n);
    for (u32 i = 0; i < n; i++)
        rig_fill(r, ptr[i], 4096, i);
}

static u32 wrong(struct alloc_rig *r, void **ptr, u32 n)
{
    u32 bad = 0;

    for (u32 i = 0; i < n; i++)
        bad += !rig_holds(r, ptr[i], 4096, i);
    return bad;
}

KTEST(percpu_alloc_memory, a_full_chunk_is_promoted_and_demoted_when_it_drains)
{
    struct alloc_rig *r = rig_new(&dense);
    void *ptr[100];

    fill_chunk(r, ptr, 100);
    EXPECT_TRUE(pcpu_balance(&r->a));
    EXPECT_GE(node_stats(r, 0).leaves_2m, 6);
    EXPECT_EQ(node_stats(r, 0).promotions, node_stats(r, 0).leaves_2m);
    EXPECT_EQ(wrong(r, ptr, 100), 0);
    EXPECT_VALID(r);
    for (u32 i = 0; i < 100; i += 2)
        pcpu_free(&r->a, ptr[i]);
    EXPECT_VALID(r);
    pcpu_trim(&r->a);
    for (u32 i = 1; i < 100; i += 2)
        EXPECT_TRUE(rig_holds(r, ptr[i], 4096, i));
    EXPECT_VALID(r);
    for (u32 i = 1; i < 100; i += 2)
        pcpu_free(&r->a, ptr[i]);
    pcpu_trim(&r->a);
    EXPECT_EQ(node_stats(r, 0).leaves_2m, 0);
    EXPECT_GE(node_stats(r, 0).demotions, 6);
    rig_end(r);
}

/* An idle CPU is woken, without anybody's balance. */
KTEST(percpu_alloc_memory, promotion_is_deferred_work)
{
    struct alloc_rig *r = rig_new(&dense);
    void *ptr[40];

    r->idle = 9;
    fill_chunk(r, ptr, 40);
    EXPECT_TRUE(r->wakes > 0);
    host_cpu_number = 9;
    EXPECT_TRUE(pcpu_idle_work(&r->a));
    host_cpu_number = 0;
    EXPECT_GE(node_stats(r, 0).leaves_2m, 2);
    EXPECT_EQ(wrong(r, ptr, 40), 0);
    pcpu_free_bulk(&r->a, 40, ptr);
    rig_end(r);
}

/* The idle CPU never comes: after some populations the CPU that goes on populating does it. */
KTEST(percpu_alloc_memory, promotion_by_a_cpu_that_was_not_asked)
{
    struct alloc_rig *r = rig_new(&dense);
    static void *ptr[4000];
    u32 n = 0;

    r->idle = 9;
    while (n < ARRAY_SIZE(ptr) && !node_stats(r, 0).leaves_2m)
        ptr[n++] = pcpu_alloc(&r->a, 4096, 8, 0);
    EXPECT_TRUE(node_stats(r, 0).leaves_2m >= 2);
    EXPECT_TRUE(r->a.work[9] & PCPU_WORK_PROMOTE); /* there it stays */
    pcpu_free_bulk(&r->a, n, ptr);
    rig_end(r);
}

KTEST(percpu_alloc_memory, a_cpu_that_comes_makes_ranges_whole)
{
    struct alloc_rig *r =
        rig_new(&(struct world_shape){.nr_nodes = 1, .nr_cpus = 32, .absent = {1ULL << 17}});
    void *ptr[60];

    fill_chunk(r, ptr, 60);
    pcpu_balance(&r->a);
    EXPECT_EQ(node_stats(r, 0).leaves_2m, 0);
    EXPECT_EQ(pcpu_cpu_first_online(&r->a, 17), 0);
    pcpu_balance(&r->a);
    EXPECT_GE(node_stats(r, 0).leaves_2m, 3);
    for (u32 i = 0; i < 60; i++)
        rig_fill(r, ptr[i], 4096, i);
    EXPECT_EQ(wrong(r, ptr, 60), 0);
    EXPECT_VALID(r);
    pcpu_free_bulk(&r->a, 60, ptr);
    rig_end(r);
}

/* ---- other nodes, pressure ------------------------------------------------------------------- */

KTEST(percpu_alloc_memory, another_node_is_counted)
{
    struct alloc_rig *r = rig_new(&small);
    static void *ptr[400];
    struct percpu_node_stats st;

    pcpu_backing_break_reservations(&r->a.chunks[2]->backing);
    world_exhaust(&r->w, 1, 0);
    for (u32 i = 0; i < 400; i++) {
        ptr[i] = pcpu_alloc(&r->a, 2048, 8, 0);
        REQUIRE_TRUE(ptr[i] != NULL);
        rig_fill(r, ptr[i], 2048, i);
    }
    st = node_stats(r, 1);
    EXPECT_TRUE(st.fallen_back >= 300);
    EXPECT_EQ(st.requested, st.obtained + st.fallen_back);
    EXPECT_TRUE(shim_log_contains("node 1: no memory left"));
    EXPECT_EQ(node_stats(r, 0).fallen_back, 0);
    for (u32 i = 0; i < 400; i++)
        EXPECT_TRUE(rig_holds(r, ptr[i], 2048, i));
    EXPECT_VALID(r);
    world_refill(&r->w, 1);
    pcpu_free_bulk(&r->a, 400, ptr);
    rig_end(r);
}

KTEST(percpu_alloc_memory, reservations_are_broken_under_pressure)
{
    struct alloc_rig *r = rig_new(&(struct world_shape){.nr_nodes = 1, .nr_cpus = 4});
    u32 eighth = r->a.unit_size / 8;
    void *low = pcpu_alloc(&r->a, 3 * eighth, 8, 0), *middle = pcpu_alloc(&r->a, eighth, 8, 0), *p;

    pcpu_free(&r->a, low);
    pcpu_balance(&r->a);
    EXPECT_GE(node_stats(r, 0).reserved, 5 * 64);
    world_exhaust(&r->w, 0, 0);
    p = pcpu_alloc(&r->a, 5 * eighth, 8, 0); /* fits no chunk that there is */
    EXPECT_TRUE(p != NULL);
    EXPECT_EQ(r->a.chunks_made, 2);
    EXPECT_TRUE(rig_all_zero(r, p, 5 * eighth));
    rig_fill(r, p, 5 * eighth, 1);
    EXPECT_TRUE(rig_all_zero(r, middle, eighth));
    EXPECT_VALID(r);
    /* Nothing is left, and nobody is hurt. */
    low = pcpu_alloc(&r->a, r->a.unit_size, 8, 0);
    EXPECT_TRUE(!low);
    EXPECT_TRUE(shim_log_contains("no memory"));
    EXPECT_TRUE(rig_holds(r, p, 5 * eighth, 1));
    EXPECT_VALID(r);
    world_refill(&r->w, 0);
    pcpu_free(&r->a, p);
    pcpu_free(&r->a, middle);
    rig_end(r);
}

/* ---- failure at every k-th call -------------------------------------------------------------- */

/* A life in which every call may fail; what it gave is right, and it gives all back. */
static bool life(struct alloc_rig *r, u32 kinds, u64 k, bool keep)
{
    static const u32 sizes[] = {8, 64, 4, 512, 600, 4096, 9000, 100, 40000, 16, 65536};
    static void *ptr[300];
    u32 n = 0, bad = 0;
    bool reached;

    world_fail(&r->w, kinds, k, keep);
    for (u32 i = 0; i < 24; i++) {
        u32 size = sizes[i % ARRAY_SIZE(sizes)];
        void *p = pcpu_alloc(&r->a, size, 8, PCPU_NOWARN);

        if (!p)
            continue;
        bad += !rig_all_zero(r, p, size);
        rig_fill(r, p, size, n);
        ptr[n++] = p;
        if (i == 12)
            pcpu_balance(&r->a);
    }
    n += pcpu_alloc_bulk(&r->a, 128, 8, PCPU_NOWARN, 200, ptr + n);
    EXPECT_EQ(bad, 0);
    EXPECT_VALID(r);
    pcpu_free_bulk(&r->a, n, ptr);
    pcpu_trim(&r->a);
    reached = r->w.fail_calls >= k;
    world_fail(&r->w, 0, 0, false);
    return reached;
}

KTEST(percpu_alloc_memory, failure_at_every_call)
{
    /* Ranges of both nodes: single pages. */
    static const struct world_shape mixed = {
        .nr_nodes = 2, .nr_cpus = 8, .atom = 64 * SZ_1K, .group_stride = 64 * SZ_1K};
    static const u32 kinds[] = {WORLD_PAGE, WORLD_BLOCK, WORLD_SLOT,
                                WORLD_META, WORLD_AREA,  WORLD_MEMORY};

    for (u32 i = 0; i < ARRAY_SIZE(kinds); i++) {
        for (u32 keep = 0; keep < 2; keep++) {
            u64 k = 1;
            bool reached = true;

            while (reached && k < 300) {
                struct alloc_rig *r = rig_new(kinds[i] & WORLD_PAGE ? &mixed : &dense);

                reached = life(r, kinds[i], k, keep);
                k += 1 + k / (keep ? 1 : 3);
                rig_end(r);
            }
            EXPECT_TRUE(k > 2); /* it was reached at all */
        }
    }
}

/* An instance is made, or it is not and nothing is left. */
KTEST(percpu_alloc_memory, failure_while_it_is_made)
{
    for (u64 k = 1; k < 200; k++) {
        struct alloc_rig *r = calloc(1, sizeof(*r));
        struct pcpu_alloc_config config;
        u64 before, calls;

        shim_log_reset();
        world_init(&r->w, &small);
        config = rig_config(r);
        before = r->w.meta_live;
        world_fail(&r->w, WORLD_MEMORY, k, false);
        if (pcpu_init(&r->a, &config) == 0)
            pcpu_destroy(&r->a);
        calls = r->w.fail_calls;
        EXPECT_EQ(r->w.meta_live, before);
        world_done(&r->w);
        free(r);
        if (calls < k)
            break;
        EXPECT_LT(k, 199);
    }
}
