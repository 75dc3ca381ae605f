/*
 * Checks of ACPI tables across each other, for stage_topology(). Boot CPU, after numa_build() and
 * while the SRAT's records are there; uses the early window.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_APP_CHECK_STAGE_H
#define PERCH_APP_CHECK_STAGE_H

#include "kernel/app/boot_state.h"

/* Fills s->hmat, logs it, and makes the findings of mm/numa_check.h. */
void check_tables(struct boot_state *s, const struct numa_input *in,
                  const struct numa_alloc *alloc);

#endif
