/*
 * smp/compare/mtrr beside a slow model: random MTRRs, each page of a small machine looked up by
 * the manual's rules one after the other.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/ktest.h"
#include "smp/compare/mtrr.h"
#include "tests/host/random.h"
#include "tests/host/shim.h"

#define BITS  36
#define PAGES 1024 /* of the first 4 MiB */

static u64 seed = 7;

static u64 below(u64 n)
{
    return random_xorshift(&seed) % n;
}

/* Types that are defined where they overlap: UC, WT, WB. */
static u8 any_type(void)
{
    static const u8 types[] = {MTRR_UC, MTRR_WT, MTRR_WB};

    return types[below(3)];
}

static struct cpu_regs random_regs(void)
{
    struct cpu_regs r = {0};
    u32 pairs = (u32)below(9);

    cpu_regs_set(&r, CPU_REG_MTRR_CAP, 0x100 | pairs);
    cpu_regs_set(&r, CPU_REG_MTRR_DEF_TYPE,
                 any_type() | (below(8) ? 1u << 11 : 0) | (below(2) ? 1u << 10 : 0));
    for (u32 i = 0; i < CPU_REGS_MTRR_FIXED; i++) {
        u64 value = 0;

        for (u32 b = 0; b < 8; b++)
            value |= (u64)any_type() << (8 * b);
        cpu_regs_set(&r, CPU_REG_MTRR_FIX + i, value);
    }
    for (u32 i = 0; i < pairs; i++) {
        u64 size = PAGE_SIZE << below(11);

        cpu_regs_set(&r, CPU_REG_MTRR_VAR + 2 * i,
                     below(PAGES) * PAGE_SIZE / size * size | any_type());
        cpu_regs_set(&r, CPU_REG_MTRR_VAR + 2 * i + 1,
                     (((1ULL << BITS) - 1) & ~(size - 1)) | (below(4) ? 1u << 11 : 0));
    }
    return r;
}

/* SDM vol. 3, 12.11.4.1, word by word. */
static u8 model(const struct cpu_regs *r, u64 pa)
{
    u64 def = r->value[CPU_REG_MTRR_DEF_TYPE];
    bool uc = false, wt = false, wb = false;

    if (!(def & 1u << 11))
        return MTRR_UC;
    if (def & 1u << 10 && pa < 0x100000) {
        u32 i = pa < 0x80000   ? (u32)(pa >> 16)
                : pa < 0xc0000 ? 8 + (u32)((pa - 0x80000) >> 14)
                               : 24 + (u32)((pa - 0xc0000) >> 12);

        return (u8)(r->value[CPU_REG_MTRR_FIX + i / 8] >> (8 * (i % 8)));
    }
    for (u32 i = 0; i < (r->value[CPU_REG_MTRR_CAP] & 0xff); i++) {
        u64 base = r->value[CPU_REG_MTRR_VAR + 2 * i],
            mask = r->value[CPU_REG_MTRR_VAR + 2 * i + 1];

        if (!(mask & 1u << 11) || ((pa ^ base) & mask & ~0xfffULL))
            continue;
        uc |= (base & 0xff) == MTRR_UC;
        wt |= (base & 0xff) == MTRR_WT;
        wb |= (base & 0xff) == MTRR_WB;
    }
    return uc ? MTRR_UC : wt ? MTRR_WT : wb ? MTRR_WB : (u8)def;
}

KTEST(mtrr_model, each_page)
{
    for (u32 round = 0; round < 400; round++) {
        struct cpu_regs r = random_regs();
        struct range ram = {below(PAGES / 2) * PAGE_SIZE,
                            (PAGES / 2 + below(PAGES / 2)) * PAGE_SIZE};
        u64 next, bad = 0;
        struct mtrr m;

        REQUIRE_TRUE(mtrr_decode(&m, &r, BITS) && !m.holes);
        for (u32 page = 0; page < PAGES; page++) {
            u64 pa = page * PAGE_SIZE, next_pa;
            u8 type = mtrr_type_at(&m, pa, &next);

            REQUIRE_EQ(type, model(&r, pa));
            REQUIRE_TRUE(next > pa);
            for (next_pa = pa; next_pa < MIN(next, PAGES * PAGE_SIZE); next_pa += PAGE_SIZE)
                REQUIRE_EQ(model(&r, next_pa), type);
            if (pa >= ram.start && pa < ram.end)
                bad += type == MTRR_WB ? 0 : PAGE_SIZE;
        }
        shim_log_reset();
        REQUIRE_EQ(mtrr_check_ram(&m, &ram, 1), bad);
        REQUIRE_EQ(shim_found(FIRMWARE_FAIL) != 0, bad != 0);
    }
}
