/*
 * What changes behind a chunk that is in use: CPUs that come for the first time, promotion and
 * demotion, flushes that are not answered. The world fails a case in which something is relied upon
 * before its flush.
 * SPDX-License-Identifier: MIT
 */
#include "tests/percpu/backing/backing_rig.h"

/* ---- CPUs that have never been online -------------------------------------------------------- */

static const struct world_shape last_is_absent = {.nr_nodes = 2, .nr_cpus = 8, .absent = {0x80}};

KTEST(backing_change, absent_cpus_have_the_zero_page)
{
    u64 pa;

    begin(&last_is_absent);
    EXPECT_EQ(populate(0, 128), 0);
    EXPECT_TRUE(all_are(page(7, 5), 0));
    EXPECT_FALSE(world_writable(page(7, 5)));
    EXPECT_TRUE(world_writable(page(6, 5)));
    EXPECT_EQ(pcpu_backing_lookup(&b, 7, 0, &pa), -ENOENT);
    EXPECT_EQ(w.count[1].populated, 3 * 128);
    EXPECT_EQ(b.nr_ready, 1); /* node 0 only */
    EXPECT_EQ(give_back(5, 1), 0);
    EXPECT_FALSE(world_readable(page(7, 5)));
    end();
}

KTEST(backing_change, a_first_time_cpu_gets_real_pages)
{
    begin(&last_is_absent);
    EXPECT_EQ(populate(0, 127), 0);
    memset(page(6, 3), 7, PAGE_SIZE);
    world_set_backed(&w, 7);
    EXPECT_EQ(populate(127, 1), 0); /* between the bit and the call */
    EXPECT_EQ(pcpu_backing_cpu_online(&b, 7), 0);
    check();
    EXPECT_TRUE(all_are(page(6, 3), 7));
    for (u32 block = 0; block < 128; block++) {
        EXPECT_TRUE(all_are(page(7, block), 0));
        memset(page(7, block), 8, PAGE_SIZE);
    }
    EXPECT_EQ(b.nr_ready, 2);
    EXPECT_EQ(w.count[1].reserved, 0);
    EXPECT_EQ(pcpu_backing_cpu_online(&b, 7), 0); /* again: nothing */
    EXPECT_EQ(w.count[1].populated, 512);
    EXPECT_EQ(pcpu_backing_promote(&b), 2);
    EXPECT_TRUE(all_are(page(7, 100), 8));
    end();
}

KTEST(backing_change, a_first_time_cpu_reserves_where_nobody_was)
{
    begin(&(struct world_shape){.nr_nodes = 2, .nr_cpus = 8, .absent = {0xf0}});
    EXPECT_EQ(populate(0, 9), 0);
    EXPECT_EQ(b.ranges[1].block, 0);
    world_set_backed(&w, 5);
    EXPECT_EQ(pcpu_backing_cpu_online(&b, 5), 0);
    EXPECT_NE(b.ranges[1].block, 0);
    EXPECT_EQ(w.count[1].reserved, 512 - 9);
    EXPECT_FALSE(world_writable(page(4, 0)));
    EXPECT_TRUE(world_writable(page(5, 0)));
    end();
}

KTEST(backing_change, a_first_time_cpu_without_memory_does_not_come)
{
    begin(&last_is_absent);
    world_fragment(&w, 1);
    EXPECT_EQ(populate(0, 100), 0);
    world_set_backed(&w, 7);
    world_fail(&w, WORLD_PAGE, 41, true);
    EXPECT_EQ(pcpu_backing_cpu_online(&b, 7), -ENOMEM);
    check();
    EXPECT_TRUE(world_writable(page(7, 39)));
    EXPECT_FALSE(world_writable(page(7, 40)));
    world_fail(&w, WORLD_FLUSH, 1, false);
    EXPECT_EQ(pcpu_backing_cpu_online(&b, 7), -ETIMEDOUT);
    EXPECT_EQ(pcpu_backing_cpu_online(&b, 7), 0); /* flushes what it could not before */
    check();
    EXPECT_EQ(populate(100, 1), 0);
    EXPECT_TRUE(world_writable(page(7, 99)) && world_writable(page(7, 100)));
    end();
}

/* ---- promotion ------------------------------------------------------------------------------- */

