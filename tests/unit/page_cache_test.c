/*
 * Per-CPU page caches over a page source that knows who has which page: batches, homes, pages that
 * pass through, draining, an exhausted node, and threads as CPUs.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/page_cache.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "kernel/app/ktest.h"
#include "kernel/base/cpu_local.h"

#define NODES      3
#define NODE_PAGES 256
#define CPUS       4

/* Page k of node n is at (n + 1) GiB + k * 4096. Locked, as the real one. */
static struct source {
    pthread_mutex_t lock;
    bool taken[NODES][NODE_PAGES];
    u32 live, calls, largest; /* pages out; calls of alloc and free; pages in the largest of them */
    bool irqs_were_on;
} src = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void entered(u32 n)
{
    src.irqs_were_on |= local_irqs_enabled();
    src.calls++;
    src.largest = MAX(src.largest, n);
}

static u32 take_from(s32 node, u32 n, u64 *pas)
{
    u32 got = 0;

    for (u32 k = 0; k < NODE_PAGES && got < n; k++) {
        if (src.taken[node][k])
            continue;
        src.taken[node][k] = true;
        pas[got++] = (node + 1) * SZ_1G + k * PAGE_SIZE;
    }
    src.live += got;
    return got;
}

static u32 src_alloc(void *ctx, s32 node, bool exact, u32 n, u64 *pas)
{
    u32 got;

    (void)ctx;
    pthread_mutex_lock(&src.lock);
    entered(n);
    got = take_from(MAX(node, 0), n, pas);
    for (s32 i = 0; i < NODES && got < n && !exact; i++)
        got += take_from(i, n - got, pas + got);
    pthread_mutex_unlock(&src.lock);
    return got;
}

static s32 src_node_of(void *ctx, u64 pa)
{
    (void)ctx;
    return (s32)(pa / SZ_1G) - 1;
}

static void src_free(void *ctx, const u64 *pas, u32 n)
{
    pthread_mutex_lock(&src.lock);
    entered(n);
    for (u32 i = 0; i < n; i++) {
        bool *taken = &src.taken[src_node_of(ctx, pas[i])][pas[i] % SZ_1G / PAGE_SIZE];

        if (!*taken)
            abort();
        *taken = false;
    }
    src.live -= n;
    pthread_mutex_unlock(&src.lock);
}

static const struct page_cache_ops ops = {src_alloc, src_free, src_node_of, NULL};
static struct page_cache pc;
static struct page_cache_cpu cpu_caches[CPUS];
static struct page_cache_cpu *cpus[CPUS] = {&cpu_caches[0], &cpu_caches[1], &cpu_caches[2],
                                            &cpu_caches[3]};

/* CPUs 0 and 1 on node 0, 2 on node 1, 3 without a home; this thread is CPU 0. */
static void start(void)
{
    memset(src.taken, 0, sizeof(src.taken));
    src.live = src.calls = src.largest = 0;
    src.irqs_were_on = false;
    host_cpu_number = 0;
    page_cache_init(&pc, &ops, cpus, CPUS);
    page_cache_set_home(&pc, 0, 0);
    page_cache_set_home(&pc, 1, 0);
    page_cache_set_home(&pc, 2, 1);
}

static u64 cached(void)
{
    struct page_cache_stats s;

    page_cache_get_stats(&pc, &s);
    return s.pages;
}

static u64 get(s32 node)
{
    u64 pa = 0;

    EXPECT_EQ(page_cache_get(&pc, node, &pa), 0);
    EXPECT_TRUE(local_irqs_enabled());
    return pa;
}

static void stop(void)
{
    EXPECT_EQ(page_cache_verify(&pc) ? 1 : 0, 0);
    for (u32 i = 0; i < CPUS; i++)
        page_cache_drain(&pc, i);
    EXPECT_EQ(src.live, 0);
    EXPECT_EQ(cached(), 0);
    EXPECT_FALSE(src.irqs_were_on);
    host_cpu_number = 0;
}

