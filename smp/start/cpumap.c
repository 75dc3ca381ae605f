/*
 * The CPU sets; see cpumap.h.
 * SPDX-License-Identifier: MIT
 */
#include "smp/start/cpumap.h"

#include "kernel/base/print.h"

static _Atomic u64 *word_of(struct cpumap *map, enum cpu_set set, u32 cpu)
{
    return &map->set[set][cpu / 64];
}

static u64 bit_of(u32 cpu)
{
    return 1ULL << (cpu % 64);
}

int cpumap_init(struct cpumap *map, const u32 *apic_ids, u32 n)
{
    if (n == 0 || n > NR_CPUS)
        return -EINVAL;
    for (u32 set = 0; set < CPU_SETS; set++)
        for (u32 i = 0; i < CPUMAP_WORDS; i++)
            atomic_init(&map->set[set][i], 0);
    map->nr_ids = n;
    for (u32 cpu = 0; cpu < n; cpu++) {
        map->apic_id[cpu] = apic_ids[cpu];
        cpumap_set(map, CPU_POSSIBLE, cpu);
    }
    cpumap_set(map, CPU_ONLINE, 0);
    return 0;
}

bool cpumap_set(struct cpumap *map, enum cpu_set set, u32 cpu)
{
    u64 bit = bit_of(cpu);

    ASSERT(cpu < map->nr_ids);
    if (set == CPU_ONLINE)
        atomic_fetch_or_explicit(word_of(map, CPU_PRESENT, cpu), bit, memory_order_seq_cst);
    return !(atomic_fetch_or_explicit(word_of(map, set, cpu), bit, memory_order_seq_cst) & bit);
}

bool cpumap_clear(struct cpumap *map, enum cpu_set set, u32 cpu)
{
    u64 bit = bit_of(cpu);

    ASSERT(cpu < map->nr_ids);
    if (set == CPU_PRESENT)
        atomic_fetch_and_explicit(word_of(map, CPU_ONLINE, cpu), ~bit, memory_order_seq_cst);
    return atomic_fetch_and_explicit(word_of(map, set, cpu), ~bit, memory_order_seq_cst) & bit;
}

bool cpumap_test(const struct cpumap *map, enum cpu_set set, u32 cpu)
{
    return cpu < map->nr_ids && (cpumap_word(map, set, cpu / 64) & bit_of(cpu));
}

u32 cpumap_count(const struct cpumap *map, enum cpu_set set)
{
    u32 count = 0;

    for (u32 i = 0; i < BITMAP_WORDS(map->nr_ids); i++)
        for (u64 word = cpumap_word(map, set, i); word; word &= word - 1)
            count++;
    return count;
}

u32 cpumap_next(const struct cpumap *map, enum cpu_set set, u32 start)
{
    u32 i = start / 64;
    u64 word;

    if (start >= map->nr_ids)
        return map->nr_ids;
    word = cpumap_word(map, set, i) & (~0ULL << (start % 64));
    while (!word) {
        if (++i >= BITMAP_WORDS(map->nr_ids))
            return map->nr_ids;
        word = cpumap_word(map, set, i);
    }
    return i * 64 + (u32)__builtin_ctzll(word);
}

void cpumap_snapshot(const struct cpumap *map, enum cpu_set set, u64 *words)
{
    for (u32 i = 0; i < CPUMAP_WORDS; i++)
        words[i] = cpumap_word(map, set, i);
}

int cpumap_verify(const struct cpumap *map)
{
    for (u32 i = 0; i < CPUMAP_WORDS; i++) {
        u64 possible = cpumap_word(map, CPU_POSSIBLE, i);
        u64 present = cpumap_word(map, CPU_PRESENT, i);
        u64 online = cpumap_word(map, CPU_ONLINE, i);

        if ((present & ~possible) || (online & ~present)) {
            pr_err("cpumap: word %u: online %lx, present %lx, possible %lx", i, online, present,
                   possible);
            return -EINVAL;
        }
    }
    return 0;
}
