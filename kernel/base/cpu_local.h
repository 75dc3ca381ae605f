/*
 * What a CPU does to itself: its own per-CPU memory through GS, interrupt save and restore, pause.
 * This is the one header a CPU-local file may need beyond the pure ones; hosted tests find its twin
 * in tests/host first.
 *
 * this_cpu_*(): one GS-relative instruction each, so that neither an interrupt nor an NMI on this
 * CPU can tear it; no LOCK prefix, and never XCHG with memory (which locks by itself): they are not
 * atomic against other CPUs. Sizes 1, 2, 4 and 8 bytes; any other size does not compile. The
 * operand may be a static per-CPU variable or what a dynamic per-CPU pointer points to.
 *   this_cpu_read(v)  write(v, x)  add(v, x)  sub(v, x)  inc(v)  dec(v)  and(v, x)  or(v, x)
 *   this_cpu_xchg(v, x) -> old: a load and a cmpxchg loop
 *   this_cpu_add_return(v, x) -> new: XADD, then an addition in a register
 *   this_cpu_cmpxchg(v, old, new) -> value found;  this_cpu_try_cmpxchg(v, &old, new) -> bool
 *   this_cpu_ptr(p) -> plain pointer to this CPU's copy
 *
 * Context: any CPU, after its GS base is set; a caller that could move to another CPU must not
 * (Perch has no preemption: code stays on its CPU).
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_CPU_LOCAL_H
#define PERCH_BASE_CPU_LOCAL_H

#include "kernel/base/percpu_defs.h"

/* This CPU's distance from the template, and its number: set up with each unit. */
DECLARE_PER_CPU_READ_MOSTLY(uintptr_t, this_cpu_off);
DECLARE_PER_CPU_READ_MOSTLY(u32, cpu_number_pcpu);

/* The operand size suffix by sizeof; another size leaves a call that does not link or compile. */
#define PCPU_SIZE_OK_(v)                                                                           \
    static_assert(sizeof(v) == 1 || sizeof(v) == 2 || sizeof(v) == 4 || sizeof(v) == 8,            \
                  "this_cpu_*: operand of 1, 2, 4 or 8 bytes")

#define PCPU_INT_(v)                                                                               \
    __typeof__(__builtin_choose_expr(                                                              \
        sizeof(v) == 1, (u8)0,                                                                     \
        __builtin_choose_expr(sizeof(v) == 2, (u16)0,                                              \
                              __builtin_choose_expr(sizeof(v) == 4, (u32)0, (u64)0))))

/* Integers and pointers as the integer of the operand's size. */
#define PCPU_CAST_(v, x) ((PCPU_INT_(v))(uintptr_t)(x))

/* Back from there: to the operand's own type, so that a sign is kept, then as C promotes it. */
#define PCPU_VALUE_(v, x) ((__typeof__((v) + 0))(__typeof__(v))(PCPU_INT_(v))(x))

#define PCPU_SWITCH_(v, op8, op16, op32, op64)                                                     \
    do {                                                                                           \
        PCPU_SIZE_OK_(v);                                                                          \
        if (sizeof(v) == 1) {                                                                      \
            op8;                                                                                   \
        } else if (sizeof(v) == 2) {                                                               \
            op16;                                                                                  \
        } else if (sizeof(v) == 4) {                                                               \
            op32;                                                                                  \
        } else {                                                                                   \
            op64;                                                                                  \
        }                                                                                          \
    } while (0)

/* One instruction "op reg-or-immediate, %gs:v". Bytes need a register with a byte form ("q"). */
#define PCPU_TO_MEM_(op, v, x)                                                                     \
    do {                                                                                           \
        PCPU_INT_(v) x_ = PCPU_CAST_(v, x);                                                        \
        PCPU_SWITCH_(v, __asm__ volatile(op "b %1, %%gs:%0" : "+m"(v) : "qi"((u8)x_)),             \
                     __asm__ volatile(op "w %1, %%gs:%0" : "+m"(v) : "ri"((u16)x_)),               \
                     __asm__ volatile(op "l %1, %%gs:%0" : "+m"(v) : "ri"((u32)x_)),               \
                     __asm__ volatile(op "q %1, %%gs:%0" : "+m"(v) : "re"((u64)x_)));              \
    } while (0)

#define PCPU_UNARY_(op, v)                                                                         \
    PCPU_SWITCH_(v, __asm__ volatile(op "b %%gs:%0" : "+m"(v)),                                    \
                 __asm__ volatile(op "w %%gs:%0" : "+m"(v)),                                       \
                 __asm__ volatile(op "l %%gs:%0" : "+m"(v)),                                       \
                 __asm__ volatile(op "q %%gs:%0" : "+m"(v)))

#define this_cpu_write(v, x) PCPU_TO_MEM_("mov", v, x)
#define this_cpu_add(v, x)   PCPU_TO_MEM_("add", v, x)
#define this_cpu_sub(v, x)   PCPU_TO_MEM_("sub", v, x)
#define this_cpu_and(v, x)   PCPU_TO_MEM_("and", v, x)
#define this_cpu_or(v, x)    PCPU_TO_MEM_("or", v, x)
#define this_cpu_inc(v)      PCPU_UNARY_("inc", v)
#define this_cpu_dec(v)      PCPU_UNARY_("dec", v)

