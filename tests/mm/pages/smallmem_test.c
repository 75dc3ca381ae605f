/*
 * Small-object memory: classes, alignment, nodes, slabs that come and go, wrong frees, and random
 * operations against a list of what is out.
 * Also run under TSan.
 * SPDX-License-Identifier: MIT
 */
#include <pthread.h>
#include "kernel/base/ktest.h"
#include "mm/pages/smallmem.h"
#include "tests/host/random.h"
#include "tests/host/shim.h"
#include "tests/mm/pages/buddy_rig.h"

#define NODES 3

static struct buddy_rig rig;
static struct small_mem m;
static u64 at_start; /* free pages with nothing allocated */

static void set_up(u64 each)
{
    rig_simple(&rig, NODES, each);
    if (small_init(&m, &rig.b, rig_phys))
        abort();
    at_start = buddy_free_pages(&rig.b, NODE_NONE);
}

/* Nothing is out any more: all pages are back, but those of spare slabs. */
static void tear_down(void)
{
    u64 spare_pages = 0;

    EXPECT_EQ(small_verify(&m), 0);
    EXPECT_EQ(m.bad_frees, 0);
    EXPECT_EQ(m.large_pages, 0);
    for (u32 node = 0; node < NODES; node++) {
        struct small_stats s;

        small_stats(&m, (s32)node, &s);
        EXPECT_EQ(s.objects, 0);
        spare_pages += s.pages;
    }
    EXPECT_EQ(buddy_free_pages(&rig.b, NODE_NONE) + spare_pages, at_start);
    EXPECT_EQ(buddy_verify(&rig.b), 0);
    EXPECT_EQ(rig.b.bad_frees, 0);
    rig_done(&rig);
}

static s32 node_of(const void *p)
{
    return buddy_node_of(&rig.b, rig_phys(&rig, p));
}

static u64 promised_align(size_t size)
{
    if (size > SMALL_MAX)
        return PAGE_SIZE;
    if (is_pow2(size))
        return MIN(size, 64);
    return size <= 8 ? 8 : 16;
}

KTEST(smallmem, every_size_is_aligned_and_its_own)
{
    static u8 *got[3 * SMALL_MAX + 1];

    set_up(64 * SZ_1M);
    EXPECT_TRUE(small_alloc(&m, 0, 0) == NULL);
    for (size_t size = 1; size <= 3 * SMALL_MAX; size++) {
        got[size] = small_alloc(&m, 1, size);
        REQUIRE_TRUE(got[size]);
        EXPECT_TRUE(is_aligned((u64)(uintptr_t)got[size], promised_align(size)));
        EXPECT_EQ(node_of(got[size]), 1);
        memset(got[size], (int)(size * 7), size);
    }
    EXPECT_EQ(small_verify(&m), 0);
    u64 wrong = 0;
    for (size_t size = 1; size <= 3 * SMALL_MAX; size++) {
        for (size_t i = 0; i < size; i++)
            wrong += got[size][i] != (u8)(size * 7);
        small_free(&m, got[size], size);
    }
    EXPECT_EQ(wrong, 0);
    small_free(&m, NULL, 8);
    tear_down();
}

KTEST(smallmem, one_spare_per_class_stays)
{
    static void *got[200];
    struct small_stats s;

    set_up(8 * SZ_1M);
    for (u32 i = 0; i < 200; i++)
        got[i] = small_alloc(&m, 2, 256);
    small_stats(&m, 2, &s);
    EXPECT_EQ(s.objects, 200);
    EXPECT_EQ(s.bytes, 200 * 256);
    EXPECT_EQ(s.pages, 14); /* 15 objects a page */
    EXPECT_EQ(s.spares, 0);
    for (u32 i = 0; i < 200; i++)
        small_free(&m, got[i], 256);
    small_stats(&m, 2, &s);
    EXPECT_EQ(s.pages, 1);
    EXPECT_EQ(s.spares, 1);
    /* The spare serves: a pair at the border of a slab does not go to the page allocator. */
    rig.fail_after = 0;
    for (u32 i = 0; i < 10; i++) {
        void *p = small_alloc(&m, 2, 256);

        EXPECT_TRUE(p);
        small_free(&m, p, 256);
    }
    rig.fail_after = -1;
    tear_down();
}

KTEST(smallmem, falls_back_by_distance_and_uses_those_slabs_up)
{
    static void *got[64];
    u64 pa, pages;

    set_up(4 * SZ_1M);
    while (buddy_alloc(&rig.b, 2, 0, BUDDY_EXACT_NODE, &pa, NULL) == 0)
        at_start--;
    pages = buddy_free_pages(&rig.b, 1);
    for (u32 i = 0; i < 64; i++) {
        got[i] = small_alloc(&m, 2, 32);
        EXPECT_EQ(node_of(got[i]), 1);
    }
    EXPECT_EQ(buddy_free_pages(&rig.b, 1), pages - 1); /* all in one slab of the near node */
    for (u32 i = 0; i < 64; i++)
        small_free(&m, got[i], 32);
    tear_down();
}

