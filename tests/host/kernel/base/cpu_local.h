/*
 * The hosted twin of kernel/base/cpu_local.h: a thread is a CPU. "Interrupts off" and the guard are
 * words of the thread that host_quiesce() (tests/host/cpus.h) waits for.
 *
 * The per-CPU operations are those of tools/library/this_cpu.h.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TESTS_HOST_KERNEL_BASE_CPU_LOCAL_H
#define PERCH_TESTS_HOST_KERNEL_BASE_CPU_LOCAL_H

#include <sched.h>
#include <stdatomic.h>
#include <time.h>
#include "kernel/base/percpu_defs.h"
#include "kernel/base/types.h"

/* What others may ask of a CPU: read-modify-write on both sides orders the two. */
struct host_cpu {
    _Atomic u32 irqs_off ALIGNED(64);
    _Atomic u32 guard;
};

extern _Thread_local uintptr_t host_cpu_offset;
extern _Thread_local u32 host_cpu_number;
extern _Thread_local bool host_irqs_off;
extern _Thread_local struct host_cpu *host_cpu_state; /* NULL: nobody asks */
/*
 * The thread's interrupt, NULL: none. Called where one that is pending would be taken: when
 * interrupts come on, and while the CPU waits with interrupts on. Not while it runs.
 */
extern _Thread_local void (*host_interrupt)(void);

#define this_cpu_ptr(ptr) PER_CPU_SHIFT_(ptr, host_cpu_offset)

#include "tools/library/this_cpu.h"

static inline u32 cpu_number(void)
{
    return host_cpu_number;
}

static inline u64 local_irq_save(void)
{
    bool was = host_irqs_off;

    host_irqs_off = true;
    if (!was && host_cpu_state)
        atomic_fetch_add_explicit(&host_cpu_state->irqs_off, 1, memory_order_acq_rel);
    return was ? 0 : 1ULL << 9;
}

static inline void host_take_interrupt(void)
{
    void (*handler)(void) = host_interrupt;

    if (!handler || host_irqs_off)
        return;
    host_interrupt = NULL;
    handler();
    host_interrupt = handler;
}

static inline void local_irq_restore(u64 flags)
{
    if (!(flags & (1ULL << 9)))
        return;
    if (host_irqs_off && host_cpu_state)
        atomic_fetch_sub_explicit(&host_cpu_state->irqs_off, 1, memory_order_acq_rel);
    host_irqs_off = false;
    host_take_interrupt();
}

static inline bool local_irqs_enabled(void)
{
    return !host_irqs_off;
}

static inline void cpu_guard_enter(void)
{
    if (host_cpu_state)
        atomic_fetch_add_explicit(&host_cpu_state->guard, 1, memory_order_acq_rel);
}

static inline void cpu_guard_exit(void)
{
    if (host_cpu_state)
        atomic_fetch_sub_explicit(&host_cpu_state->guard, 1, memory_order_acq_rel);
}

/* Nanoseconds: hosts need not be x86. */
static inline u64 cpu_ticks(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (u64)t.tv_sec * 1000000000ULL + (u64)t.tv_nsec;
}

static inline void cpu_relax(void)
{
    host_take_interrupt();
    sched_yield();
}

#endif
