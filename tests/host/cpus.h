/*
 * Threads as CPUs, for tests of what stands on per-CPU memory: units, one thread per CPU, and a
 * grace period that really waits for each thread. Per-CPU pointers are addresses in CPU 0's unit.
 * Context: host_cpus_init() and _end() from the test's own thread, which is CPU 0 in between.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TESTS_HOST_CPUS_H
#define PERCH_TESTS_HOST_CPUS_H

#include "kernel/base/cpu_local.h"

#define HOST_MAX_CPUS 256

/* n CPUs with units of unit_size bytes, all zero. */
void host_cpus_init(u32 n, size_t unit_size);
void host_cpus_end(void);

/* The calling thread is cpu from now on. */
void host_cpu_become(u32 cpu);

/* Runs fn(arg) in n threads, CPUs 0 to n-1, at the same time; returns when all have returned. */
void host_cpus_run(u32 n, void (*fn)(void *arg), void *arg);

/* Zeroed per-CPU memory, NULL when the unit is full; what was allocated last is freed first. */
void *host_percpu_alloc(size_t size, size_t align);
void host_percpu_free(void *ptr);
u32 host_percpu_objects(void); /* allocated now */

/*
 * The grace period: each CPU has been outside of guards and with interrupts on since the call
 * began, and what it did before is visible. The caller must be so itself. Always 0.
 */
int host_quiesce(void *ctx);

#endif