KTEST(backing_change, a_full_range_becomes_a_leaf_and_keeps_its_contents)
{
    begin(&two_by_four);
    EXPECT_EQ(populate(0, 127), 0);
    EXPECT_EQ(b.nr_ready, 0);
    EXPECT_EQ(populate(127, 1), 0);
    EXPECT_EQ(b.nr_ready, 2);
    for (u32 cpu = 0; cpu < 8; cpu++)
        memset(page(cpu, 0), (int)cpu + 1, 128 * PAGE_SIZE);
    EXPECT_EQ(pcpu_backing_promote(&b), 2);
    check();
    EXPECT_EQ(b.nr_ready, 0);
    EXPECT_EQ(w.count[0].leaves_2m, 1);
    EXPECT_EQ(pcpu_backing_promote(&b), 0);
    EXPECT_EQ(give_back(64, 1), 0);
    check();
    EXPECT_EQ(w.count[0].leaves_2m, 0);
    EXPECT_EQ(w.count[0].demotions, 1);
    EXPECT_EQ(w.count[0].reserved, 4);
    EXPECT_EQ(w.calls[7], 3); /* promotion, demotion, return */
    for (u32 cpu = 0; cpu < 8; cpu++) {
        EXPECT_TRUE(all_are(page(cpu, 63), (u8)(cpu + 1)));
        EXPECT_TRUE(all_are(page(cpu, 65), (u8)(cpu + 1)));
        EXPECT_FALSE(world_readable(page(cpu, 64)));
    }
    EXPECT_EQ(populate(64, 1), 0);
    EXPECT_TRUE(all_are(page(2, 64), 0));
    EXPECT_EQ(pcpu_backing_promote(&b), 2); /* and once more */
    end();
}

KTEST(backing_change, without_promotion_nothing_is_ready)
{
    begin(&(struct world_shape){.nr_nodes = 2, .nr_cpus = 8, .no_promotion = true});
    EXPECT_EQ(populate(0, 128), 0);
    EXPECT_EQ(b.nr_ready, 0);
    EXPECT_EQ(pcpu_backing_promote(&b), 0);
    end();
}

KTEST(backing_change, a_refused_promotion_waits_for_a_change)
{
    begin(&two_by_four);
    EXPECT_EQ(populate(0, 128), 0);
    world_fail(&w, WORLD_PROMOTE, 1, true);
    EXPECT_EQ(pcpu_backing_promote(&b), 0);
    check();
    EXPECT_EQ(b.nr_ready, 0);
    world_fail(&w, 0, 0, false);
    EXPECT_EQ(give_back(7, 1), 0);
    EXPECT_EQ(populate(7, 1), 0);
    EXPECT_EQ(b.nr_ready, 2);
    EXPECT_EQ(pcpu_backing_promote(&b), 2);
    end();
}

KTEST(backing_change, no_table_for_a_demotion)
{
    u32 blocks[] = {900, 10, 901, 11}, n;

    begin(&(struct world_shape){.nr_nodes = 2, .nr_cpus = 2, .static_size = 3 * SZ_1M});
    EXPECT_EQ(populate(0, 1024), 0);
    EXPECT_EQ(pcpu_backing_promote(&b), 4);
    world_fail(&w, WORLD_DEMOTE, 1, false); /* the range of blocks 0 to 511 of CPU 0 */
    EXPECT_EQ(pcpu_backing_return(&b, blocks, 4, &n), -ENOMEM);
    EXPECT_EQ(n, 1);
    check();
    EXPECT_FALSE(world_readable(page(0, 900)));
    EXPECT_TRUE(world_writable(page(0, 10)) && world_writable(page(1, 901)));
    EXPECT_EQ(pcpu_backing_return(&b, blocks + 1, 3, &n), 0);
    EXPECT_EQ(n, 3);
    end();
}

/* ---- flushes that fail ----------------------------------------------------------------------- */

KTEST(backing_change, pages_that_a_cpu_may_still_use_are_lost)
{
    u64 lost = event_total(EVENT_PAGES_LOST);

    begin(&two_by_four);
    EXPECT_EQ(populate(0, 4), 0);
    world_fail(&w, WORLD_FLUSH, 1, false);
    EXPECT_EQ(give_back(1, 2), 0);
    check();
    EXPECT_EQ(w.count[0].quarantined, 8);
    EXPECT_EQ(w.count[1].quarantined, 8);
    EXPECT_EQ(w.count[0].populated, 8);
    EXPECT_EQ(w.count[0].reserved, 0); /* the rest is not a reservation any more */
    EXPECT_EQ(world_free_pages(&w, 0), 32 * 512 - 16);
    EXPECT_TRUE(shim_log_contains("percpu: a CPU did not answer the flush: 16 pages are not used"));
    EXPECT_EQ(event_total(EVENT_PAGES_LOST), lost + 16);
    world_fail(&w, WORLD_FLUSH, 1, false);
    EXPECT_EQ(populate(1, 1), -ETIMEDOUT); /* somebody may remember what was there */
    EXPECT_EQ(populate(1, 1), 0);
    EXPECT_TRUE(all_are(page(5, 1), 0));
    end();
}

