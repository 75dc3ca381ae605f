/*
 * Numbers for tests that try many cases: the same sequence for the same seed, on every machine.
 * The state is one word of the caller's, which need not be locked where each thread has its own.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TESTS_HOST_RANDOM_H
#define PERCH_TESTS_HOST_RANDOM_H

#include "kernel/base/types.h"

/* xorshift64 (Marsaglia, 2003). The state must not be 0. */
static inline u64 random_xorshift(u64 *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* A linear congruence (Knuth's MMIX). The low bits repeat soon: use the high ones. */
static inline u64 random_lcg(u64 *state)
{
    return *state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
}

/* The same with 32 bits (Numerical Recipes). */
static inline u32 random_lcg32(u32 *state)
{
    return *state = *state * 1664525 + 1013904223;
}

#endif
