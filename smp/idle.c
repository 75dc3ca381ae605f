/*
 * The idle loop; see idle.h.
 * SPDX-License-Identifier: MIT
 */
#include "smp/idle.h"

#include "kernel/base/cpu.h"
#include "kernel/base/cpu_local.h"
#include "smp/apic.h"
#include "smp/call.h"
#include "smp/cpus.h"
#include "smp/park.h"
#include "smp/tlb.h"

static _Atomic u64 idle_words[CPUMAP_WORDS];
static const struct cpu_idle_ops *_Atomic idle_ops;

const struct cpu_idle_ops *cpu_idle_set_ops(const struct cpu_idle_ops *ops)
{
    return atomic_exchange_explicit(&idle_ops, ops, memory_order_acq_rel);
}

static void mark_idle(bool idle)
{
    u64 bit = 1ULL << cpu_number() % 64;
    _Atomic u64 *word = &idle_words[cpu_number() / 64];

    if (idle)
        atomic_fetch_or_explicit(word, bit, memory_order_relaxed);
    else
        atomic_fetch_and_explicit(word, ~bit, memory_order_relaxed);
}

/* Interrupts off; true: they were on meanwhile, so everything must be looked at again. */
static bool did_something(void)
{
    const struct cpu_idle_ops *ops = atomic_load_explicit(&idle_ops, memory_order_acquire);
    bool park = cpu_park_asked();

    if (!park && !(ops && ops->pending(ops->ctx)))
        return false;
    mark_idle(false);
    local_irq_enable();
    if (park)
        cpu_park_now();
    else
        ops->work(ops->ctx);
    mark_idle(true);
    return true;
}

/* Checking with interrupts off and sleeping by STI;HLT leaves no gap that loses a wake-up. */
void cpu_idle(void)
{
    mark_idle(true);
    for (;;) {
        local_irq_disable();
        if (smp_call_serve() || tlb_serve() || did_something())
            continue;
        cpu_sleep();
    }
}

static u32 first_idle(u32 from, u32 end, const u64 *words)
{
    for (u32 i = from / 64; i < BITMAP_WORDS(end); i++) {
        u64 word = atomic_load_explicit(&idle_words[i], memory_order_relaxed) &
                   cpumap_word(&cpu_map, CPU_ONLINE, i);

        if (words)
            word &= words[i];
        if (i == from / 64)
            word &= ~0ULL << from % 64;
        if (word)
            return i * 64 + (u32)__builtin_ctzll(word);
    }
    return NR_CPUS;
}

u32 cpu_idle_pick(u32 from, const u64 *words)
{
    u32 cpu = first_idle(from, cpu_map.nr_ids, words);

    /* The second time around those from `from` on may be met again, which does no harm. */
    return cpu < NR_CPUS || from == 0 ? cpu : first_idle(0, from, words);
}

void cpu_kick(u32 cpu)
{
    if (cpu != cpu_number() && cpu_is_online(cpu))
        apic_send_ipi(cpu_map.apic_id[cpu], VEC_CALL);
}

void cpu_halt_forever(void)
{
    for (;;) {
        local_irq_disable();
        cpu_halt();
    }
}
