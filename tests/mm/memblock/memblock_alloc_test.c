/*
 * Allocation without nodes: the counterparts of the alloc_api cases (suite memblock_alloc) and of
 * the alloc_helpers cases (suite memblock_alloc_from) of Linux's memblock suite, both directions.
 * Linux runs each once more for the _raw functions, which do not clear; memblock_alloc() never
 * clears, so the two are one case here, and memblock_zalloc() has its own.
 * SPDX-License-Identifier: MIT
 */
#include "tests/mm/memblock/memblock_fixture.h"

/* The base, or 0 when it fails. */
static u64 alloc_from(struct fixture *f, u64 size, u64 min_addr)
{
    struct memblock_request req = {.size = size, .align = LINE, .min_addr = min_addr};
    struct memblock_result got = {~0ULL, 77};
    int rc = memblock_alloc(&f->mb, &req, &got);

    if (rc) {
        EXPECT_EQ(rc, -ENOMEM);
        EXPECT_EQ(got.base, ~0ULL);
        EXPECT_EQ(got.nid, 77);
        return 0;
    }
    EXPECT_EQ(got.nid, NODE_NONE);
    EXPECT_TRUE(memblock_is_region_reserved(&f->mb, got.base, size));
    return got.base;
}

static u64 alloc(struct fixture *f, u64 size)
{
    return alloc_from(f, size, 0);
}

MB_BOTH(memblock_alloc, simple)
{
    fixture_add(f);
    EXPECT_EQ(alloc(f, 2), up ? START : END - LINE);
    EXPECT_LIST(&f->mb.reserved, 1, 2);
}

/* What is reserved and what is allocated do not touch, because of the alignment. */
MB_BOTH(memblock_alloc, disjoint)
{
    u64 r1 = up ? START : END - LINE;

    fixture_add(f);
    fixture_reserve(f, r1, 2);
    EXPECT_EQ(alloc(f, 16), up ? START + LINE : END - 2 * LINE);
    EXPECT_LIST(&f->mb.reserved, 2, 18);
}

/* In front of what is reserved (top-down: there is no room behind it). */
MB_BOTH(memblock_alloc, before)
{
    u64 r1 = up ? START + 256 : END - 512;

    fixture_add(f);
    fixture_reserve(f, r1, 512);
    EXPECT_EQ(alloc(f, 256), r1 - 256);
    EXPECT_LIST(&f->mb.reserved, 1, 768);
    EXPECT_REGION(&f->mb.reserved, 0, r1 - 256, 768);
}

/* Behind it (bottom-up: there is no room in front). */
MB_BOTH(memblock_alloc, after)
{
    u64 r1 = up ? START : END - 768;

    fixture_add(f);
    fixture_reserve(f, r1, 512);
    EXPECT_EQ(alloc(f, 256), r1 + 512);
    EXPECT_LIST(&f->mb.reserved, 1, 768);
    EXPECT_REGION(&f->mb.reserved, 0, r1, 768);
}

/* The first hole is too small, the second serves. */
MB_BOTH(memblock_alloc, second_fit)
{
    u64 first = up ? START + 512 : END - 1024; /* hole of 512 on its outer side */
    u64 want = up ? first + 512 : first - 1024;

    fixture_add(f);
    fixture_reserve(f, first, 512);
    EXPECT_EQ(alloc(f, 1024), want);
    EXPECT_LIST(&f->mb.reserved, 1, 1536);
    EXPECT_REGION(&f->mb.reserved, 0, up ? first : want, 1536);
}

/* Fills the hole between two: one region remains. */
MB_BOTH(memblock_alloc, in_between)
{
    u64 outer = up ? START : END - 512;
    u64 inner = up ? START + 1024 : END - 1536;

    fixture_add(f);
    fixture_reserve(f, outer, 512);
    fixture_reserve(f, inner, 512);
    EXPECT_EQ(alloc(f, 512), MIN(outer, inner) + 512);
    EXPECT_LIST(&f->mb.reserved, 1, 1536);
    EXPECT_REGION(&f->mb.reserved, 0, MIN(outer, inner), 1536);
}

