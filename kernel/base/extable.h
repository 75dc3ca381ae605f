/*
 * The exception table: pairs of instruction addresses that say "a fault here is expected; go on
 * there". The accessors in kernel/base/safe.h make the entries; the fault handler asks
 * extable_fixup() before it calls a fault a bug.
 * The search is pure (extable.c); the table of this kernel is a linker section (extable_table.c).
 * Context: any CPU, any context, NMI included; no locks, no allocation.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_EXTABLE_H
#define PERCH_BASE_EXTABLE_H

#include "kernel/base/types.h"

struct extable_entry {
    u64 from; /* address of the instruction that may fault */
    u64 to;   /* where to go on */
};
static_assert(sizeof(struct extable_entry) == 16, "EXTABLE() writes two 64-bit words");

/* In the text of an asm statement; from and to are labels in it, made unique by %=. */
#define EXTABLE(from, to)                                                                          \
    ".pushsection extable, \"a\"\n\t"                                                              \
    ".balign 8\n\t"                                                                                \
    ".quad " from ", " to "\n\t"                                                                   \
    ".popsection\n\t"

/*
 * Looks rip up in table[n], which is in no order (the linker's): true and *new_rip when rip is an
 * instruction that may fault. *new_rip is untouched otherwise.
 */
bool extable_search(const struct extable_entry *table, size_t n, u64 rip, u64 *new_rip);

/* The same in the kernel's own table. */
bool extable_fixup(u64 rip, u64 *new_rip);

#endif
