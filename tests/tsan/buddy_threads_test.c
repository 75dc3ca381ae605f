/*
 * Threads on one page allocator, under TSan.
 * SPDX-License-Identifier: MIT
 */
#include "tests/unit/buddy_threads_test.c"
