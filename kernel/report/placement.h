/*
 * The proof that every CPU runs on its own per-CPU unit, in memory of its own node. Each online CPU
 * looks up its unit through its own GS base and page tables; the boot CPU prints the result, one
 * line per contiguous piece of a unit.
 * Boot CPU, interrupts on, after the other CPUs are online.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_REPORT_PLACEMENT_H
#define PERCH_REPORT_PLACEMENT_H

#include "kernel/stages/boot_state.h"

/* Fills *totals. Panics without memory. */
void placement_prove(struct boot_state *s, struct placement_totals *totals);

#endif
