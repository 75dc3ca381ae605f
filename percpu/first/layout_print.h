/*
 * Log lines about the layout of the first chunk, in Linux's form and widths, which tools and people
 * know from dmesg.
 * Pure; any CPU, any context in which log_line() may be called.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_FIRST_LAYOUT_PRINT_H
#define PERCH_PERCPU_FIRST_LAYOUT_PRINT_H

#include "kernel/base/print.h"
#include "percpu/first/first_chunk_types.h"

/* "percpu: Embedded 66 pages/cpu s233472 r8192 d28672 u1048576" */
void pcpu_log_embedded(const struct pcpu_alloc_info *ai);

/* "percpu: 64 4K pages/cpu s233472 r8192 d20480" */
void pcpu_log_paged(const struct pcpu_alloc_info *ai);

/*
 * "pcpu-alloc: s.. r.. d.. u.. alloc=N*atom" and the map: for each block its group in brackets and
 * its CPUs, with dashes for an unused unit. A line has the number of blocks that Linux prints, but
 * continues on the next line after env->line_max characters. Temporary memory for a long line comes
 * from env->alloc; without memory the lines are shorter.
 */
void pcpu_dump_alloc_info(const struct pcpu_env *env, enum log_level level,
                          const struct pcpu_alloc_info *ai);

/* "percpu: cpu_possible_mask=ff,ffffffff" */
void pcpu_log_possible(u32 nr_cpus);

#endif
