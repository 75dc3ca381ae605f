/*
 * The kernel's one instance of the allocator: for the stage that makes it, the hooks that keep it,
 * and tests. All other code uses percpu/percpu.h.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_PERCPU_INSTANCE_H
#define PERCH_PERCPU_PERCPU_INSTANCE_H

#include "percpu/alloc/alloc.h"

/* As pcpu_init(); once, after the page allocator. */
int percpu_alloc_init(const struct pcpu_alloc_config *config) MUST_CHECK;

struct pcpu_allocator *percpu_allocator(void);

/* NULL unless this is the debug build. */
struct pcpu_debug;
struct pcpu_debug *percpu_debugger(void);

/* As pcpu_cpu_first_online(). */
int percpu_cpu_first_online(u32 cpu) MUST_CHECK;

/*
 * May a chunk begin at base? In the debug build, only if every pointer into it, used as an address,
 * would fault. Also called within percpu_alloc_init().
 */
bool percpu_base_usable(u64 base);

/* Describes a per-CPU pointer that was used as an address, for panic_set_describe(). */
int percpu_describe(u64 addr, char *buf, size_t size);

#endif
