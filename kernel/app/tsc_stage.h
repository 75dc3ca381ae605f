/*
 * Stage: are the TSCs of all CPUs in step? Says so in one line, and keeps the result for the
 * report; TSCs that are not are a finding about the firmware, which sets them.
 * Boot CPU, after the others run, while memblock still gives memory.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_APP_TSC_STAGE_H
#define PERCH_APP_TSC_STAGE_H

#include "kernel/app/boot_state.h"

void stage_tsc(struct boot_state *s);

#endif
