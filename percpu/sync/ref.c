/*
 * Per-CPU references: the atomic mode, and the switches between modes; see ref.h.
 *
 * Invariant, lock held: references = count - (biased ? BIAS : 0) + (biased ? words - base : 0).
 * Biased and ATOMIC: a switch to atomic waits for its grace period, or the grace period failed. The
 * count may change in every mode. Only while the words are summed, they must not change.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/sync/ref.h"

#include "kernel/base/print.h"

static u64 mode_of(const struct percpu_ref *ref)
{
    return atomic_load_explicit(&ref->mode, memory_order_relaxed);
}

static void warn_underflow(struct percpu_ref *ref, s64 count)
{
    if (!atomic_exchange_explicit(&ref->warned, true, memory_order_relaxed))
        pr_err("percpu_ref: %s: more puts than gets: %lld references; it is not released",
               ref->name, (long long)count);
}

void percpu_ref_put_atomic(struct percpu_ref *ref, u64 nr)
{
    s64 now = atomic_fetch_sub_explicit(&ref->count, (s64)nr, memory_order_acq_rel) - (s64)nr;

    if (unlikely(now < 0))
        warn_underflow(ref, now);
    else if (unlikely(now == 0))
        ref->release(ref);
}

bool percpu_ref_tryget_atomic(struct percpu_ref *ref, u64 nr)
{
    s64 count = atomic_load_explicit(&ref->count, memory_order_relaxed);

    do {
        if (count <= 0)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&ref->count, &count, count + (s64)nr,
                                                    memory_order_acquire, memory_order_relaxed));
    return true;
}

bool percpu_ref_tryget_live_atomic(struct percpu_ref *ref)
{
    bool got;

    cpu_guard_enter(); /* kill waits for CPUs that read the mode before it */
    got = !percpu_ref_is_dying(ref) && percpu_ref_tryget_atomic(ref, 1);
    cpu_guard_exit();
    return got;
}

int percpu_ref_init(struct percpu_ref *ref, const struct percpu_lib *lib, const char *name,
                    percpu_ref_fn release, u32 flags)
{
    bool dead = flags & PERCPU_REF_INIT_DEAD, atomic = dead || flags & PERCPU_REF_INIT_ATOMIC;
    u64 *words = lib->alloc(lib->ctx, sizeof(u64), sizeof(u64));

    if (!words)
        return -ENOMEM;
    ASSERT(is_aligned((uintptr_t)words, sizeof(u64)));
    *ref = (struct percpu_ref){
        .release = release,
        .lib = lib,
        .name = name,
        .biased = !atomic,
        .killed = dead,
        .allow_reinit = flags != 0,
        .force_atomic = flags & PERCPU_REF_INIT_ATOMIC,
    };
    atomic_init(&ref->count, (dead ? 0 : 1) + (atomic ? 0 : PERCPU_REF_BIAS));
    atomic_init(&ref->mode,
                (uintptr_t)words | (atomic ? PERCPU_REF_ATOMIC : 0) | (dead ? PERCPU_REF_DEAD : 0));
    return 0;
}

void percpu_ref_exit(struct percpu_ref *ref)
{
    u64 mode = mode_of(ref);

    if (percpu_ref_words(mode))
        ref->lib->free(ref->lib->ctx, percpu_ref_words(mode));
    atomic_store_explicit(&ref->mode, (mode & PERCPU_REF_MODE) | PERCPU_REF_ATOMIC,
                          memory_order_relaxed);
}

static u64 sum_words(const struct percpu_ref *ref)
{
    u64 *words = percpu_ref_words(mode_of(ref)), sum = 0;

    for (u32 cpu = 0; words && cpu < ref->lib->nr_cpus; cpu++)
        sum += __atomic_load_n(per_cpu_ptr(words, cpu), __ATOMIC_RELAXED);
    return sum;
}

/* Lock held. 0: all references are in the count. After an error the count is still biased. */
static int to_atomic(struct percpu_ref *ref)
{
    s64 delta, count;
    u64 sum;
    int err;

    if (!ref->biased)
        return 0;
    atomic_fetch_or_explicit(&ref->mode, PERCPU_REF_ATOMIC, memory_order_seq_cst);
    err = ref->lib->quiesce(ref->lib->ctx);
    if (err)
        return err;
    sum = sum_words(ref);
    delta = (s64)(sum - ref->base) - PERCPU_REF_BIAS;
    ref->base = sum;
    ref->biased = false;
    count = atomic_fetch_add_explicit(&ref->count, delta, memory_order_acq_rel) + delta;
    if (count <= 0) /* it includes the initial reference */
        warn_underflow(ref, count);
    if (!ref->allow_reinit)
        percpu_ref_exit(ref);
    return 0;
}

