/*
 * local_t: a counter that one CPU changes, from threads and interrupts alike, and all may read: one
 * instruction without LOCK per operation, so that an interrupt of this CPU never falls into one.
 * Lies in per-CPU memory as a rule; the caller passes its own CPU's copy (this_cpu_ptr). A read of
 * another CPU's copy is a value it had. Wraps.
 *
 * Context: any, NMI included, on the CPU whose counter it is (local_read and local_set before use:
 * any CPU).
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_LOCAL_H
#define PERCH_PERCPU_LOCAL_H

#include "kernel/base/cpu_local.h"

typedef struct {
    s64 value;
} local_t;

#define LOCAL_INIT(i)                                                                              \
    {                                                                                              \
        (i)                                                                                        \
    }

static ALWAYS_INLINE s64 local_read(const local_t *l)
{
    return cpu_local_read(l->value);
}

static ALWAYS_INLINE void local_set(local_t *l, s64 i)
{
    cpu_local_write(l->value, i);
}

static ALWAYS_INLINE void local_inc(local_t *l)
{
    cpu_local_inc(l->value);
}

static ALWAYS_INLINE void local_dec(local_t *l)
{
    cpu_local_dec(l->value);
}

static ALWAYS_INLINE void local_add(local_t *l, s64 i)
{
    cpu_local_add(l->value, i);
}

static ALWAYS_INLINE void local_sub(local_t *l, s64 i)
{
    cpu_local_sub(l->value, i);
}

/* The new value is 0? */
static ALWAYS_INLINE bool local_sub_and_test(local_t *l, s64 i)
{
    return cpu_local_sub_zero(l->value, i);
}

static ALWAYS_INLINE bool local_dec_and_test(local_t *l)
{
    return cpu_local_dec_zero(l->value);
}

static ALWAYS_INLINE bool local_inc_and_test(local_t *l)
{
    return cpu_local_inc_zero(l->value);
}

/* The new value is negative? */
static ALWAYS_INLINE bool local_add_negative(local_t *l, s64 i)
{
    return cpu_local_add_negative(l->value, i);
}

/* The new value. */
static ALWAYS_INLINE s64 local_add_return(local_t *l, s64 i)
{
    return cpu_local_add_return(l->value, i);
}

static ALWAYS_INLINE s64 local_sub_return(local_t *l, s64 i)
{
    return cpu_local_add_return(l->value, 0 - (u64)i);
}

static ALWAYS_INLINE s64 local_inc_return(local_t *l)
{
    return cpu_local_add_return(l->value, 1);
}

static ALWAYS_INLINE s64 local_dec_return(local_t *l)
{
    return cpu_local_add_return(l->value, -1);
}

/* Stores new where the value is old; returns the value found. */
static ALWAYS_INLINE s64 local_cmpxchg(local_t *l, s64 old, s64 new)
{
    return cpu_local_cmpxchg(l->value, old, new);
}

/* True: stored. False: *old is the value found. */
static ALWAYS_INLINE bool local_try_cmpxchg(local_t *l, s64 *old, s64 new)
{
    return cpu_local_try_cmpxchg(l->value, old, new);
}

/* The old value. A load and a loop of CMPXCHG: XCHG with memory would lock. */
static ALWAYS_INLINE s64 local_xchg(local_t *l, s64 i)
{
    return cpu_local_xchg(l->value, i);
}

/* Adds i unless the value is u. True: added. */
static ALWAYS_INLINE bool local_add_unless(local_t *l, s64 i, s64 u)
{
    s64 old = local_read(l);

    do {
        if (old == u)
            return false;
    } while (!local_try_cmpxchg(l, &old, (s64)((u64)old + (u64)i)));
    return true;
}

static ALWAYS_INLINE bool local_inc_not_zero(local_t *l)
{
    return local_add_unless(l, 1, 0);
}

#endif
