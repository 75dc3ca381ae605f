/*
 * The unit tests of small-object memory, under TSan.
 * SPDX-License-Identifier: MIT
 */
#include "tests/unit/smallmem_test.c"
