/*
 * Several CPUs take from one page allocator and give back, whole blocks and parts.
 * Also run under TSan.
 * SPDX-License-Identifier: MIT
 */
#include <pthread.h>
#include "kernel/base/ktest.h"
#include "tests/host/random.h"
#include "tests/mm/pages/buddy_rig.h"

#define MIB SZ_1M

static struct buddy_rig rig;

#define THREADS 4
#define ROUNDS  20000
#define HELD    64

struct worker {
    pthread_t thread;
    u32 seed;
    u64 wrong;
};

static u32 rnd(u32 *seed)
{
    return random_lcg32(seed) >> 8;
}

/* Marks the first word of each page it holds; finds another's mark if two got the same page. */
static void *hammer(void *arg)
{
    struct worker *w = arg;
    struct {
        u64 pa;
        u32 order;
    } held[HELD] = {{0}};
    u32 seed = w->seed;

    for (u32 i = 0; i < ROUNDS; i++) {
        u32 k = rnd(&seed) % HELD, order = rnd(&seed) % 16 ? rnd(&seed) % 4 : 9;

        if (held[k].pa) {
            u64 *word = rig_map(&rig, held[k].pa);

            w->wrong += *word != (held[k].pa ^ w->seed);
            if (held[k].order == 9 && rnd(&seed) % 2) {
                for (u32 p = 0; p < 512; p++)
                    buddy_free(&rig.b, held[k].pa + p * PAGE_SIZE, 0);
            } else {
                buddy_free(&rig.b, held[k].pa, held[k].order);
            }
            held[k].pa = 0;
        } else if (buddy_alloc(&rig.b, (s32)(rnd(&seed) % 2), order, 0, &held[k].pa, NULL) == 0) {
            held[k].order = order;
            *(u64 *)rig_map(&rig, held[k].pa) = held[k].pa ^ w->seed;
        } else {
            held[k].pa = 0;
        }
    }
    for (u32 k = 0; k < HELD; k++)
        if (held[k].pa)
            buddy_free(&rig.b, held[k].pa, held[k].order);
    return NULL;
}

KTEST(buddy_threads, threads_get_no_page_twice)
{
    struct worker w[THREADS] = {{0}};

    rig_init(&rig, 2, 2 * SZ_1G);
    rig_declare(&rig, 0, 2 * MIB, 96 * MIB);
    rig_declare(&rig, 1, SZ_1G, 2 * SZ_1G); /* split by whoever is first */
    REQUIRE_EQ(buddy_add(&rig.b, 2 * MIB, 96 * MIB), 0);
    REQUIRE_EQ(buddy_add(&rig.b, SZ_1G, 2 * SZ_1G), 0);
    u64 pages = buddy_free_pages(&rig.b, NODE_NONE);
    for (u32 i = 0; i < THREADS; i++) {
        w[i].seed = i + 1;
        REQUIRE_EQ(pthread_create(&w[i].thread, NULL, hammer, &w[i]), 0);
    }
    for (u32 i = 0; i < THREADS; i++) {
        pthread_join(w[i].thread, NULL);
        EXPECT_EQ(w[i].wrong, 0);
    }
    EXPECT_EQ(buddy_free_pages(&rig.b, NODE_NONE), pages - 16); /* records of node 1's section */
    EXPECT_EQ(buddy_verify(&rig.b), 0);
    EXPECT_EQ(rig.b.bad_frees, 0);
    rig_done(&rig);
}
