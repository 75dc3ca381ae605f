/*
 * The proof that every CPU runs on its own per-CPU unit, in memory of its own node: each online CPU
 * looks at itself, through its GS base and the page tables it uses, and the boot CPU prints what
 * they saw, one line per contiguous piece of a unit.
 * Boot CPU, interrupts on, after the other CPUs are online.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_REPORT_PLACEMENT_H
#define PERCH_REPORT_PLACEMENT_H

#include "kernel/stages/boot_state.h"

/* Looks and prints; counts through the last argument. */
void placement_prove(struct boot_state *s, struct placement_totals *totals);

#endif
