/*
 * The part of the report about the HMAT: latencies, bandwidths, attached initiators, caches.
 * docs/report.md has the types. Context: as report_print().
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_APP_REPORT_HMAT_H
#define PERCH_APP_REPORT_HMAT_H

#include "acpi/hmat.h"
#include "kernel/app/report_json.h"

void report_hmat(struct report *r, const struct hmat *h);

#endif
