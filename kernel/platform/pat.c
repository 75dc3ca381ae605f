/*
 * The page attribute table; see pat.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/platform/pat.h"

#include "kernel/base/cpu.h"

/* Bits of an entry that choose one of eight types; in a 2 MiB leaf PAT is bit 12. */
#define PTE_PWT    (1ULL << 3)
#define PTE_PCD    (1ULL << 4)
#define PTE_PAT_2M (1ULL << 12)

void pat_set(void)
{
    u64 pat = rdmsr(MSR_PAT);

    wrmsr(MSR_PAT, (pat & ~0xff00ULL) | (u64)PAT_WC << 8);
}

u32 pat_type_2m(u64 entry)
{
    u32 index =
        (entry & PTE_PWT ? 1 : 0) + (entry & PTE_PCD ? 2 : 0) + (entry & PTE_PAT_2M ? 4 : 0);

    return rdmsr(MSR_PAT) >> (8 * index) & 7;
}
