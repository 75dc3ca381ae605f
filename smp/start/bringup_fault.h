/*
 * Fault injection for the start of processors, from the command line's fail= key: a processor that
 * never answers, comes too early, or stops at a stage. It tests the log and the rest of the boot on
 * machines that have no such fault.
 * Pure; any context.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_START_BRINGUP_FAULT_H
#define PERCH_SMP_START_BRINGUP_FAULT_H

#include "kernel/base/errno.h"
#include "kernel/base/types.h"
#include "smp/start/bringup_state.h"

struct smp_fault {
    u32 cpu, last; /* from one to the other; last is not below cpu */
    u8 stop_at;    /* enum bring_stage; STAGE_NONE: silent, or early */
    bool early;    /* its start-up IPI comes before its record is offered */
};

/*
 * Parses one item of the list, len characters: "ap_silent:5", "ap_early:5" or "ap_stage:6:3" (CPU 6
 * stops at stage 3; stages 1 to 6). Instead of a CPU's number "5-9" names several. -ENOENT: an item
 * of another kind; -EINVAL: malformed.
 */
int smp_fault_parse(const char *item, size_t len, struct smp_fault *fault) MUST_CHECK;

#endif
