/*
 * Allocation from a range: the counterparts of the range cases of Linux's alloc_nid suite (names
 * kept). Linux runs them for try_nid, try_nid_raw and exact_nid_raw, all without a node; here each
 * case runs with `exact` off and on, which means nothing without nodes, and there is no clearing.
 * "misaligned" is end_misaligned top-down and start_misaligned bottom-up, as there.
 * SPDX-License-Identifier: MIT
 */
#include "tests/mm/memblock/memblock_fixture.h"

/* Runs the body twice, with both values of exact. */
#define RANGE_CASE(name)                                                                           \
    static void range_##name(struct fixture *f, bool up, bool exact);                              \
    MB_BOTH(memblock_nid, name)                                                                    \
    {                                                                                              \
        range_##name(f, up, false);                                                                \
        EXPECT_EQ(memblock_verify(&f->mb), 0);                                                     \
        fixture_init(f);                                                                           \
        memblock_set_bottom_up(&f->mb, up);                                                        \
        range_##name(f, up, true);                                                                 \
    }                                                                                              \
    static void range_##name(struct fixture *f, UNUSED bool up, bool exact)

/* The base, or 0 when it fails. */
static u64 alloc(struct fixture *f, u64 size, u64 min_addr, u64 max_addr, bool exact)
{
    struct memblock_request req = {size, LINE, min_addr, max_addr, NULL, 0, exact, 0};
    struct memblock_result got;
    int rc = memblock_alloc(&f->mb, &req, &got);

    if (rc == 0)
        return got.base;
    EXPECT_EQ(rc, -ENOMEM);
    return 0;
}

RANGE_CASE(simple)
{
    u64 min = START + 256, max = min + 512;

    fixture_add(f);
    EXPECT_EQ(alloc(f, 128, min, max, exact), up ? min : max - 128);
    EXPECT_LIST(&f->mb.reserved, 1, 128);
}

RANGE_CASE(misaligned)
{
    u64 min = START + 128 + (up ? 2 : 0), max = START + 640 + (up ? 0 : 2);

    fixture_add(f);
    EXPECT_EQ(alloc(f, 128, min, max, exact), up ? min + LINE - 2 : max - 128 - 2);
    EXPECT_LIST(&f->mb.reserved, 1, 128);
}

RANGE_CASE(exact_address)
{
    u64 min = START + 1024;

    fixture_add(f);
    EXPECT_EQ(alloc(f, 1024, min, min + 1024, exact), min);
    EXPECT_LIST(&f->mb.reserved, 1, 1024);
}

/* The range is too small: its lower end is given up. */
RANGE_CASE(narrow_range)
{
    u64 min = START + 512, max = min + LINE;

    fixture_add(f);
    EXPECT_EQ(alloc(f, 256, min, max, exact), up ? START : max - 256);
    EXPECT_LIST(&f->mb.reserved, 1, 256);
}

RANGE_CASE(low_max)
{
    fixture_add(f);
    EXPECT_EQ(alloc(f, 1024, START, START + LINE, exact), 0);
    EXPECT_LIST(&f->mb.reserved, 0, 0);
}

RANGE_CASE(min_reserved)
{
    u64 max = END, min = max - 64;

    fixture_add(f);
    fixture_reserve(f, min - 128, 128);
    EXPECT_EQ(alloc(f, 64, min, max, exact), min);
    EXPECT_LIST(&f->mb.reserved, 1, 192);
    EXPECT_REGION(&f->mb.reserved, 0, min - 128, 192);
}

RANGE_CASE(max_reserved)
{
    u64 max = END - 128, min = max - 64;

    fixture_add(f);
    fixture_reserve(f, max, 128);
    EXPECT_EQ(alloc(f, 64, min, max, exact), min);
    EXPECT_LIST(&f->mb.reserved, 1, 192);
    EXPECT_REGION(&f->mb.reserved, 0, min, 192);
}

/* More room than needed between two: merges with the one the direction starts from. */
RANGE_CASE(reserved_with_space)
{
    u64 r1 = END - 128, r2 = r1 - 128 - 64;
    u64 min = r2 + 64, max = r1;

    fixture_add(f);
    fixture_reserve(f, r1, 128);
    fixture_reserve(f, r2, 64);
    EXPECT_EQ(alloc(f, 64, min, max, exact), up ? min : max - 64);
    EXPECT_LIST(&f->mb.reserved, 2, 256);
    EXPECT_REGION(&f->mb.reserved, 0, r2, up ? 128 : 64);
    EXPECT_REGION(&f->mb.reserved, 1, up ? r1 : r1 - 64, up ? 128 : 192);
}

RANGE_CASE(reserved_full_merge)
{
    u64 r1 = END - 128, r2 = r1 - 64 - 64;

    fixture_add(f);
    fixture_reserve(f, r1, 128);
    fixture_reserve(f, r2, 64);
    EXPECT_EQ(alloc(f, 64, r2 + 64, r1, exact), r2 + 64);
    EXPECT_LIST(&f->mb.reserved, 1, 256);
    EXPECT_REGION(&f->mb.reserved, 0, r2, 256);
}

/* Too little room between two: the lower end is given up. */
RANGE_CASE(reserved_no_space)
{
    u64 r1 = END - 128, r2 = r1 - 128 - 64;

    fixture_add(f);
    fixture_reserve(f, r1, 128);
    fixture_reserve(f, r2, 64);
    EXPECT_EQ(alloc(f, 256, r2 + 64, r1, exact), up ? START : r2 - 256);
    EXPECT_LIST(&f->mb.reserved, up ? 3 : 2, 448);
}

/* All is reserved but a hole that is too small, and what is above max_addr. */
RANGE_CASE(reserved_all)
{
    u64 r1 = END - 256 - 128, r2 = r1 - 128; /* hole [r2, r1) */

    fixture_add(f);
    fixture_reserve(f, START, r2 - START);
    fixture_reserve(f, r1, 128);
    EXPECT_EQ(alloc(f, 256, r2, r1, exact), 0);
    EXPECT_LIST(&f->mb.reserved, 2, r2 - START + 128);
}

RANGE_CASE(cap_max)
{
    u64 min = END - 1024;

    fixture_add(f);
    EXPECT_EQ(alloc(f, 256, min, END + 256, exact), up ? min : END - 256);
    EXPECT_LIST(&f->mb.reserved, 1, 256);
}

RANGE_CASE(cap_min)
{
    u64 max = END - 1024;

    fixture_add(f);
    EXPECT_EQ(alloc(f, 1024, START - 256, max, exact), up ? START : max - 1024);
    EXPECT_LIST(&f->mb.reserved, 1, 1024);
}
