/*
 * Return to the page allocator: empty blocks and chunks, and more when memory is short. See
 * alloc_chunks.h.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/alloc/alloc_chunks.h"
#include "kernel/base/print.h"

#define RETIRED_MAX 128u /* the metadata of this many blocks shares one cross-call */

/* Makes empty blocks BUSY, then unpopulated; those not returned become populated again. */
static u32 return_from(struct pcpu_allocator *a, u32 number, u32 max)
{
    struct pcpu_block *metas[PCPU_RETURN_BATCH];
    u32 blocks[PCPU_RETURN_BATCH], n, returned = 0;
    struct pcpu_locked l;
    struct pcpu_dchunk *ch;

    if (!pcpu_lock_chunk(a, number, &l))
        return 0;
    ch = l.ch;
    n = pcpu_chunk_take_empty(&ch->c, MIN(max, PCPU_RETURN_BATCH), blocks);
    pcpu_unlock_chunk(a, &l);
    if (!n)
        return 0;
    if (pcpu_backing_return(&ch->backing, blocks, n, &returned))
        pr_warn("percpu: chunk %u: %u of %u blocks could not be returned", number, n - returned, n);
    pcpu_lock_pinned(a, number, &l);
    pcpu_chunk_unpopulate_done(&ch->c, returned, blocks, metas);
    pcpu_chunk_unpopulate_cancel(&ch->c, n - returned, blocks + returned);
    pcpu_unlock_chunk(a, &l);
    pcpu_metas_retire(a, returned, metas);
    return returned;
}

/* The lowest chunk stays for the reserve. */
static void drop_if_empty(struct pcpu_allocator *a, u32 number)
{
    if (number > PCPU_CHUNK_DYNAMIC &&
        pcpu_hint_any(pcpu_hint(a, number)) == a->unit_size / PCPU_GRANULE)
        pcpu_drop_chunk(a, number);
}

static void end_return(struct pcpu_allocator *a, u64 returned)
{
    if (a->metas.nr_retired >= RETIRED_MAX)
        pcpu_metas_release(a);
    pcpu_count(&a->blocks_returned, returned);
}

/* The reserve stays in the lowest chunks, so that the highest ones become empty. */
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
        drop_if_empty(a, i);
    }
    end_return(a, done);
    return done;
}

/* Populated blocks of a chunk above the lowest one that holds nothing else; 0: any other chunk. */
static u32 reserve_only(struct pcpu_allocator *a, u32 number)
{
    struct pcpu_locked l;
    u32 n;

    if (number <= PCPU_CHUNK_DYNAMIC || !pcpu_lock_chunk(a, number, &l))
        return 0;
    n = l.ch->c.nr_empty == l.ch->c.nr_populated ? l.ch->c.nr_empty : 0;
    pcpu_unlock_chunk(a, &l);
    return n;
}

u32 pcpu_reserve_alone(struct pcpu_allocator *a)
{
    u32 n = 0;

    for (u32 i = PCPU_CHUNK_DYNAMIC + 1; i < pcpu_chunks_end(a); i++)
        n += reserve_only(a, i);
    return n;
}

void pcpu_return_reserve(struct pcpu_allocator *a, u32 max)
{
    u32 done = 0;

    for (u32 i = pcpu_chunks_end(a); i-- > PCPU_CHUNK_DYNAMIC && done < max;) {
        while (done < max && reserve_only(a, i)) {
            u32 n = return_from(a, i, max - done);

            if (!n)
                break;
            done += n;
        }
        drop_if_empty(a, i);
    }
    end_return(a, done);
}

bool pcpu_reclaim_locked(struct pcpu_allocator *a)
{
    u64 pages = pcpu_metas_trim(a);

    for (u32 i = PCPU_CHUNK_DYNAMIC; i < pcpu_chunks_end(a); i++) {
        struct pcpu_dchunk *ch = pcpu_chunk_number(a, i);

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
    any = pcpu_return_empty(a, PCPU_RESERVE_MIN, ~0u) != 0;
    any |= pcpu_reclaim_locked(a);
    pcpu_balance_unlock(a);
    return any;
}
