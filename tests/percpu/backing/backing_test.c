/*
 * The memory behind a chunk, on a machine whose units are real memory. What is populated is zero,
 * on its CPU's node, and shared with no other CPU; what is not faults; every page goes back. The
 * world fails a case whose page was given back early, mapped twice, or lost.
 * SPDX-License-Identifier: MIT
 */
#include "tests/percpu/backing/backing_rig.h"

static s32 page_node(u32 cpu, u32 block)
{
    u64 pa;

    if (pcpu_backing_lookup(&b, cpu, block * PAGE_SIZE, &pa))
        return NODE_NONE;
    return w.page_ops.node_of(&w, pa);
}

/* ---- layout ---------------------------------------------------------------------------------- */

KTEST(backing, ranges_of_the_usual_layout)
{
    begin(&two_by_four);
    EXPECT_EQ(nr_blocks(), 128);
    REQUIRE_EQ(b.nr_ranges, 2);
    for (u32 i = 0; i < 2; i++) {
        EXPECT_EQ(b.ranges[i].shape->node, i);
        EXPECT_EQ(b.ranges[i].shape->nr_parts, 4);
        EXPECT_EQ(b.ranges[i].shape->off, w.fc.group_offsets[i]);
        EXPECT_TRUE(b.ranges[i].shape->whole);
    }
    EXPECT_EQ(w.calls[0] + w.calls[1], 0); /* no page yet */
    EXPECT_FALSE(world_readable(page(0, 0)));
    end();
}

KTEST(backing, a_unit_larger_than_a_range)
{
    begin(&(struct world_shape){.nr_nodes = 2, .nr_cpus = 2, .static_size = 3 * SZ_1M});
    EXPECT_EQ(nr_blocks(), 1024);
    EXPECT_EQ(b.nr_ranges, 4);
    EXPECT_EQ(populate(500, 24), 0); /* over the seam */
    memset(page(1, 511), 1, 2 * PAGE_SIZE);
    EXPECT_TRUE(all_are(page(0, 511), 0) && all_are(page(0, 512), 0));
    EXPECT_TRUE(all_are(page(1, 510), 0) && all_are(page(1, 513), 0));
    EXPECT_FALSE(world_readable(page(1, 499)) || world_readable(page(1, 524)));
    EXPECT_EQ(w.count[1].populated, 24);
    EXPECT_EQ(w.count[1].reserved, 2 * 512 - 24);
    check();
    EXPECT_EQ(give_back(512, 12), 0); /* one range drains, the other stays */
    EXPECT_EQ(w.count[1].reserved, 512 - 12);
    end();
}

KTEST(backing, small_atoms_share_ranges_between_nodes)
{
    begin(&(struct world_shape){
        .nr_nodes = 2, .nr_cpus = 8, .atom = 64 * SZ_1K, .group_stride = 64 * SZ_1K});
    REQUIRE_EQ(w.env.layout->nr_spans, 1);
    REQUIRE_EQ(b.nr_ranges, 1);
    EXPECT_EQ(b.ranges[0].shape->node, NODE_NONE);
    EXPECT_EQ(populate(0, nr_blocks()), 0);
    EXPECT_EQ(b.ranges[0].block, 0);
    for (u32 cpu = 0; cpu < 8; cpu++)
        EXPECT_EQ(page_node(cpu, 3), w.cpu_node[cpu]);
    EXPECT_EQ(w.count[0].populated, 4 * nr_blocks());
    EXPECT_EQ(w.count[1].obtained, 4 * nr_blocks());
    end();
}

KTEST(backing, one_group_of_several_nodes)
{
    begin(&(struct world_shape){
        .nr_nodes = 4, .nr_cpus = 64, .atom = 4096, .one_group = true, .node_bytes = 16 * SZ_1M});
    EXPECT_EQ(populate(2, 3), 0);
    for (u32 cpu = 0; cpu < 64; cpu++)
        EXPECT_EQ(page_node(cpu, 4), w.cpu_node[cpu]);
    end();
}

KTEST(backing, nobodys_units_stay_absent)
{
    begin(&(struct world_shape){.nr_nodes = 2, .nr_cpus = 6}); /* 3 units and a hole per group */
    EXPECT_FALSE(b.ranges[0].shape->whole);
    EXPECT_EQ(populate(0, nr_blocks()), 0);
    EXPECT_EQ(b.ranges[0].nr_real, 3 * 128);
    EXPECT_EQ(b.nr_ready, 0);
    EXPECT_EQ(pcpu_backing_promote(&b), 0);
    EXPECT_FALSE(world_readable(page(2, 128))); /* the unit after the third */
    EXPECT_EQ(w.count[0].reserved, 128);
    end();
}

/* ---- population ------------------------------------------------------------------------------ */

