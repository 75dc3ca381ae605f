/*
 * Deferred work: fills the reserve, promotes ranges, returns empty blocks and chunks. An idle CPU
 * is woken to do it; else percpu_balance() does it, or a safe point on the CPU that has the bits.
 * Thread context, interrupts on, no lock held at the start. See alloc.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/print.h"
#include "percpu/alloc/alloc.h"
#include "percpu/alloc/alloc_chunks.h"
#include "percpu/alloc/alloc_magazines.h"
#include "percpu/alloc/alloc_set.h"

/* ---- the reserve ----------------------------------------------------------------------------- */

/* Bytes that PCPU_ATOMIC calls asked for since the last balance. balance_mutex held. */
static u64 atomic_demand(struct pcpu_allocator *a)
{
    u64 before = a->demand_seen;

    a->demand_seen = 0;
    for (u32 i = 0; i < a->nr_cpus; i++)
        a->demand_seen += cpu_local_read(a->mags[i]->atomic_bytes);
    return a->demand_seen - before;
}

/*
 * The target follows demand: the bytes that PCPU_ATOMIC calls asked for since the last decay, plus
 * a quarter. A balance for PCPU_WORK_RETURN decays the target by a quarter, down to the minimum,
 * and forgets the demand. After a growth, the first PCPU_RESERVE_HOLD such balances do not decay
 * it, so that bursts of demand find the reserve ready.
 */
static void set_target(struct pcpu_allocator *a, bool decay)
{
    u32 old = pcpu_reserve_target(a);
    u64 target = old;

    a->demand += atomic_demand(a);
    if (a->demand)
        target = MAX(target, a->demand * 5 / 4 / PCPU_BLOCK_SIZE + 1);
    if (target > old) {
        a->reserve_hold = PCPU_RESERVE_HOLD;
    } else if (decay && a->reserve_hold) {
        a->reserve_hold--;
    } else if (decay) {
        target = MAX(old - (old + 3) / 4, PCPU_RESERVE_MIN);
        a->demand = 0;
    }
    atomic_store_explicit(&a->reserve_target, (u32)MIN(target, PCPU_RESERVE_MAX),
                          memory_order_relaxed);
}

static bool refill_reserve(struct pcpu_allocator *a)
{
    s64 missing = (s64)pcpu_reserve_target(a) - MAX(pcpu_empty_blocks(a), 0);

    return missing > 0 && pcpu_grow_reserve(a, (u32)missing) > 0;
}

/* balance_mutex held. */
static bool promote_ready(struct pcpu_allocator *a)
{
    u32 n = 0;

    for (u32 i = PCPU_CHUNK_DYNAMIC; i < pcpu_chunks_end(a); i++) {
        struct pcpu_dchunk *ch = pcpu_chunk_number(a, i);

        if (ch && ch->backing.nr_ready)
            n += pcpu_backing_promote(&ch->backing);
    }
    return n != 0;
}

/* ---- balance --------------------------------------------------------------------------------- */

/* Does the work of this CPU's bits and of the bits in more. balance_mutex held. */
static bool balance_locked(struct pcpu_allocator *a, u32 more, u32 max_return)
{
    u32 bits = atomic_exchange_explicit(&a->work[cpu_number()], 0, memory_order_acquire) | more;
    bool done = false;

    bits &= ~PCPU_WORK_PARKED;
    atomic_fetch_and_explicit(&a->work_handed, ~bits, memory_order_relaxed);
    if (bits & (PCPU_WORK_REFILL | PCPU_WORK_RETURN)) {
        set_target(a, bits & PCPU_WORK_RETURN);
        done |= refill_reserve(a); /* for RETURN too: there may be new demand */
    }
    if (bits & PCPU_WORK_RETURN)
        done |= pcpu_return_empty(a, pcpu_reserve_target(a), max_return) != 0;
    if (bits & PCPU_WORK_PROMOTE) {
        atomic_store_explicit(&a->promote_asked, 0, memory_order_relaxed);
        done |= promote_ready(a);
    }
    return done;
}

/* False also when another CPU balances. */
static bool balance(struct pcpu_allocator *a, u32 max_return, _Atomic u64 *counter)
{
    bool done;

    if (!pcpu_balance_trylock(a))
        return false;
    done = balance_locked(a, 0, max_return);
    pcpu_balance_unlock(a);
    if (done)
        pcpu_count(counter, 1);
    return done;
}

bool pcpu_balance(struct pcpu_allocator *a)
{
    bool done = pcpu_mag_tidy(a);

    spin_lock(&a->balance_mutex);
    done |= balance_locked(a, PCPU_WORK_REFILL | PCPU_WORK_RETURN | PCPU_WORK_PROMOTE, ~0u);
    pcpu_balance_unlock(a);
    if (done)
        pcpu_count(&a->background, 1);
    if (pcpu_work_pending(a)) /* bits of other CPUs, adopted at the unlock */
        done |= balance(a, ~0u, &a->background);
    return done;
}

/* Were objects freed since the last tidy? Compares nr_free, so that a free costs nothing more. */
static bool freed_since(struct pcpu_allocator *a, bool tidy)
{
    u64 irq;
    struct pcpu_mags *m = pcpu_set_enter(a, &irq);
    bool freed = cpu_local_read(m->nr_free) != m->freed_at_tidy;

    if (tidy)
        m->freed_at_tidy = cpu_local_read(m->nr_free);
    pcpu_set_exit(irq);
    return freed;
}