/* A CPU may still walk the chunk's tables: its addresses are never used again. */
KTEST(backing_change, addresses_that_a_cpu_may_still_use_are_lost)
{
    u64 lost = event_total(EVENT_ADDRESSES_LOST);
    struct pcpu_flush_list list = {.n = 0};
    struct pcpu_range *r;

    begin(&two_by_four);
    pcpu_for_each_range(r, &b)
        pcpu_flush_add(&list, b.base + r->shape->off, b.base + r->shape->off + PCPU_RANGE_SIZE);
    world_fail(&w, WORLD_FLUSH, 1, false);
    pcpu_backing_destroy(&b);
    EXPECT_EQ(event_total(EVENT_ADDRESSES_LOST), lost + 1);
    EXPECT_TRUE(shim_log_contains("percpu: a CPU did not answer: the addresses of chunk"));
    EXPECT_EQ(pcpu_backing_create(&w.env, &b), 0);
    EXPECT_EQ(pcpu_flush_do(&b, &list), 0); /* the world forgets its tables */
    end();
    EXPECT_EQ(event_total(EVENT_ADDRESSES_LOST), lost + 1);
}

KTEST(backing_change, single_pages_are_lost_as_well)
{
    begin(&two_by_four);
    world_fragment(&w, 0);
    EXPECT_EQ(populate(0, 4), 0);
    world_fail(&w, WORLD_FLUSH, 1, false);
    EXPECT_EQ(give_back(0, 4), 0);
    EXPECT_EQ(w.count[0].quarantined, 16);
    EXPECT_EQ(w.count[1].quarantined, 16);
    check();
    end();
}

KTEST(backing_change, when_the_first_round_fails_nothing_is_unmapped)
{
    begin(&two_by_four);
    EXPECT_EQ(populate(0, 128), 0);
    memset(page(7, 9), 3, PAGE_SIZE);
    EXPECT_EQ(pcpu_backing_promote(&b), 2);
    world_fail(&w, WORLD_FLUSH, 1, false);
    EXPECT_EQ(give_back(8, 2), -ETIMEDOUT);
    check();
    EXPECT_TRUE(all_are(page(7, 9), 3));
    EXPECT_EQ(give_back(8, 2), 0); /* first flushes what was demoted: the world looks at that */
    EXPECT_EQ(w.count[0].quarantined, 0);
    end();
}

KTEST(backing_change, a_promotion_whose_flush_failed_is_flushed_later)
{
    begin(&two_by_four);
    EXPECT_EQ(populate(0, 128), 0);
    world_fail(&w, WORLD_FLUSH, 1, false);
    EXPECT_EQ(pcpu_backing_promote(&b), 2);
    EXPECT_TRUE(b.ranges[0].stale);
    EXPECT_EQ(give_back(8, 2), 0);
    EXPECT_FALSE(b.ranges[0].stale);
    end();
}

KTEST(backing_change, what_is_not_flushed_is_not_promoted)
{
    begin(&last_is_absent);
    EXPECT_EQ(populate(0, 128), 0);
    EXPECT_EQ(pcpu_backing_promote(&b), 1);
    world_set_backed(&w, 7);
    world_fail(&w, WORLD_FLUSH, 1, false);
    EXPECT_EQ(pcpu_backing_cpu_online(&b, 7), -ETIMEDOUT);
    check();
    EXPECT_EQ(b.nr_ready, 0); /* full, but some CPU may still read the zero page */
    EXPECT_EQ(pcpu_backing_promote(&b), 0);
    EXPECT_EQ(pcpu_backing_cpu_online(&b, 7), 0);
    EXPECT_EQ(b.nr_ready, 1);
    EXPECT_EQ(pcpu_backing_promote(&b), 1);
    end();
}

KTEST(backing_change, a_demotion_that_is_not_flushed_is_not_taken_back)
{
    begin(&two_by_four);
    EXPECT_EQ(populate(0, 128), 0);
    EXPECT_EQ(pcpu_backing_promote(&b), 2);
    world_fail(&w, WORLD_FLUSH, 1, false);
    EXPECT_EQ(give_back(8, 2), -ETIMEDOUT);
    EXPECT_EQ(b.nr_ready, 0);
    EXPECT_EQ(pcpu_backing_promote(&b), 0);
    check();
    end();
}

KTEST(backing_change, addresses_that_were_not_flushed_are_lost)
{
    u64 base;

    begin(&two_by_four);
    base = b.base;
    world_fail(&w, WORLD_FLUSH, 1, false);
    pcpu_backing_destroy(&b);
    EXPECT_TRUE(shim_log_contains("are not used again"));
    EXPECT_EQ(pcpu_backing_create(&w.env, &b), 0);
    EXPECT_NE(b.base, base);
    for (u32 i = 0; i < 2; i++) { /* the tables would go with the next full flush */
        u64 va = base + w.fc.group_offsets[i];
        struct pcpu_flush_range all = {va, va + SZ_2M};

        EXPECT_EQ(w.map_ops.flush(&w, &all, 1), 0);
    }
    end();
}

KTEST(backing_change, destroying_what_is_populated_is_a_bug)
{
    begin(&two_by_four);
    EXPECT_EQ(populate(0, 1), 0);
    EXPECT_TRUE(SHIM_PANICS(pcpu_backing_destroy(&b)));
    end();
}
