/*
 * Faults on purpose, by the command line: fail=WORD makes the kernel do something wrong at a known
 * place, so that a test sees what a user would see. Words that are not known here are for
 * smp/start/bringup_fault.h and the stages that call fail_next().
 *   premature  a per-CPU variable of another CPU, before the areas are set up
 *   null       a write through a null pointer          template  a write to the per-CPU template
 *   overflow   a stack that runs into its guard page   smash     an overwritten stack canary
 *   panic      panic() on the boot CPU                 remote    panic() on the last online CPU
 *   ud         an undefined instruction                ubsan     a signed overflow (UBSan builds)
 *   unbacked   a write to the dynamic memory of a CPU that was never online
 *   returned   a write to dynamic per-CPU memory that was freed and given back
 *   test       nothing happens, but the run has failed
 *   low_memory all memory below 1 MiB is taken; low_memory:N: all but the pages N and N + 1
 *   cpu_regs:N CPU N reads an MTRR that firmware would have set otherwise than on the others
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
 * The next item of the list that begins with prefix, copied to item: what follows the prefix there;
 * NULL: there is none. *list goes on behind it.
 */
char *fail_next(const char **list, const char *prefix, char item[OPT_TEXT_MAX]);

/* When memblock knows what the loader left. */
void fail_low_memory(const struct kernel_options *o, struct memblock *mb);

/* Before the per-CPU areas are set up; and at the end of the story. */
void fail_early(const struct kernel_options *o);
void fail_late(const struct kernel_options *o);

/* Was fail=test given? */
bool fail_run(const struct kernel_options *o);

/* The ways to end a run that must fail, a bit for each enum power_way. */
u32 fail_power(const struct kernel_options *o);

#endif
