/*
 * Operations of a CPU on itself: its own per-CPU memory through GS, interrupt save and restore,
 * pause. A CPU-local file needs no other header than this and the pure ones. Hosted tests have a
 * twin of it in tests/host.
 *
 * this_cpu_*(): one GS-relative instruction each, so that neither an interrupt nor an NMI on this
 * CPU can split it. They are not atomic against other CPUs: no LOCK prefix, and no XCHG with
 * memory, which always locks. Sizes are 1, 2, 4 and 8 bytes; another size does not compile. The
 * operand is a static per-CPU variable, or what a dynamic per-CPU pointer points to.
 *   this_cpu_read(v)  write(v, x)  add(v, x)  sub(v, x)  inc(v)  dec(v)  and(v, x)  or(v, x)
 *   this_cpu_xchg(v, x) -> old: a load and a cmpxchg loop
 *   this_cpu_add_return(v, x) -> new: XADD, then an addition in a register
 *   this_cpu_cmpxchg(v, old, new) -> value found;  this_cpu_try_cmpxchg(v, &old, new) -> bool
 *   this_cpu_ptr(p) -> plain pointer to this CPU's copy
 *   cpu_local_*(v): the same on a plain lvalue that only this CPU changes
 *
 * Context: any CPU, after its GS base is set. The caller must stay on its CPU; Perch has no
 * preemption, so all code does.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_CPU_LOCAL_H
#define PERCH_BASE_CPU_LOCAL_H

#include "kernel/base/percpu_defs.h"

/* This CPU's distance from the template, and its number; written when its unit is set up. */
DECLARE_PER_CPU_READ_MOSTLY(uintptr_t, this_cpu_off);
DECLARE_PER_CPU_READ_MOSTLY(u32, cpu_number_pcpu);
DECLARE_PER_CPU(u32, cpu_guard_depth); /* percpu/first/setup.c */

#define PCPU_INT_(v)                                                                               \
    __typeof__(__builtin_choose_expr(                                                              \
        sizeof(v) == 1, (u8)0,                                                                     \
        __builtin_choose_expr(sizeof(v) == 2, (u16)0,                                              \
                              __builtin_choose_expr(sizeof(v) == 4, (u32)0, (u64)0))))

/* An integer or a pointer, as the integer of the operand's size. */
#define PCPU_CAST_(v, x) ((PCPU_INT_(v))(uintptr_t)(x))

/* The reverse: to the operand's own type, to keep a sign, then promoted as in C. */
#define PCPU_VALUE_(v, x) ((__typeof__((v) + 0))(__typeof__(v))(PCPU_INT_(v))(x))

/* OP(opcode suffix, register modifier, ...) for the operand's size. */
#define PCPU_SIZED_(OP, v, ...)                                                                    \
    do {                                                                                           \
        static_assert(sizeof(v) == 1 || sizeof(v) == 2 || sizeof(v) == 4 || sizeof(v) == 8,        \
                      "this_cpu_*: operand of 1, 2, 4 or 8 bytes");                                \
        if (sizeof(v) == 1)                                                                        \
            OP("b", "b", v, __VA_ARGS__);                                                          \
        else if (sizeof(v) == 2)                                                                   \
            OP("w", "w", v, __VA_ARGS__);                                                          \
        else if (sizeof(v) == 4)                                                                   \
            OP("l", "k", v, __VA_ARGS__);                                                          \
        else                                                                                       \
            OP("q", "q", v, __VA_ARGS__);                                                          \
    } while (0)

/*
 * One instruction "op reg-or-immediate, seg v": seg is GS_ for this CPU's copy of a per-CPU object,
 * NO_SEG_ for a plain lvalue.
 */
#define GS_     "%%gs:"
#define NO_SEG_ ""

#define PCPU_TO_MEM_ASM_(s, m, v, op, seg, x)                                                      \
    __asm__ volatile(op s " %" m "1, " seg "%0" : "+m"(v) : "re"(x))
#define PCPU_TO_MEM_(op, seg, v, x)                                                                \
    do {                                                                                           \
        PCPU_INT_(v) x_ = PCPU_CAST_(v, x);                                                        \
        PCPU_SIZED_(PCPU_TO_MEM_ASM_, v, op, seg, x_);                                             \
    } while (0)

