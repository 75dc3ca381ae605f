/*
 * A reference count for many CPUs. While its object is in use, get and put add to their own CPU's
 * word, without LOCK; the sum is unknown. When the owner kills the reference, all CPUs change to
 * one atomic count. The put that makes it 0 calls release(ref), exactly once, on its CPU. For users
 * of the allocator as a library; the kernel itself does not use it.
 *
 * Modes: *per-CPU*; *atomic*; *dead* (atomic, and the initial reference was dropped). get and put
 * check the mode and add to their word inside the CPU guard (kernel/base/cpu_local.h). A switch to
 * atomic changes the mode word and waits for a grace period. After it no CPU is between check and
 * addition, so the words no longer change, and their sum is added to the count. Words are never
 * cleared: only the difference from their last sum counts (modulo 2^64). So no CPU writes another
 * CPU's memory, and CPUs may go online and offline at any time: their words still count.
 *
 * If the grace period fails (a CPU does not answer), the count keeps its bias and cannot become 0:
 * the object stays, and the call returns the error and may be repeated.
 *
 * A switch to atomic, and each put after it, detects more puts than gets. It logs the reference's
 * name and does not call release.
 *
 * Context: get, put, tryget: any context but NMI, any CPU, also in release. Functions that return
 * int: thread context, interrupts on; they exclude each other by spinning. The caller keeps the
 * object alive: it has a reference, or it is the only user.
 * CPU-local.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_SYNC_REF_H
#define PERCH_PERCPU_SYNC_REF_H

#include <stdatomic.h>
#include "kernel/base/cpu_local.h"
#include "kernel/base/errno.h"
#include "kernel/base/spinlock.h"
#include "percpu/sync/percpu_lib.h"

#define PERCPU_REF_INIT_ATOMIC  1u /* initial mode atomic; implies ALLOW_REINIT */
#define PERCPU_REF_INIT_DEAD    2u /* initial mode dead, count 0; implies ALLOW_REINIT */
#define PERCPU_REF_ALLOW_REINIT 4u /* keeps the per-CPU memory in atomic mode */

/* Bits of the mode word beside the per-CPU pointer. */
#define PERCPU_REF_ATOMIC 1ull
#define PERCPU_REF_DEAD   2ull
#define PERCPU_REF_MODE   3ull

/* Added to the count in per-CPU mode, so that puts cannot make it 0. */
#define PERCPU_REF_BIAS (1LL << 62)

struct percpu_ref;
typedef void (*percpu_ref_fn)(struct percpu_ref *ref);

/*
 * From per-CPU words to one count, and to release():
 *  - who writes: `mode` the owner, under the lock; each CPU its own word, in its guard, after it
 *    has read `mode`; `count` any CPU, by read-modify-writes;
 *  - who reads: `mode` every get and put; the words the owner, after the grace period;
 *  - which order: the switch is sequentially consistent and then waits until each CPU was outside
 *    its guard (smp/call/quiesce.h), so the sum has every addition of the old mode, and no other
 *    follows. Puts are acquire and release: the last one, which calls release(), sees all that the
 *    others did to the object. Back to per-CPU mode the bias is added before `mode` is released.
 */
struct percpu_ref {
    _Atomic u64 mode; /* per-CPU pointer | PERCPU_REF_ATOMIC, _DEAD */
    _Atomic s64 count;
    percpu_ref_fn release;
    const struct percpu_lib *lib;
    const char *name;     /* for the log */
    struct spinlock lock; /* of the mode; taken with interrupts on */
    u64 base;             /* the words' sum at the last switch to atomic */
    bool biased, allow_reinit, force_atomic;
    bool killed;        /* the initial reference was dropped */
    atomic_bool warned; /* too many puts were logged */
};

/* The caller gets the initial reference. Per-CPU mode without flags. -ENOMEM. */
int percpu_ref_init(struct percpu_ref *ref, const struct percpu_lib *lib, const char *name,
                    percpu_ref_fn release, u32 flags) MUST_CHECK;

/* Frees the per-CPU memory, after the last use of ref. May be called in release. */
void percpu_ref_exit(struct percpu_ref *ref);

/* The slow paths of the functions below. */
void percpu_ref_put_atomic(struct percpu_ref *ref, u64 nr);
bool percpu_ref_tryget_atomic(struct percpu_ref *ref, u64 nr);
bool percpu_ref_tryget_live_atomic(struct percpu_ref *ref);

/* The words of a mode word without flags. */
static inline u64 *percpu_ref_words(u64 mode)
{
    return (u64 *)(uintptr_t)(mode & ~PERCPU_REF_MODE);
}

