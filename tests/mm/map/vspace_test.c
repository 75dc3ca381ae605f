/*
 * Virtual areas: places, guards, names, congruent sets, refusals, growth, and areas with pages.
 * SPDX-License-Identifier: MIT
 */
#include "tests/mm/map/fake_pages.h"
#include "kernel/base/ktest.h"
#include "mm/map/address_map.h"
#include "mm/map/vspace.h"
#include "tests/host/shim.h"

#define BASE           VAREA_BASE
#define P              PAGE_SIZE
#define TAG(name, cpu) ((struct varea_tag){name, cpu})
#define ANON           TAG("area", VAREA_NO_OWNER)

static struct vspace vs;
static struct varea table[16];

static void start(u64 n_pages)
{
    shim_log_reset();
    if (vspace_init(&vs, "stacks", BASE, n_pages * P, table, ARRAY_SIZE(table), NULL))
        abort();
}

KTEST(vspace, init_arguments)
{
    EXPECT_EQ(vspace_init(&vs, "x", BASE, 0, table, 16, NULL), -EINVAL);
    EXPECT_EQ(vspace_init(&vs, "x", BASE + 1, P, table, 16, NULL), -EINVAL);
    EXPECT_EQ(vspace_init(&vs, "x", BASE, P + 1, table, 16, NULL), -EINVAL);
    EXPECT_EQ(vspace_init(&vs, "x", ~0ULL - P + 1, 2 * P, table, 16, NULL), -EINVAL);
    EXPECT_EQ(vspace_init(&vs, "x", VAREA_BASE, VAREA_SIZE, table, 16, NULL), 0);
    EXPECT_EQ(vspace_verify(&vs), 0);
}

KTEST(vspace, alloc_guard_align)
{
    u64 a, b, c;

    start(64);
    REQUIRE_EQ(vspace_alloc(&vs, 4 * P, P, P, TAG("stack", 0), &a), 0);
    EXPECT_EQ(a, BASE + P);
    REQUIRE_EQ(vspace_alloc(&vs, 4 * P, P, P, TAG("stack", 1), &b), 0);
    EXPECT_EQ(b, a + 5 * P); /* its guard lies between */
    REQUIRE_EQ(vspace_alloc(&vs, 2 * P, 16 * P, 3 * P, ANON, &c), 0);
    EXPECT_EQ(c, BASE + 16 * P);
    EXPECT_EQ(vs.used, 15 * P);
    EXPECT_EQ(vspace_alloc(&vs, 0, P, 0, ANON, &c), -EINVAL);
    EXPECT_EQ(vspace_alloc(&vs, P + 1, P, 0, ANON, &c), -EINVAL);
    EXPECT_EQ(vspace_alloc(&vs, P, P, 1, ANON, &c), -EINVAL);
    EXPECT_EQ(vspace_alloc(&vs, P, 3 * P, 0, ANON, &c), -EINVAL);
    EXPECT_EQ(vspace_alloc(&vs, P, 1, 0, ANON, &c), -EINVAL);
    EXPECT_EQ(vspace_alloc(&vs, 47 * P, P, 0, ANON, &c), -ENOSPC);
    EXPECT_EQ(vspace_alloc(&vs, P, 1ULL << 63, 0, ANON, &c), -ENOSPC);
    EXPECT_EQ(vspace_alloc(&vs, align_down(~0ULL, P), P, 0, ANON, &c), -ENOSPC);
    EXPECT_EQ(vspace_alloc(&vs, P, P, align_down(~0ULL, P), ANON, &c), -ENOSPC);
    EXPECT_EQ(vspace_verify(&vs), 0);
}

KTEST(vspace, addresses_are_reused_late_but_reused)
{
    u64 a, b, c;

    start(8);
    REQUIRE_EQ(vspace_alloc(&vs, 3 * P, P, 0, ANON, &a), 0);
    REQUIRE_EQ(vspace_free(&vs, a), 0);
    REQUIRE_EQ(vspace_alloc(&vs, 3 * P, P, 0, ANON, &b), 0);
    EXPECT_NE(a, b);
    REQUIRE_EQ(vspace_alloc(&vs, 3 * P, P, 0, ANON, &c), 0);
    EXPECT_EQ(c, a); /* the only place left */
    EXPECT_EQ(vspace_alloc(&vs, 3 * P, P, 0, ANON, &c), -ENOSPC);
    REQUIRE_EQ(vspace_free(&vs, a), 0);
    REQUIRE_EQ(vspace_free(&vs, b), 0);
    REQUIRE_EQ(vspace_alloc(&vs, 8 * P, P, 0, ANON, &c), 0); /* all of it, across the cursor */
    EXPECT_EQ(vspace_free(&vs, c + P), -ENOENT);
    EXPECT_EQ(vspace_free(&vs, c), 0);
    EXPECT_EQ(vspace_free(&vs, c), -ENOENT);
    EXPECT_EQ(vs.used | vs.count, 0);
}

