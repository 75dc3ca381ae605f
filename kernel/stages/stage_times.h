/*
 * Times of the boot stages, in TSC ticks, each with a line in the log. Under -icount a tick is one
 * guest instruction; `run=bench:boot` prints those.
 * Boot CPU only.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_STAGES_STAGE_TIMES_H
#define PERCH_STAGES_STAGE_TIMES_H

#include "kernel/base/types.h"

/* Ends the stage that has run since the last call (or since the first C instruction). */
void stage_done(const char *name);

/* A figure of a stage that the stage measured itself, in TSC ticks. */
void stage_note(const char *name, u64 ticks);

/* The `bench: boot stage=` lines and the cost of measuring. */
void stage_times_print(void);

#endif
