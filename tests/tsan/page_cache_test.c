/*
 * Threads as CPUs on their page caches, under TSan.
 * SPDX-License-Identifier: MIT
 */
#include "tests/unit/page_cache_test.c"
