/*
 * What the suites of the dynamic per-CPU allocator share: the state that a suite found and must
 * leave, patterns that differ in every word of every copy, and random numbers from the run's seed.
 * Header only; boot CPU unless a function says otherwise.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TESTS_PERCPU_ALLOC_PERCPU_DYN_H
#define PERCH_TESTS_PERCPU_ALLOC_PERCPU_DYN_H

#include "kernel/base/string.h"
#include "kernel/platform/console.h"
#include "kernel/platform/percpu_platform.h"
#include "percpu/percpu_instance.h"
#include "percpu/percpu.h"
#include "smp/run/idle_set.h"
#include "tests/suite/kutil.h"

/* ---- as it was found ------------------------------------------------------------------------- */

struct dyn_state {
    struct percpu_stats st;
    u64 decay_period; /* as it was: no decay of an idle CPU comes between two counts of a case */
};

/* Waits until no CPU has deferred work or is at it. */
static inline void dyn_wait_idle(void)
{
    struct pcpu_allocator *a = percpu_allocator();
    struct deadline d = deadline_start(1000000);
    bool busy = true;
    u32 cpu;

    while (busy && !deadline_passed(&d)) {
        busy = false;
        for_each_online_cpu(cpu) if (atomic_load(&a->work[cpu]))
        {
            busy = true;
            if (cpu == cpu_number())
                percpu_balance();
            else
                cpu_kick(cpu);
        }
    }
    spin_lock(&a->balance_mutex);
    spin_unlock(&a->balance_mutex);
    EXPECT_FALSE(busy);
}

/* All deferred work is done, and nobody does any. A balance beside another CPU's does nothing. */
static inline void dyn_quiet(void)
{
    for (u32 i = 0; i < 2; i++) {
        dyn_wait_idle();
        percpu_balance();
    }
    dyn_wait_idle();
}

/* What the page allocator gives next is full of ones: what is not cleared is seen. */
static inline void dyn_soil_memory(void)
{
    struct buddy *b = &boot_state_get()->pages;
    static u64 pas[256];
    u64 block;

    for (u32 node = 0; node < boot_state_get()->topo.node_count; node++) {
        u32 n = buddy_alloc_bulk(b, (s32)node, ARRAY_SIZE(pas), BUDDY_EXACT_NODE, pas);
        int err = buddy_alloc(b, (s32)node, BUDDY_BLOCK_ORDER, BUDDY_EXACT_NODE, &block, NULL);

        for (u32 i = 0; i < n; i++)
            memset(phys_to_virt(pas[i]), 0xff, PAGE_SIZE);
        if (!err) {
            memset(phys_to_virt(block), 0xff, SZ_2M);
            buddy_free(b, block, BUDDY_BLOCK_ORDER);
        }
        buddy_free_bulk(b, pas, n);
    }
}

/* Both ends of a case do it, or what an earlier case left is counted when this one begins. */
static inline void dyn_trim(struct percpu_stats *st)
{
    dyn_quiet();
    percpu_trim();
    percpu_get_stats(st);
}

/*
 * The lowest dynamic chunk is made when the first chunk is full, and then stays. Where percpu_dyn=
 * makes the first chunk larger than all that the boot takes, that would be in the middle of a case.
 */
static inline void dyn_make_lowest_chunk(void)
{
    void **last = NULL, **p;

    while (!percpu_allocator()->chunks[PCPU_CHUNK_DYNAMIC]) {
        p = percpu_alloc(PAGE_SIZE, PAGE_SIZE, 0);
        REQUIRE_TRUE(p != NULL);
        *per_cpu_ptr(p, 0) = last;
        last = p;
    }
    while (last) {
        p = last;
        last = *per_cpu_ptr(p, 0);
        percpu_free(p);
    }
}

static inline void dyn_begin(struct dyn_state *s)
{
    dyn_make_lowest_chunk();
    dyn_trim(&s->st);
    EXPECT_EQ(s->st.cached_bytes, 0);
    s->decay_period = percpu_decay_period(0);
}

/* Every object of the case is free again: so is everything else, and all invariants hold. */
static inline void dyn_end(const struct dyn_state *s)
{
    struct percpu_stats st;
    const char *bad;

    dyn_trim(&st);
    if (st.nr_chunks != s->st.nr_chunks)
        percpu_dump();
    EXPECT_EQ(st.nr_alloc - st.nr_free, s->st.nr_alloc - s->st.nr_free);
    EXPECT_EQ(st.cached_bytes, 0);
    EXPECT_EQ(st.populated_blocks, s->st.populated_blocks);
    EXPECT_EQ(st.empty_blocks, s->st.empty_blocks);
    EXPECT_EQ(st.free_bytes, s->st.free_bytes);
    EXPECT_EQ(st.nr_chunks, s->st.nr_chunks);
    bad = percpu_verify();
    EXPECT_STREQ(bad ? bad : "", "");
    percpu_decay_period(s->decay_period);
}

/* ---- which CPUs ------------------------------------------------------------------------------ */

/* Online now or earlier: its copies have memory of their own. */
static inline bool dyn_backed(u32 cpu)
{
    return __atomic_load_n(&percpu_allocator()->live_map[cpu / 64], __ATOMIC_ACQUIRE) >> cpu % 64 &
           1;
}

/* CPUs whose copies are looked at. */
#define for_each_looked_cpu(cpu)                                                                   \
    for_each_possible_cpu(cpu) if (dyn_backed(cpu) && cpu % cpu_stride() == 0)

/* ---- patterns -------------------------------------------------------------------------------- */

/* Never 0; differs between CPUs, objects and words. */
static inline u32 dyn_stamp(u32 cpu, u32 key, u32 i)
{
    return ((cpu + 1) * 0x9e3779b1u ^ (key + 1) * 0x85ebca6bu ^ (i + 1) * 0xc2b2ae35u) | 1;
}

static inline void dyn_fill(void *copy, size_t bytes, u32 cpu, u32 key)
{
    for (u32 i = 0; i < bytes / 4; i++)
        ((u32 *)copy)[i] = dyn_stamp(cpu, key, i);
}

static inline u32 dyn_wrong(const void *copy, size_t bytes, u32 cpu, u32 key)
{
    u32 n = 0;

    for (u32 i = 0; i < bytes / 4; i++)
        n += ((const u32 *)copy)[i] != dyn_stamp(cpu, key, i);
    return n;
}

static inline u32 dyn_not_zero(const void *copy, size_t bytes)
{
    u32 n = 0;

    for (u32 i = 0; i < bytes / 4; i++)
        n += ((const u32 *)copy)[i] != 0;
    return n;
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* The same numbers in every run with the same seed=; stream: one for each user. */
static inline u64 dyn_seed(u64 stream)
{
    const struct kernel_options *o = &boot_state_get()->opt;

    return (o->has_seed ? o->seed : 20240229) + stream * 0x9e3779b97f4a7c15ULL;
}

/* splitmix64 (Steele, Lea, Flood 2014). */
static inline u64 dyn_random(u64 *state)
{
    u64 z = *state += 0x9e3779b97f4a7c15ULL;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    return z ^ z >> 31;
}

#endif
