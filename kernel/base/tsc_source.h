/*
 * What a CPU or a hypervisor says about the TSC's frequency, and whether that or a measurement is
 * used. Pure: CPUID and MSRs come by functions, so that a test can be any machine; any context.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_TSC_SOURCE_H
#define PERCH_BASE_TSC_SOURCE_H

#include "kernel/base/types.h"

struct tsc_cpu {
    /* EAX, EBX, ECX, EDX of a leaf, sub-leaf 0. */
    void (*cpuid)(void *ctx, u32 leaf, u32 regs[4]);
    int (*rdmsr)(void *ctx, u32 msr, u64 *val); /* 0, or -EFAULT: no such MSR */
    void *ctx;
};

struct tsc_leaf {
    u64 khz; /* 0: nothing is said */
    const char *name;
    bool exact; /* else it is rounded: of a measurement and this one, the measurement is better */
};

/*
 * In this order: the hypervisor's word, CPUID 15h with the crystal's frequency, CPUID 16h.
 *   Microsoft Hv    MSR 40000022h, where 40000003h grants it (EAX bit 11, EDX bit 8)
 *   VMwareVMware    40000010h EAX, in kHz; also KVM's and ACRN's
 * An unknown hypervisor's leaves may mean anything, so they are not read. CPUID 15h without a
 * crystal gives only a ratio; 16h then has the base frequency, which is rounded to MHz, and on
 * known parts 0.25 % wrong (SDM vol. 2, CPUID; vol. 3, 19.7.3).
 */
struct tsc_leaf tsc_leaf_read(const struct tsc_cpu *cpu);

enum tsc_choice { TSC_NOTHING, TSC_LEAF, TSC_MEASURED };

/*
 * Of a leaf and a measurement (0: none; good: two measurements agreed). An exact leaf wins, a
 * rounded one only when the measurement is not good. *contradiction: they differ by more than one
 * part in 50, so the leaf is wrong, and the measurement is used.
 */
enum tsc_choice tsc_choose(const struct tsc_leaf *leaf, u64 measured, bool good,
                           bool *contradiction);

#endif
