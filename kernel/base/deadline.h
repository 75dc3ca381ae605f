/*
 * Deadlines and time stamps by the TSC. Every loop that waits for hardware or another CPU has a
 * deadline. Under a hypervisor deadlines are 20 times as long, and longer on a host that is shown
 * to be busy (kernel/base/patience.h): many virtual CPUs share few real ones, so slow does not mean
 * dead. Until the TSC's frequency is known, 10 GHz is assumed, so that no deadline ends early.
 * Context: any CPU, any context; nothing allocates.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_DEADLINE_H
#define PERCH_BASE_DEADLINE_H

#include "kernel/base/patience.h"

/* Factor on every deadline under a hypervisor. */
#define HYPERVISOR_FACTOR 20

/* What all waits have learned about the host. NULL on a real machine: limits are exact. */
struct patience_host *patience_host(void);

struct deadline {
    struct patience p;
};

/* A deadline us microseconds (times 20 under a hypervisor) from now. */
struct deadline deadline_start(u64 us);

/* Asked in every turn of the loop that waits, by the CPU that started it. */
bool deadline_passed(struct deadline *d);

/* Spins for at least us microseconds; a hypervisor makes no difference. */
void udelay(u64 us);

/* TSC ticks per millisecond: measured, or the assumed 10 GHz. */
u64 tsc_khz_now(void);

/* Set once by the clock, when it has measured. */
void tsc_khz_set(u64 khz);

/* TSC ticks in microseconds, rounded down. */
u64 ticks_to_us(u64 ticks);

/* Microseconds since the first C instruction, rounded down. */
u64 uptime_us(void);

#endif
