/*
 * GDT and TSS of each CPU; see cpu_tables.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/platform/cpu_tables.h"
#include "kernel/base/cpu_local.h"

#define DESC_CODE64 0x00af9b000000ffffULL
#define DESC_DATA   0x00cf93000000ffffULL
#define DESC_TSS    0x0000890000000000ULL /* present, available 64-bit TSS */
#define TSS_BUSY    (2ULL << 40)

DEFINE_PER_CPU_ALIGNED(struct cpu_tables, cpu_tables);

void cpu_tables_tss_descriptor(const struct cpu_tables *t, u64 *lo, u64 *hi)
{
    u64 base = (uintptr_t)&t->tss;
    u64 limit = sizeof(t->tss) - 1;

    *lo = DESC_TSS | limit | (base & 0xffffff) << 16 | (base >> 24 & 0xff) << 56;
    *hi = base >> 32;
}

void cpu_tables_set_ist(struct cpu_tables *t, const u64 ist_top[IST_COUNT])
{
    for (u32 i = 0; i < IST_COUNT; i++)
        t->tss.ist[i] = ist_top[i];
}

void cpu_tables_fill(struct cpu_tables *t, const u64 ist_top[IST_COUNT])
{
    *t = (struct cpu_tables){0};
    t->gdt[1] = DESC_CODE64;
    t->gdt[2] = DESC_DATA;
    cpu_tables_tss_descriptor(t, &t->gdt[3], &t->gdt[4]);
    cpu_tables_set_ist(t, ist_top);
    t->tss.iomap_base = sizeof(t->tss);
}

void cpu_tables_load(void)
{
    struct cpu_tables *t = this_cpu_ptr(&cpu_tables);
    struct table_ptr ptr = {sizeof(t->gdt) - 1, (uintptr_t)t->gdt};

    t->gdt[3] &= ~TSS_BUSY; /* set by an earlier start attempt; LTR faults on a busy TSS */
    /* FS and GS are not loaded: a selector in GS would clear the GS base. */
    __asm__ volatile("lgdt %0\n\t"
                     "pushq %1\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n"
                     "1:\n\t"
                     "movl %2, %%eax\n\t"
                     "movl %%eax, %%ds\n\t"
                     "movl %%eax, %%es\n\t"
                     "movl %%eax, %%ss\n\t"
                     "movl %3, %%eax\n\t"
                     "ltr %%ax"
                     :
                     : "m"(ptr), "i"(SEL_CODE), "i"(SEL_DATA), "i"(SEL_TSS)
                     : "rax", "memory");
}
