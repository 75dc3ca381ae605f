/*
 * What a bad address of dynamic per-CPU memory is, in words: for the report of a fault.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_APP_PERCPU_FAULT_H
#define PERCH_APP_PERCPU_FAULT_H

#include "kernel/base/types.h"

/*
 * An address of a dynamic chunk: chunk, CPU and offset, and why an access faults there. Returns the
 * text's length, 0: no such address. Any context, a fault's too: takes no lock.
 */
int percpu_fault_describe(u64 addr, char *buf, size_t size);

#endif
