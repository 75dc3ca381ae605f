/*
 * Stage: every online CPU reads its MTRRs, PAT, control registers and microcode revision, all at
 * once; the boot CPU compares them. CPUs that start later are not compared.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/cpu.h"
#include "kernel/base/cpu_id.h"
#include "kernel/base/cpu_local.h"
#include "kernel/base/print.h"
#include "kernel/base/safe.h"
#include "kernel/base/string.h"
#include "kernel/base/firmware.h"
#include "kernel/platform/mmio.h"
#include "kernel/stages/fail.h"
#include "kernel/stages/stages.h"
#include "mm/map/address_map.h"
#include "smp/call/call.h"
#include "smp/compare/cpu_regs.h"
#include "smp/compare/mtrr.h"
#include "smp/start/cpus.h"

#define MSR_BIOS_SIGN_ID 0x8b       /* SDM vol. 3, 10.11.7.1; AMD: PATCH_LEVEL */
#define MSR_SYSCFG       0xc0010010 /* AMD64 APM vol. 2, 7.9.1, 7.9.4 */
#define MSR_TOP_MEM2     0xc001001d
#define CPUID_MTRR       (1u << 12) /* CPUID 1 EDX */
#define CAP_VCNT         0xff
#define CAP_FIX          (1u << 8)
#define PHYSMASK_VALID   (1u << 11)

struct work {
    struct cpu_regs *regs; /* by CPU number */
    u32 odd_cpu;           /* fail=cpu_regs:N; ~0: none */
};

static void read_msr(struct cpu_regs *r, u32 reg)
{
    u64 value;

    if (rdmsr_safe(cpu_reg_msr(reg), &value) == 0)
        cpu_regs_set(r, reg, value);
}

static u32 read_mtrrs(struct cpu_regs *r)
{
    u32 a, b, c, d, pairs;

    cpuid(1, 0, &a, &b, &c, &d);
    if (!(d & CPUID_MTRR))
        return 0;
    read_msr(r, CPU_REG_MTRR_CAP);
    read_msr(r, CPU_REG_MTRR_DEF_TYPE);
    if (r->value[CPU_REG_MTRR_CAP] & CAP_FIX)
        for (u32 i = 0; i < CPU_REGS_MTRR_FIXED; i++)
            read_msr(r, CPU_REG_MTRR_FIX + i);
    pairs = MIN((u32)r->value[CPU_REG_MTRR_CAP] & CAP_VCNT, CPU_REGS_MTRR_VARIABLE);
    for (u32 i = 0; i < 2 * pairs; i++)
        read_msr(r, CPU_REG_MTRR_VAR + i);
    return pairs;
}

/*
 * Intel: CPUID writes the revision to the upper half of the MSR, but not when no update is loaded:
 * so the MSR is zeroed first. AMD: the lower half always has it.
 */
static void read_microcode(struct cpu_regs *r)
{
    bool intel = strcmp(cpu_id_own().vendor, "GenuineIntel") == 0;
    u32 a, b, c, d;
    u64 value;

    if (intel && wrmsr_safe(MSR_BIOS_SIGN_ID, 0))
        return;
    cpuid(1, 0, &a, &b, &c, &d);
    if (rdmsr_safe(MSR_BIOS_SIGN_ID, &value) == 0)
        cpu_regs_set(r, CPU_REG_MICROCODE, intel ? value >> 32 : (u32)value);
}

/* For fail=cpu_regs: changes the base of an unused variable MTRR while it is read. */
static void spoil(struct cpu_regs *r, u32 pairs)
{
    u32 base = pairs ? CPU_REG_MTRR_VAR + 2 * (pairs - 1) : 0;
    u64 was = r->value[base];

    if (!pairs || r->value[base + 1] & PHYSMASK_VALID) {
        pr_warn("fail=cpu_regs: no variable MTRR is free");
        return;
    }
    if (wrmsr_safe(cpu_reg_msr(base), was ^ SZ_1G) == 0)
        read_msr(r, base);
    if (wrmsr_safe(cpu_reg_msr(base), was))
        pr_err("fail=cpu_regs: the MTRR cannot be set back");
}

