/*
 * smp/compare/mtrr: registers as real firmware sets them, and what is said when RAM is left out.
 * SPDX-License-Identifier: MIT
 */
#include "smp/compare/mtrr.h"
#include "kernel/base/ktest.h"
#include "tests/host/shim.h"

#define ON 0x800

static struct cpu_regs regs(u64 def)
{
    struct cpu_regs r = {0};

    cpu_regs_set(&r, CPU_REG_MTRR_CAP, 8);
    cpu_regs_set(&r, CPU_REG_MTRR_DEF_TYPE, def);
    return r;
}

static void variable(struct cpu_regs *r, u32 i, u64 base, u64 size, u8 type)
{
    cpu_regs_set(r, CPU_REG_MTRR_VAR + 2 * i, base | type);
    cpu_regs_set(r, CPU_REG_MTRR_VAR + 2 * i + 1, (((1ULL << 40) - 1) & ~(size - 1)) | 1u << 11);
}

KTEST(mtrr, ram_above_4_gib_that_was_forgotten)
{
    const struct range ram[] = {{0, 3 * SZ_1G}, {SZ_4G, 6 * SZ_1G}};
    struct cpu_regs r = regs(ON | MTRR_UC);
    struct mtrr m;

    variable(&r, 0, 0, SZ_4G, MTRR_WB);
    variable(&r, 1, 3 * SZ_1G, SZ_1G, MTRR_UC);
    variable(&r, 2, SZ_4G, SZ_1G, MTRR_WB);
    shim_log_reset();
    REQUIRE_TRUE(mtrr_decode(&m, &r, 40));
    EXPECT_EQ(mtrr_check_ram(&m, ram, 2), SZ_1G);
    EXPECT_TRUE(shim_log_contains("firmware bug: MTRR: RAM [mem 0x140000000-0x17fffffff] is "
                                  "uncached, not write-back"));
    EXPECT_EQ(shim_found(FIRMWARE_FAIL), 1);
    EXPECT_TRUE(mtrr_uniform(&m, (struct range){0, 3 * SZ_1G}));
    EXPECT_FALSE(mtrr_uniform(&m, (struct range){SZ_4G, 6 * SZ_1G}));

    mtrr_amd(&m, 1ULL << 21 | 1ULL << 22, 6 * SZ_1G); /* as AMD's firmware does it */
    EXPECT_EQ(mtrr_check_ram(&m, ram, 2), 0);
    EXPECT_TRUE(mtrr_uniform(&m, (struct range){SZ_4G, 6 * SZ_1G}));
    EXPECT_FALSE(mtrr_uniform(&m, (struct range){SZ_4G, 7 * SZ_1G}));
    REQUIRE_TRUE(mtrr_decode(&m, &r, 40));
    mtrr_amd(&m, 1ULL << 21, 6 * SZ_1G);
    EXPECT_EQ(mtrr_check_ram(&m, ram, 2), SZ_1G);
}

KTEST(mtrr, off_or_absent)
{
    const struct range ram = {0, SZ_1G};
    struct cpu_regs none = {0}, off = regs(MTRR_WB);
    struct mtrr m;

    EXPECT_FALSE(mtrr_decode(&m, &none, 40));
    REQUIRE_TRUE(mtrr_decode(&m, &off, 40));
    EXPECT_EQ(mtrr_check_ram(&m, &ram, 1), SZ_1G);
}

KTEST(mtrr, a_mask_with_holes)
{
    struct cpu_regs r = regs(ON | MTRR_WB);
    struct mtrr m;

    variable(&r, 0, 0, SZ_1M, MTRR_UC);
    r.value[CPU_REG_MTRR_VAR + 1] &= ~(1ULL << 30);
    REQUIRE_TRUE(mtrr_decode(&m, &r, 40));
    EXPECT_TRUE(m.holes);
    r.value[CPU_REG_MTRR_VAR + 1] &= ~(1ULL << 11); /* not in use */
    REQUIRE_TRUE(mtrr_decode(&m, &r, 40));
    EXPECT_TRUE(!m.holes && m.count == 0);
}
