/*
 * Placement: every page of every possible CPU's unit, from the page tables to the node.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/sort.h"
#include "tests/suite/kutil.h"

/* Every page is mapped, reserved, and on the CPU's node or the nearest that could serve. */
KTEST(placement, node_of_every_page)
{
    struct boot_state *s = boot_state_get();
    const struct pcpu_first_chunk *fc = &s->first_chunk;
    struct pagetable live = live_tables();
    u64 need = 2 * (fc->alloc_size + fc->atom_size);
    u64 unmapped = 0, wrong = 0, not_reserved = 0, not_ram = 0;

    for (u32 cpu = 0; cpu < fc->nr_cpus; cpu++) {
        u64 unit = (u64)pcpu_unit_addr(fc, cpu), pa;

        for (u64 off = 0; off < fc->size_sum; off += PAGE_SIZE) {
            if (pagetable_lookup(&live, unit + off, &pa, NULL, NULL)) {
                unmapped++;
                continue;
            }
            s32 nid = memblock_addr_nid(&s->mb, pa);
            not_ram += !memblock_is_map_memory(&s->mb, pa);
            not_reserved += !memblock_is_region_reserved(&s->mb, pa, PAGE_SIZE);
            wrong +=
                nid != s->topo.cpus[cpu].node && !node_may_serve(s->topo.cpus[cpu].node, nid, need);
        }
    }
    EXPECT_EQ(unmapped, 0);
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(not_reserved, 0);
    EXPECT_EQ(not_ram, 0);
}

static int by_address(const void *a, const void *b, void *ctx)
{
    u64 x = *(const u64 *)a, y = *(const u64 *)b;

    (void)ctx;
    return x < y ? -1 : x > y;
}

/* No page belongs to two units, nor twice to one. */
KTEST(placement, units_are_disjoint)
{
    struct boot_state *s = boot_state_get();
    const struct pcpu_first_chunk *fc = &s->first_chunk;
    struct pagetable live = live_tables();
    u64 per_unit = fc->size_sum / PAGE_SIZE, n = 0, twice = 0;
    u64 bytes = fc->nr_cpus * per_unit * sizeof(u64);
    u64 *pas = small_alloc(&s->small, NODE_NONE, bytes);

    REQUIRE_TRUE(pas != NULL);
    for (u32 cpu = 0; cpu < fc->nr_cpus; cpu++)
        for (u64 i = 0; i < per_unit; i++) {
            u64 va = (u64)pcpu_unit_addr(fc, cpu) + i * PAGE_SIZE;

            if (pagetable_lookup(&live, va, &pas[n], NULL, NULL) == 0)
                n++;
        }
    EXPECT_EQ(n, fc->nr_cpus * per_unit);
    sort(pas, n, sizeof(u64), by_address, NULL);
    for (u64 i = 1; i < n; i++)
        twice += pas[i] == pas[i - 1];
    EXPECT_EQ(twice, 0);
    small_free(&s->small, pas, bytes);
}

/* An embedded unit's tail was given back: others may have taken some of it, but not all of all. */
KTEST(placement, tails_given_back)
{
    struct boot_state *s = boot_state_get();
    const struct pcpu_first_chunk *fc = &s->first_chunk;
    u64 tail = fc->unit_size - fc->size_sum, pages = 0, unreserved = 0;

    EXPECT_EQ(fc->lost_bytes, 0);
    if (!fc->embedded || tail < PAGE_SIZE) {
        ktest_skip("page-mapped, or no unit has a tail");
        return;
    }
    for (u32 cpu = 0; cpu < fc->nr_cpus; cpu++) {
        u64 pa = virt_to_phys(pcpu_unit_addr(fc, cpu));

        for (u64 off = fc->size_sum; off < fc->unit_size; off += PAGE_SIZE, pages++)
            unreserved += !memblock_is_region_reserved(&s->mb, pa + off, PAGE_SIZE);
    }
    ktest_note("%llu of %llu pages behind units are free", (unsigned long long)unreserved,
               (unsigned long long)pages);
    EXPECT_NE(unreserved, 0);
}

/* The first chunk's own invariants, and the boot's proof by the CPUs themselves. */
KTEST(placement, proof)
{
    struct boot_state *s = boot_state_get();

    EXPECT_EQ(s->placement.cpus, cpus_online());
    EXPECT_EQ(s->placement.wrong, 0);
    EXPECT_EQ(s->placement.units_ok + s->placement.nearest, s->placement.cpus);
}