KTEST(vspace, names)
{
    const u64 off[] = {4 * P, 0}, size[] = {P, P};
    char buf[80];
    u64 a, m, c;

    start(64);
    REQUIRE_EQ(vspace_alloc(&vs, 4 * P, P, P, TAG("stack", 3), &a), 0);
    REQUIRE_EQ(vspace_alloc(&vs, P, P, P, TAG("HPET", VAREA_NO_OWNER), &m), 0);
    REQUIRE_EQ(vspace_alloc_congruent(&vs, off, size, 2, P, "chunk", &c), 0);
    EXPECT_TRUE(vspace_describe(&vs, a - 8, buf, sizeof(buf)) > 0);
    EXPECT_STREQ(buf, "guard page below stack of CPU 3");
    vspace_describe(&vs, a + 0x1f0, buf, sizeof(buf));
    EXPECT_STREQ(buf, "stack of CPU 3 +0x1f0");
    vspace_describe(&vs, m - P, buf, sizeof(buf));
    EXPECT_STREQ(buf, "guard page below HPET");
    vspace_describe(&vs, m, buf, sizeof(buf));
    EXPECT_STREQ(buf, "HPET +0x0");
    vspace_describe(&vs, c + 4 * P + 1, buf, sizeof(buf));
    EXPECT_STREQ(buf, "chunk area 0 +0x1");
    vspace_describe(&vs, BASE + 63 * P, buf, sizeof(buf));
    EXPECT_STREQ(buf, "unused address in stacks");
    EXPECT_EQ(vspace_describe(&vs, BASE - 1, buf, sizeof(buf)), 0);
    EXPECT_EQ(vspace_describe(&vs, BASE + 64 * P, buf, sizeof(buf)), 0);
    EXPECT_TRUE(vspace_find(&vs, a)->owner == 3);
    EXPECT_TRUE(vspace_find(&vs, a - P)->va == a);
    EXPECT_TRUE(!vspace_find(&vs, BASE + 63 * P));
}

static int storage_left;

static struct varea *storage_alloc(void *ctx, u32 count)
{
    (void)ctx;
    return storage_left-- > 0 ? malloc(count * sizeof(struct varea)) : NULL;
}

static void storage_free(void *ctx, struct varea *areas, u32 count)
{
    (void)ctx;
    memset(areas, 0xff, count * sizeof(*areas));
    free(areas);
}

static const struct vspace_storage storage = {storage_alloc, storage_free, NULL};

KTEST(vspace, growth)
{
    struct varea two[2];
    u64 va;

    REQUIRE_EQ(vspace_init(&vs, "small", BASE, 1000 * P, two, 2, &storage), 0);
    storage_left = 5; /* 4, 8, 16, 32, 64 */
    for (u32 i = 0; i < 64; i++)
        REQUIRE_EQ(vspace_alloc(&vs, P, P, P, TAG("stack", (s32)i), &va), 0);
    EXPECT_EQ(vspace_alloc(&vs, P, P, P, ANON, &va), -ENOMEM);
    EXPECT_EQ(vspace_verify(&vs), 0);
    for (u32 i = 0; i < 64; i++)
        EXPECT_EQ(vspace_find(&vs, BASE + (2 * i + 1) * P)->owner, i);
    free(vs.areas);
    start(64);
    for (u32 i = 0; i < 16; i++)
        REQUIRE_EQ(vspace_alloc(&vs, P, P, 0, ANON, &va), 0);
    EXPECT_EQ(vspace_alloc(&vs, P, P, 0, ANON, &va), -ENOMEM); /* a fixed table */
    EXPECT_EQ(vs.count, 16);
}

