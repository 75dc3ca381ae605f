/*
 * Deferred work: the reserve is filled, ranges are promoted, empty blocks and chunks go back. Bits
 * per CPU; done by an idle CPU that was woken for it, by percpu_balance(), or at a safe point of
 * the CPU that has the bits. Thread context, interrupts on, no lock held when it starts.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/alloc_internal.h"

#define RETURN_BATCH 64u
#define RETIRED_MAX  128u /* metadata of so many blocks waits for one cross-call */

/* ---- who does it -------------------------------------------------------------------------------
 */

/* False: it was parked after pick_idle() named it, or has not looked since it came back. */
static bool give_work(struct pcpu_allocator *a, u32 cpu, u32 bits)
{
    u32 before = atomic_fetch_or_explicit(&a->work[cpu], bits, memory_order_acq_rel);

    if (before & PCPU_WORK_AWAY)
        atomic_fetch_and_explicit(&a->work[cpu], ~bits, memory_order_relaxed);
    return !(before & PCPU_WORK_AWAY);
}

void pcpu_defer(struct pcpu_allocator *a, u32 bits)
{
    u32 self = cpu_number(), cpu = self;

    /* Already known to somebody: nothing to do, and no shared line is written. */
    if ((atomic_load_explicit(&a->work[self], memory_order_relaxed) & bits) == bits)
        return;
    if (atomic_load_explicit(&a->work_handed, memory_order_relaxed) & bits)
        return;
    if (a->ops->pick_idle && a->ops->pick_idle(a->ops->ctx, &cpu) && cpu != self) {
        atomic_fetch_or_explicit(&a->work_handed, bits, memory_order_relaxed);
        if (give_work(a, cpu, bits)) {
            a->ops->wake(a->ops->ctx, cpu);
            return;
        }
        atomic_fetch_and_explicit(&a->work_handed, ~bits, memory_order_relaxed);
    }
    atomic_fetch_or_explicit(&a->work[self], bits, memory_order_relaxed);
}

void pcpu_defer_elsewhere(struct pcpu_allocator *a, u32 bits)
{
    u32 cpu = 0;

    /* CPU 0 is never parked. */
    if (a->ops->pick_idle)
        a->ops->pick_idle(a->ops->ctx, &cpu);
    if (cpu == cpu_number() || !give_work(a, cpu, bits)) {
        cpu = 0;
        atomic_fetch_or_explicit(&a->work[cpu], bits, memory_order_release);
    }
    if (a->ops->wake)
        a->ops->wake(a->ops->ctx, cpu);
}

bool pcpu_work_pending(struct pcpu_allocator *a)
{
    return atomic_load_explicit(&a->work[cpu_number()], memory_order_acquire) != 0;
}

/* ---- the reserve -------------------------------------------------------------------------------
 */

/* What PCPU_ATOMIC calls have asked for since the last look. balance_mutex held. */
static u64 atomic_demand(struct pcpu_allocator *a)
{
    u64 bytes = 0;

    for (u32 i = 0; i < a->nr_mags; i++) {
        struct pcpu_mags *m = a->all_mags[i];
        u64 now = cpu_local_read(m->atomic_bytes);

        bytes += now - m->atomic_seen;
        m->atomic_seen = now;
    }
    return bytes;
}

/*
 * The reserve follows demand: what PCPU_ATOMIC calls have asked for since the last decay, and a
 * quarter more. A look through the empty blocks for return (a balance, or too many of them) decays
 * it by a quarter of itself, not below the minimum, and forgets the demand; but the first looks
 * after it grew leave it as it is, so that demand that comes in bursts finds it ready.
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

/* ---- returning ---------------------------------------------------------------------------------
 */

/* Blocks this CPU took BUSY become unpopulated, or populated again where they could not go. */
static void finish_return(struct pcpu_allocator *a, u32 number, const u32 *blocks, u32 n,
                          u32 returned)
{
    struct pcpu_block *metas[RETURN_BATCH];
    struct pcpu_locked l;

    if (!pcpu_lock_chunk(a, number, &l))
        panic("percpu: chunk %u went with busy blocks", number);
    pcpu_chunk_unpopulate_done(&l.ch->c, returned, blocks, metas);
    pcpu_chunk_unpopulate_cancel(&l.ch->c, n - returned, blocks + returned);
    pcpu_unlock_chunk(a, &l);
    pcpu_metas_retire(a, returned, metas);
}

