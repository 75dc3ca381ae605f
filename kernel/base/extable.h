/*
 * The exception table: for each instruction that may fault, the address at which to continue. The
 * accessors in kernel/base/safe.h make the entries. The fault handler calls extable_fixup() before
 * it treats a fault as a bug.
 * The search is pure; the kernel's own table is a linker section (extable.c).
 * Context: any CPU, any context, NMI included; no locks, no allocation.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_EXTABLE_H
#define PERCH_BASE_EXTABLE_H

#include "kernel/base/types.h"

struct extable_entry {
    u64 from; /* address of the instruction that may fault */
    u64 to;   /* where to continue */
};
static_assert(sizeof(struct extable_entry) == 16, "EXTABLE() writes two 64-bit words");

/* In the text of an asm statement; from and to are labels in it, made unique by %=. */
#define EXTABLE(from, to)                                                                          \
    ".pushsection extable, \"a\"\n\t"                                                              \
    ".balign 8\n\t"                                                                                \
    ".quad " from ", " to "\n\t"                                                                   \
    ".popsection\n\t"

/*
 * Searches table[n] for rip: from end to end, because the linker has not sorted it. True: rip is an
 * instruction that may fault, and *new_rip is set. False: *new_rip is unchanged.
 */
static inline bool extable_search(const struct extable_entry *table, size_t n, u64 rip,
                                  u64 *new_rip)
{
    for (size_t i = 0; i < n; i++) {
        if (table[i].from == rip) {
            *new_rip = table[i].to;
            return true;
        }
    }
    return false;
}

/* The same in the kernel's own table. */
bool extable_fixup(u64 rip, u64 *new_rip);

#endif
