/*
 * The allocator's counters and its dump. See percpu.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/print.h"
#include "percpu/alloc/alloc.h"
#include "percpu/alloc/alloc_chunks.h"

static u64 read_counter(_Atomic u64 *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void sum_sets(struct pcpu_allocator *a, struct percpu_stats *out)
{
    for (u32 i = 0; i < a->nr_cpus; i++) {
        const struct pcpu_mags *m = a->mags[i];

        out->nr_alloc += cpu_local_read(m->nr_alloc);
        out->nr_free += cpu_local_read(m->nr_free);
        out->refills += cpu_local_read(m->refills);
        out->drains += cpu_local_read(m->drains);
        out->cleared_bytes += cpu_local_read(m->cleared_bytes);
        out->cached_bytes += (u64)MAX(m->quota - cpu_local_read(m->headroom), 0);
        out->cached_limit += (u64)m->quota;
    }
}

static void sum_chunks(struct pcpu_allocator *a, struct percpu_stats *out)
{
    for (u32 n = 0; n < pcpu_chunks_end(a); n++) {
        struct pcpu_locked l;

        if (n == PCPU_CHUNK_RESERVED || !pcpu_lock_chunk(a, n, &l))
            continue;
        out->nr_chunks++;
        out->populated_blocks += l.ch->c.nr_populated;
        out->empty_blocks += l.ch->c.nr_empty;
        out->free_bytes += l.ch->c.free_granules * PCPU_GRANULE;
        pcpu_unlock_chunk(a, &l);
    }
}

void pcpu_get_stats(struct pcpu_allocator *a, struct percpu_stats *out)
{
    *out = (struct percpu_stats){
        .nr_alloc = read_counter(&a->direct_alloc),
        .nr_free = read_counter(&a->direct_free),
        .nr_failed = read_counter(&a->nr_failed),
        .nr_failed_atomic = read_counter(&a->nr_failed_atomic),
        .bad_free = read_counter(&a->bad_free),
        .chunks_made = read_counter(&a->chunks_made),
        .chunks_returned = read_counter(&a->chunks_returned),
        .reserve_target = pcpu_reserve_target(a),
        .cleared_bytes = read_counter(&a->cleared_bytes) + read_counter(&a->env->cleared_bytes),
        .background = read_counter(&a->background),
        .inline_work = read_counter(&a->inline_work),
    };
    sum_sets(a, out);
    sum_chunks(a, out);
}

void pcpu_node_stats(struct pcpu_allocator *a, u32 node, struct percpu_node_stats *out)
{
    struct pcpu_node_count *c = &a->env->count[node];

    *out = (struct percpu_node_stats){
        .requested = read_counter(&c->requested),
        .obtained = read_counter(&c->obtained),
        .fallen_back = read_counter(&c->fallen_back),
        .populated = read_counter(&c->populated),
        .reserved = read_counter(&c->reserved),
        .leaves_2m = read_counter(&c->leaves_2m),
        .promotions = read_counter(&c->promotions),
        .demotions = read_counter(&c->demotions),
        .quarantined = read_counter(&c->quarantined),
    };
}

/* ---- the dump -------------------------------------------------------------------------------- */

#define U(x) ((unsigned long long)(x))

static void dump_chunk(struct pcpu_allocator *a, u32 n)
{
    struct pcpu_chunk_stats st;
    struct pcpu_locked l;
    u32 populated, empty;

    if (!pcpu_lock_chunk(a, n, &l))
        return;
    pcpu_chunk_stats(&l.ch->c, &st);
    populated = l.ch->c.nr_populated;
    empty = l.ch->c.nr_empty;
    pcpu_unlock_chunk(a, &l);
    pr_info("percpu: chunk %u%s: populated %u, empty %u, objects %llu, free %llu, largest %llu, "
            "sum_frag %llu, max_frag %llu, sizes %u/%u/%u",
            n,
            n == PCPU_CHUNK_FIRST      ? " (first)"
            : n == PCPU_CHUNK_RESERVED ? " (reserved)"
                                       : "",
            populated, empty, U(st.nr_objects), U(st.free_bytes), U(st.largest_free),
            U(st.sum_frag), U(st.max_frag), st.min_size, st.med_size, st.max_size);
}

static void dump_node(struct pcpu_allocator *a, u32 node)
{
    struct percpu_node_stats st;

    pcpu_node_stats(a, node, &st);
    pr_info("percpu: node %u: pages populated %llu, reserved %llu, 2M leaves %llu; ever requested "
            "%llu, obtained %llu, fallen back %llu; promotions %llu, demotions %llu, quarantined "
            "%llu",
            node, U(st.populated), U(st.reserved), U(st.leaves_2m), U(st.requested), U(st.obtained),
            U(st.fallen_back), U(st.promotions), U(st.demotions), U(st.quarantined));
}

void pcpu_dump(struct pcpu_allocator *a)
{
    struct percpu_stats st;

    pcpu_get_stats(a, &st);
    pr_info("percpu: unit %u, static %zu, reserved %zu, dynamic %zu, atom %zu, block %zu",
            a->unit_size, a->fc->static_area.end,
            a->fc->reserved_area.end - a->fc->reserved_area.start,
            a->fc->dyn_area.end - a->fc->dyn_area.start, a->fc->atom_size, a->fc->alloc_size);
    pr_info("percpu: allocs %llu, frees %llu, failed %llu (atomic %llu), refused frees %llu",
            U(st.nr_alloc), U(st.nr_free), U(st.nr_failed), U(st.nr_failed_atomic), U(st.bad_free));
    pr_info("percpu: chunks %llu (made %llu, returned %llu), pages per unit: populated %llu, "
            "empty %llu, reserve %llu; cached bytes %llu of at most %llu",
            U(st.nr_chunks), U(st.chunks_made), U(st.chunks_returned), U(st.populated_blocks),
            U(st.empty_blocks), U(st.reserve_target), U(st.cached_bytes), U(st.cached_limit));
    for (u32 n = 0; n < pcpu_chunks_end(a); n++)
        dump_chunk(a, n);
    for (u32 node = 0; node < a->env->nr_nodes; node++)
        dump_node(a, node);
}