KTEST(page_cache, batches)
{
    u64 pas[64];
    struct page_cache_stats s;

    start();
    for (u32 i = 0; i < 16; i++) {
        pas[i] = get(0);
        EXPECT_EQ(pas[i] / SZ_1G, 1);
    }
    EXPECT_EQ(src.calls, 1); /* 16 pages by one call */
    EXPECT_EQ(cached(), 0);
    for (u32 i = 16; i < 64; i++)
        pas[i] = get(0);
    EXPECT_EQ(src.calls, 4);
    for (u32 i = 0; i < 32; i++)
        page_cache_put(&pc, pas[i]);
    EXPECT_EQ(src.calls, 4); /* they all fit */
    EXPECT_EQ(cached(), 32);
    EXPECT_EQ(get(0), pas[31]); /* the last freed comes first */
    page_cache_put(&pc, pas[31]);
    page_cache_put(&pc, pas[32]);
    EXPECT_EQ(src.calls, 5);
    EXPECT_EQ(cached(), 17);
    EXPECT_FALSE(src.taken[0][pas[0] % SZ_1G / PAGE_SIZE]); /* the coldest went */
    EXPECT_FALSE(src.taken[0][pas[15] % SZ_1G / PAGE_SIZE]);
    EXPECT_TRUE(src.taken[0][pas[16] % SZ_1G / PAGE_SIZE]);
    EXPECT_EQ(page_cache_verify(&pc) ? 1 : 0, 0);
    for (u32 i = 33; i < 64; i++)
        page_cache_put(&pc, pas[i]);
    page_cache_get_stats(&pc, &s);
    EXPECT_EQ(s.refills, 4);
    EXPECT_EQ(s.hits, 64 - 4 + 1);
    EXPECT_EQ(s.drains, 2);
    EXPECT_EQ(s.direct, 0);
    EXPECT_EQ(src.largest, 16);
    EXPECT_EQ(src.live, s.pages);
    stop();
}

KTEST(page_cache, other_nodes_pass_through)
{
    struct page_cache_stats s;
    u64 pa, mine;

    start();
    pa = get(1);
    EXPECT_EQ(pa / SZ_1G, 2);
    EXPECT_EQ(src.largest, 1);
    page_cache_put(&pc, pa);
    EXPECT_EQ(src.live, 0);
    EXPECT_EQ(get(NODE_NONE) / SZ_1G, 1); /* nobody's node: not from the cache */
    EXPECT_EQ(cached(), 0);
    mine = get(0);
    host_cpu_number = 2;
    page_cache_put(&pc, mine); /* freed on a CPU of another node: goes to the allocator */
    EXPECT_EQ(cpu_caches[2].count, 0);
    page_cache_put(&pc, get(1));
    EXPECT_EQ(cpu_caches[2].count, 16);
    host_cpu_number = 3; /* no home */
    pa = get(0);
    EXPECT_EQ(cpu_caches[3].count, 0);
    page_cache_put(&pc, pa);
    EXPECT_EQ(cpu_caches[3].count, 0);
    page_cache_get_stats(&pc, &s);
    EXPECT_EQ(s.direct, 2 + 1 + 1 + 2);
    host_cpu_number = 0;
    page_cache_put(&pc, SZ_1G); /* the page of NODE_NONE: the first of node 0 */
    stop();
}

KTEST(page_cache, exhausted_node)
{
    static u64 pas[NODE_PAGES];
    u64 pa;

    start();
    for (u32 i = 0; i < NODE_PAGES; i++) {
        pas[i] = get(0);
        EXPECT_EQ(pas[i] / SZ_1G, 1);
    }
    pa = get(0); /* from the next node, and not into the cache when it comes back */
    EXPECT_EQ(pa / SZ_1G, 2);
    EXPECT_EQ(cpu_caches[0].count, 0);
    page_cache_put(&pc, pa);
    EXPECT_EQ(cpu_caches[0].count, 0);
    memset(src.taken, true, sizeof(src.taken));
    EXPECT_EQ(page_cache_get(&pc, 0, &pa), -ENOMEM);
    EXPECT_EQ(page_cache_get(&pc, 1, &pa), -ENOMEM);
    EXPECT_TRUE(local_irqs_enabled());
    for (u32 i = 0; i < NODE_PAGES; i++)
        page_cache_put(&pc, pas[i]);
    stop();
}

/* A batch that the node cannot fill gives what there is. */
KTEST(page_cache, short_batch)
{
    start();
    memset(src.taken[0], true, NODE_PAGES - 5);
    EXPECT_EQ(get(0) / SZ_1G, 1);
    EXPECT_EQ(cpu_caches[0].count, 4);
    page_cache_put(&pc, SZ_1G + (NODE_PAGES - 1) * PAGE_SIZE); /* LIFO of an array: the last one */
    stop();
}

