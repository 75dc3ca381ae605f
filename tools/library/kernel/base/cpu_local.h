/*
 * The library's twin of kernel/base/cpu_local.h: a thread is a CPU from perch_host_enter() to
 * perch_host_leave() (tools/library/host.h). "Interrupts off" and the guard are a section of that
 * thread, and a cross-call acts in another CPU's name while no section runs there. So a call waits
 * for the section that runs, and the next section waits for the call.
 *
 * A section is two plain stores and a load; the caller pays (host_guard.c), as calls are rare:
 * - the thread writes held, then reads wanted; a caller writes wanted, then reads held;
 * - the caller's membarrier(2) between them is a barrier in every thread of the process, so one of
 *   the two sees the other: the thread then waits for the CPU's lock, which the caller has;
 * - held is cleared with release and read with acquire, wanted too: each sees what the other wrote.
 * Without membarrier(2) wanted is never 0, and every section takes the lock.
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
    atomic_bool held ALIGNED(64); /* its thread is in a section that needs no lock */
    atomic_bool wanted;           /* a caller acts, or is about to; always: no membarrier(2) */
    atomic_bool lock;             /* of callers, and of sections that see wanted */
    atomic_bool entered;          /* a thread is this CPU */
};

/* The CPU of a thread. */
struct perch_thread {
    struct perch_cpu *cpu; /* NULL: the thread is no CPU */
    uintptr_t offset;      /* from a per-CPU pointer to this CPU's copy */
    u32 number;
    u32 depth; /* nested sections */
    bool irqs_off;
    bool locked; /* the outermost section has cpu->lock */
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

/* The ways of a section that sees wanted. */
void perch_guard_wait(void) __attribute__((cold));
void perch_guard_unlock(void) __attribute__((cold));

/* Also percpu/sync/ref.h's guard. */
static inline void cpu_guard_enter(void)
{
    if (perch_self.depth++)
        return;
    if (unlikely(!perch_self.cpu))
        perch_no_cpu();
    atomic_store_explicit(&perch_self.cpu->held, true, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst); /* the processor's order: membarrier(2) */
    if (unlikely(atomic_load_explicit(&perch_self.cpu->wanted, memory_order_acquire)))
        perch_guard_wait();
}

static inline void cpu_guard_exit(void)
{
    if (--perch_self.depth)
        return;
    if (unlikely(perch_self.locked))
        perch_guard_unlock();
    else
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
