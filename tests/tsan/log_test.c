/*
 * The unit tests of the log, under TSan.
 * SPDX-License-Identifier: MIT
 */
#include "tests/unit/log_test.c"
