/*
 * Binary search in a symbol table.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/symbols.h"

const char *symbol_find(const struct symbol_table *t, u64 addr, u64 *offset)
{
    u32 lo = 0, hi = t->count; /* entries below lo are at or below addr, from hi on above it */

    *offset = 0;
    if (addr < t->start || addr >= t->end || addr < t->base)
        return NULL;
    while (lo < hi) {
        u32 mid = lo + (hi - lo) / 2;

        if (t->entries[mid].offset <= addr - t->base)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == 0)
        return NULL;
    *offset = addr - t->base - t->entries[lo - 1].offset;
    return t->names + t->entries[lo - 1].name;
}