KTEST(smallmem, without_memory_null)
{
    set_up(4 * SZ_1M);
    rig.fail_after = 0;
    EXPECT_TRUE(small_alloc(&m, 0, 8) == NULL);
    EXPECT_TRUE(small_alloc(&m, NODE_NONE, 2048) == NULL);
    EXPECT_TRUE(small_alloc(&m, 0, 100000) == NULL);
    rig.fail_after = -1;
    void *p = small_alloc(&m, NODE_NONE, 100000);
    EXPECT_EQ(m.large_pages, 32);
    small_free(&m, p, 100000);
    tear_down();
}

KTEST(smallmem, wrong_frees_are_refused)
{
    set_up(4 * SZ_1M);
    u8 *a = small_alloc(&m, 0, 64), *b = small_alloc(&m, 0, 64);

    small_free(&m, a, 64);
    small_free(&m, a, 64);
    EXPECT_EQ(m.bad_frees, 1);
    EXPECT_TRUE(shim_log_contains("free already"));
    small_free(&m, b + 8, 64);
    EXPECT_EQ(m.bad_frees, 2);
    small_free(&m, b, 128);
    EXPECT_EQ(m.bad_frees, 3);
    small_free(&m, (u8 *)((uintptr_t)b & ~4095UL), 64);
    EXPECT_EQ(m.bad_frees, 4);
    small_free(&m, b, 0);
    EXPECT_EQ(m.bad_frees, 5);
    EXPECT_EQ(small_verify(&m), 0);
    small_free(&m, b, 64);
    m.bad_frees = 0;
    tear_down();
}

/* ---- random ---------------------------------------------------------------------------------- */

#define LIVE 3000

static u32 rnd(u32 *seed)
{
    return random_lcg32(seed) >> 8;
}

static size_t random_size(u32 *seed)
{
    u32 bits = 1 + rnd(seed) % (rnd(seed) % 8 ? 11 : 15);

    return 1 + rnd(seed) % (1u << bits);
}

KTEST(smallmem, random)
{
    static struct {
        u8 *p;
        size_t size;
        u8 fill;
    } live[LIVE];
    u32 seed = 5;
    u64 wrong = 0;

    memset(live, 0, sizeof(live));
    set_up(32 * SZ_1M);
    for (u32 i = 0; i < 300000; i++) {
        /* Phases: many out, few out. */
        u32 k = rnd(&seed) % (i / 20000 % 2 ? LIVE / 16 : LIVE);

        if (live[k].p) {
            wrong += live[k].p[0] != live[k].fill || live[k].p[live[k].size - 1] != live[k].fill;
            small_free(&m, live[k].p, live[k].size);
            live[k].p = NULL;
        } else {
            s32 node = (s32)(rnd(&seed) % NODES);

            live[k].size = random_size(&seed);
            live[k].p = small_alloc(&m, node, live[k].size);
            live[k].fill = (u8)i;
            wrong += !live[k].p || node_of(live[k].p) != node ||
                     !is_aligned((u64)(uintptr_t)live[k].p, promised_align(live[k].size));
            memset(live[k].p, live[k].fill, live[k].size);
        }
        if (i % 1024 == 0)
            EXPECT_EQ(small_verify(&m), 0);
    }
    for (u32 k = 0; k < LIVE; k++)
        small_free(&m, live[k].p, live[k].size);
    EXPECT_EQ(wrong, 0);
    tear_down();
}

/* ---- threads --------------------------------------------------------------------------------- */

struct worker {
    pthread_t thread;
    u32 seed;
    u64 wrong;
};

static void *hammer(void *arg)
{
    struct worker *w = arg;
    struct {
        u64 *p;
        size_t size;
    } held[128] = {{0}};
    u32 seed = w->seed;

    for (u32 i = 0; i < 30000; i++) {
        u32 k = rnd(&seed) % 128;

        if (held[k].p) {
            w->wrong += *held[k].p != w->seed * 1000 + k;
            small_free(&m, held[k].p, held[k].size);
            held[k].p = NULL;
            continue;
        }
        held[k].size = 8 + rnd(&seed) % 600;
        held[k].p = small_alloc(&m, (s32)(rnd(&seed) % NODES), held[k].size);
        if (held[k].p)
            *held[k].p = w->seed * 1000 + k;
    }
    for (u32 k = 0; k < 128; k++)
        small_free(&m, held[k].p, held[k].size);
    return NULL;
}

KTEST(smallmem_threads, objects_are_nobody_elses)
{
    struct worker w[4] = {{0}};

    set_up(16 * SZ_1M);
    for (u32 i = 0; i < ARRAY_SIZE(w); i++) {
        w[i].seed = i + 1;
        REQUIRE_EQ(pthread_create(&w[i].thread, NULL, hammer, &w[i]), 0);
    }
    for (u32 i = 0; i < ARRAY_SIZE(w); i++) {
        pthread_join(w[i].thread, NULL);
        EXPECT_EQ(w[i].wrong, 0);
    }
    tear_down();
}
