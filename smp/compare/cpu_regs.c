/*
 * The comparison of the CPUs' registers; see cpu_regs.h.
 * SPDX-License-Identifier: MIT
 */
#include "smp/compare/cpu_regs.h"

#include "kernel/base/firmware.h"
#include "kernel/base/printf.h"

#define CPU_LIST 64 /* characters of "3, 5-7"; a longer list ends in "..." */

/* Fixed-range MTRRs in the order of their addresses: SDM vol. 4, table 2-2. */
static const struct {
    u32 msr;
    const char *name;
} fixed[] = {
    {0x250, "64K_00000"}, {0x258, "16K_80000"}, {0x259, "16K_A0000"}, {0x268, "4K_C0000"},
    {0x269, "4K_C8000"},  {0x26a, "4K_D0000"},  {0x26b, "4K_D8000"},  {0x26c, "4K_E0000"},
    {0x26d, "4K_E8000"},  {0x26e, "4K_F0000"},  {0x26f, "4K_F8000"},
};
static_assert(ARRAY_SIZE(fixed) == CPU_REGS_MTRR_FIXED, "SDM vol. 3, 12.11.2.2");

static const struct {
    const char *name;
    u32 msr;
    enum firmware_id id;
} plain[] = {
    [CPU_REG_CR0] = {"CR0", 0, FW_CPU_CONTROL},
    [CPU_REG_CR4] = {"CR4", 0, FW_CPU_CONTROL},
    [CPU_REG_EFER] = {"IA32_EFER", 0, FW_CPU_CONTROL},
    [CPU_REG_PAT] = {"IA32_PAT", 0x277, FW_CPU_PAT},
    [CPU_REG_MICROCODE] = {"microcode revision", 0, FW_CPU_MICROCODE},
    [CPU_REG_MTRR_CAP] = {"IA32_MTRRCAP", 0xfe, FW_CPU_MTRR},
    [CPU_REG_MTRR_DEF_TYPE] = {"IA32_MTRR_DEF_TYPE", 0x2ff, FW_CPU_MTRR},
};

const char *cpu_reg_name(u32 reg, char *out, size_t size)
{
    u32 var = reg - CPU_REG_MTRR_VAR;

    if (reg < CPU_REG_MTRR_FIX)
        kscnprintf(out, size, "%s", plain[reg].name);
    else if (reg < CPU_REG_MTRR_VAR)
        kscnprintf(out, size, "IA32_MTRR_FIX%s", fixed[reg - CPU_REG_MTRR_FIX].name);
    else
        kscnprintf(out, size, "IA32_MTRR_PHYS%s%u", var % 2 ? "MASK" : "BASE", var / 2);
    return out;
}

u32 cpu_reg_msr(u32 reg)
{
    if (reg < CPU_REG_MTRR_FIX)
        return plain[reg].msr;
    if (reg < CPU_REG_MTRR_VAR)
        return fixed[reg - CPU_REG_MTRR_FIX].msr;
    return 0x200 + (reg - CPU_REG_MTRR_VAR);
}

static bool has(const struct cpu_regs *r, u32 reg)
{
    return r->there >> reg & 1;
}

static bool same(const struct cpu_regs *a, const struct cpu_regs *b, u32 reg)
{
    return has(a, reg) == has(b, reg) && (!has(a, reg) || a->value[reg] == b->value[reg]);
}

/* "0x1f", or "none" for a register that the CPU does not have. */
static const char *value_text(const struct cpu_regs *r, u32 reg, char *out, size_t size)
{
    if (has(r, reg))
        kscnprintf(out, size, "0x%lx", r->value[reg]);
    else
        kscnprintf(out, size, "none");
    return out;
}

/* The text of a list of CPUs, which are added in ascending order: "3, 5-7". */
struct cpu_list {
    char text[CPU_LIST];
    size_t len;
    u32 first, last; /* the run that is not in text yet */
    u32 count;
};

