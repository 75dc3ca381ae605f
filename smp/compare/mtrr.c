/*
 * Memory types by MTRRs; see mtrr.h.
 * SPDX-License-Identifier: MIT
 */
#include "smp/compare/mtrr.h"

#include "kernel/base/firmware.h"

#define DEF_ENABLE       (1u << 11) /* IA32_MTRR_DEF_TYPE */
#define DEF_FIXED_ENABLE (1u << 10)
#define CAP_FIXED        (1u << 8) /* IA32_MTRRCAP */
#define CAP_COUNT        0xff
#define MASK_VALID       (1u << 11)

/* AMD64 APM vol. 2, 7.9.1, 7.9.4: MtrrTom2En, Tom2ForceMemTypeWB; TOP_MEM2 counts 8 MiB. */
#define SYSCFG_TOM2_ON (1ULL << 21)
#define SYSCFG_TOM2_WB (1ULL << 22)
#define TOM2_ADDRESS   0xfffffff800000ULL

static void decode_variable(struct mtrr *m, u64 base, u64 mask, u64 addresses)
{
    u64 bits = mask & addresses & ~(PAGE_SIZE - 1);
    u64 size = bits & -bits; /* the lowest bit that counts */

    if (!(mask & MASK_VALID))
        return;
    if (!bits || bits + size != addresses + 1) {
        m->holes = true;
        return;
    }
    m->variable[m->count].r.start = base & bits;
    m->variable[m->count].r.end = (base & bits) + size;
    m->variable[m->count++].type = (u8)base;
}

bool mtrr_decode(struct mtrr *m, const struct cpu_regs *regs, u32 phys_bits)
{
    const u64 *value = regs->value;
    u64 def = value[CPU_REG_MTRR_DEF_TYPE], cap = value[CPU_REG_MTRR_CAP];
    u32 pairs = MIN((u32)cap & CAP_COUNT, CPU_REGS_MTRR_VARIABLE);

    *m = (struct mtrr){
        .on = def & DEF_ENABLE,
        .fixed_on = (def & DEF_FIXED_ENABLE) && (cap & CAP_FIXED),
        .def_type = (u8)def,
    };
    for (u32 i = 0; i < ARRAY_SIZE(m->fixed); i++)
        m->fixed[i] = (u8)(value[CPU_REG_MTRR_FIX + i / 8] >> (i % 8 * 8));
    for (u32 i = 0; i < pairs; i++)
        decode_variable(m, value[CPU_REG_MTRR_VAR + 2 * i], value[CPU_REG_MTRR_VAR + 2 * i + 1],
                        (1ULL << phys_bits) - 1);
    return regs->there >> CPU_REG_MTRR_DEF_TYPE & 1;
}

void mtrr_amd(struct mtrr *m, u64 syscfg, u64 top_mem2)
{
    if ((syscfg & SYSCFG_TOM2_ON) && (syscfg & SYSCFG_TOM2_WB))
        m->amd_wb_end = top_mem2 & TOM2_ADDRESS;
}

void mtrr_spoil(struct mtrr *m, struct range r)
{
    if (m->count == CPU_REGS_MTRR_VARIABLE)
        return;
    m->variable[m->count].r = r;
    m->variable[m->count++].type = MTRR_UC;
}

/* No variable MTRR has pa. */
static u8 default_at(const struct mtrr *m, u64 pa, u64 *next)
{
    bool amd = pa >= SZ_4G && pa < m->amd_wb_end;

    if (m->amd_wb_end > SZ_4G && pa < m->amd_wb_end)
        *next = MIN(*next, amd ? m->amd_wb_end : SZ_4G);
    return amd ? MTRR_WB : m->def_type;
}

/* 12.11.2.2: eight of 64 KiB, sixteen of 16 KiB, sixty-four of 4 KiB. */
static u8 fixed_at(const struct mtrr *m, u64 pa, u64 *next)
{
    u64 size = pa < 0x80000 ? 0x10000 : pa < 0xc0000 ? 0x4000 : 0x1000;
    u64 index = pa < 0x80000   ? pa / size
                : pa < 0xc0000 ? 8 + (pa - 0x80000) / size
                               : 24 + (pa - 0xc0000) / size;

    *next = align_down(pa, size) + size;
    return m->fixed[index];
}

/* 12.11.4.1: where two overlap, uncached wins, then write-through; other pairs are undefined. */
static u8 both(u8 a, u8 b)
{
    if (a == b)
        return a;
    if ((a == MTRR_WT && b == MTRR_WB) || (a == MTRR_WB && b == MTRR_WT))
        return MTRR_WT;
    return MTRR_UC;
}

u8 mtrr_type_at(const struct mtrr *m, u64 pa, u64 *next)
{
    bool any = false;
    u8 type = MTRR_UC;

    *next = ~0ULL;
    if (!m->on)
        return MTRR_UC;
    if (m->fixed_on && pa < SZ_1M)
        return fixed_at(m, pa, next);
    for (u32 i = 0; i < m->count; i++) {
        struct range r = m->variable[i].r;

        if (pa < r.start) {
            *next = MIN(*next, r.start);
        } else if (pa < r.end) {
            *next = MIN(*next, r.end);
            type = any ? both(type, m->variable[i].type) : m->variable[i].type;
            any = true;
        }
    }
    return any ? type : default_at(m, pa, next);
}

bool mtrr_uniform(const struct mtrr *m, struct range r)
{
    u64 next;
    u8 first = mtrr_type_at(m, r.start, &next);

    for (u64 pa = next; pa < r.end; pa = next)
        if (mtrr_type_at(m, pa, &next) != first)
            return false;
    return true;
}

static const char *type_name(u8 type)
{
    static const char *const names[] = {
        [MTRR_UC] = "uncached",        [MTRR_WC] = "write-combining", [MTRR_WT] = "write-through",
        [MTRR_WP] = "write-protected", [MTRR_WB] = "write-back",
    };

    return type < ARRAY_SIZE(names) && names[type] ? names[type] : "of an unknown type";
}

u64 mtrr_check_ram(const struct mtrr *m, const struct range *ram, u32 n)
{
    u64 bad = 0, next;

    for (u32 i = 0; i < n; i++) {
        for (u64 pa = ram[i].start; pa < ram[i].end; pa = next) {
            u8 type = mtrr_type_at(m, pa, &next);
            struct range piece;

            /* As long as the type is the same. */
            for (u64 more; next < ram[i].end && mtrr_type_at(m, next, &more) == type; next = more)
                ;
            next = MIN(next, ram[i].end);
            piece = (struct range){pa, next};
            if (type == MTRR_WB)
                continue;
            bad += next - pa;
            firmware_finding(FW_MEMORY_UNCACHED, "RAM " RANGE_FMT " is %s, not write-back",
                             RANGE_ARG(piece), type_name(type));
        }
    }
    return bad;
}
