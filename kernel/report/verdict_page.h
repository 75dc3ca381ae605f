/*
 * The page that is left on the screen when a run ends: the verdict and its reasons, which machine
 * this is, what firmware got wrong, the figures that matter, and where to send what was seen.
 * Boot CPU, after everything else; does nothing without a screen.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_REPORT_VERDICT_PAGE_H
#define PERCH_REPORT_VERDICT_PAGE_H

#include "kernel/report/outcome.h"
#include "kernel/report/summary.h"
#include "kernel/stages/boot_state.h"

/* Draws it, last of all. Tests that were not asked for are 0 in the summary. */
void verdict_page(struct boot_state *s, const struct outcome *o, const struct summary *sum);

#endif
