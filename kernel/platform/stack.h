/*
 * Switching to another stack for good.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_STACK_H
#define PERCH_PLATFORM_STACK_H

#include "kernel/base/types.h"

/* Calls fn(arg) on the stack that ends at top (16-byte aligned). Neither it nor fn returns. */
void run_on_stack(u64 top, void (*fn)(void *arg), void *arg) NORETURN;

#endif