#define PCPU_UNARY_ASM_(s, m, v, op, seg) __asm__ volatile(op s " " seg "%0" : "+m"(v))
#define PCPU_UNARY_(op, seg, v)           PCPU_SIZED_(PCPU_UNARY_ASM_, v, op, seg)

#define this_cpu_write(v, x) PCPU_TO_MEM_("mov", GS_, v, x)
#define this_cpu_add(v, x)   PCPU_TO_MEM_("add", GS_, v, x)
#define this_cpu_sub(v, x)   PCPU_TO_MEM_("sub", GS_, v, x)
#define this_cpu_and(v, x)   PCPU_TO_MEM_("and", GS_, v, x)
#define this_cpu_or(v, x)    PCPU_TO_MEM_("or", GS_, v, x)
#define this_cpu_inc(v)      PCPU_UNARY_("inc", GS_, v)
#define this_cpu_dec(v)      PCPU_UNARY_("dec", GS_, v)

#define PCPU_READ_ASM_(s, m, v, seg, r)                                                            \
    __asm__ volatile("mov" s " " seg "%1, %" m "0" : "=r"(r) : "m"(v))
#define PCPU_READ_(seg, v)                                                                         \
    ({                                                                                             \
        PCPU_INT_(v) r_;                                                                           \
        PCPU_SIZED_(PCPU_READ_ASM_, v, seg, r_);                                                   \
        PCPU_VALUE_(v, r_);                                                                        \
    })

#define this_cpu_read(v) PCPU_READ_(GS_, v)

#define PCPU_XADD_ASM_(s, m, v, seg, r)                                                            \
    __asm__ volatile("xadd" s " %" m "0, " seg "%1" : "+r"(r), "+m"(v))
#define PCPU_ADD_RETURN_(seg, v, x)                                                                \
    ({                                                                                             \
        PCPU_INT_(v) a_ = PCPU_CAST_(v, x), r_ = a_;                                               \
        PCPU_SIZED_(PCPU_XADD_ASM_, v, seg, r_);                                                   \
        PCPU_VALUE_(v, r_ + a_);                                                                   \
    })

#define this_cpu_add_return(v, x) PCPU_ADD_RETURN_(GS_, v, x)

/* CMPXCHG leaves the value it found in the accumulator: equal to old when it stored. */
#define PCPU_CMPXCHG_ASM_(s, m, v, seg, old, new, ok)                                              \
    __asm__ volatile("cmpxchg" s " %" m "3, " seg "%1" : "=@ccz"(ok), "+m"(v), "+a"(old) : "r"(new))
#define PCPU_CMPXCHG_(seg, v, old, new, ok) PCPU_SIZED_(PCPU_CMPXCHG_ASM_, v, seg, old, new, ok)

#define PCPU_DO_CMPXCHG_(seg, v, old, new)                                                         \
    ({                                                                                             \
        PCPU_INT_(v) o_ = PCPU_CAST_(v, old), n_ = PCPU_CAST_(v, new);                             \
        bool ok_;                                                                                  \
        PCPU_CMPXCHG_(seg, v, o_, n_, ok_);                                                        \
        (void)ok_;                                                                                 \
        PCPU_VALUE_(v, o_);                                                                        \
    })

#define this_cpu_cmpxchg(v, old, new) PCPU_DO_CMPXCHG_(GS_, v, old, new)

#define PCPU_DO_TRY_CMPXCHG_(seg, v, oldp, new)                                                    \
    ({                                                                                             \
        __typeof__(oldp) op_ = (oldp);                                                             \
        PCPU_INT_(v) o_ = PCPU_CAST_(v, *op_), n_ = PCPU_CAST_(v, new);                            \
        bool ok_;                                                                                  \
        PCPU_CMPXCHG_(seg, v, o_, n_, ok_);                                                        \
        if (!ok_)                                                                                  \
            *op_ = (__typeof__(*op_))(o_);                                                         \
        ok_;                                                                                       \
    })

#define this_cpu_try_cmpxchg(v, oldp, new) PCPU_DO_TRY_CMPXCHG_(GS_, v, oldp, new)

#define PCPU_DO_XCHG_(seg, v, x)                                                                   \
    ({                                                                                             \
        PCPU_INT_(v) n_ = PCPU_CAST_(v, x), o_ = PCPU_CAST_(v, PCPU_READ_(seg, v));                \
        bool ok_;                                                                                  \
        do {                                                                                       \
            PCPU_CMPXCHG_(seg, v, o_, n_, ok_);                                                    \
        } while (!ok_);                                                                            \
        PCPU_VALUE_(v, o_);                                                                        \
    })

