/*
 * Times of the boot stages in TSC ticks, each with a line in the log. Under QEMU's -icount a tick
 * is one guest instruction; run=bench:boot prints them. Boot CPU only.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_STAGES_STAGE_TIMES_H
#define PERCH_STAGES_STAGE_TIMES_H

#include "kernel/base/types.h"

/*
 * Ends a stage: notes and logs the time since the last call, or since the first C instruction.
 * Flushes the console.
 */
void stage_done(const char *name);

/* Notes a figure that a stage has measured itself, in TSC ticks. */
void stage_note(const char *name, u64 ticks);

/* Prints the `bench: boot stage=` lines and the cost of reading the TSC. */
void stage_times_print(void);

#endif
