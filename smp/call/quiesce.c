/*
 * Grace periods; see quiesce.h. A call that interrupts its target inside the guard notes nothing.
 * The target is called again until it was seen outside the guard once.
 * SPDX-License-Identifier: MIT
 */
#include "smp/call/quiesce.h"

#include <stdatomic.h>
#include "kernel/base/cpu_local.h"
#include "kernel/base/deadline.h"
#include "kernel/base/print.h"
#include "smp/call/call.h"
#include "smp/start/cpus.h"

#define GUARD_US 5000000 /* a guard lasts a few instructions; one of this length is a bug */

/* The latest grace period in which this CPU was seen outside its guard. */
static DEFINE_PER_CPU(_Atomic u64, seen_in);
static _Atomic u64 periods;

static void note_outside_guard(void *arg)
{
    u64 period = *(const u64 *)arg;
    _Atomic u64 *own = this_cpu_ptr(&seen_in);

    if (this_cpu_read(cpu_guard_depth) == 0 &&
        atomic_load_explicit(own, memory_order_relaxed) < period)
        atomic_store_explicit(own, period, memory_order_release);
}

/* Removes the CPUs that were seen, or are off-line, from words. True: the set is empty. */
static bool all_seen(u64 *words, u64 period)
{
    bool all = true;

    for (u32 cpu = 0; cpu < cpu_map.nr_ids; cpu++) {
        u64 bit = 1ULL << cpu % 64;

        if (!(words[cpu / 64] & bit))
            continue;
        if (atomic_load_explicit(per_cpu_ptr(&seen_in, cpu), memory_order_acquire) >= period ||
            !cpu_is_online(cpu))
            words[cpu / 64] &= ~bit;
        else
            all = false;
    }
    return all;
}

int smp_quiesce(void)
{
    u64 period = atomic_fetch_add_explicit(&periods, 1, memory_order_seq_cst) + 1;
    struct deadline d = deadline_start(GUARD_US);
    u64 words[CPUMAP_WORDS];

    ASSERT(this_cpu_read(cpu_guard_depth) == 0);
    cpumap_snapshot(&cpu_map, CPU_ONLINE, words);
    while (!all_seen(words, period)) {
        int err;

        if (deadline_passed(&d)) {
            pr_err("smp: a CPU is always in its guard: no grace period");
            return -ETIMEDOUT;
        }
        err = smp_call_set_copy(words, note_outside_guard, &period);
        if (err)
            return err;
    }
    return 0;
}