#define this_cpu_xchg(v, x) PCPU_DO_XCHG_(GS_, v, x)

/* As dec. A CPU that sees the new value also sees all stores before it. */
#define this_cpu_dec_release(v)                                                                    \
    do {                                                                                           \
        __asm__ volatile("" : : : "memory");                                                       \
        this_cpu_dec(v);                                                                           \
    } while (0)

#define this_cpu_ptr(ptr) PER_CPU_SHIFT_(ptr, this_cpu_read(this_cpu_off))

/*
 * The same on a plain lvalue that only this CPU changes: one instruction without LOCK. The last
 * five return a flag of that instruction: true when the new value is zero, or negative.
 */
#define cpu_local_read(v)                   PCPU_READ_(NO_SEG_, v)
#define cpu_local_write(v, x)               PCPU_TO_MEM_("mov", NO_SEG_, v, x)
#define cpu_local_add(v, x)                 PCPU_TO_MEM_("add", NO_SEG_, v, x)
#define cpu_local_sub(v, x)                 PCPU_TO_MEM_("sub", NO_SEG_, v, x)
#define cpu_local_inc(v)                    PCPU_UNARY_("inc", NO_SEG_, v)
#define cpu_local_dec(v)                    PCPU_UNARY_("dec", NO_SEG_, v)
#define cpu_local_add_return(v, x)          PCPU_ADD_RETURN_(NO_SEG_, v, x)
#define cpu_local_cmpxchg(v, old, new)      PCPU_DO_CMPXCHG_(NO_SEG_, v, old, new)
#define cpu_local_try_cmpxchg(v, oldp, new) PCPU_DO_TRY_CMPXCHG_(NO_SEG_, v, oldp, new)
#define cpu_local_xchg(v, x)                PCPU_DO_XCHG_(NO_SEG_, v, x)

#define CPU_LOCAL_FLAG_(op, flag, v, x)                                                            \
    ({                                                                                             \
        static_assert(sizeof(v) == 8, "8 bytes");                                                  \
        bool f_;                                                                                   \
        __asm__ volatile(op "q %2, %1" : "=@cc" flag(f_), "+m"(v) : "re"((u64)(x)));               \
        f_;                                                                                        \
    })
#define CPU_LOCAL_UNARY_FLAG_(op, v)                                                               \
    ({                                                                                             \
        static_assert(sizeof(v) == 8, "8 bytes");                                                  \
        bool f_;                                                                                   \
        __asm__ volatile(op "q %1" : "=@ccz"(f_), "+m"(v));                                        \
        f_;                                                                                        \
    })
#define cpu_local_add_zero(v, x)     CPU_LOCAL_FLAG_("add", "z", v, x)
#define cpu_local_sub_zero(v, x)     CPU_LOCAL_FLAG_("sub", "z", v, x)
#define cpu_local_inc_zero(v)        CPU_LOCAL_UNARY_FLAG_("inc", v)
#define cpu_local_dec_zero(v)        CPU_LOCAL_UNARY_FLAG_("dec", v)
#define cpu_local_add_negative(v, x) CPU_LOCAL_FLAG_("add", "s", v, x)

/* The number of this CPU. */
static inline u32 cpu_number(void)
{
    return this_cpu_read(cpu_number_pcpu);
}

/*
 * The guard: a section of a few instructions that a grace period (smp_quiesce()) waits for. It
 * costs two instructions, less than disabling interrupts. Inside, this CPU reads a word that others
 * change and acts on its own memory accordingly. Guards nest, in interrupts too. Inside, do not
 * wait, and do not call another CPU.
 */
static ALWAYS_INLINE void cpu_guard_enter(void)
{
    this_cpu_inc(cpu_guard_depth);
    __asm__ volatile("" : : : "memory");
}

static ALWAYS_INLINE void cpu_guard_exit(void)
{
    __asm__ volatile("" : : : "memory");
    this_cpu_dec(cpu_guard_depth);
}

/* Disables interrupts; returns the state for local_irq_restore(). */
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

/* A counter that grows, at most 10 GHz fast: the TSC. */
static inline u64 cpu_ticks(void)
{
    u32 lo, hi;

    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (u64)hi << 32 | lo;
}

static inline void cpu_relax(void)
{
    __asm__ volatile("pause" : : : "memory");
}

#endif