/* Lock held, not dead. If biased: per-CPU mode, or a failed switch to atomic. */
static void to_percpu(struct percpu_ref *ref)
{
    if (!ref->biased)
        atomic_fetch_add_explicit(&ref->count, PERCPU_REF_BIAS, memory_order_relaxed);
    ref->biased = true;
    atomic_fetch_and_explicit(&ref->mode, ~PERCPU_REF_MODE, memory_order_release);
}

int percpu_ref_kill_and_confirm(struct percpu_ref *ref, percpu_ref_fn confirm)
{
    int err = -EINVAL;

    ASSERT(local_irqs_enabled());
    spin_lock(&ref->lock);
    if (!ref->killed) {
        atomic_fetch_or_explicit(&ref->mode, PERCPU_REF_ATOMIC | PERCPU_REF_DEAD,
                                 memory_order_seq_cst);
        /* A grace period in every mode: for the words and for tryget_live. */
        err = ref->biased ? to_atomic(ref) : ref->lib->quiesce(ref->lib->ctx);
        ref->killed = !err;
    }
    spin_unlock(&ref->lock);
    if (err)
        return err;
    if (confirm)
        confirm(ref);
    percpu_ref_put_atomic(ref, 1);
    return 0;
}

int percpu_ref_switch_to_atomic(struct percpu_ref *ref, percpu_ref_fn confirm)
{
    int err;

    ASSERT(local_irqs_enabled());
    spin_lock(&ref->lock);
    ref->force_atomic = true;
    err = to_atomic(ref);
    spin_unlock(&ref->lock);
    if (!err && confirm)
        confirm(ref);
    return err;
}

int percpu_ref_switch_to_percpu(struct percpu_ref *ref)
{
    int err = 0;

    ASSERT(local_irqs_enabled());
    spin_lock(&ref->lock);
    if (!percpu_ref_words(mode_of(ref)))
        err = -EINVAL;
    else
        ref->force_atomic = false;
    if (!err && !(mode_of(ref) & PERCPU_REF_DEAD))
        to_percpu(ref);
    spin_unlock(&ref->lock);
    return err;
}

static bool take_first(struct percpu_ref *ref)
{
    s64 zero = 0;

    return atomic_compare_exchange_strong_explicit(&ref->count, &zero, 1, memory_order_acq_rel,
                                                   memory_order_relaxed);
}

/* unused: all references are gone, and the count is 0. */
static int revive(struct percpu_ref *ref, bool unused)
{
    int err = 0;

    ASSERT(local_irqs_enabled());
    spin_lock(&ref->lock);
    if (!ref->killed || !percpu_ref_words(mode_of(ref))) {
        err = -EINVAL;
    } else if (!(unused ? take_first(ref) : percpu_ref_tryget_atomic(ref, 1))) {
        err = -EBUSY;
    } else {
        ref->killed = false;
        atomic_fetch_and_explicit(&ref->mode, ~PERCPU_REF_DEAD, memory_order_release);
        if (!ref->force_atomic)
            to_percpu(ref);
    }
    spin_unlock(&ref->lock);
    return err;
}

int percpu_ref_reinit(struct percpu_ref *ref)
{
    return revive(ref, true);
}

int percpu_ref_resurrect(struct percpu_ref *ref)
{
    return revive(ref, false);
}

const char *percpu_ref_verify(struct percpu_ref *ref)
{
    u64 mode = mode_of(ref), moved = sum_words(ref) - ref->base;
    s64 count = atomic_load_explicit(&ref->count, memory_order_relaxed);

    if ((mode & PERCPU_REF_DEAD) && !(mode & PERCPU_REF_ATOMIC))
        return "dead, but not atomic";
    if (ref->killed && (ref->biased || !(mode & PERCPU_REF_DEAD)))
        return "killed, but not dead";
    if (!ref->biased && !(mode & PERCPU_REF_ATOMIC))
        return "per-CPU without the bias";
    if (!ref->biased && percpu_ref_words(mode) && moved)
        return "a word moved in atomic mode";
    if (ref->biased)
        count += (s64)moved - PERCPU_REF_BIAS;
    if (count < 0)
        return "fewer than no references";
    if (!ref->killed && count == 0)
        return "alive without a reference";
    return NULL;
}
