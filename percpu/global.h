/*
 * The kernel's one instance of the allocator: for the stage that makes it, the hooks that keep it,
 * and tests. Everybody else uses percpu/percpu.h.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_GLOBAL_H
#define PERCH_PERCPU_GLOBAL_H

#include "percpu/alloc.h"

/* As pcpu_init(); once, after the page allocator. */
int percpu_alloc_init(const struct pcpu_alloc_config *config) MUST_CHECK;

struct pcpu_allocator *percpu_allocator(void);

#endif