KTEST(backing, populated_is_zero_local_and_ones_own)
{
    begin(&two_by_four);
    EXPECT_EQ(populate(5, 3), 0);
    check();
    for (u32 cpu = 0; cpu < 8; cpu++) {
        for (u32 block = 5; block < 8; block++) {
            EXPECT_TRUE(all_are(page(cpu, block), 0));
            memset(page(cpu, block), (int)(cpu * 16 + block), PAGE_SIZE);
            EXPECT_EQ(page_node(cpu, block), w.cpu_node[cpu]);
        }
        EXPECT_FALSE(world_readable(page(cpu, 4)) || world_readable(page(cpu, 8)));
    }
    for (u32 cpu = 0; cpu < 8; cpu++)
        EXPECT_TRUE(all_are(page(cpu, 6), (u8)(cpu * 16 + 6)));
    EXPECT_EQ(w.env.cleared_bytes, 8 * 3 * PAGE_SIZE);
    end();
}

KTEST(backing, pages_lie_at_their_place_in_the_reservation)
{
    u32 blocks[] = {1, 2, 9, 100};
    u64 pa;

    begin(&two_by_four);
    EXPECT_EQ(pcpu_backing_populate(&b, blocks, 4), 0);
    for (u32 cpu = 0; cpu < 8; cpu++) {
        struct pcpu_range *r = &b.ranges[w.cpu_node[cpu]];

        REQUIRE_EQ(pcpu_backing_lookup(&b, cpu, 9 * PAGE_SIZE + 5, &pa), 0);
        EXPECT_EQ(pa, r->block + (cpu % 4 * 128 + 9) * PAGE_SIZE + 5);
    }
    EXPECT_EQ(world_free_blocks(&w, 0), 31);
    EXPECT_EQ(w.count[0].reserved, 512 - 16);
    EXPECT_EQ(w.count[0].requested, 16);
    EXPECT_EQ(w.count[0].obtained, 16);
    EXPECT_EQ(pcpu_backing_lookup(&b, 0, 3 * PAGE_SIZE, &pa), -ENOENT);
    EXPECT_EQ(pcpu_backing_lookup(&b, 8, 9 * PAGE_SIZE, &pa), -ENOENT);
    EXPECT_EQ(pcpu_backing_lookup(&b, 0, w.fc.unit_size, &pa), -ENOENT);
    end();
}

KTEST(backing, single_pages_without_a_free_block)
{
    begin(&two_by_four);
    world_fragment(&w, 0);
    EXPECT_EQ(populate(0, 128), 0);
    check();
    EXPECT_EQ(b.ranges[0].block, 0);
    EXPECT_EQ(b.ranges[1].nr_real, 512);
    EXPECT_EQ(w.count[0].reserved, 0);
    EXPECT_EQ(w.count[0].obtained, 512);
    EXPECT_EQ(b.nr_ready, 1); /* the other node's */
    for (u32 block = 0; block < 128; block++)
        EXPECT_TRUE(all_are(page(3, block), 0));
    end();
}

KTEST(backing, the_nearest_node_helps_out_and_it_is_said_once)
{
    begin(&(struct world_shape){.nr_nodes = 4, .nr_cpus = 8});
    world_exhaust(&w, 2, 3);
    EXPECT_EQ(populate(0, 2), 0); /* node 2 has 3 of 4 pages; then node 1 */
    EXPECT_EQ(w.count[2].requested, 4);
    EXPECT_EQ(w.count[2].obtained, 3);
    EXPECT_EQ(w.count[2].fallen_back, 1);
    EXPECT_EQ(w.count[2].populated, 4);
    EXPECT_EQ(w.count[1].fallen_back, 0);
    EXPECT_EQ(populate(2, 2), 0);
    EXPECT_EQ(w.count[2].fallen_back, 5);
    EXPECT_EQ(page_node(4, 3), 1);
    EXPECT_EQ(shim_log_matches("percpu: node 2: no memory left, pages come from node 1"), 1);
    EXPECT_EQ(shim_log_matches("no memory left"), 1);
    end();
}

KTEST(backing, a_list_that_is_none_is_refused)
{
    u32 twice[] = {3, 3}, down[] = {4, 3}, beyond[] = {128}, n;

    begin(&two_by_four);
    EXPECT_EQ(pcpu_backing_populate(&b, twice, 2), -EINVAL);
    EXPECT_EQ(pcpu_backing_populate(&b, down, 2), -EINVAL);
    EXPECT_EQ(pcpu_backing_populate(&b, beyond, 1), -EINVAL);
    EXPECT_EQ(populate(3, 1), 0);
    EXPECT_EQ(populate(2, 2), -EINVAL);
    EXPECT_EQ(pcpu_backing_return(&b, down, 2, &n), -EINVAL);
    EXPECT_EQ(n, 0);
    EXPECT_EQ(w.count[0].populated, 4);
    end();
}

