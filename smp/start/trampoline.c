/*
 * Filling the trampoline's pages; see trampoline.h.
 * SPDX-License-Identifier: MIT
 */
#include "smp/start/trampoline.h"

#include "kernel/base/cpu.h"
#include "kernel/base/cpu_id.h"
#include "kernel/base/print.h"
#include "kernel/base/string.h"

#define INT3       0xcc
#define GDT_CODE32 0x00cf9b000000ffffULL /* flat; accessed is set, so no CPU writes to the GDT */
#define GDT_DATA   0x00cf93000000ffffULL
#define GDT_CODE64 0x00af9b000000ffffULL
#define SEL_CODE64 0x08 /* 0x08 and 0x10 as in the kernel's GDT */
#define SEL_DATA   0x10
#define SEL_CODE32 0x18

/* Cleared for the start, so that caches are on; the trampoline sets PG itself (SDM vol. 3, 2.5). */
#define CR0_CD (1UL << 30)
#define CR0_NW (1UL << 29)
#define CR0_PG (1UL << 31)

#define CR4_PCIDE (1UL << 17) /* can be set only in long mode */
#define CR4_CET   (1UL << 23) /* needs CR0.WP first */

static int check_reach(u64 pa, const struct trampoline_table *table)
{
    u64 end = table->records_pa + table->count * sizeof(struct smp_record);

    if (!is_aligned(pa, PAGE_SIZE) || pa + TRAMPOLINE_SIZE > SZ_1M) {
        pr_err("smp: trampoline at 0x%lx is not below 1 MiB", pa);
        return -EINVAL;
    }
    if (read_cr3() >= SZ_4G || end > SZ_4G || table->ids_pa + table->count * 4ULL > SZ_4G) {
        pr_err("smp: page table (0x%lx) or records (0x%lx) above 4 GiB", read_cr3(),
               table->records_pa);
        return -EINVAL;
    }
    if (read_cr4() & (CR4_PCIDE | CR4_LA57 | CR4_CET)) {
        pr_err("smp: CR4 0x%lx cannot be set before long mode", read_cr4());
        return -EINVAL;
    }
    return 0;
}

/* Under a hypervisor the MSR may be missing, and CPUID is the hypervisor's own decision. */
static bool may_hide_nx(void)
{
    return strcmp(cpu_id_own().vendor, "GenuineIntel") == 0 && !cpu_has_hypervisor();
}

static void fill_data(u64 pa, struct trampoline_data *data, bool x2apic,
                      const struct trampoline_table *table)
{
    u64 pat = rdmsr(MSR_PAT);

    memset(data, 0, sizeof(*data));
    data->pm32.offset = (u32)(pa + (u64)(trampoline_pm32 - trampoline_code));
    data->pm32.selector = SEL_CODE32;
    data->lm64.offset = (u32)(pa + (u64)(trampoline_lm64 - trampoline_code));
    data->lm64.selector = SEL_CODE64;
    data->gdt[SEL_CODE64 / 8] = GDT_CODE64;
    data->gdt[SEL_DATA / 8] = GDT_DATA;
    data->gdt[SEL_CODE32 / 8] = GDT_CODE32;
    data->gdt_limit = sizeof(data->gdt) - 1;
    data->gdt_base = (u32)(pa + PAGE_SIZE + offsetof(struct trampoline_data, gdt));
    data->x2apic = x2apic;
    data->cr0 = (u32)(read_cr0() & ~(CR0_CD | CR0_NW | CR0_PG));
    data->cr4 = (u32)read_cr4();
    data->intel = may_hide_nx();
    data->efer = EFER_LME | EFER_NXE; /* as boot/entry32.asm: written whole */
    data->cr3 = (u32)read_cr3();
    data->pat_low = (u32)pat;
    data->pat_high = (u32)(pat >> 32);
    data->count = table->count;
    data->ids_pa = (u32)table->ids_pa;
    data->records_pa = (u32)table->records_pa;
    data->record_delta = (u64)(uintptr_t)table->records - table->records_pa;
    data->entry = (u64)(uintptr_t)ap_entry64;
}

int trampoline_fill(u64 pa, void *code, struct trampoline_data *data, bool x2apic,
                    const struct trampoline_table *table)
{
    size_t size = (size_t)(trampoline_code_end - trampoline_code);
    int err = check_reach(pa, table);

    if (err)
        return err;
    ASSERT(size <= PAGE_SIZE);
    memset(code, INT3, PAGE_SIZE);
    memcpy(code, trampoline_code, size);
    fill_data(pa, data, x2apic, table);
    return 0;
}
