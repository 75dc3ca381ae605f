/*
 * The one instance of struct boot_state.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/stages/boot_state.h"

static struct boot_state boot;

DEFINE_PER_CPU(u64, percpu_early_mark) = PERCPU_EARLY_MARK_LINKED;

struct boot_state *boot_state_get(void)
{
    return &boot;
}