/* Every k until it succeeds: pages of both kinds, on all nodes. */
KTEST(backing, a_failure_leaves_no_trace)
{
    u32 failed = 0;

    for (u64 k = 1;; k++) {
        u32 free0, free1;
        int err;

        begin(&two_by_four);
        EXPECT_EQ(populate(0, 1), 0); /* node 1 keeps a reservation */
        world_fragment(&w, 0);
        EXPECT_EQ(pcpu_backing_break_reservations(&b), 2 * 508);
        free0 = world_free_pages(&w, 0);
        free1 = world_free_pages(&w, 1);
        world_fail(&w, WORLD_PAGE, k, true);
        err = populate(10, 12);
        check();
        if (!err) {
            end();
            break;
        }
        failed++;
        EXPECT_EQ(err, -ENOMEM);
        EXPECT_EQ(world_free_pages(&w, 0), free0);
        EXPECT_EQ(world_free_pages(&w, 1), free1);
        EXPECT_EQ(w.count[0].requested, 4);
        EXPECT_FALSE(world_readable(page(0, 10)));
        end();
    }
    EXPECT_EQ(failed, 96);
}

KTEST(backing, a_new_reservation_goes_back_when_others_have_no_page)
{
    begin(&two_by_four);
    world_exhaust(&w, 0, 512);
    world_exhaust(&w, 1, 7); /* no block, and too few pages */
    EXPECT_EQ(populate(0, 2), -ENOMEM);
    check();
    EXPECT_EQ(world_free_blocks(&w, 0), 1);
    EXPECT_EQ(world_free_pages(&w, 1), 7);
    EXPECT_EQ(populate(0, 1), 0);
    end();
}

KTEST(backing, creation_fails_without_a_trace)
{
    u64 k = 1;
    int err = -1;

    for (; err && k < 100; k++) {
        shim_log_reset();
        world_init(&w, &two_by_four);
        world_fail(&w, WORLD_MEMORY, k, false);
        err = pcpu_backing_create(&w.env, &b);
        if (!err)
            pcpu_backing_destroy(&b);
        world_done(&w); /* counts what is left, but for the layout's own */
    }
    EXPECT_EQ(k, 6); /* bookkeeping, area, two slots */
}

/* ---- return ---------------------------------------------------------------------------------- */

KTEST(backing, a_drained_reservation_goes_back_whole)
{
    begin(&two_by_four);
    EXPECT_EQ(populate(3, 2), 0);
    EXPECT_EQ(give_back(3, 1), 0);
    check();
    EXPECT_EQ(world_free_blocks(&w, 0), 31);
    EXPECT_EQ(w.count[0].reserved, 508);
    EXPECT_EQ(give_back(4, 1), 0);
    EXPECT_EQ(world_free_blocks(&w, 0), 32);
    EXPECT_EQ(w.count[0].reserved, 0);
    end();
}

KTEST(backing, broken_reservations_go_back_page_by_page)
{
    begin(&two_by_four);
    EXPECT_EQ(populate(3, 2), 0);
    memset(page(1, 3), 9, PAGE_SIZE);
    EXPECT_EQ(pcpu_backing_break_reservations(&b), 2 * (512 - 8));
    check();
    EXPECT_EQ(w.count[0].reserved, 0);
    EXPECT_EQ(w.count[0].populated, 8);
    EXPECT_EQ(pcpu_backing_break_reservations(&b), 0);
    EXPECT_TRUE(all_are(page(1, 3), 9));
    EXPECT_EQ(populate(5, 1), 0); /* a single page now */
    EXPECT_EQ(give_back(3, 1), 0);
    check();
    EXPECT_EQ(give_back(4, 2), 0);
    EXPECT_EQ(world_free_blocks(&w, 0), 32);
    EXPECT_EQ(populate(4, 1), 0); /* and a reservation again */
    EXPECT_NE(b.ranges[0].block, 0);
    end();
}

/* More single pages than fit, and no memory to remember them in: some more flushes, that is all. */
KTEST(backing, a_return_needs_no_memory)
{
    begin(&two_by_four);
    world_fragment(&w, 0);
    world_fragment(&w, 1);
    EXPECT_EQ(populate(0, 128), 0);
    world_fail(&w, WORLD_MEMORY, 1, true);
    EXPECT_EQ(give_back(0, 100), 0);
    check();
    EXPECT_EQ(w.count[0].populated, 4 * 28);
    EXPECT_EQ(w.calls[7], 800 / 32);
    world_fail(&w, 0, 0, false);
    EXPECT_EQ(give_back(100, 28), 0);
    EXPECT_EQ(w.calls[7], 800 / 32 + 1);
    end();
}