#define this_cpu_read(v)                                                                           \
    ({                                                                                             \
        PCPU_INT_(v) r_;                                                                           \
        PCPU_SWITCH_(v, __asm__ volatile("movb %%gs:%1, %b0" : "=q"(r_) : "m"(v)),                 \
                     __asm__ volatile("movw %%gs:%1, %w0" : "=r"(r_) : "m"(v)),                    \
                     __asm__ volatile("movl %%gs:%1, %k0" : "=r"(r_) : "m"(v)),                    \
                     __asm__ volatile("movq %%gs:%1, %q0" : "=r"(r_) : "m"(v)));                   \
        PCPU_VALUE_(v, r_);                                                                        \
    })

#define this_cpu_add_return(v, x)                                                                  \
    ({                                                                                             \
        PCPU_INT_(v) a_ = PCPU_CAST_(v, x), r_ = a_;                                               \
        PCPU_SWITCH_(v, __asm__ volatile("xaddb %b0, %%gs:%1" : "+q"(r_), "+m"(v)),                \
                     __asm__ volatile("xaddw %w0, %%gs:%1" : "+r"(r_), "+m"(v)),                   \
                     __asm__ volatile("xaddl %k0, %%gs:%1" : "+r"(r_), "+m"(v)),                   \
                     __asm__ volatile("xaddq %q0, %%gs:%1" : "+r"(r_), "+m"(v)));                  \
        PCPU_VALUE_(v, r_ + a_);                                                                   \
    })

/* CMPXCHG leaves the value found in the accumulator, equal to old when it stored. */
#define PCPU_CMPXCHG_(v, old_, new_, ok_)                                                          \
    PCPU_SWITCH_(v,                                                                                \
                 __asm__ volatile("cmpxchgb %b3, %%gs:%1"                                          \
                                  : "=@ccz"(ok_), "+m"(v), "+a"(old_)                              \
                                  : "q"(new_)),                                                    \
                 __asm__ volatile("cmpxchgw %w3, %%gs:%1"                                          \
                                  : "=@ccz"(ok_), "+m"(v), "+a"(old_)                              \
                                  : "r"(new_)),                                                    \
                 __asm__ volatile("cmpxchgl %k3, %%gs:%1"                                          \
                                  : "=@ccz"(ok_), "+m"(v), "+a"(old_)                              \
                                  : "r"(new_)),                                                    \
                 __asm__ volatile("cmpxchgq %q3, %%gs:%1"                                          \
                                  : "=@ccz"(ok_), "+m"(v), "+a"(old_)                              \
                                  : "r"(new_)))

#define this_cpu_cmpxchg(v, old, new)                                                              \
    ({                                                                                             \
        PCPU_INT_(v) o_ = PCPU_CAST_(v, old), n_ = PCPU_CAST_(v, new);                             \
        bool ok_;                                                                                  \
        PCPU_CMPXCHG_(v, o_, n_, ok_);                                                             \
        (void)ok_;                                                                                 \
        PCPU_VALUE_(v, o_);                                                                        \
    })

#define this_cpu_try_cmpxchg(v, oldp, new)                                                         \
    ({                                                                                             \
        __typeof__(oldp) op_ = (oldp);                                                             \
        PCPU_INT_(v) o_ = PCPU_CAST_(v, *op_), n_ = PCPU_CAST_(v, new);                            \
        bool ok_;                                                                                  \
        PCPU_CMPXCHG_(v, o_, n_, ok_);                                                             \
        if (!ok_)                                                                                  \
            *op_ = (__typeof__(*op_))(o_);                                                         \
        ok_;                                                                                       \
    })

#define this_cpu_xchg(v, x)                                                                        \
    ({                                                                                             \
        PCPU_INT_(v) n_ = PCPU_CAST_(v, x), o_ = PCPU_CAST_(v, this_cpu_read(v));                  \
        bool ok_;                                                                                  \
        do {                                                                                       \
            PCPU_CMPXCHG_(v, o_, n_, ok_);                                                         \
        } while (!ok_);                                                                            \
        PCPU_VALUE_(v, o_);                                                                        \
    })

#define this_cpu_ptr(ptr) PER_CPU_SHIFT_(ptr, this_cpu_read(this_cpu_off))

/* The number of the CPU that runs this. */
static inline u32 cpu_number(void)
{
    return this_cpu_read(cpu_number_pcpu);
}

/* Interrupts off; returns the state for local_irq_restore(). */
static inline u64 local_irq_save(void)
{
    u64 flags;

    __asm__ volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
    return flags;
}

static inline void local_irq_restore(u64 flags)
{
    if (flags & (1ULL << 9))
        __asm__ volatile("sti" : : : "memory");
}

static inline bool local_irqs_enabled(void)
{
    u64 flags;

    __asm__ volatile("pushfq; popq %0" : "=r"(flags));
    return flags & (1ULL << 9);
}

static inline void cpu_relax(void)
{
    __asm__ volatile("pause" : : : "memory");
}

#endif
