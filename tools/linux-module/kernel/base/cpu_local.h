/*
 * The Linux module's twin of kernel/base/cpu_local.h: the number of the CPU and the depth of
 * preemption are words of Linux's per-CPU area, and "interrupts off" is the CPU's own. Linux's
 * headers cannot be included here; linux_side.c checks the two offsets against them.
 *
 * percpu/sync/ is not part of the module, so this_cpu_*() and the guard are left out.
 * Context: any CPU; any context but NMI.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_LINUX_MODULE_CPU_LOCAL_H
#define PERCH_LINUX_MODULE_CPU_LOCAL_H

#include "kernel/base/types.h"

/* Plain relocation against a symbol of Linux, whose per-CPU area is linked at 0. */
#define LINUX_HOT_(at)                                                                             \
    ({                                                                                             \
        u32 hot_;                                                                                  \
        __asm__ volatile("movl %%gs:pcpu_hot+" #at "(%%rip), %0" : "=r"(hot_));                    \
        hot_;                                                                                      \
    })

/* Right as long as interrupts are off. */
static ALWAYS_INLINE u32 cpu_number(void)
{
    return LINUX_HOT_(12);
}

static ALWAYS_INLINE u64 local_irq_save(void)
{
    u64 flags;

    __asm__ volatile("pushfq\n\tpopq %0\n\tcli" : "=r"(flags) : : "memory");
    return flags;
}

#define RFLAGS_IF_ 0x200u

static ALWAYS_INLINE void local_irq_restore(u64 flags)
{
    if (flags & RFLAGS_IF_)
        __asm__ volatile("sti" : : : "memory");
}

/* May this context wait? Interrupts on, and preemption too (the top bit is a flag of its own). */
static inline bool local_irqs_enabled(void)
{
    u64 flags;

    __asm__ volatile("pushfq\n\tpopq %0" : "=r"(flags) : : "memory");
    return flags & RFLAGS_IF_ && !(LINUX_HOT_(8) & 0x7fffffff);
}

static inline void cpu_relax(void)
{
    __asm__ volatile("pause" : : : "memory");
}

static inline u64 cpu_ticks(void)
{
    return __builtin_ia32_rdtsc();
}

/* One instruction without LOCK on a u64 that only this CPU changes, so no interrupt tears it. */
#define CPU_LOCAL_(op, v, x)                                                                       \
    do {                                                                                           \
        static_assert(sizeof(v) == 8, "8 bytes");                                                  \
        __asm__ volatile(op "q %1, %0" : "+m"(v) : "re"((u64)(x)));                                \
    } while (0)

#define cpu_local_read(v)   (*(const volatile __typeof__(v) *)&(v))
#define cpu_local_add(v, x) CPU_LOCAL_("add", v, x)
#define cpu_local_sub(v, x) CPU_LOCAL_("sub", v, x)
#define cpu_local_inc(v)    CPU_LOCAL_("add", v, 1)
#define cpu_local_add_negative(v, x)                                                               \
    ({                                                                                             \
        bool f_;                                                                                   \
        static_assert(sizeof(v) == 8, "8 bytes");                                                  \
        __asm__ volatile("addq %2, %1" : "=@ccs"(f_), "+m"(v) : "re"((u64)(x)));                   \
        f_;                                                                                        \
    })

#endif
