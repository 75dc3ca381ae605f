/*
 * A group of counters, for counter.c and its model.
 * CPU-local.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_SYNC_COUNTER_INTERNAL_H
#define PERCH_PERCPU_SYNC_COUNTER_INTERNAL_H

#include "percpu/sync/counter.h"

struct percpu_counter_part {
    struct spinlock lock ALIGNED(64);
    s64 count; /* under the lock; less than node_batch either way */
};

/* Counters that were made together. part[k][index]: what node k has of a counter. */
struct percpu_counter_group {
    const struct percpu_lib *lib;
    struct percpu_counter_geometry geo;
    s64 *local; /* per-CPU, [n] */
    u32 n;
    struct percpu_counter_global *globals; /* [n] */
    struct percpu_counter_part *part[];
};

#endif
