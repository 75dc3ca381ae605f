/*
 * The kernel under the dynamic per-CPU allocator: pages of the page allocator (percpu_pages.c),
 * slots of the live page tables and the shoot-down (percpu_slots.c), the other CPUs
 * (percpu_cpus.c), and texts on faulting addresses (percpu_fault.c). One set for the machine. The
 * first three functions are for stage_percpu_dynamic(): boot CPU, once; the ops they return stay
 * valid. The contexts of the operations are those of percpu/backing/backing.h and
 * percpu/alloc/alloc.h.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_PERCPU_PLATFORM_H
#define PERCH_PLATFORM_PERCPU_PLATFORM_H

#include "kernel/platform/paging.h"
#include "mm/pages/buddy.h"
#include "percpu/alloc/alloc.h"
#include "percpu/backing/backing.h"

const struct pcpu_page_ops_dyn *percpu_pages_init(struct buddy *pages);

/* zero_pa: the page mapped read-only for CPUs that were never online. */
const struct pcpu_map_ops *percpu_slots_init(struct kernel_vm *vm, u64 zero_pa, bool can_promote);

const struct pcpu_alloc_ops *percpu_cpus_ops(struct kernel_vm *vm);

/*
 * Connects the allocator to the idle loop and to CPUs that come online or park. Boot CPU, once,
 * after the allocator's set-up. Errors of cpu_hooks_add().
 */
int percpu_cpus_hook(void) MUST_CHECK;

/*
 * true: idle CPUs start no deferred work of the allocator; false: they do again, and are woken. For
 * measurements that must not include the work of other CPUs. Work that has begun is finished;
 * percpu_balance(), and safe points where no CPU is idle, are not affected. Thread context.
 */
void percpu_hold_work(bool on);

/*
 * The time between two decays of an idle CPU, in nanoseconds (1 s); 0: none. For suites, and for
 * measurements that no decay may disturb. Idle CPUs use it from their next sleep on. Returns the
 * time before. Thread context.
 */
u64 percpu_decay_period(u64 ns);

/* For suites: decays that idle CPUs have done. */
u64 percpu_decays(void);

/*
 * Text on a faulting address, for panic_set_describe(): in a dynamic chunk, why the access faults;
 * else the text of paging_describe(); else of percpu_describe(). Returns its length, 0: unknown.
 * Any context, also in a fault: takes no lock.
 */
int percpu_fault_describe(u64 addr, char *buf, size_t size);

/* For tests: table pages that wait for a parked CPU to flush. */
u32 percpu_tables_kept(void);

#endif
