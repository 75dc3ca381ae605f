/*
 * The hosted twin of kernel/base/cpu_local.h: a thread is a CPU. Per-CPU operations are plain ones
 * on the thread's copy, at a distance the test sets; "interrupts off" is a flag of the thread.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_HOST_CPU_LOCAL_H
#define PERCH_HOST_CPU_LOCAL_H

#include <sched.h>
#include "kernel/base/types.h"

extern _Thread_local uintptr_t host_cpu_offset;
extern _Thread_local u32 host_cpu_number;
extern _Thread_local bool host_irqs_off;

#define this_cpu_ptr(ptr) ((__typeof__(ptr))((uintptr_t)(ptr) + host_cpu_offset))

#define this_cpu_read(v)     (*this_cpu_ptr(&(v)))
#define this_cpu_write(v, x) ((void)(*this_cpu_ptr(&(v)) = (__typeof__(v))(x)))
#define this_cpu_add(v, x)   ((void)(*this_cpu_ptr(&(v)) += (x)))
#define this_cpu_sub(v, x)   ((void)(*this_cpu_ptr(&(v)) -= (x)))
#define this_cpu_inc(v)      this_cpu_add(v, 1)
#define this_cpu_dec(v)      this_cpu_sub(v, 1)

static inline u32 cpu_number(void)
{
    return host_cpu_number;
}

static inline u64 local_irq_save(void)
{
    bool was = host_irqs_off;

    host_irqs_off = true;
    return was ? 0 : 1ULL << 9;
}

static inline void local_irq_restore(u64 flags)
{
    host_irqs_off = !(flags & (1ULL << 9));
}

static inline bool local_irqs_enabled(void)
{
    return !host_irqs_off;
}

static inline void cpu_relax(void)
{
    sched_yield();
}

#endif