bool pcpu_idle_pending(struct pcpu_allocator *a)
{
    return pcpu_work_pending(a) || freed_since(a, false);
}

bool pcpu_idle_work(struct pcpu_allocator *a)
{
    bool done = pcpu_work_pending(a) && balance(a, ~0u, &a->background);

    if (freed_since(a, true) && pcpu_mag_tidy(a)) {
        pcpu_count(&a->background, 1);
        done = true;
    }
    return done;
}

void pcpu_safe_point(struct pcpu_allocator *a)
{
    if (unlikely(pcpu_work_pending(a)) && local_irqs_enabled())
        balance(a, PCPU_RETURN_BATCH, &a->inline_work);
}

/* ---- decay ----------------------------------------------------------------------------------- */

bool pcpu_decay_cpu_wanted(struct pcpu_allocator *a)
{
    u64 irq;
    const struct pcpu_mags *m = pcpu_set_enter(a, &irq);
    bool any = m->headroom < m->quota || m->bump.bytes;

    pcpu_set_exit(irq);
    return any;
}

/* Clears the mark before it says no: then looks again. */
bool pcpu_decay_shared_wanted(struct pcpu_allocator *a)
{
    if (pcpu_decay_left(a))
        return true;
    return atomic_load_explicit(&a->decay_asked, memory_order_relaxed) &&
           atomic_exchange_explicit(&a->decay_asked, false, memory_order_acq_rel) &&
           pcpu_decay_left(a);
}

/* balance_mutex held. */
static void decay_locked(struct pcpu_allocator *a)
{
    u32 target = pcpu_reserve_target(a);
    s64 used = pcpu_populated_blocks(a) - pcpu_empty_dynamic(a);
    s64 peak = atomic_load_explicit(&a->peak, memory_order_relaxed), above;

    a->demand += atomic_demand(a);
    if (target > PCPU_RESERVE_BOOT && a->demand / PCPU_BLOCK_SIZE < target / 2)
        target = MAX(target / 2, PCPU_RESERVE_BOOT);
    a->demand = 0;
    atomic_store_explicit(&a->reserve_target, target, memory_order_relaxed);
    atomic_store_explicit(&a->peak, MAX(used, peak / 2), memory_order_relaxed);
    above = pcpu_decay_blocks(a);
    if (above > 0)
        pcpu_return_empty(a, (u32)(pcpu_empty_blocks(a) - (above + 1) / 2), ~0u);
    if (above <= 1)
        pcpu_metas_release(a);
}

void pcpu_decay_shared(struct pcpu_allocator *a)
{
    if (!pcpu_balance_trylock(a))
        return; /* who balances now returns blocks, too; the rest goes at the next period */
    decay_locked(a);
    pcpu_balance_unlock(a);
}

/* Runs fn(a) on every CPU. */
static void on_all_cpus(struct pcpu_allocator *a, void (*fn)(void *arg), const char *what)
{
    if (!a->ops->call_all)
        fn(a);
    else if (a->ops->call_all(a->ops->ctx, fn, a))
        pr_warn("percpu: %s: a CPU did not answer; its magazines stay", what);
}

static void decay_this_cpu(void *arg)
{
    pcpu_decay_cpu(arg);
}

void pcpu_decay(struct pcpu_allocator *a)
{
    on_all_cpus(a, decay_this_cpu, "decay");
    pcpu_decay_shared(a);
}

/* ---- trim ------------------------------------------------------------------------------------ */

static void drain_this_cpu(void *arg)
{
    pcpu_mag_drain_all(arg);
}

/* Pages behind dynamic chunks, reserved ones included. */
static u64 pages_held(const struct pcpu_allocator *a)
{
    u64 n = 0;

    for (u32 node = 0; node < a->env->nr_nodes; node++) {
        struct pcpu_node_count *c = &a->env->count[node];

        n += atomic_load_explicit(&c->populated, memory_order_relaxed) +
             atomic_load_explicit(&c->reserved, memory_order_relaxed);
    }
    return n;
}

/*
 * Moves the reserve out of chunks that hold nothing else: the lowest chunks get the same number of
 * blocks, then the others go. Only what was populated lower down is returned, and only from such
 * chunks: so they go now, whatever the reserve's size, and it does not shrink on the way.
 */
static void gather_reserve(struct pcpu_allocator *a)
{
    u32 n = pcpu_reserve_alone(a);

    if (n)
        pcpu_return_reserve(a, pcpu_grow_reserve(a, n));
}

u64 pcpu_trim(struct pcpu_allocator *a)
{
    u64 before = pages_held(a), after;

    on_all_cpus(a, drain_this_cpu, "trim");
    pcpu_mag_wait_drained(a);
    spin_lock(&a->balance_mutex);
    atomic_demand(a);
    a->demand = 0;
    a->reserve_hold = PCPU_RESERVE_HOLD;
    atomic_store_explicit(&a->grow_ahead, PCPU_GROW_AHEAD, memory_order_relaxed);
    atomic_store_explicit(&a->reserve_target, PCPU_RESERVE_BOOT, memory_order_relaxed);
    pcpu_return_empty(a, PCPU_RESERVE_BOOT, ~0u);
    gather_reserve(a);
    refill_reserve(a);
    pcpu_metas_release(a);
    pcpu_reclaim_locked(a);
    pcpu_balance_unlock(a);
    after = pages_held(a);
    return before > after ? before - after : 0;
}
