/*
 * Times the stages of the boot, in TSC ticks, and says so in the log: under -icount one tick is one
 * guest instruction, which is what `run=bench:boot` prints.
 * Boot CPU only.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_APP_STAGE_TIMES_H
#define PERCH_APP_STAGE_TIMES_H

#include "kernel/base/types.h"

/* Ends the stage that has run since the last call (or since the first C instruction). */
void stage_done(const char *name);

/* One more figure that belongs to a stage, measured elsewhere, in TSC ticks. */
void stage_note(const char *name, u64 ticks);

/* The `bench: boot stage=` lines and the cost of measuring. */
void stage_times_print(void);

#endif