static u32 return_from(struct pcpu_allocator *a, u32 number, u32 max)
{
    u32 blocks[RETURN_BATCH], n, returned = 0;
    struct pcpu_locked l;
    struct pcpu_dchunk *ch;

    if (!pcpu_lock_chunk(a, number, &l))
        return 0;
    ch = l.ch;
    n = ch->fixed ? 0 : pcpu_chunk_take_empty(&ch->c, MIN(max, RETURN_BATCH), blocks);
    pcpu_unlock_chunk(a, &l);
    if (!n)
        return 0;
    if (pcpu_backing_return(&ch->backing, blocks, n, &returned))
        pr_warn("percpu: chunk %u: %u of %u blocks could not be returned", number, n - returned, n);
    finish_return(a, number, blocks, n, returned);
    return returned;
}

/* The reserve is kept in the lowest chunks, so the highest ones empty and go. */
u64 pcpu_return_empty(struct pcpu_allocator *a, u32 keep, u32 max)
{
    u64 done = 0;

    for (u32 i = pcpu_chunks_end(a); i-- > PCPU_CHUNK_DYNAMIC && done < max;) {
        while (pcpu_empty_blocks(a) > keep && done < max) {
            u64 above = (u64)(pcpu_empty_blocks(a) - keep);
            u32 n = return_from(a, i, (u32)MIN(above, max - done));

            if (!n)
                break;
            done += n;
        }
        /* Chunk 2 stays: the reserve lives there. */
        if (i > PCPU_CHUNK_DYNAMIC && pcpu_hint_any(pcpu_hint(a, i)) == a->unit_size / PCPU_GRANULE)
            pcpu_drop_chunk(a, i);
    }
    if (a->metas.nr_retired >= RETIRED_MAX)
        pcpu_free_retired(a);
    pcpu_count(&a->blocks_returned, done);
    return done;
}

/* ---- promotion, pressure -----------------------------------------------------------------------
 */

/* Chunks go only under balance_mutex, which is held. */
static bool promote_ready(struct pcpu_allocator *a)
{
    u32 n = 0;

    for (u32 i = PCPU_CHUNK_DYNAMIC; i < pcpu_chunks_end(a); i++) {
        struct pcpu_dchunk *ch = atomic_load_explicit(&a->chunks[i], memory_order_acquire);

        if (ch && ch->backing.nr_ready)
            n += pcpu_backing_promote(&ch->backing);
    }
    return n != 0;
}

bool pcpu_reclaim_locked(struct pcpu_allocator *a)
{
    u64 pages = pcpu_metas_trim(a);

    for (u32 i = PCPU_CHUNK_DYNAMIC; i < pcpu_chunks_end(a); i++) {
        struct pcpu_dchunk *ch = atomic_load_explicit(&a->chunks[i], memory_order_acquire);

        if (ch)
            pages += pcpu_backing_break_reservations(&ch->backing);
    }
    return pages != 0;
}

bool pcpu_reclaim(struct pcpu_allocator *a)
{
    bool any;

    if (!spin_trylock(&a->balance_mutex))
        return false;
    any = pcpu_reclaim_locked(a);
    pcpu_balance_unlock(a);
    return any;
}

/* ---- balance -----------------------------------------------------------------------------------
 */

static bool do_work(struct pcpu_allocator *a, u32 bits, u32 max_return)
{
    bool done = false;

    if (bits & (PCPU_WORK_REFILL | PCPU_WORK_RETURN)) {
        set_target(a, bits & PCPU_WORK_RETURN);
        done |= refill_reserve(a); /* a look for return may have found new demand */
    }
    if (bits & PCPU_WORK_RETURN)
        done |= pcpu_return_empty(a, pcpu_reserve_target(a), max_return) != 0;
    if (bits & PCPU_WORK_PROMOTE)
        done |= promote_ready(a);
    return done;
}

/* What other CPUs wanted done while balance_mutex was taken becomes this CPU's. */
static void take_left(struct pcpu_allocator *a)
{
    u32 bits = atomic_exchange_explicit(&a->work_left, 0, memory_order_acq_rel);

    if (bits)
        atomic_fetch_or_explicit(&a->work[cpu_number()], bits, memory_order_relaxed);
}

static bool balance_locked(struct pcpu_allocator *a, u32 more, u32 max_return)
{
    u32 bits = atomic_exchange_explicit(&a->work[cpu_number()], 0, memory_order_acquire) | more;

    bits &= ~PCPU_WORK_AWAY;
    atomic_fetch_and_explicit(&a->work_handed, ~bits, memory_order_relaxed);
    return do_work(a, bits, max_return);
}

/*
 * False: another CPU has it, and finds the bits of this one when it unlocks: this one need not look
 * again and again. Both exchange work_left, so that either the other sees the bits, or this one
 * sees that it has unlocked.
 */
static bool balance_trylock(struct pcpu_allocator *a)
{
    u32 bits;

    if (spin_trylock(&a->balance_mutex))
        return true;
    bits = atomic_exchange_explicit(&a->work[cpu_number()], 0, memory_order_acquire);
    atomic_fetch_or_explicit(&a->work_left, bits & ~PCPU_WORK_AWAY, memory_order_acq_rel);
    if (!spin_trylock(&a->balance_mutex))
        return false;
    take_left(a);
    return true;
}

