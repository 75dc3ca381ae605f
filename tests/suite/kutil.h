/*
 * What the suites inside the kernel share: findings collected from several CPUs at once, the live
 * page tables, and which node may serve a CPU.
 * Header only; any CPU unless a function says otherwise.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TESTS_SUITE_KUTIL_H
#define PERCH_TESTS_SUITE_KUTIL_H

#include "kernel/base/cpu.h"
#include "kernel/base/cpu_local.h"
#include "kernel/base/deadline.h"
#include "kernel/base/ktest.h"
#include "kernel/stages/boot_state.h"
#include "mm/map/address_map.h"
#include "smp/call/call.h"
#include "smp/start/cpus.h"

/*
 * What all CPUs found. A case fills it by CHECK() on any CPU, with interrupts off too, and states
 * it on its own CPU by EXPECT_TALLY(): how many CPUs looked, how many checks failed, where first.
 */
struct tally {
    u32 ran;       /* CPUs (or rounds) that came to the end of their checks */
    u32 bad;       /* failed checks */
    u32 line, cpu; /* of the first one */
};

static inline void tally_ran(struct tally *t)
{
    __atomic_fetch_add(&t->ran, 1, __ATOMIC_RELAXED);
}

static inline void tally_bad(struct tally *t, u32 line)
{
    if (__atomic_fetch_add(&t->bad, 1, __ATOMIC_RELAXED) == 0) {
        t->line = line;
        t->cpu = cpu_number();
    }
}

#define CHECK(t, cond)                                                                             \
    do {                                                                                           \
        if (!(cond))                                                                               \
            tally_bad((t), __LINE__);                                                              \
    } while (0)

#define EXPECT_TALLY(t, expect_ran)                                                                \
    do {                                                                                           \
        EXPECT_EQ((t)->ran, (expect_ran));                                                         \
        if ((t)->bad)                                                                              \
            ktest_fail(__FILE__, (int)(t)->line, "%u checks failed, the first on CPU %u",          \
                       (t)->bad, (t)->cpu);                                                        \
    } while (0)

static inline struct pagetable live_tables(void)
{
    return pagetable_view(read_cr3(), &boot_state_get()->vm.src, true);
}

/*
 * Whether a CPU of node home may get memory of node served: home itself, or a farther node where
 * every nearer one has less plain DRAM than need bytes and what else the boot takes. Boot CPU.
 */
static inline bool node_may_serve(s32 home, s32 served, u64 need)
{
    struct boot_state *s = boot_state_get();
    const s32 *order = node_order_of(&s->order, home);

    for (u32 i = 0; i < s->topo.node_count && order[i] != served; i++)
        if (memblock_node_without(&s->mb, order[i], MEMBLOCK_LAST) >= need + 16 * SZ_1M)
            return false;
    return true;
}

/* 1 on machines where every CPU can look at every other; larger where that would take too long. */
static inline u32 cpu_stride(void)
{
    u32 n = boot_state_get()->topo.cpu_count;

    return n <= 16 ? 1 : n / 16;
}

#endif
