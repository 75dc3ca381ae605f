/*
 * For tests: faults on purpose. fail=WORD on the command line makes the kernel do something wrong
 * at a known place, so that a test gets the output that a user would get. Other words belong to
 * smp/start/bringup_fault.h and to the stages that call fail_next().
 *   premature  a per-CPU variable of another CPU, before the areas are set up
 *   null       a write through a null pointer          template  a write to the per-CPU template
 *   overflow   a stack that runs into its guard page   smash     an overwritten stack canary
 *   panic      panic() on the boot CPU                 remote    panic() on the last online CPU
 *   ud         an undefined instruction                ubsan     a signed overflow (UBSan builds)
 *   unbacked   a write to the dynamic memory of a CPU that was never online
 *   returned   a write to dynamic per-CPU memory that was freed and given back
 *   test       nothing happens, but the run has failed
 *   low_memory all memory below 1 MiB is taken; low_memory:N: all but the pages N and N + 1
 *   cpu_regs:N CPU N reads an unused MTRR with another base than the other CPUs
 *   percpu     dynamic per-CPU memory misused in every way that the debug build names
 *   bare       a per-CPU pointer used without per_cpu_ptr
 *   end_s5, end_reset, end_kbd, end_cf9
 *              this way to switch off or to reset does nothing (kernel/platform/power_ways.h)
 * Boot CPU.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_STAGES_FAIL_H
#define PERCH_STAGES_FAIL_H

#include "kernel/base/cmdline.h"
#include "mm/memblock/memblock.h"

/*
 * Copies the next item of *list that begins with prefix to item, and moves *list behind it. Returns
 * the text behind the prefix, in item; NULL: no such item.
 */
char *fail_next(const char **list, const char *prefix, char item[OPT_TEXT_MAX]);

/* Call when memblock has the loader's reservations. Panics when memblock has no room. */
void fail_low_memory(const struct kernel_options *o, struct memblock *mb);

/* Call before the per-CPU areas are set up. */
void fail_early(const struct kernel_options *o);

/* Call at the end of the boot, before tests and benchmarks. */
void fail_late(const struct kernel_options *o);

/* Was fail=test given? */
bool fail_run(const struct kernel_options *o);

/* The ways to end a run that must fail, a bit for each enum power_way. */
u32 fail_power(const struct kernel_options *o);

#endif
