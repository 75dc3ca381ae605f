/*
 * The unit tests of the same name, under TSan.
 * SPDX-License-Identifier: MIT
 */
#include "tests/unit/percpu_counter_test.c"