KTEST(page_cache, drain_and_home)
{
    u64 pa;

    start();
    pa = get(0);
    EXPECT_EQ(page_cache_drain(&pc, 0), 15);
    EXPECT_EQ(page_cache_drain(&pc, 0), 0);
    EXPECT_EQ(src.live, 1);
    page_cache_put(&pc, pa);
    page_cache_set_home(&pc, 0, 2);
    EXPECT_EQ(src.live, 0);
    EXPECT_EQ(get(2) / SZ_1G, 3);
    EXPECT_EQ(cpu_caches[0].count, 15);
    page_cache_put(&pc, 3 * SZ_1G + 15 * PAGE_SIZE);
    page_cache_set_home(&pc, 0, NODE_NONE);
    EXPECT_EQ(src.live, 0);
    stop();
}

KTEST(page_cache, verify_finds)
{
    u64 pa, saved;

    start();
    pa = get(0);
    saved = cpu_caches[0].pages[3];
    EXPECT_FALSE(page_cache_verify(&pc));
    cpu_caches[0].pages[3] = cpu_caches[0].pages[4];
    EXPECT_STREQ(page_cache_verify(&pc), "a page twice in a cache");
    cpu_caches[0].pages[3] = 2 * SZ_1G;
    EXPECT_STREQ(page_cache_verify(&pc), "a page of another node than the cache's");
    cpu_caches[0].pages[3] = saved + 1;
    EXPECT_STREQ(page_cache_verify(&pc), "not a page");
    cpu_caches[0].pages[3] = saved;
    cpu_caches[1].pages[0] = saved;
    cpu_caches[1].count = 1;
    EXPECT_STREQ(page_cache_verify(&pc), "a page in two caches");
    cpu_caches[1].count = 0;
    cpu_caches[0].count = PAGE_CACHE_MAX + 1;
    EXPECT_STREQ(page_cache_verify(&pc), "more pages than a cache holds");
    cpu_caches[0].count = 15;
    page_cache_put(&pc, pa);
    stop();
}

/* ---- threads --------------------------------------------------------------------------------- */

#define ROUNDS 20000
#define HOLD   120

static _Atomic u8 owner[NODES][NODE_PAGES]; /* 0: free, else CPU + 1 */
static _Atomic u32 stolen;

static void *worker(void *arg)
{
    u64 held[HOLD], seed = (uintptr_t)arg * 7919 + 1;
    u32 n = 0;

    host_cpu_number = (u32)(uintptr_t)arg;
    for (u32 i = 0; i < ROUNDS; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        if (n < HOLD && seed % 4 < (i / 200 % 2 ? 1 : 3)) { /* in waves */
            u64 pa;

            if (page_cache_get(&pc, (s32)(seed / 4 % NODES), &pa))
                continue;
            if (owner[src_node_of(NULL, pa)][pa % SZ_1G / PAGE_SIZE]++)
                stolen++;
            held[n++] = pa;
        } else if (n) {
            u64 pa = held[seed / 4 % n];

            held[seed / 4 % n] = held[n - 1];
            n--;
            owner[src_node_of(NULL, pa)][pa % SZ_1G / PAGE_SIZE]--;
            page_cache_put(&pc, pa);
        }
        if (seed % 512 == 0)
            page_cache_drain(&pc, host_cpu_number);
    }
    while (n) {
        n--;
        owner[src_node_of(NULL, held[n])][held[n] % SZ_1G / PAGE_SIZE]--;
        page_cache_put(&pc, held[n]);
    }
    return NULL;
}

/* No page is ever with two CPUs, and none is lost. */
KTEST(page_cache, threads)
{
    pthread_t threads[CPUS];
    struct page_cache_stats s;

    start();
    for (uintptr_t i = 0; i < CPUS; i++)
        REQUIRE_EQ(pthread_create(&threads[i], NULL, worker, (void *)i), 0);
    for (u32 i = 0; i < 200; i++)
        page_cache_get_stats(&pc, &s); /* anybody may look meanwhile */
    for (u32 i = 0; i < CPUS; i++)
        pthread_join(threads[i], NULL);
    EXPECT_EQ(stolen, 0);
    page_cache_get_stats(&pc, &s);
    EXPECT_TRUE(s.hits && s.refills && s.drains && s.direct);
    EXPECT_EQ(src.live, s.pages);
    stop();
}
