/*
 * Memblock on the machine's real memory: what it gives is of the node, is free, and can be used.
 * SPDX-License-Identifier: MIT
 */
#include "tests/kernel/kutil.h"

#define SIZE (64 * SZ_1K)

static void use_memory(u64 pa)
{
    u64 *words = phys_to_virt(pa), bad = 0;

    for (u64 i = 0; i < SIZE / 8; i++)
        words[i] = pa + i;
    for (u64 i = 0; i < SIZE / 8; i++)
        bad += words[i] != pa + i;
    EXPECT_EQ(bad, 0);
}

static void one_node(struct memblock *mb, s32 nid)
{
    struct memblock_request req = {
        .size = SIZE, .align = PAGE_SIZE, .nodes = &nid, .nr_nodes = 1, .exact = true};
    struct memblock_result found, res;
    u64 reserved = memblock_reserved_size(mb), unused = memblock_node_free(mb, nid);

    if (memblock_find(mb, &req, &found)) {
        EXPECT_LT(unused, 64 * SZ_1M); /* a node with that much free could not serve 64 KiB */
        return;
    }
    EXPECT_FALSE(memblock_is_region_reserved(mb, found.base, SIZE));
    REQUIRE_EQ(memblock_alloc(mb, &req, &res), 0);
    EXPECT_EQ(res.base, found.base);
    EXPECT_EQ(res.nid, nid);
    EXPECT_TRUE(is_aligned(res.base, PAGE_SIZE));
    EXPECT_TRUE(memblock_is_region_memory(mb, res.base, SIZE));
    EXPECT_EQ(memblock_addr_nid(mb, res.base), nid);
    EXPECT_EQ(memblock_addr_nid(mb, res.base + SIZE - 1), nid);
    EXPECT_TRUE(memblock_is_reserved(mb, res.base));
    EXPECT_TRUE(memblock_is_reserved(mb, res.base + SIZE - 1));
    EXPECT_EQ(memblock_node_free(mb, nid), unused - SIZE);
    use_memory(res.base);
    EXPECT_EQ(memblock_phys_free(mb, res.base, SIZE), 0);
    EXPECT_EQ(memblock_node_free(mb, nid), unused);
    EXPECT_EQ(memblock_reserved_size(mb), reserved);
}

/* From each node, exact: memory of that node that nobody had, to be used, and given back whole. */
KTEST(memblock, every_node)
{
    struct boot_state *s = boot_state_get();

    REQUIRE_EQ(memblock_reserve_slots(&s->mb, 4), 0); /* so that no growth changes the sums */
    for (u32 nid = 0; nid < s->topo.node_count; nid++)
        one_node(&s->mb, (s32)nid);
}

/* Give back restores the list, region by region. */
KTEST(memblock, list_restored)
{
    struct memblock *mb = &boot_state_get()->mb;
    struct memblock_request req = {.size = 3 * PAGE_SIZE, .align = SZ_2M};
    struct memblock_result res[4];

    REQUIRE_EQ(memblock_reserve_slots(mb, 8), 0);
    u32 count = mb->reserved.cnt;
    u64 size = mb->reserved.total_size;
    for (u32 i = 0; i < ARRAY_SIZE(res); i++)
        REQUIRE_EQ(memblock_alloc(mb, &req, &res[i]), 0);
    EXPECT_EQ(mb->reserved.total_size, size + 12 * PAGE_SIZE);
    EXPECT_EQ(memblock_verify(mb), 0);
    for (u32 i = 0; i < ARRAY_SIZE(res); i++)
        EXPECT_EQ(memblock_phys_free(mb, res[i].base, 3 * PAGE_SIZE), 0);
    EXPECT_EQ(mb->reserved.cnt, count);
    EXPECT_EQ(mb->reserved.total_size, size);
}

/* Invariants of both lists; all memory has a node; nothing had to be kept. */
KTEST(memblock, invariants)
{
    struct boot_state *s = boot_state_get();
    const struct memblock_region *r;

    EXPECT_EQ(memblock_verify(&s->mb), 0);
    EXPECT_TRUE(memblock_is_reserved(&s->mb, 0)); /* page 0 is nobody's */
    for_each_mem_region(r, &s->mb)
        EXPECT_TRUE(r->nid >= 0 && (u32)r->nid < s->topo.node_count);
    EXPECT_EQ(s->mb.kept_bytes, 0);
}
