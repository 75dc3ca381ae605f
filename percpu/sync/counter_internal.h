/*
 * A group of counters: for counter.c, and for its model.
 * CPU-local.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_SYNC_COUNTER_INTERNAL_H
#define PERCH_PERCPU_SYNC_COUNTER_INTERNAL_H

#include "percpu/sync/counter.h"

struct percpu_counter_part {
    struct spinlock lock ALIGNED(64);
    s64 count; /* under the lock; its magnitude is below node_batch */
};

/* Counters made together. part[k][index]: the part of node k in a counter. */
struct percpu_counter_group {
    const struct percpu_lib *lib;
    struct percpu_counter_geometry geo;
    s64 *local; /* per-CPU, [n] */
    u32 n;
    struct percpu_counter_global *globals; /* [n] */
    struct percpu_counter_part *part[];
};

#endif
