/*
 * Memblock after the page allocator took over: what would change it is refused, what asks goes on.
 * SPDX-License-Identifier: MIT
 */
#include "tests/mm/memblock/memblock_fixture.h"

static struct fixture f;

KTEST(memblock_close, changes_are_refused)
{
    struct memblock_request req = {.size = 0x1000, .align = 0x1000};
    struct memblock_result res;

    fixture_init_sized(&f, 4);
    EXPECT_EQ(memblock_add_node(&f.mb, START, MEM, 0, 0), 0);
    EXPECT_EQ(memblock_reserve(&f.mb, START, 0x1000), 0);
    memblock_close(&f.mb);
    struct memblock before = f.mb;

    EXPECT_EQ(memblock_alloc(&f.mb, &req, &res), -EBUSY);
    EXPECT_TRUE(memblock_zalloc(&f.mb, 64, 64) == NULL);
    EXPECT_EQ(memblock_phys_free(&f.mb, START, 0x1000), -EBUSY);
    EXPECT_EQ(memblock_add(&f.mb, END, MEM), -EBUSY);
    EXPECT_EQ(memblock_remove(&f.mb, START, MEM), -EBUSY);
    EXPECT_EQ(memblock_reserve(&f.mb, START + 0x1000, 0x1000), -EBUSY);
    EXPECT_EQ(memblock_set_node(&f.mb, START, MEM, 1), -EBUSY);
    EXPECT_EQ(memblock_mark(&f.mb, START, MEM, MEMBLOCK_HOTPLUG), -EBUSY);
    EXPECT_EQ(memblock_reserve_slots(&f.mb, 16), -EBUSY);
    EXPECT_TRUE(SHIM_PANICS(memblock_trim_memory(&f.mb, SZ_2M)));
    EXPECT_TRUE(shim_log_contains("the page allocator has taken over"));
    EXPECT_EQ(memcmp(&before, &f.mb, sizeof(before)), 0);

    EXPECT_EQ(memblock_find(&f.mb, &req, &res), 0);
    EXPECT_EQ(res.base, END - 0x1000);
    EXPECT_EQ(memblock_node_free(&f.mb, 0), MEM - 0x1000);
    EXPECT_EQ(memblock_verify(&f.mb), 0);
}

KTEST(memblock_close, what_cannot_go_back_is_counted)
{
    fixture_init(&f);
    EXPECT_EQ(memblock_add(&f.mb, START, MEM), 0);
    EXPECT_EQ(memblock_reserve(&f.mb, START, 0x2000), 0);
    memblock_close(&f.mb);
    EXPECT_EQ(memblock_give_back(&f.mb, START, 0x1000), -EBUSY);
    EXPECT_EQ(f.mb.kept_bytes, 0x1000);
    EXPECT_TRUE(memblock_is_reserved(&f.mb, START));
}
