/*
 * Memblock on the machine's real memory, after the page allocator took over: its lists hold, and
 * nothing changes them any more. (That its memory can be used is tests/mm/pages/pages_suite.c.)
 * SPDX-License-Identifier: MIT
 */
#include "tests/suite/kutil.h"

/* Invariants of both lists; all memory has a node; nothing had to be kept. */
KTEST(memblock, invariants)
{
    struct boot_state *s = boot_state_get();
    const struct memblock_region *r;

    EXPECT_EQ(memblock_verify(&s->mb), 0);
    EXPECT_TRUE(memblock_is_reserved(&s->mb, 0)); /* page 0 is nobody's */
    for_each_mem_region(r, &s->mb) EXPECT_TRUE(r->nid >= 0 && (u32)r->nid < s->topo.node_count);
    EXPECT_EQ(s->mb.kept_bytes, 0);
}

/* Memory that memblock still shows as free is somebody else's by now. */
KTEST(memblock, closed)
{
    struct memblock *mb = &boot_state_get()->mb;
    struct memblock_request req = {.size = 3 * PAGE_SIZE, .align = PAGE_SIZE};
    struct memblock_result res;
    u32 count = mb->reserved.cnt;
    u64 size = mb->reserved.total_size;

    ktest_expect_lines();
    EXPECT_EQ(memblock_alloc(mb, &req, &res), -EBUSY);
    EXPECT_TRUE(memblock_zalloc(mb, 64, 64) == NULL);
    EXPECT_EQ(mb->reserved.cnt, count);
    EXPECT_EQ(mb->reserved.total_size, size);
}
