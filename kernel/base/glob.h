/*
 * Shell-like patterns for naming tests and benchmarks: '*' is any text, '?' is any one character,
 * everything else is itself. The whole text must match.
 * Pure; any context. Time is at most the product of the two lengths, without recursion.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_GLOB_H
#define PERCH_BASE_GLOB_H

#include "kernel/base/types.h"

bool glob_match(const char *pattern, const char *text);

#endif