/* Runs on every CPU. */
static void read_own(void *arg)
{
    struct work *w = arg;
    u32 cpu = cpu_number(), pairs;
    struct cpu_regs *r = &w->regs[cpu];

    cpu_regs_set(r, CPU_REG_CR0, read_cr0());
    cpu_regs_set(r, CPU_REG_CR4, read_cr4());
    cpu_regs_set(r, CPU_REG_EFER, rdmsr(MSR_EFER));
    read_msr(r, CPU_REG_PAT);
    pairs = read_mtrrs(r);
    read_microcode(r);
    if (cpu == w->odd_cpu)
        spoil(r, pairs);
}

static u32 odd_cpu(const struct boot_state *s)
{
    char item[OPT_TEXT_MAX], *text;
    const char *list = s->opt.fail;
    u32 odd = ~0u;
    u64 number;

    while ((text = fail_next(&list, "cpu_regs:", item)))
        if (parse_u64(text, &number) || number >= s->topo.cpu_count)
            fail_refuse(item, "not understood");
        else
            odd = (u32)number;
    return odd;
}

/* fail=uncached:ADDR */
static void spoil_types(const struct boot_state *s, struct mtrr *m)
{
    const char *list = s->opt.fail, *text;
    char item[OPT_TEXT_MAX];
    u64 pa;

    while ((text = fail_next(&list, "uncached:", item)))
        if (parse_u64(text, &pa))
            fail_refuse(item, "not understood");
        else
            mtrr_spoil(m, (struct range){align_down(pa, SZ_1M), align_down(pa, SZ_1M) + SZ_1M});
}

/* The large leaves of the direct map over more than one type. */
struct mixed {
    const struct mtrr *m;
    u64 count;
    struct range first;
};

static int look_at_leaf(void *ctx, const struct pt_leaf *leaf)
{
    struct range r = {leaf->pa, leaf->pa + leaf->size};
    struct mixed *x = ctx;

    if (leaf->size == PAGE_SIZE || mtrr_uniform(x->m, r))
        return 0;
    if (!x->count++)
        x->first = r;
    return 0;
}

/*
 * Memory types by the boot CPU's MTRRs. QEMU's qboot leaves them off, and an emulated CPU has no
 * caches: that is no finding.
 */
static void check_memory_types(struct boot_state *s, const struct cpu_regs *boot_cpu)
{
    struct mtrr m;
    struct mixed x = {.m = &m};
    u64 syscfg, top;

    if (!mtrr_decode(&m, boot_cpu, mmio_rules()->phys_bits) || (!m.on && cpu_has_hypervisor()))
        return;
    if (m.holes) {
        pr_warn("cpu: an MTRR's mask has holes: memory types were not checked");
        return;
    }
    if (cpu_vendor_is_amd(cpu_id_own().vendor) && rdmsr_safe(MSR_SYSCFG, &syscfg) == 0 &&
        rdmsr_safe(MSR_TOP_MEM2, &top) == 0)
        mtrr_amd(&m, syscfg, top);
    spoil_types(s, &m);
    if (mtrr_check_ram(&m, s->ram, s->ram_count) == 0)
        pr_info("cpu: all RAM is write-back by %u MTRRs", m.count);
    if (pagetable_walk(&s->vm.pt, DIRECT_MAP_BASE, DIRECT_MAP_BASE + DIRECT_MAP_SIZE, look_at_leaf,
                       &x))
        return;
    if (x.count)
        firmware_finding(
            FW_MEMORY_MIXED_PAGE,
            "%llu large pages have memory of more than one type, the first is " RANGE_FMT,
            (ull)x.count, RANGE_ARG(x.first));
}

void stage_cpu_regs(struct boot_state *s)
{
    u64 bytes = s->topo.cpu_count * sizeof(struct cpu_regs);
    struct work w = {memblock_zalloc(&s->mb, bytes, 64), odd_cpu(s)};

    if (!w.regs) {
        pr_warn("cpu: no memory to compare the registers of all CPUs");
        return;
    }
    if (smp_call_all_copy(read_own, &w)) {
        pr_err("cpu: not every CPU has read its registers");
        return; /* one that is late still writes to the memory */
    }
    if (cpu_regs_compare(w.regs, s->topo.cpu_count, cpu_has_hypervisor()) == 0)
        pr_info("cpu: CR0, CR4, EFER, PAT, MTRRs and microcode (0x%llx) are alike on %u CPUs",
                (ull)w.regs[0].value[CPU_REG_MICROCODE], cpus_online());
    check_memory_types(s, &w.regs[0]);
    memblock_give_back(&s->mb, virt_to_phys(w.regs), bytes);
}
