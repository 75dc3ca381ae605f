/*
 * What the dynamic per-CPU allocator stands on in this kernel: pages of the page allocator and
 * small-object memory (percpu_pages.c), slots of the live page tables and the shoot-down
 * (percpu_slots.c), other CPUs (percpu_cpus.c), and what a bad address of it is (percpu_fault.c).
 * One set for the machine. The *_init() functions are for stage_percpu_dynamic(): boot CPU, once;
 * they panic when there is no memory, and what they return stays. The contexts of the operations
 * are those that percpu/backing/backing.h and percpu/alloc/alloc.h give.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_PERCPU_PLATFORM_H
#define PERCH_PLATFORM_PERCPU_PLATFORM_H

#include "kernel/platform/paging.h"
#include "mm/pages/buddy.h"
#include "percpu/alloc/alloc.h"
#include "percpu/backing/backing.h"

const struct pcpu_page_ops_dyn *percpu_pages_init(struct buddy *pages);

/* zero_pa: the page that stands for memory of CPUs that were never online. */
const struct pcpu_map_ops *percpu_slots_init(struct kernel_vm *vm, u64 zero_pa, bool can_promote);

const struct pcpu_alloc_ops *percpu_cpus_ops(struct kernel_vm *vm);
/* When the allocator works: its part of the idle loop and of CPUs that come and go. */
int percpu_cpus_hook(void) MUST_CHECK;

/*
 * Idle CPUs leave the dynamic allocator's deferred work until this is turned off again, which
 * wakes them: for measurements that must not include what other CPUs do. Work that has begun is
 * finished; percpu_balance(), and safe points where no CPU is idle, work as always. Thread context.
 */
void percpu_hold_work(bool on);

/*
 * Text on a faulting address, for panic_set_describe(): of a dynamic chunk, why an access faults
 * there; else what paging knows of it; else what a per-CPU pointer it is. Returns its length, 0:
 * nothing known. Any context, a fault's too: takes no lock.
 */
int percpu_fault_describe(u64 addr, char *buf, size_t size);

#endif