KTEST(vspace, congruent_sets_interleave)
{
    const u64 off[] = {16 * P, 0, 32 * P}, size[] = {4 * P, 4 * P, 8 * P};
    u64 a, b, c;

    start(64);
    REQUIRE_EQ(vspace_alloc_congruent(&vs, off, size, 3, 4 * P, "chunk", &a), 0);
    EXPECT_EQ(a, BASE);
    REQUIRE_EQ(vspace_alloc_congruent(&vs, off, size, 3, 4 * P, "chunk", &b), 0);
    EXPECT_EQ(b, BASE + 8 * P); /* the area of 8 pages moves it past the first set's */
    EXPECT_EQ(vspace_find(&vs, a + 16 * P)->owner, 0);
    EXPECT_EQ(vspace_find(&vs, b)->owner, 1);
    EXPECT_EQ(vspace_find(&vs, b + 39 * P)->owner, 2);
    EXPECT_EQ(vs.count, 6);
    EXPECT_EQ(vs.used, 32 * P);
    EXPECT_EQ(vspace_verify(&vs), 0);
    EXPECT_EQ(vspace_free_congruent(&vs, a + 4 * P, off, 3), -ENOENT);
    EXPECT_EQ(vs.count, 6);
    EXPECT_EQ(vspace_free_congruent(&vs, a, off, 3), 0);
    EXPECT_EQ(vspace_verify(&vs), 0);
    REQUIRE_EQ(vspace_alloc_congruent(&vs, off, size, 3, 4 * P, "chunk", &c), 0);
    EXPECT_EQ(c, a);
}

KTEST(vspace, congruent_offset_base)
{
    const u64 off[] = {1ULL << 30, (1ULL << 30) + 2 * P}, size[] = {P, P};
    u64 base;

    start(64);
    REQUIRE_EQ(vspace_alloc_congruent(&vs, off, size, 2, P, "chunk", &base), 0);
    EXPECT_EQ(base + off[0], BASE); /* the base itself lies below the window */
    EXPECT_EQ(vspace_free_congruent(&vs, base, off, 2), 0);
    EXPECT_EQ(vs.count, 0);
}

KTEST(vspace, congruent_refusals)
{
    const u64 off[] = {0, 4 * P}, size[] = {4 * P, 4 * P};
    const u64 odd[] = {0, 4 * P + 1}, none[] = {4 * P, 0}, large[] = {5 * P, P}, same[] = {0, 0};
    const u64 far[] = {0, 1ULL << 40}, top[] = {0, align_down(~0ULL, 4 * P)};
    u64 base = 42;

    start(64);
    EXPECT_EQ(vspace_alloc_congruent(&vs, off, size, 0, P, "c", &base), -EINVAL);
    EXPECT_EQ(vspace_alloc_congruent(&vs, off, size, 2, 3 * P, "c", &base), -EINVAL);
    EXPECT_EQ(vspace_alloc_congruent(&vs, off, size, 2, 2048, "c", &base), -EINVAL);
    EXPECT_EQ(vspace_alloc_congruent(&vs, off, size, 2, 8 * P, "c", &base), -EINVAL);
    EXPECT_EQ(vspace_alloc_congruent(&vs, odd, size, 2, P, "c", &base), -EINVAL);
    EXPECT_EQ(vspace_alloc_congruent(&vs, off, none, 2, P, "c", &base), -EINVAL);
    EXPECT_EQ(vspace_alloc_congruent(&vs, off, large, 2, P, "c", &base), -EINVAL); /* overlap */
    EXPECT_EQ(vspace_alloc_congruent(&vs, same, size, 2, P, "c", &base), -EINVAL);
    EXPECT_EQ(vspace_alloc_congruent(&vs, top, size, 2, P, "c", &base), -EINVAL); /* wraps */
    EXPECT_EQ(vspace_alloc_congruent(&vs, far, size, 2, P, "c", &base), -ENOSPC);
    EXPECT_EQ(vspace_alloc_congruent(&vs, off, size, 1, 1ULL << 63, "c", &base), -EINVAL);
    EXPECT_EQ(vspace_free_congruent(&vs, BASE, off, 2), -ENOENT);
    EXPECT_EQ(base, 42);
    EXPECT_EQ(vs.count, 0);
    REQUIRE_EQ(vspace_alloc_congruent(&vs, off, size, 2, P, "c", &base), 0); /* touching: fine */
    EXPECT_EQ(vspace_free_congruent(&vs, base, same, 2), -ENOENT);           /* one area twice */
    EXPECT_EQ(vspace_free_congruent(&vs, base, off, 2), 0);
    vs.capacity = 3;
    EXPECT_EQ(vspace_alloc_congruent(&vs, off, size, 2, P, "c", &base), -ENOMEM);
}