void pcpu_balance_unlock(struct pcpu_allocator *a)
{
    spin_unlock(&a->balance_mutex);
    take_left(a);
}

/* One CPU at a time. */
static bool balance(struct pcpu_allocator *a, u32 max_return, _Atomic u64 *counter)
{
    bool done;

    if (!balance_trylock(a))
        return false;
    done = balance_locked(a, 0, max_return);
    pcpu_balance_unlock(a);
    if (done)
        pcpu_count(counter, 1);
    return done;
}

/* What this CPU's magazines should not hold goes, and what they hold is cleared. */
static bool tidy_mags(struct pcpu_allocator *a)
{
    bool done = pcpu_mag_drain_overflowed(a);

    done |= pcpu_mag_clear_some(a);
    return done;
}

/* Asked for, it is done before the call returns: another CPU's balance is waited for. */
bool pcpu_balance(struct pcpu_allocator *a)
{
    bool done = tidy_mags(a);

    spin_lock(&a->balance_mutex);
    done |= balance_locked(a, PCPU_WORK_REFILL | PCPU_WORK_RETURN | PCPU_WORK_PROMOTE, ~0u);
    pcpu_balance_unlock(a);
    if (done)
        pcpu_count(&a->background, 1);
    if (pcpu_work_pending(a)) /* left by others meanwhile */
        done |= balance(a, ~0u, &a->background);
    return done;
}

/* Frees since the last look may have left dirty objects; the count tells at no cost to a free. */
static bool freed_since(struct pcpu_allocator *a, bool look)
{
    u64 irq;
    struct pcpu_mags *m = pcpu_mags_enter(a, &irq);
    bool freed = cpu_local_read(m->nr_free) != m->looked_through;

    if (look)
        m->looked_through = cpu_local_read(m->nr_free);
    pcpu_mags_exit(m, irq);
    return freed;
}

bool pcpu_idle_pending(struct pcpu_allocator *a)
{
    return pcpu_work_pending(a) || freed_since(a, false);
}

bool pcpu_idle_work(struct pcpu_allocator *a)
{
    bool done = pcpu_work_pending(a) && balance(a, ~0u, &a->background);

    if (freed_since(a, true) && tidy_mags(a)) {
        pcpu_count(&a->background, 1);
        done = true;
    }
    return done;
}

void pcpu_safe_point(struct pcpu_allocator *a)
{
    if (unlikely(pcpu_work_pending(a)) && local_irqs_enabled())
        balance(a, RETURN_BATCH, &a->inline_work);
}

static void drain_this_cpu(void *arg)
{
    pcpu_mag_drain_all(arg);
}

/* Pages behind dynamic chunks now, those of reservations too. */
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
 * The reserve may have ended up in chunks that hold nothing else: the lowest one gets so many more
 * blocks, and the others can go. Never fewer than the minimum are there for PCPU_ATOMIC meanwhile.
 */
static void gather_reserve(struct pcpu_allocator *a)
{
    u32 n = 0;

    for (u32 i = PCPU_CHUNK_DYNAMIC + 1; i < pcpu_chunks_end(a); i++) {
        struct pcpu_locked l;

        if (!pcpu_lock_chunk(a, i, &l))
            continue;
        n += l.ch->c.nr_empty == l.ch->c.nr_populated ? l.ch->c.nr_empty : 0;
        pcpu_unlock_chunk(a, &l);
    }
    if (n && pcpu_grow_reserve(a, n))
        pcpu_return_empty(a, PCPU_RESERVE_BOOT, ~0u);
}

u64 pcpu_trim(struct pcpu_allocator *a)
{
    u64 before = pages_held(a), after;

    if (!a->ops->call_all)
        pcpu_mag_drain_all(a);
    else if (a->ops->call_all(a->ops->ctx, drain_this_cpu, a))
        pr_warn("percpu: trim: a CPU did not answer; its magazines stay");
    pcpu_mags_wait_drained(a);
    spin_lock(&a->balance_mutex);
    atomic_demand(a);
    a->demand = 0;
    a->reserve_hold = PCPU_RESERVE_HOLD;
    atomic_store_explicit(&a->grow_ahead, PCPU_GROW_AHEAD, memory_order_relaxed);
    atomic_store_explicit(&a->reserve_target, PCPU_RESERVE_BOOT, memory_order_relaxed);
    pcpu_return_empty(a, PCPU_RESERVE_BOOT, ~0u);
    gather_reserve(a);
    refill_reserve(a);
    pcpu_free_retired(a);
    pcpu_reclaim_locked(a);
    pcpu_balance_unlock(a);
    after = pages_held(a);
    return before > after ? before - after : 0;
}
