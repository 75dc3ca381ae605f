/*
 * The function's name for a code address, for panics and back traces. tools/ksyms.py makes the
 * table from the linked kernel, and a second link adds it. In the first link it is empty, and every
 * look-up fails. The search is pure (symbols.c); symbol_lookup() searches the kernel's own table
 * (ksyms.c). Context: any CPU, any context, NMI included; no locks, no allocation.
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
    u64 start, end; /* code is in [start, end); a look-up outside fails */
    u32 count;
};

/*
 * The last symbol at or below addr; *offset: addr's distance from it. NULL, *offset 0: no symbol.
 */
const char *symbol_find(const struct symbol_table *t, u64 addr, u64 *offset);

/* The same for the kernel's own code. */
const char *symbol_lookup(u64 addr, u64 *offset);

#endif