/* True: added nr to this CPU's word. *mode: the mode word read. */
static ALWAYS_INLINE bool percpu_ref_add_local(struct percpu_ref *ref, u64 nr, u64 *mode)
{
    bool local;

    cpu_guard_enter();
    *mode = atomic_load_explicit(&ref->mode, memory_order_acquire);
    local = likely(!(*mode & PERCPU_REF_MODE));
    if (local)
        this_cpu_add(*(u64 *)(uintptr_t)*mode, nr);
    cpu_guard_exit();
    return local;
}

/* Takes nr references. The caller has one during the call. */
static ALWAYS_INLINE void percpu_ref_get_many(struct percpu_ref *ref, u64 nr)
{
    u64 mode;

    if (!percpu_ref_add_local(ref, nr, &mode))
        atomic_fetch_add_explicit(&ref->count, (s64)nr, memory_order_relaxed);
}

/* Drops nr references of the caller. The drop of the last reference calls release. */
static ALWAYS_INLINE void percpu_ref_put_many(struct percpu_ref *ref, u64 nr)
{
    u64 mode;

    if (!percpu_ref_add_local(ref, 0 - nr, &mode))
        percpu_ref_put_atomic(ref, nr);
}

/* As get_many, but for a caller without a reference. False: the count is 0. */
static ALWAYS_INLINE bool MUST_CHECK percpu_ref_tryget_many(struct percpu_ref *ref, u64 nr)
{
    u64 mode;

    return percpu_ref_add_local(ref, nr, &mode) || percpu_ref_tryget_atomic(ref, nr);
}

/* As tryget, but also false after a kill. */
static ALWAYS_INLINE bool MUST_CHECK percpu_ref_tryget_live(struct percpu_ref *ref)
{
    u64 mode;

    return percpu_ref_add_local(ref, 1, &mode) || percpu_ref_tryget_live_atomic(ref);
}

static ALWAYS_INLINE void percpu_ref_get(struct percpu_ref *ref)
{
    percpu_ref_get_many(ref, 1);
}

static ALWAYS_INLINE void percpu_ref_put(struct percpu_ref *ref)
{
    percpu_ref_put_many(ref, 1);
}

static ALWAYS_INLINE bool MUST_CHECK percpu_ref_tryget(struct percpu_ref *ref)
{
    return percpu_ref_tryget_many(ref, 1);
}

/*
 * Makes every later tryget_live on any CPU fail, calls confirm(ref) unless it is NULL, and drops
 * the initial reference, which may call release. -EINVAL: killed before. An error of the grace
 * period: neither confirmed nor dropped; call again.
 */
int percpu_ref_kill_and_confirm(struct percpu_ref *ref, percpu_ref_fn confirm) MUST_CHECK;

static inline int MUST_CHECK percpu_ref_kill(struct percpu_ref *ref)
{
    return percpu_ref_kill_and_confirm(ref, NULL);
}

/*
 * Atomic mode until switch_to_percpu. On return the switch is complete, and confirm(ref) was called
 * unless it is NULL. Returns 0 or an error of the grace period.
 */
int percpu_ref_switch_to_atomic(struct percpu_ref *ref, percpu_ref_fn confirm) MUST_CHECK;

/* Per-CPU mode, for a dead reference after its revival. -EINVAL: no ALLOW_REINIT. */
int percpu_ref_switch_to_percpu(struct percpu_ref *ref) MUST_CHECK;

/*
 * Revives a dead reference in its mode before the kill, with an initial reference. reinit: for
 * count 0, after release has returned. resurrect: for a count above 0. -EBUSY: the other case.
 * -EINVAL: not dead, or no ALLOW_REINIT.
 */
int percpu_ref_reinit(struct percpu_ref *ref) MUST_CHECK;
int percpu_ref_resurrect(struct percpu_ref *ref) MUST_CHECK;

/* True: killed and not revived. Any context. */
static inline bool percpu_ref_is_dying(const struct percpu_ref *ref)
{
    return atomic_load_explicit(&ref->mode, memory_order_acquire) & PERCPU_REF_DEAD;
}

/* True: no references. Always false in per-CPU mode. Any context. */
static inline bool percpu_ref_is_zero(const struct percpu_ref *ref)
{
    return (atomic_load_explicit(&ref->mode, memory_order_acquire) & PERCPU_REF_MODE) &&
           atomic_load_explicit(&ref->count, memory_order_acquire) == 0;
}

/* NULL, or which invariant is broken. No other call may use ref at the same time. */
const char *percpu_ref_verify(struct percpu_ref *ref);

#endif