KTEST(vspace, verify_finds_damage)
{
    struct varea saved;
    u64 a, b;

    start(64);
    REQUIRE_EQ(vspace_alloc(&vs, 4 * P, P, P, ANON, &a), 0);
    REQUIRE_EQ(vspace_alloc(&vs, 4 * P, P, P, ANON, &b), 0);
    saved = table[1];
    table[1].start -= P;
    EXPECT_EQ(vspace_verify(&vs), -EINVAL);
    EXPECT_TRUE(shim_log_contains("overlaps the one before"));
    table[1] = saved;
    table[1].end = BASE + 65 * P;
    EXPECT_EQ(vspace_verify(&vs), -EINVAL);
    table[1] = saved;
    table[1].va = saved.end;
    EXPECT_EQ(vspace_verify(&vs), -EINVAL);
    table[1] = saved;
    table[1].va += 1;
    EXPECT_EQ(vspace_verify(&vs), -EINVAL);
    table[1] = saved;
    vs.used += P;
    EXPECT_EQ(vspace_verify(&vs), -EINVAL);
    vs.used -= P;
    vs.cursor = vs.end + P;
    EXPECT_EQ(vspace_verify(&vs), -EINVAL);
    vs.cursor = vs.end;
    EXPECT_EQ(vspace_verify(&vs), 0);
}

/* ---- areas with pages ------------------------------------------------------------------------ */

static struct fake_pages pages;
static struct pagetable pt;

static void start_mapped(void)
{
    start(4096);
    fake_init(&pages, SZ_1M);
    if (pagetable_init(&pt, &pages.src, 0, true, true))
        abort();
}

static void stop_mapped(void)
{
    EXPECT_EQ(vs.count, 0);
    EXPECT_EQ(pt.tables, 1);
    EXPECT_EQ(pages.live, 1);
    fake_destroy(&pt);
    fake_done(&pages);
}

/* As whoever uses an area does it: unmaps it, and gives the addresses back. */
static void take_out(u64 va)
{
    const struct varea *area = vspace_find(&vs, va);
    struct pt_flush flush = PT_FLUSH_NONE;

    REQUIRE_TRUE(area);
    EXPECT_EQ(pagetable_unmap(&pt, area->va, area->end - area->va, 0, &flush), 0);
    pagetable_release(&pt, &flush);
    EXPECT_EQ(vspace_free(&vs, area->va), 0);
}

KTEST(vspace, map_range)
{
    const struct vspace_map_args uc = {PT_W | PT_UC, 0, P, TAG("HPET", VAREA_NO_OWNER)};
    const struct vspace_map_args small = {PT_W | PT_MAX_4K, 0, P, TAG("fb", VAREA_NO_OWNER)};
    u64 va, pa, size;

    start_mapped();
    REQUIRE_EQ(vspace_map_range(&vs, &pt, 0xfed00ff0, 0x20, &uc, &va), 0);
    EXPECT_EQ(va & (P - 1), 0xff0);
    EXPECT_EQ(pt.leaves[PT_LEAF_4K], 2); /* it touches two pages */
    EXPECT_EQ(pagetable_lookup(&pt, va + 0x1f, &pa, NULL, NULL), 0);
    EXPECT_EQ(pa, 0xfed0100f);
    take_out(va);
    REQUIRE_EQ(vspace_map_range(&vs, &pt, 0xfd000000, SZ_2M + 1, &uc, &va), 0);
    EXPECT_EQ(pagetable_lookup(&pt, va, &pa, NULL, &size), 0);
    EXPECT_EQ(size, SZ_2M);
    take_out(va);
    REQUIRE_EQ(vspace_map_range(&vs, &pt, 0xfd000000, SZ_2M, &small, &va), 0);
    EXPECT_EQ(pt.leaves[PT_LEAF_4K], 512);
    take_out(va);
    EXPECT_EQ(vspace_map_range(&vs, &pt, 0x5800, 0, &uc, &va), -EINVAL);
    EXPECT_EQ(vspace_map_range(&vs, &pt, 0x5800, ~0ULL, &uc, &va), -EINVAL);
    EXPECT_EQ(vspace_map_range(&vs, &pt, 0x5800, SZ_1G, &uc, &va), -ENOSPC);
    EXPECT_EQ(vspace_map_range(&vs, &pt, 1ULL << 52, P, &uc, &va), -ERANGE);
    stop_mapped();
}

KTEST(vspace, every_failed_allocation_leaves_no_trace)
{
    const struct vspace_map_args args = {PT_W, 2, P, TAG("stack", 5)};
    u64 va = 0;

    start_mapped();
    for (long k = 0; k < 3; k++) {
        pages.fail_after = k;
        EXPECT_EQ(vspace_map_range(&vs, &pt, 0x9000, P, &args, &va), -ENOMEM);
        EXPECT_EQ(vs.count | vs.used, 0);
        EXPECT_EQ(pt.tables, pages.live);
    }
    EXPECT_EQ(va, 0);
    stop_mapped();
}
