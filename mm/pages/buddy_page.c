/*
 * Orders 0 to 8: pages of a pageblock by bits. The states are in mm/pages/buddy_types.h.
 * SPDX-License-Identifier: MIT
 */
#include "mm/pages/buddy_types.h"

static void bucket_leave(struct buddy_zone *z, struct pageblock *pb)
{
    list_remove(&z->bucket[pb->bucket], pb);
    if (!z->bucket[pb->bucket])
        z->buckets_used &= ~(1u << pb->bucket);
    pb->bucket = NO_BUCKET;
}

void zone_pages_changed(struct buddy_zone *z, struct pageblock *pb)
{
    u8 bucket = pb->nfree ? (u8)((pb->nfree - 1) / 64) : NO_BUCKET;

    if (pb->bucket == bucket)
        return;
    if (pb->bucket != NO_BUCKET)
        bucket_leave(z, pb);
    if (bucket != NO_BUCKET) {
        list_push(&z->bucket[bucket], pb);
        z->buckets_used |= 1u << bucket;
        pb->bucket = bucket;
    }
}

void zone_open_block(struct buddy_zone *z, struct pageblock *pb)
{
    for (u32 i = 0; i < PB_WORDS; i++)
        pb->free[i] = ~0ULL;
    pb->words = 0xff;
    pb->nfree = PB_PAGES;
    pb->fits = BUDDY_BLOCK_ORDER - 1;
    zone_count_pages(z, PB_PAGES);
    zone_pages_changed(z, pb);
}

u32 zone_take_some(struct buddy_zone *z, struct pageblock *pb, u32 n, u64 *pas)
{
    u32 have = 0;

    while (have < n && pb->words) {
        u32 word = (u32)__builtin_ctz(pb->words);
        u64 base = pb_pa(pb) + ((u64)word << (6 + PAGE_SHIFT)), bits = pb->free[word];

        for (; bits && have < n; bits &= bits - 1)
            pas[have++] = base + ((u64)(u32)__builtin_ctzll(bits) << PAGE_SHIFT);
        pb->free[word] = bits;
        if (!bits)
            pb->words &= (u8) ~(1u << word);
    }
    pb->nfree -= (u16)have;
    zone_count_pages(z, -(u64)have);
    zone_pages_changed(z, pb);
    return have;
}

/* ---- runs ------------------------------------------------------------------------------------ */

/* First page of an aligned run of 1 << order set bits; PB_PAGES: none. */
static u32 find_run(const struct pageblock *pb, u32 order)
{
    /* Bits at multiples of 1 << order. */
    static const u64 starts[6] = {~0ULL,
                                  0x5555555555555555ULL,
                                  0x1111111111111111ULL,
                                  0x0101010101010101ULL,
                                  0x0001000100010001ULL,
                                  0x0000000100000001ULL};
    u32 step = order > 6 ? 1u << (order - 6) : 1;

    for (u32 i = 0; i < PB_WORDS; i += step) {
        u64 all = pb->free[i];

        for (u32 j = 1; j < step; j++)
            all &= pb->free[i + j];
        if (!all)
            continue;
        if (order >= 6) {
            if (all == ~0ULL)
                return i * 64;
            continue;
        }
        for (u32 k = 0; k < order; k++)
            all &= all >> (1u << k);
        all &= starts[order];
        if (all)
            return i * 64 + (u32)__builtin_ctzll(all);
    }
    return PB_PAGES;
}

/* The bits of pages [first, first + n) in word i. */
static u64 word_mask(u32 i, u32 first, u32 n)
{
    u32 lo = MAX(first, i * 64), hi = MIN(first + n, i * 64 + 64);

    if (lo >= hi)
        return 0;
    return (hi - lo == 64 ? ~0ULL : (1ULL << (hi - lo)) - 1) << (lo % 64);
}

void zone_take_range(struct buddy_zone *z, struct pageblock *pb, u32 first, u32 n)
{
    for (u32 i = first / 64; i <= (first + n - 1) / 64; i++) {
        pb->free[i] &= ~word_mask(i, first, n);
        if (!pb->free[i])
            pb->words &= (u8) ~(1u << i);
    }
    pb->nfree -= (u16)n;
    zone_count_pages(z, -(u64)n);
    zone_pages_changed(z, pb);
}

/* Pageblocks with few free pages first. */
struct pageblock *zone_search_run(struct buddy_zone *z, u32 order, u64 tries, u32 *first)
{
    for (u32 i = 0; i < PB_WORDS; i++) {
        for (struct pageblock *pb = z->bucket[i]; pb; pb = pb->next) {
            if (tries-- == 0)
                return NULL;
            if (pb->nfree < 1u << order || pb->fits < order)
                continue;
            *first = find_run(pb, order);
            if (*first < PB_PAGES)
                return pb;
            pb->fits = (u8)(order - 1);
        }
    }
    return NULL;
}

/* ---- freeing --------------------------------------------------------------------------------- */

void zone_close_block(struct buddy *b, struct pageblock *pb)
{
    struct buddy_zone *z = pb->zone;

    if (pb->bucket != NO_BUCKET)
        bucket_leave(z, pb);
    for (u32 i = 0; i < PB_WORDS; i++)
        pb->free[i] = 0;
    pb->words = 0;
    pb->nfree = 0;
    zone_count_pages(z, -(u64)PB_PAGES);
    zone_put_block(b, z, pb, BUDDY_BLOCK_ORDER);
}

bool zone_put_pages(struct buddy *b, struct pageblock *pb, u32 first, u32 n)
{
    u32 from = first / 64, to = (first + n - 1) / 64;

    for (u32 i = from; i <= to; i++)
        if (pb->free[i] & word_mask(i, first, n))
            return false;
    for (u32 i = from; i <= to; i++) {
        pb->free[i] |= word_mask(i, first, n);
        pb->words |= (u8)(1u << i);
    }
    pb->nfree += (u16)n;
    pb->fits = BUDDY_BLOCK_ORDER - 1;
    zone_count_pages(pb->zone, n);
    if (pb->nfree == PB_PAGES)
        zone_close_block(b, pb);
    else
        zone_pages_changed(pb->zone, pb);
    return true;
}
