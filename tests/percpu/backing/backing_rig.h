/*
 * For the tests of the memory behind a chunk: one world with one chunk, and short names for what is
 * done to it. end() returns what is populated and checks that nothing remains. Header only, for the
 * programs beside it.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TESTS_PERCPU_BACKING_BACKING_RIG_H
#define PERCH_TESTS_PERCPU_BACKING_BACKING_RIG_H

#include <string.h>

#include "kernel/base/events.h"
#include "kernel/base/ktest.h"
#include "percpu/backing/backing_internal.h"
#include "tests/host/percpu_world.h"
#include "tests/host/shim.h"

static struct world w;
static struct pcpu_backing b;

static inline void begin(const struct world_shape *shape)
{
    shim_log_reset();
    world_init(&w, shape);
    EXPECT_EQ(pcpu_backing_create(&w.env, &b), 0);
}

static inline u32 nr_blocks(void)
{
    return w.env.layout->nr_blocks;
}

static inline int populate(u32 first, u32 n)
{
    u32 blocks[2048];

    for (u32 i = 0; i < n; i++)
        blocks[i] = first + i;
    return pcpu_backing_populate(&b, blocks, n);
}

static inline int give_back(u32 first, u32 n)
{
    u32 blocks[2048], returned;
    int err;

    for (u32 i = 0; i < n; i++)
        blocks[i] = first + i;
    err = pcpu_backing_return(&b, blocks, n, &returned);
    EXPECT_TRUE(err || returned == n);
    return err;
}

static inline void check(void)
{
    struct pcpu_backing *all = &b;

    EXPECT_STREQ(pcpu_backing_verify(&b) ?: "ok", "ok");
    EXPECT_STREQ(world_check_counts(&w, &all, 1) ?: "ok", "ok");
}

static inline void end(void)
{
    u32 blocks[2048], n = 0, returned;

    world_fail(&w, 0, 0, false);
    check();
    for (u32 i = 0; i < nr_blocks(); i++) {
        if (bitmap_test_bit(b.populated, i))
            blocks[n++] = i;
    }
    EXPECT_EQ(pcpu_backing_return(&b, blocks, n, &returned), 0);
    check();
    for (u32 node = 0; node < w.shape.nr_nodes; node++) {
        EXPECT_EQ(w.count[node].populated, 0);
        EXPECT_EQ(w.count[node].reserved, 0);
    }
    pcpu_backing_destroy(&b);
    world_done(&w);
}

static inline u8 *page(u32 cpu, u32 block)
{
    return (u8 *)(uintptr_t)(b.base + w.fc.unit_off[cpu]) + block * PAGE_SIZE;
}

static inline bool all_are(const u8 *p, u8 value)
{
    for (u32 i = 0; i < PAGE_SIZE; i++) {
        if (p[i] != value)
            return false;
    }
    return true;
}

static const struct world_shape two_by_four = {.nr_nodes = 2, .nr_cpus = 8};

#endif
