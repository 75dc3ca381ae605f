/*
 * The unit tests of cross-CPU calls, under TSan.
 * SPDX-License-Identifier: MIT
 */
#include "tests/unit/call_core_test.c"
