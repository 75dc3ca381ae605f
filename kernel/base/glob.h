/*
 * Shell-like patterns for naming tests and benchmarks: '*' is any text, '?' is any one character,
 * everything else is itself. The whole text must match.
 * Pure; any context. Time is at most the product of the two lengths, without recursion.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_GLOB_H
#define PERCH_BASE_GLOB_H

#include "kernel/base/types.h"

#define GLOB_MAX 256 /* a longer pattern of a list, with its NUL, matches nothing */

bool glob_match(const char *pattern, const char *text);

/* Does a pattern of this list, separated by commas, match? An empty list matches everything. */
bool glob_list_match(const char *list, const char *text);

#endif
