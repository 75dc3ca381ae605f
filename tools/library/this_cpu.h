/*
 * this_cpu_*() and cpu_local_*() where a thread is a CPU, as kernel/base/cpu_local.h describes
 * them: a load and a store (relaxed) on the thread's copy. As on the CPU they are not atomic
 * against a write by another CPU, but a reader elsewhere is no data race. That an interrupt cannot
 * tear them has no twin: threads have no interrupts.
 *
 * For the hosted twins of cpu_local.h (the tests' and the library's), which define this_cpu_ptr().
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_LIBRARY_THIS_CPU_H
#define PERCH_LIBRARY_THIS_CPU_H

#include <stdint.h>
#include "kernel/base/types.h"

/* ---- on an object of this CPU, named by a plain lvalue ---- */

#define HOST_VALUE_(v, x) ((__typeof__((v) + 0))(__typeof__(v))(x))
#define HOST_RELAXED_     __ATOMIC_RELAXED
#define HOST_U64_(x)      ((u64)(uintptr_t)(x))

#define HOST_READ_(p) __atomic_load_n(p, HOST_RELAXED_)
#define HOST_WRITE_(p, x, order)                                                                   \
    ({                                                                                             \
        __typeof__(p) hw_ = (p);                                                                   \
        __atomic_store_n(hw_, (__typeof__(*hw_))(x), order);                                       \
    })

/* old op x, wrapping as the instruction does; the result is the new value. */
#define HOST_CHANGE_(p, op, x, order)                                                              \
    ({                                                                                             \
        __typeof__(p) hp_ = (p);                                                                   \
        u64 hx_ = HOST_U64_(x);                                                                    \
        __typeof__(*hp_) hn_ = (__typeof__(*hp_))(HOST_U64_(HOST_READ_(hp_)) op hx_);              \
        __atomic_store_n(hp_, hn_, order);                                                         \
        HOST_VALUE_(*hp_, hn_);                                                                    \
    })

#define HOST_XCHG_(p, x)                                                                           \
    ({                                                                                             \
        __typeof__(p) hp_ = (p);                                                                   \
        __typeof__(*hp_) hn_ = (__typeof__(*hp_))(x);                                              \
        __typeof__(*hp_) ho_ = HOST_READ_(hp_);                                                    \
        __atomic_store_n(hp_, hn_, HOST_RELAXED_);                                                 \
        HOST_VALUE_(*hp_, ho_);                                                                    \
    })

#define HOST_CMPXCHG_(p, old, new)                                                                 \
    ({                                                                                             \
        __typeof__(p) hp_ = (p);                                                                   \
        __typeof__(*hp_) hc_ = (__typeof__(*hp_))(old), hn_ = (__typeof__(*hp_))(new);             \
        __typeof__(*hp_) ho_ = HOST_READ_(hp_);                                                    \
        if (ho_ == hc_)                                                                            \
            __atomic_store_n(hp_, hn_, HOST_RELAXED_);                                             \
        HOST_VALUE_(*hp_, ho_);                                                                    \
    })

#define HOST_TRY_CMPXCHG_(p, oldp, new)                                                            \
    ({                                                                                             \
        __typeof__(oldp) hop_ = (oldp);                                                            \
        __typeof__(*hop_) hwas_ = *hop_;                                                           \
        *hop_ = (__typeof__(*hop_))HOST_CMPXCHG_(p, hwas_, new);                                   \
        *hop_ == hwas_;                                                                            \
    })

#define cpu_local_read(v)                   HOST_VALUE_(v, HOST_READ_(&(v)))
#define cpu_local_write(v, x)               HOST_WRITE_(&(v), x, HOST_RELAXED_)
#define cpu_local_add(v, x)                 ((void)HOST_CHANGE_(&(v), +, x, HOST_RELAXED_))
#define cpu_local_sub(v, x)                 ((void)HOST_CHANGE_(&(v), -, x, HOST_RELAXED_))
#define cpu_local_inc(v)                    cpu_local_add(v, 1)
#define cpu_local_dec(v)                    cpu_local_sub(v, 1)
#define cpu_local_xchg(v, x)                HOST_XCHG_(&(v), x)
#define cpu_local_add_return(v, x)          HOST_CHANGE_(&(v), +, x, HOST_RELAXED_)
#define cpu_local_cmpxchg(v, old, new)      HOST_CMPXCHG_(&(v), old, new)
#define cpu_local_try_cmpxchg(v, oldp, new) HOST_TRY_CMPXCHG_(&(v), oldp, new)
#define cpu_local_add_zero(v, x)            (cpu_local_add_return(v, x) == 0)
#define cpu_local_sub_zero(v, x)            (HOST_CHANGE_(&(v), -, x, HOST_RELAXED_) == 0)
#define cpu_local_inc_zero(v)               cpu_local_add_zero(v, 1)
#define cpu_local_dec_zero(v)               cpu_local_sub_zero(v, 1)
#define cpu_local_add_negative(v, x)        (cpu_local_add_return(v, x) < 0)

/* ---- on this CPU's copy of a per-CPU object ---- */

#define HOST_MINE_(v, op, x, order) HOST_CHANGE_(this_cpu_ptr(&(v)), op, x, order)

#define this_cpu_read(v)                   HOST_VALUE_(v, HOST_READ_(this_cpu_ptr(&(v))))
#define this_cpu_write(v, x)               HOST_WRITE_(this_cpu_ptr(&(v)), x, HOST_RELAXED_)
#define this_cpu_add(v, x)                 ((void)HOST_MINE_(v, +, x, HOST_RELAXED_))
#define this_cpu_sub(v, x)                 ((void)HOST_MINE_(v, -, x, HOST_RELAXED_))
#define this_cpu_and(v, x)                 ((void)HOST_MINE_(v, &, x, HOST_RELAXED_))
#define this_cpu_or(v, x)                  ((void)HOST_MINE_(v, |, x, HOST_RELAXED_))
#define this_cpu_inc(v)                    this_cpu_add(v, 1)
#define this_cpu_dec(v)                    this_cpu_sub(v, 1)
#define this_cpu_xchg(v, x)                HOST_XCHG_(this_cpu_ptr(&(v)), x)
#define this_cpu_add_return(v, x)          HOST_MINE_(v, +, x, HOST_RELAXED_)
#define this_cpu_cmpxchg(v, old, new)      HOST_CMPXCHG_(this_cpu_ptr(&(v)), old, new)
#define this_cpu_try_cmpxchg(v, oldp, new) HOST_TRY_CMPXCHG_(this_cpu_ptr(&(v)), oldp, new)
#define this_cpu_dec_release(v)            ((void)HOST_MINE_(v, -, 1, __ATOMIC_RELEASE))

#endif