MB_BOTH(memblock_alloc, small_gaps)
{
    fixture_add(f);
    for (u64 at = START; at < END; at += 512)
        fixture_reserve(f, at + 128, 512 - 128);
    EXPECT_EQ(alloc(f, 256), 0);
    EXPECT_EQ(alloc(f, 128), up ? START : END - 512);
}

MB_BOTH(memblock_alloc, all_reserved)
{
    fixture_add(f);
    fixture_reserve(f, START, MEM);
    EXPECT_EQ(alloc(f, 256), 0);
    EXPECT_LIST(&f->mb.reserved, 1, MEM);
}

MB_BOTH(memblock_alloc, no_space)
{
    fixture_add(f);
    fixture_reserve(f, START + 256, MEM - 256);
    EXPECT_EQ(alloc(f, 512), 0);
    EXPECT_LIST(&f->mb.reserved, 1, MEM - 256);
}

MB_BOTH(memblock_alloc, limited_space)
{
    u64 hole = up ? START : END - 256;

    fixture_add(f);
    fixture_reserve(f, up ? START + 256 : START, MEM - 256);
    EXPECT_EQ(alloc(f, 256), hole);
    EXPECT_LIST(&f->mb.reserved, 1, MEM);
}

MB_BOTH(memblock_alloc, no_memory)
{
    EXPECT_EQ(alloc(f, 1024), 0);
    EXPECT_LIST(&f->mb.reserved, 0, 0);
}

MB_BOTH(memblock_alloc, too_large)
{
    fixture_add(f);
    EXPECT_EQ(alloc(f, MEM + 2), 0);
    EXPECT_EQ(alloc(f, ~0ULL), 0);
    EXPECT_LIST(&f->mb.reserved, 0, 0);
    EXPECT_EQ(alloc(f, MEM), START);
}

MB_BOTH(memblock_alloc_from, simple)
{
    fixture_add(f);
    EXPECT_EQ(alloc_from(f, 16, END - LINE), END - LINE);
    EXPECT_LIST(&f->mb.reserved, 1, 16);
}

MB_BOTH(memblock_alloc_from, misaligned)
{
    fixture_add(f);
    EXPECT_EQ(alloc_from(f, 32, END - (2 * LINE - 1)), END - LINE);
    EXPECT_LIST(&f->mb.reserved, 1, 32);
}

/* Above min_addr no aligned place is left: it is given up. */
MB_BOTH(memblock_alloc_from, high_addr)
{
    fixture_add(f);
    EXPECT_EQ(alloc_from(f, 32, END - LINE + 1), up ? START : END - LINE);
    EXPECT_LIST(&f->mb.reserved, 1, 32);
}

MB_BOTH(memblock_alloc_from, no_space_above)
{
    u64 min_addr = END - 2 * LINE;

    fixture_add(f);
    fixture_reserve(f, min_addr, 2 * LINE);
    EXPECT_EQ(alloc_from(f, LINE, min_addr), up ? START : min_addr - LINE);
    EXPECT_LIST(&f->mb.reserved, up ? 2 : 1, 3 * LINE);
}

MB_BOTH(memblock_alloc_from, min_addr_cap)
{
    fixture_add(f);
    EXPECT_EQ(alloc_from(f, LINE, START - 4096), up ? START : END - LINE);
    EXPECT_LIST(&f->mb.reserved, 1, LINE);
}

/* ---- not upstream ------------------------------------------------------------------------- */

/* Page 0 is never handed out, although it is memory. */
MB_BOTH(memblock_alloc, page_zero)
{
    EXPECT_EQ(memblock_add(&f->mb, 0, 2 * PAGE_SIZE), 0);
    EXPECT_EQ(alloc(f, PAGE_SIZE), PAGE_SIZE);
    EXPECT_EQ(alloc(f, LINE), 0);
}

MB_BOTH(memblock_alloc, current_limit)
{
    struct memblock_request req = {.size = 256, .max_addr = END};
    struct memblock_result got;

    fixture_add(f);
    memblock_set_current_limit(&f->mb, START + 512);
    EXPECT_EQ(alloc(f, 256), up ? START : START + 256);
    EXPECT_EQ(memblock_alloc(&f->mb, &req, &got), 0);
    EXPECT_EQ(got.base, up ? START + 256 : START);
    EXPECT_EQ(memblock_alloc(&f->mb, &req, &got), -ENOMEM);
    memblock_set_current_limit(&f->mb, MEMBLOCK_NO_LIMIT);
    EXPECT_EQ(memblock_alloc(&f->mb, &req, &got), 0);
}

