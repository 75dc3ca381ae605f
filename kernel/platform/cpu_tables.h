/*
 * Each CPU's own GDT and TSS. They are static per-CPU variables, so they are in the CPU's unit, on
 * its node. Selectors: 0x08 code, 0x10 data, 0x18 TSS. Intel SDM vol. 3, 3.4.5 and 7.7.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_CPU_TABLES_H
#define PERCH_PLATFORM_CPU_TABLES_H

#include "kernel/base/percpu_defs.h"

#define SEL_CODE 0x08
#define SEL_DATA 0x10
#define SEL_TSS  0x18

enum ist_index { IST_NMI = 1, IST_DF = 2, IST_MC = 3, IST_COUNT = 3 };

/* SDM vol. 3, figure 7-11. */
struct tss64 {
    u32 reserved0;
    u64 rsp[3];
    u64 reserved1;
    u64 ist[7];
    u64 reserved2;
    u16 reserved3;
    u16 iomap_base;
} PACKED;
static_assert(sizeof(struct tss64) == 104, "SDM vol. 3, figure 7-11");

/* The operand of LGDT and LIDT. */
struct table_ptr {
    u16 limit;
    u64 base;
} PACKED;
static_assert(sizeof(struct table_ptr) == 10, "SDM vol. 3, figure 2-6");

struct cpu_tables {
    u64 gdt[5];
    u64 pad[3];
    struct tss64 tss ALIGNED(64);
} ALIGNED(64);

DECLARE_PER_CPU_ALIGNED(struct cpu_tables, cpu_tables);

/*
 * Fills in tables that are not in use yet. ist_top[]: the stack tops for NMI, double fault and
 * machine check. Any CPU.
 */
void cpu_tables_fill(struct cpu_tables *t, const u64 ist_top[IST_COUNT]);

/* Sets only the stacks, also in tables in use: the CPU reads them at the exception. */
void cpu_tables_set_ist(struct cpu_tables *t, const u64 ist_top[IST_COUNT]);

/* Builds the two words of the descriptor for the TSS in t, marked available. */
void cpu_tables_tss_descriptor(const struct cpu_tables *t, u64 *lo, u64 *hi);

/* Loads this CPU's GDT, its segment registers except FS and GS, and its task register. */
void cpu_tables_load(void);

#endif
