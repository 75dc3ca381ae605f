/*
 * The unit tests of the same name, under TSan.
 * SPDX-License-Identifier: MIT
 */
#include "tests/unit/percpu_rwlock_test.c"
