/*
 * From a code address to the name of its function, for panics and back traces. The table is made
 * from the linked kernel by tools/ksyms.py and linked in by a second link; in the first link, and
 * when it is missing, it is empty and every look-up fails.
 * The search is pure (symbols.c); the kernel's table is behind symbol_lookup() (ksyms.c).
 * Context: any CPU, any context, NMI included; no locks, no allocation.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_SYMBOLS_H
#define PERCH_BASE_SYMBOLS_H

#include "kernel/base/types.h"

/* As tools/ksyms.py writes it. */
struct symbol_entry {
    u32 offset; /* of the symbol from base */
    u32 name;   /* index of the first character in names */
};
static_assert(sizeof(struct symbol_entry) == 8, "tools/ksyms.py writes two 32-bit words");

/* Invariant: entries are sorted by offset; names are NUL-terminated. */
struct symbol_table {
    const struct symbol_entry *entries;
    const char *names;
    u64 base;       /* what offsets count from */
    u64 start, end; /* code lies in [start, end); nothing outside is looked up */
    u32 count;
};

/* The last symbol at or below addr, and *offset of addr in it; NULL (*offset 0) when none is. */
const char *symbol_find(const struct symbol_table *t, u64 addr, u64 *offset);

/* The same for the kernel's own code. */
const char *symbol_lookup(u64 addr, u64 *offset);

#endif
