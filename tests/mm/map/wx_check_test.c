/*
 * The W^X proof: a sound set of tables passes, and every kind of violation is found and named, the
 * ones that only two leaves together make included.
 * SPDX-License-Identifier: MIT
 */
#include "tests/mm/map/fake_pages.h"
#include "kernel/base/ktest.h"
#include "mm/map/direct_map.h"
#include "mm/map/address_map.h"
#include "mm/map/wx_check.h"
#include "tests/host/shim.h"

#define TEXT_PA    0x210000ULL
#define TEXT_END   0x250000ULL
#define RODATA_END 0x280000ULL
#define TRAMPOLINE 0x8000ULL

static struct fake_pages pages;
static struct pagetable pt;
static struct wx_result res;

static const struct wx_exec exec[] = {
    {{KERNEL_BASE + TEXT_PA, KERNEL_BASE + TEXT_END}, TEXT_PA},
    {{TRAMPOLINE, TRAMPOLINE + PAGE_SIZE}, TRAMPOLINE},
};
static const struct range ro[] = {{TEXT_PA, RODATA_END}};
static const struct wx_policy policy = {exec, 2, ro, 1};

/* A kernel as it should be. */
static bool start(void)
{
    static const struct range ram[] = {{0x1000, 0x9f000}, {SZ_1M, 2 * SZ_1G}};
    static const struct kernel_section sections[] = {
        {KERNEL_BASE + TEXT_PA, TEXT_PA, TEXT_END - TEXT_PA, PT_X, "text"},
        {KERNEL_BASE + TEXT_END, TEXT_END, RODATA_END - TEXT_END, 0, "rodata"},
        {KERNEL_BASE + RODATA_END, RODATA_END, 0x30000, PT_W, "data"}};
    struct direct_map_stats stats;

    fake_init(&pages, SZ_1M);
    if (pagetable_init(&pt, &pages.src, 0, true, true) ||
        direct_map_build(&pt, ram, 2, ro, 1, &stats) || kernel_map_build(&pt, sections, 3) ||
        pagetable_map_page(&pt, TRAMPOLINE, TRAMPOLINE, PT_X, 0))
        return false;
    shim_log_reset();
    return true;
}

/* The page at va, alone, gets these permissions. */
static void set_prot(u64 va, u32 prot)
{
    struct pt_flush flush = PT_FLUSH_NONE;
    u64 pa;

    REQUIRE_EQ(pagetable_lookup(&pt, va, &pa, NULL, NULL), 0);
    REQUIRE_EQ(pagetable_unmap(&pt, va, PAGE_SIZE, PT_KEEP_TABLES, &flush), 0);
    REQUIRE_EQ(pagetable_map_page(&pt, va, pa, prot, 0), 0);
}

static void stop(void)
{
    fake_destroy(&pt);
    fake_done(&pages);
}

/* Exactly one violation, of this kind, at this address. */
static void expect_only(enum wx_kind kind, u64 va)
{
    EXPECT_EQ(wx_check(&pt, &policy, &res), -EINVAL);
    EXPECT_EQ(res.violations, 1);
    EXPECT_EQ(res.by_kind[kind], 1);
    EXPECT_EQ(res.first[0].kind, kind);
    EXPECT_EQ(res.first[0].leaf.va, va);
    EXPECT_TRUE(shim_log_contains(wx_kind_name(kind)));
    EXPECT_TRUE(shim_log_contains("wx: 1 violations in"));
}

KTEST(wx_check, a_sound_kernel_passes)
{
    REQUIRE_TRUE(start());
    EXPECT_EQ(wx_check(&pt, &policy, &res), 0);
    EXPECT_EQ(res.violations, 0);
    EXPECT_EQ(res.exec_bytes, TEXT_END - TEXT_PA + PAGE_SIZE);
    EXPECT_EQ(res.leaves, pt.leaves[0] + pt.leaves[1] + pt.leaves[2]);
    EXPECT_EQ(shim_log_count(), 0);
    stop();
}

KTEST(wx_check, writable_and_executable)
{
    /* In its place, and no alias: only the one leaf is wrong. */
    REQUIRE_TRUE(start());
    set_prot(TRAMPOLINE, PT_W | PT_X);
    expect_only(WX_WRITE_EXEC, TRAMPOLINE);
    stop();
}

KTEST(wx_check, writable_alias_in_the_direct_map)
{
    REQUIRE_TRUE(start());
    set_prot(DIRECT_MAP_BASE + TEXT_PA + 0x3000, PT_W);
    expect_only(WX_ALIAS, DIRECT_MAP_BASE + TEXT_PA + 0x3000);
    stop();
    /* rodata counts as well: its last page */
    REQUIRE_TRUE(start());
    set_prot(DIRECT_MAP_BASE + RODATA_END - PAGE_SIZE, PT_W);
    expect_only(WX_ALIAS, DIRECT_MAP_BASE + RODATA_END - PAGE_SIZE);
    stop();
}

