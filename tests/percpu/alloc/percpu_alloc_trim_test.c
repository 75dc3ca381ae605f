/*
 * What one trim leaves of a reserve that lies in several chunks.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/alloc/alloc_magazines.h"
#include "tests/percpu/alloc/alloc_rig.h"

static const struct world_shape dense = {.nr_nodes = 1, .nr_cpus = 32}; /* 16 blocks a chunk */

static struct percpu_stats stats(struct alloc_rig *r)
{
    struct percpu_stats st;

    pcpu_get_stats(&r->a, &st);
    return st;
}

/* Frees the block-sized objects of one chunk, at most max; returns how many are left. */
static u32 free_in_chunk(struct alloc_rig *r, u32 number, u32 max, void **ptr, u32 n)
{
    const struct pcpu_dchunk *ch = r->a.chunks[number];
    u32 left = 0;

    for (u32 i = 0; i < n; i++) {
        if (max && (uintptr_t)ptr[i] - ch->ptr < r->a.unit_size) {
            pcpu_free(&r->a, ptr[i]);
            max--;
        } else {
            ptr[left++] = ptr[i];
        }
    }
    return left;
}

/*
 * The reserve has decayed below what a trim leaves, and a part of it lies in a chunk that holds
 * nothing else, above one with room: the first trim moves it down and gives the chunk back.
 */
KTEST(percpu_alloc_trim, one_trim_is_enough)
{
    enum { N = 7 + 16 + 4 }; /* of the first chunk, of the second, and a few of the third */
    struct alloc_rig *r = rig_new(&dense);
    void *ptr[N];
    u32 n = N;

    EXPECT_EQ(pcpu_alloc_bulk(&r->a, 4096, 4096, 0, N, ptr), N);
    n = free_in_chunk(r, 2, 12, ptr, n);
    pcpu_mag_drain_all(&r->a);
    atomic_store(&r->a.reserve_target, PCPU_RESERVE_MIN);
    pcpu_balance(&r->a);
    EXPECT_EQ(stats(r).empty_blocks, PCPU_RESERVE_MIN);
    REQUIRE_TRUE(r->a.chunks[3]);
    n = free_in_chunk(r, 3, N, ptr, n);
    pcpu_mag_drain_all(&r->a);
    EXPECT_EQ(r->a.chunks[3]->c.nr_empty, r->a.chunks[3]->c.nr_populated);
    EXPECT_LT(stats(r).empty_blocks, PCPU_RESERVE_BOOT);
    pcpu_trim(&r->a);
    EXPECT_TRUE(!r->a.chunks[3]);
    EXPECT_EQ(stats(r).empty_blocks, PCPU_RESERVE_BOOT);
    EXPECT_VALID(r);
    pcpu_free_bulk(&r->a, n, ptr);
    rig_end(r);
}
