/*
 * The same as tests/unit/park_core_test.c: its CPUs are threads already.
 * SPDX-License-Identifier: MIT
 */
#include "tests/unit/park_core_test.c"
