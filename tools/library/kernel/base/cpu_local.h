/*
 * The library's twin of kernel/base/cpu_local.h: a thread is a CPU from perch_host_enter() to
 * perch_host_leave() (tools/library/host.h). Each CPU has a lock; "interrupts off" and the guard
 * mean that the thread holds its CPU's lock, and a cross-call holds another CPU's lock and acts in
 * its name. So a call waits for the section that runs there, and the next section waits for it.
 *
 * Context: a thread that is a CPU. Any other thread that needs one here ends in perch_panic().
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_LIBRARY_CPU_LOCAL_H
#define PERCH_LIBRARY_CPU_LOCAL_H

#include <sched.h>
#include <stdatomic.h>
#include <time.h>
#include <stdint.h>
#include "kernel/base/types.h"

struct perch_cpu {
    atomic_bool held ALIGNED(64);
    atomic_bool entered; /* a thread is this CPU */
};

/* The CPU of a thread. */
struct perch_thread {
    struct perch_cpu *cpu; /* NULL: the thread is no CPU */
    uintptr_t offset;      /* from a per-CPU pointer to this CPU's copy */
    u32 number;
    u32 depth; /* nested sections; above 0 the thread holds cpu->held */
    bool irqs_off;
};
extern _Thread_local struct perch_thread perch_self;

/* From a per-CPU pointer to a CPU's copy. */
extern uintptr_t perch_cpu_offset[NR_CPUS];

/* A thread that is no CPU: does not return. */
void perch_no_cpu(void) __attribute__((cold, noreturn));

/* Hides from the compiler that the pointer leaves the object (it would be undefined otherwise). */
#define PER_CPU_SHIFT_(ptr, off)                                                                   \
    ({                                                                                             \
        uintptr_t va_ = (uintptr_t)(ptr);                                                          \
        __asm__("" : "+r"(va_));                                                                   \
        (__typeof__(ptr))(va_ + (off));                                                            \
    })

#define per_cpu_ptr(ptr, cpu) PER_CPU_SHIFT_(ptr, perch_cpu_offset[cpu])
#define this_cpu_ptr(ptr)     PER_CPU_SHIFT_(ptr, perch_self.offset)

#include "tools/library/this_cpu.h"

static inline u32 cpu_number(void)
{
    return perch_self.number;
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
    sched_yield();
}

/* The outermost section takes the CPU's lock. Also percpu/sync/ref.h's guard. */
static inline void cpu_guard_enter(void)
{
    if (perch_self.depth++)
        return;
    if (unlikely(!perch_self.cpu))
        perch_no_cpu();
    while (unlikely(atomic_exchange_explicit(&perch_self.cpu->held, true, memory_order_acquire)))
        cpu_relax();
}

static inline void cpu_guard_exit(void)
{
    if (!--perch_self.depth)
        atomic_store_explicit(&perch_self.cpu->held, false, memory_order_release);
}

static inline u64 local_irq_save(void)
{
    if (perch_self.irqs_off)
        return 0;
    cpu_guard_enter();
    perch_self.irqs_off = true;
    return 1;
}

static inline void local_irq_restore(u64 flags)
{
    if (!flags)
        return;
    perch_self.irqs_off = false;
    cpu_guard_exit();
}

static inline bool local_irqs_enabled(void)
{
    return !perch_self.irqs_off;
}

#endif
