/*
 * The kernel's own symbol table, from the file that tools/ksyms.py writes.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/symbols.h"

#define KERNEL_BASE 0xffffffff80000000 /* tools/ksyms.py counts from here */

extern const u32 ksyms_count;
extern const struct symbol_entry ksyms_table[];
extern const char ksyms_names[];
extern const char __text_start[], __text_end[];

const char *symbol_lookup(u64 addr, u64 *offset)
{
    const struct symbol_table t = {
        .entries = ksyms_table,
        .names = ksyms_names,
        .base = KERNEL_BASE,
        .start = (uintptr_t)__text_start,
        .end = (uintptr_t)__text_end,
        .count = ksyms_count,
    };

    return symbol_find(&t, addr, offset);
}
