/*
 * local_t: a counter that one CPU changes, in threads and in interrupts, and that all CPUs may
 * read. Each operation is one instruction without LOCK, so no interrupt of this CPU can split it. A
 * local_t is usually in per-CPU memory; the caller passes its own CPU's copy (this_cpu_ptr). A read
 * of another CPU's copy may be out of date. Values wrap. For users of the allocator as a library;
 * the kernel itself does not use it.
 *
 * Context: any, NMI included, on the counter's own CPU. Any CPU: local_read, and local_set before
 * use.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_SYNC_LOCAL_H
#define PERCH_PERCPU_SYNC_LOCAL_H

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

/* True: the new value is 0. */
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

/* True: the new value is negative. */
static ALWAYS_INLINE bool local_add_negative(local_t *l, s64 i)
{
    return cpu_local_add_negative(l->value, i);
}

/* Returns the new value. */
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

/* Stores new if the value is old. Returns the value found. */
static ALWAYS_INLINE s64 local_cmpxchg(local_t *l, s64 old, s64 new)
{
    return cpu_local_cmpxchg(l->value, old, new);
}

/* True: stored. False: *old is the value found. */
static ALWAYS_INLINE bool local_try_cmpxchg(local_t *l, s64 *old, s64 new)
{
    return cpu_local_try_cmpxchg(l->value, old, new);
}

/* Returns the old value. A loop of CMPXCHG, because XCHG with memory implies LOCK. */
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
