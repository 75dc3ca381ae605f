/*
 * Reads a chunk's pages from its slots and compares them with the bookkeeping. See backing.h.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/backing/backing_internal.h"

#include "kernel/base/string.h"

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond))                                                                               \
            return "backing: " #cond;                                                              \
    } while (0)

static u64 get(const struct pcpu_backing *b, const struct pcpu_range *r, u32 index)
{
    return b->env->maps->get(b->env->maps->ctx, r->slot, index);
}

static const char *check_real(struct pcpu_backing *b, const struct pcpu_range *r, u32 index,
                              u64 page)
{
    const struct pcpu_page_ops_dyn *pages = b->env->pages;

    CHECK(page != PCPU_GET_NONE && page != PCPU_GET_ZERO);
    CHECK(is_aligned(page, PAGE_SIZE));
    if (r->block) {
        CHECK(page == r->block + index * PAGE_SIZE);
        CHECK(pages->node_of(pages->ctx, page) == r->shape->node);
    }
    return NULL;
}

static const char *check_page(struct pcpu_backing *b, const struct pcpu_range *r, u32 index,
                              u32 block, u32 cpu)
{
    bool backed =
        atomic_load_explicit(&b->env->backed[cpu / 64], memory_order_relaxed) >> (cpu % 64) & 1;
    u64 page = get(b, r, index);

    if (!bitmap_test_bit(b->populated, block)) {
        CHECK(page == PCPU_GET_NONE);
        CHECK(!bitmap_test_bit(r->real, index));
        return NULL;
    }
    if (bitmap_test_bit(r->real, index)) {
        CHECK(backed);
        return check_real(b, r, index, page);
    }
    CHECK(!bitmap_test_bit(b->served, cpu));
    CHECK(page == PCPU_GET_ZERO);
    return NULL;
}

/* Checks all 512 pages of the range, also those that belong to no used unit. */
static const char *check_pages(struct pcpu_backing *b, const struct pcpu_range *r)
{
    DECLARE_BITMAP(owned, PCPU_RANGE_PAGES);
    const struct pcpu_part *part;
    const char *bad;

    bitmap_zero(owned, PCPU_RANGE_PAGES);
    pcpu_for_each_part(part, r)
    {
        for (u32 block = part->lo; block < part->hi; block++) {
            u32 index = pcpu_part_index(part, block);

            bitmap_set_bit(owned, index);
            bad = check_page(b, r, index, block, part->cpu);
            if (bad)
                return bad;
        }
    }
    for (u32 index = 0; index < PCPU_RANGE_PAGES; index++) {
        if (bitmap_test_bit(owned, index))
            continue;
        CHECK(get(b, r, index) == PCPU_GET_NONE);
        CHECK(!bitmap_test_bit(r->real, index));
    }
    CHECK(r->shape->whole == (bitmap_weight(owned, PCPU_RANGE_PAGES) == PCPU_RANGE_PAGES));
    return NULL;
}

static const char *check_range(struct pcpu_backing *b, const struct pcpu_range *r)
{
    bool full = r->block && r->nr_real == PCPU_RANGE_PAGES;

    CHECK(r->nr_real == bitmap_weight(r->real, PCPU_RANGE_PAGES));
    CHECK(r->nr_leaving == 0 && bitmap_weight(r->leaving, PCPU_RANGE_PAGES) == 0);
    CHECK(is_aligned(r->block, PCPU_RANGE_SIZE));
    CHECK(!r->block || (r->nr_real && r->shape->node != NODE_NONE));
    CHECK(!r->promoted || full);
    CHECK(!full || r->shape->whole);
    CHECK(r->ready ==
          (full && !r->stale && !r->promoted && !r->refused && b->env->maps->can_promote));
    return check_pages(b, r);
}

static const char *verify_locked(struct pcpu_backing *b)
{
    struct pcpu_range *r;
    u32 ready = 0;

    CHECK(b->nr_ranges == b->env->layout->nr_ranges);
    pcpu_for_each_range(r, b)
    {
        const char *bad = check_range(b, r);

        if (bad)
            return bad;
        ready += r->ready;
    }
    CHECK(ready == atomic_load_explicit(&b->nr_ready, memory_order_relaxed));
    return NULL;
}

const char *pcpu_backing_verify(struct pcpu_backing *b)
{
    const char *bad;

    spin_lock(&b->map_mutex);
    bad = verify_locked(b);
    spin_unlock(&b->map_mutex);
    return bad;
}

static void tally_range(struct pcpu_backing *b, const struct pcpu_range *r,
                        struct pcpu_node_tally *tally)
{
    const struct pcpu_part *part;
    u32 all = 0;

    pcpu_for_each_part(part, r)
    {
        for (u32 block = part->lo; block < part->hi; block++) {
            u64 page = get(b, r, pcpu_part_index(part, block));
            bool real = page != PCPU_GET_NONE && page != PCPU_GET_ZERO;

            tally[part->node].populated += real;
            all += real;
        }
    }
    if (r->block)
        tally[r->shape->node].reserved += PCPU_RANGE_PAGES - all;
    if (r->promoted)
        tally[r->shape->node].leaves_2m++;
}

void pcpu_backing_tally(struct pcpu_backing *b, struct pcpu_node_tally *tally)
{
    struct pcpu_range *r;

    spin_lock(&b->map_mutex);
    pcpu_for_each_range(r, b) tally_range(b, r, tally);
    spin_unlock(&b->map_mutex);
}
