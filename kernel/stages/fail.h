/*
 * For tests: faults on purpose. fail=WORD on the command line makes the kernel do something wrong
 * at a known place, so that a test gets the output that a user would get. Other words belong to
 * smp/start/bringup_fault.h and to the stages that call fail_next(). docs/boot.md lists all words.
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

/*
 * Names the words of fail= that do not exist, a line each. Call once, when there is a console.
 * The functions of single words look at the rest of a word, and refuse it themselves.
 */
void fail_check(const struct kernel_options *o);

/* A word that does nothing: one line that says why, and one more of fail_refused(). */
void fail_refuse(const char *item, const char *why);

/* How many words did nothing. A run that is not what was asked for does not hold. */
u32 fail_refused(void);

/* Call when memblock has the loader's reservations. Panics when memblock has no room. */
void fail_low_memory(const struct kernel_options *o, struct memblock *mb);

/* Call before the per-CPU areas are set up. */
void fail_early(const struct kernel_options *o);

/* Call at the end of the boot, before tests and benchmarks. */
void fail_late(const struct kernel_options *o);

/* Was fail=test given? */
bool fail_run(const struct kernel_options *o);

/* For the kernel's own suite: was fail=case given? Its case fails then. */
bool fail_case(const struct kernel_options *o);

/* Was fail=placement given? Then the units of one block go to the farthest node. */
bool fail_placement(const struct kernel_options *o);

/* The ways to end a run that must fail, a bit for each enum power_way. */
u32 fail_power(const struct kernel_options *o);

#endif
