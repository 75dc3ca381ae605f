/*
 * The kernel's own exception table, between two symbols of the linker script.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/extable.h"

extern const struct extable_entry __start_extable[], __stop_extable[];

bool extable_fixup(u64 rip, u64 *new_rip)
{
    /* As numbers: C does not define the difference of pointers to two objects. */
    size_t bytes = (uintptr_t)__stop_extable - (uintptr_t)__start_extable;

    return extable_search(__start_extable, bytes / sizeof(__start_extable[0]), rip, new_rip);
}
