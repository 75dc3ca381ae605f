/*
 * The set of idle CPUs; see idle_set.h.
 * SPDX-License-Identifier: MIT
 */
#include "smp/run/idle_set.h"

#include "kernel/base/cpu_local.h"
#include "kernel/base/trap.h"
#include "smp/start/apic.h"
#include "smp/start/cpus.h"

static _Atomic u64 idle_words[CPUMAP_WORDS];

void cpu_mark_idle(bool idle)
{
    u64 bit = 1ULL << cpu_number() % 64;
    _Atomic u64 *word = &idle_words[cpu_number() / 64];

    if (idle)
        atomic_fetch_or_explicit(word, bit, memory_order_relaxed);
    else
        atomic_fetch_and_explicit(word, ~bit, memory_order_relaxed);
}

static u32 first_idle(u32 from, u32 end)
{
    for (u32 i = from / 64; i < BITMAP_WORDS(end); i++) {
        u64 word = atomic_load_explicit(&idle_words[i], memory_order_relaxed) &
                   cpumap_word(&cpu_map, CPU_ONLINE, i);

        if (i == from / 64)
            word &= ~0ULL << from % 64;
        if (word)
            return i * 64 + (u32)__builtin_ctzll(word);
    }
    return NR_CPUS;
}

u32 cpu_idle_pick(u32 from)
{
    u32 cpu = first_idle(from, cpu_map.nr_ids);

    /* The second search may find a CPU from `from` on that has become idle; that does no harm. */
    return cpu < NR_CPUS || from == 0 ? cpu : first_idle(0, from);
}

void cpu_kick(u32 cpu)
{
    if (cpu != cpu_number() && cpu_is_online(cpu))
        apic_send(cpu_map.apic_id[cpu], VEC_CALL);
}