static void list_flush(struct cpu_list *l)
{
    char run[32];
    size_t n;

    if (!l->count)
        return;
    if (l->first == l->last)
        n = (size_t)kscnprintf(run, sizeof(run), "%s%u", l->len ? ", " : "", l->first);
    else
        n = (size_t)kscnprintf(run, sizeof(run), "%s%u-%u", l->len ? ", " : "", l->first, l->last);
    if (l->len + n + sizeof(", ...") > CPU_LIST) {
        if (l->len && l->text[l->len - 1] != '.')
            l->len += (size_t)kscnprintf(l->text + l->len, CPU_LIST - l->len, ", ...");
        return;
    }
    l->len += (size_t)kscnprintf(l->text + l->len, CPU_LIST - l->len, "%s", run);
}

static void list_add(struct cpu_list *l, u32 cpu)
{
    if (!l->count || cpu != l->last + 1) {
        list_flush(l);
        l->first = cpu;
    }
    l->last = cpu;
    l->count++;
}

/* MTRRs that were never set are all 0, and so are off. */
static bool mtrrs_are_reset(const struct cpu_regs *r)
{
    u64 any = 0;

    for (u32 reg = CPU_REG_MTRR_DEF_TYPE; reg < CPU_REGS; reg++)
        any |= r->value[reg];
    return any == 0;
}

struct comparison {
    const struct cpu_regs *regs;
    u32 n, ref;
    bool forgive_reset; /* do not compare MTRRs that are as after reset */
};

static bool left_out(const struct comparison *c, u32 cpu, u32 reg)
{
    return !c->regs[cpu].there ||
           (c->forgive_reset && reg >= CPU_REG_MTRR_DEF_TYPE && mtrrs_are_reset(&c->regs[cpu]));
}

/* Makes a finding when a CPU differs from CPU ref in this register. */
static bool compare_one(const struct comparison *c, u32 reg)
{
    const struct cpu_regs *regs = c->regs;
    u32 ref = c->ref;
    struct cpu_list list = {.text = ""};
    char name[32], a[24], b[24];
    bool more_values = false;
    u32 odd = 0;

    for (u32 cpu = ref + 1; cpu < c->n; cpu++) {
        if (left_out(c, cpu, reg) || same(&regs[cpu], &regs[ref], reg))
            continue;
        if (!list.count)
            odd = cpu;
        more_values |= !same(&regs[cpu], &regs[odd], reg);
        list_add(&list, cpu);
    }
    if (!list.count)
        return false;
    list_flush(&list);
    firmware_finding(
        reg < CPU_REG_MTRR_FIX ? plain[reg].id : FW_CPU_MTRR,
        "%s: CPU %u has %s, CPU %u has %s%s; %u %s: %s", cpu_reg_name(reg, name, sizeof(name)), ref,
        value_text(&regs[ref], reg, a, sizeof(a)), odd, value_text(&regs[odd], reg, b, sizeof(b)),
        more_values ? ", others have further values" : "", list.count,
        list.count == 1 ? "CPU differs" : "CPUs differ", list.text);
    return true;
}

/* Under a hypervisor: the one finding for CPUs with reset MTRRs; see cpu_regs.h. */
static bool note_reset(const struct comparison *c)
{
    struct cpu_list list = {.text = ""};

    for (u32 cpu = c->ref + 1; cpu < c->n; cpu++)
        if (c->regs[cpu].there && mtrrs_are_reset(&c->regs[cpu]))
            list_add(&list, cpu);
    list_flush(&list);
    if (!list.count)
        return false;
    firmware_finding(FW_CPU_MTRR_RESET, "MTRRs of %u CPUs are as after reset, CPU %u's are set: %s",
                     list.count, c->ref, list.text);
    return true;
}

u32 cpu_regs_compare(const struct cpu_regs *regs, u32 n, bool hypervisor)
{
    struct comparison c = {.regs = regs, .n = n};
    u32 findings = 0;

    while (c.ref < n && !regs[c.ref].there)
        c.ref++;
    if (c.ref == n)
        return 0;
    c.forgive_reset = hypervisor && !mtrrs_are_reset(&regs[c.ref]);
    if (c.forgive_reset)
        findings += note_reset(&c);
    for (u32 reg = 0; reg < CPU_REGS; reg++)
        findings += compare_one(&c, reg);
    return findings;
}
