/*
 * The module's Perch side inside: the port, and the workloads that both allocators run.
 * For tools/linux-module/ only.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_LINUX_MODULE_PORT_H
#define PERCH_LINUX_MODULE_PORT_H

#include "kernel/base/types.h"

/* The allocator of percpu/percpu.h, in a window of its own. Thread context. */
int port_begin(void) MUST_CHECK;

/* Verifies it, gives everything back. 0; -EINVAL: a check failed, which a line says. */
int port_end(void);

/* Address of a CPU's copy. */
void *port_copy(void *p, unsigned cpu);

/* One line of results: "compare: ...". */
void say(const char *fmt, ...) PRINTF(1, 2);

/* One of the two allocators. */
struct side {
    const char *name;
    void *(*alloc)(unsigned long size, unsigned long align);
    void (*free)(void *p);
    void *(*copy)(void *p, unsigned cpu);
    void (*settle)(void); /* work that was put off; may be NULL */
};

/* Every workload on both sides, in turn; 0, or what was wrong: -ENOMEM, -EINVAL. */
int workloads_run(const struct side *sides, u32 cpus, const char *ops, u32 pairs, u32 rounds);

#endif
