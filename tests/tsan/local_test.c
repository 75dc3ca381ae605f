/*
 * The unit tests of the same name, under TSan.
 * SPDX-License-Identifier: MIT
 */
#include "tests/unit/local_test.c"