MB_BOTH(memblock_alloc, bad_requests)
{
    struct memblock_request req = {.size = 0, .align = 64};
    struct memblock_result got;

    fixture_add(f);
    EXPECT_EQ(memblock_alloc(&f->mb, &req, &got), -EINVAL);
    req = (struct memblock_request){.size = 1, .align = 3};
    EXPECT_EQ(memblock_alloc(&f->mb, &req, &got), -EINVAL);
    EXPECT_LIST(&f->mb.reserved, 0, 0);
    req.align = 0;
    EXPECT_EQ(memblock_alloc(&f->mb, &req, &got), 0);
    EXPECT_EQ(got.base % MEMBLOCK_DEFAULT_ALIGN, 0);
}

/* An alignment above the memory, and memory at the very end of the address space. */
MB_BOTH(memblock_alloc, wide_alignment)
{
    struct memblock_request req = {.size = PAGE_SIZE, .align = 1ULL << 63};
    struct memblock_result got;

    fixture_add(f);
    EXPECT_EQ(memblock_alloc(&f->mb, &req, &got), -ENOMEM);
    EXPECT_EQ(memblock_add(&f->mb, ~0ULL - SZ_2M, SZ_2M), 0);
    EXPECT_EQ(memblock_alloc(&f->mb, &req, &got), -ENOMEM);
    req.align = PAGE_SIZE;
    EXPECT_EQ(memblock_alloc(&f->mb, &req, &got), 0);
    EXPECT_EQ(got.base, up ? START : ~0ULL - 2 * PAGE_SIZE + 1);
}

/* Memory that begins or ends one byte beside an aligned address. */
MB_BOTH(memblock_alloc, misaligned_memory)
{
    EXPECT_EQ(memblock_add(&f->mb, START + 1, 2 * LINE - 1), 0);
    EXPECT_EQ(alloc(f, LINE), START + LINE);
    EXPECT_EQ(alloc(f, LINE / 2), 0);
    EXPECT_EQ(memblock_add(&f->mb, START + 4 * LINE, 2 * LINE - 1), 0);
    EXPECT_EQ(alloc(f, LINE), START + 4 * LINE);
    EXPECT_EQ(alloc(f, LINE), 0);
}

/* memblock_find() tells the same and takes nothing. */
MB_BOTH(memblock_alloc, find_only)
{
    struct memblock_request req = {.size = PAGE_SIZE};
    struct memblock_result where, got;

    fixture_add(f);
    EXPECT_EQ(memblock_find(&f->mb, &req, &where), 0);
    EXPECT_LIST(&f->mb.reserved, 0, 0);
    EXPECT_EQ(memblock_alloc(&f->mb, &req, &got), 0);
    EXPECT_EQ(got.base, where.base);
}

MB_BOTH(memblock_alloc, zalloc)
{
    u8 *p;

    fixture_add(f);
    memset(fixture_phys + START, 0xa5, MEM);
    p = memblock_zalloc(&f->mb, 100, 4);
    REQUIRE_TRUE(p != NULL);
    EXPECT_TRUE(p == fixture_phys + (up ? START : END - 100));
    EXPECT_EQ(p[0] | p[99], 0);
    EXPECT_EQ(up ? p[100] : p[-1], 0xa5);
    EXPECT_TRUE(memblock_zalloc(&f->mb, 2 * MEM, 4) == NULL);
    EXPECT_TRUE(memblock_zalloc(&f->mb, 0, 4) == NULL);
    /* Memory that no pointer reaches is given back. */
    EXPECT_EQ(memblock_phys_free(&f->mb, START, MEM), 0);
    EXPECT_EQ(memblock_remove(&f->mb, START, MEM), 0);
    EXPECT_EQ(memblock_add(&f->mb, PHYS_BYTES, MEM), 0);
    EXPECT_TRUE(memblock_zalloc(&f->mb, 100, 4) == NULL);
    EXPECT_LIST(&f->mb.reserved, 0, 0);
}
