/*
 * A reader beside promotion and demotion, and the other cases, under TSan.
 * SPDX-License-Identifier: MIT
 */
#include "tests/unit/pagetable_range_test.c"
