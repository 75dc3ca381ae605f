/*
 * Search in an exception table. Linear: the table has some tens of entries, in the linker's order.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/extable.h"

bool extable_search(const struct extable_entry *table, size_t n, u64 rip, u64 *new_rip)
{
    for (size_t i = 0; i < n; i++) {
        if (table[i].from == rip) {
            *new_rip = table[i].to;
            return true;
        }
    }
    return false;
}