KTEST(wx_check, writable_alias_elsewhere)
{
    REQUIRE_TRUE(start());
    /* A large leaf that covers the text among other memory. */
    REQUIRE_EQ(pagetable_map(&pt, VAREA_BASE, 0, SZ_1G, PT_W, 0), 0);
    expect_only(WX_ALIAS, VAREA_BASE);
    stop();
    REQUIRE_TRUE(start());
    REQUIRE_EQ(pagetable_map(&pt, 0, 0, TRAMPOLINE, 0, 0), 0); /* not writable: fine */
    EXPECT_EQ(wx_check(&pt, &policy, &res), 0);
    REQUIRE_EQ(pagetable_map(&pt, SZ_2M, SZ_2M, SZ_2M, PT_W, 0), 0);
    expect_only(WX_ALIAS, SZ_2M);
    stop();
}

KTEST(wx_check, executable_outside)
{
    REQUIRE_TRUE(start());
    REQUIRE_EQ(pagetable_map_page(&pt, VAREA_BASE, 0x900000, PT_X, 0), 0);
    expect_only(WX_EXEC_OUTSIDE, VAREA_BASE);
    stop();
    REQUIRE_TRUE(start());
    set_prot(KERNEL_BASE + TEXT_END, PT_X);
    expect_only(WX_EXEC_OUTSIDE, KERNEL_BASE + TEXT_END);
    stop();
    /* A large leaf that begins inside and ends outside. */
    REQUIRE_TRUE(start());
    REQUIRE_EQ(pagetable_map(&pt, VAREA_BASE, 4 * SZ_1G, SZ_2M, PT_X, 0), 0);
    const struct wx_exec half[] = {exec[0], exec[1], {{VAREA_BASE, VAREA_BASE + SZ_1M}, 4 * SZ_1G}};
    EXPECT_EQ(wx_check(&pt, &(struct wx_policy){half, 3, ro, 1}, &res), -EINVAL);
    EXPECT_EQ(res.by_kind[WX_EXEC_OUTSIDE], 1);
    stop();
    /* The last page of the address space that can be mapped. */
    REQUIRE_TRUE(start());
    REQUIRE_EQ(pagetable_map_page(&pt, 0xffffffffffffe000ULL, 0x900000, PT_X, 0), 0);
    expect_only(WX_EXEC_OUTSIDE, 0xffffffffffffe000ULL);
    stop();
}

KTEST(wx_check, text_leads_to_other_memory)
{
    struct pt_flush flush = PT_FLUSH_NONE;
    const u64 va = KERNEL_BASE + TEXT_PA + 0x7000;

    REQUIRE_TRUE(start());
    REQUIRE_EQ(pagetable_unmap(&pt, va, PAGE_SIZE, 0, &flush), 0);
    REQUIRE_EQ(pagetable_map_page(&pt, va, 0x900000, PT_X, 0), 0);
    expect_only(WX_EXEC_MEMORY, va);
    stop();
}

/* Sets the user bit in the entry of this level that leads to va. */
static void set_user(u64 va, int level)
{
    u64 *table = fake_map(&pages, pt.root_pa), *slot = NULL;

    for (int l = 4; l >= level; l--) {
        slot = &table[va >> (12 + 9 * (l - 1)) & 511];
        if (l > level)
            table = fake_map(&pages, *slot & 0xffffffffff000ULL);
    }
    *slot |= 4;
}

KTEST(wx_check, user_bit_at_any_level)
{
    for (int level = 1; level <= 4; level++) {
        REQUIRE_TRUE(start());
        REQUIRE_EQ(pagetable_map_page(&pt, VAREA_BASE, 0x900000, PT_W, 0), 0);
        set_user(VAREA_BASE, level);
        expect_only(WX_USER, VAREA_BASE);
        stop();
    }
}

KTEST(wx_check, without_nx_everything_executes)
{
    struct pagetable view;

    REQUIRE_TRUE(start());
    view = pagetable_view(pt.root_pa, &pages.src, false);
    EXPECT_EQ(wx_check(&view, &policy, &res), -EINVAL);
    EXPECT_TRUE(res.by_kind[WX_WRITE_EXEC] > 0 && res.by_kind[WX_EXEC_OUTSIDE] > 0);
    /* Only the first are told one by one. */
    EXPECT_EQ(shim_log_count(), WX_REPORTED + 1);
    stop();
}

KTEST(wx_check, unreadable_table)
{
    REQUIRE_TRUE(start());
    *(u64 *)fake_map(&pages, pt.root_pa) = 0xdead000000003ULL;
    EXPECT_EQ(wx_check(&pt, &policy, &res), -EFAULT);
    *(u64 *)fake_map(&pages, pt.root_pa) = 0;
    stop();
}
