/*
 * Memory types by the MTRRs of one CPU: is all RAM write-back? Firmware that runs out of MTRRs, or
 * forgets memory above 4 GiB, leaves RAM uncached, a hundred times slower. Promises a finding for
 * each such piece of RAM, and one for large pages over memory of more than one type, for which the
 * manual promises nothing.
 * Pure; allocates nothing. Source: SDM vol. 3, 12.11.2 to 12.11.4, 12.11.9.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_COMPARE_MTRR_H
#define PERCH_SMP_COMPARE_MTRR_H

#include "kernel/base/range.h"
#include "smp/compare/cpu_regs.h"

enum mtrr_type { MTRR_UC = 0, MTRR_WC = 1, MTRR_WT = 4, MTRR_WP = 5, MTRR_WB = 6 };

struct mtrr {
    bool on;
    bool fixed_on;
    bool holes; /* a mask that is no single range of addresses: not understood */
    u8 def_type;
    u64 amd_wb_end; /* AMD: from 4 GiB to here the default is write-back (mtrr_amd()); 0: no */
    u8 fixed[CPU_REGS_MTRR_FIXED * 8]; /* below 1 MiB, in the order of their addresses */
    u32 count;                         /* of variable[] */
    struct {
        struct range r;
        u8 type;
    } variable[CPU_REGS_MTRR_VARIABLE];
};

/* From one CPU's registers. False: it has no MTRRs. */
bool mtrr_decode(struct mtrr *m, const struct cpu_regs *regs, u32 phys_bits);

/*
 * AMD CPUs: with SYSCFG's Tom2ForceMemTypeWB the default type from 4 GiB to TOP_MEM2 is write-back
 * (APM vol. 2, 7.9.4). The two registers as they are.
 */
void mtrr_amd(struct mtrr *m, u64 syscfg, u64 top_mem2);

/* For fail=uncached: one more range, uncached. No effect when there is no room. */
void mtrr_spoil(struct mtrr *m, struct range r);

/* The type at pa; *next: the first address behind pa where it may be another. */
u8 mtrr_type_at(const struct mtrr *m, u64 pa, u64 *next);

/* Does all of r have one type? */
bool mtrr_uniform(const struct mtrr *m, struct range r);

/* Makes a finding for each piece of RAM that is not write-back. Returns its bytes. */
u64 mtrr_check_ram(const struct mtrr *m, const struct range *ram, u32 n);

#endif
