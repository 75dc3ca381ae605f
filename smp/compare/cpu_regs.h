/*
 * Compares registers that must or should be the same on every CPU: MTRRs, PAT, CR0, CR4, EFER and
 * the microcode revision. Promises a finding of one line for each register that differs, whatever
 * the number of CPUs: the line names the register, two CPUs with their values, and the CPUs that
 * differ from CPU 0. The values are those in use: Perch has written PAT, CR0, CR4 and EFER itself
 * by then; the MTRRs are the firmware's.
 *
 * Sources: SDM vol. 3, 12.11 (MTRRs), 12.11.8 (the same on all processors), 12.12 (PAT), 10.11.6
 * (microcode); vol. 4 (numbers).
 * Pure; boot CPU, on records that no CPU writes any more; allocates nothing.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_COMPARE_CPU_REGS_H
#define PERCH_SMP_COMPARE_CPU_REGS_H

#include "kernel/base/types.h"

#define CPU_REGS_MTRR_FIXED    11
#define CPU_REGS_MTRR_VARIABLE 16 /* pairs kept; known CPUs have an MTRRCAP.VCNT of 8 to 10 */

enum cpu_reg {
    CPU_REG_CR0,
    CPU_REG_CR4,
    CPU_REG_EFER,
    CPU_REG_PAT,
    CPU_REG_MICROCODE,
    CPU_REG_MTRR_CAP,
    CPU_REG_MTRR_DEF_TYPE,
    CPU_REG_MTRR_FIX,
    CPU_REG_MTRR_VAR = CPU_REG_MTRR_FIX + CPU_REGS_MTRR_FIXED, /* base, mask, base, mask, ... */
    CPU_REGS = CPU_REG_MTRR_VAR + 2 * CPU_REGS_MTRR_VARIABLE,
};
static_assert(CPU_REGS <= 64, "one bit each in struct cpu_regs");

/* The values of one CPU. All zero: it was not read, and is not compared. */
struct cpu_regs {
    u64 there; /* bit r set: value[r] was read; clear: this CPU has no such register */
    u64 value[CPU_REGS];
};

static inline void cpu_regs_set(struct cpu_regs *r, u32 reg, u64 value)
{
    r->there |= 1ULL << reg;
    r->value[reg] = value;
}

/* Writes the manuals' name ("IA32_MTRR_PHYSBASE3") into out[size]; returns out. */
const char *cpu_reg_name(u32 reg, char *out, size_t size);

/* The MSR number of an MTRR or PAT; 0 for the other registers. */
u32 cpu_reg_msr(u32 reg);

/*
 * Makes the findings from regs[n], by CPU number; returns how many. O(n).
 * hypervisor: CPUs whose MTRRs are all as after reset, while CPU 0's are not, share one finding of
 * class INFO. QEMU's INIT clears the MTRRs, a real CPU's does not (SDM vol. 3, table 10-1); the
 * firmware is not at fault.
 */
u32 cpu_regs_compare(const struct cpu_regs *regs, u32 n, bool hypervisor);

#endif
