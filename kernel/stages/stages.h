/*
 * The stages of one boot, in the order in which kernel/main.c calls them, and the end of the run.
 * Each fills its part of struct boot_state, and panics when the machine cannot go on without it.
 * Boot CPU; what a stage needs of the stages before it stands at its file's head.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_STAGES_STAGES_H
#define PERCH_STAGES_STAGES_H

#include "kernel/stages/boot_state.h"

struct numa_alloc;
struct numa_input;

/* Tells the end of the run (power, panic) what is known so far; again whenever more is. */
void end_configure(struct boot_state *s);

/* Memory map to memblock; reserves the image, page 0, and what the loader left. */
void stage_memory(struct boot_state *s);

/* The pages that touch [base, end) are taken; panics, naming what, when memblock has no room. */
void boot_reserve(struct boot_state *s, u64 base, u64 end, const char *what);

/* Finds and parses the ACPI tables; FADT first, because the clock wants it. */
void stage_acpi_tables(struct boot_state *s);

/*
 * size bytes of memblock for an array, zeroed; NULL when size is 0 or no memory is free.
 * boot_array_free() gives an array back; p may be NULL. boot_state: a struct boot_state, untyped
 * for struct numa_alloc. Not after stage_pages().
 */
void *boot_array(void *boot_state, size_t size);
void boot_array_free(void *boot_state, void *p, size_t size);

/* The first table with this signature, in the early window; false: none, or it is not whole. */
bool acpi_map_table(struct boot_state *s, const char *sig, const void **data, size_t *len);

/* MADT, SRAT and SLIT to CPUs, nodes and distances; node ids into memblock. */
void stage_topology(struct boot_state *s);

/*
 * Part of stage_topology(), after numa_build() and while the SRAT's records are there: fills
 * s->hmat, logs it, and makes the findings of mm/numa/numa_check.h. Uses the early window.
 */
void check_tables_agree(struct boot_state *s, const struct numa_input *in,
                        const struct numa_alloc *alloc);

/* Lists the CXL windows of the CEDT; called by stage_topology() when the nodes are known. */
void cxl_list_windows(struct boot_state *s);

/* Final page tables over all usable memory. */
void stage_paging(struct boot_state *s);

/* After stage_paging(): registers in memory that the end may need get their own addresses. */
void end_map_registers(struct boot_state *s);

/* First chunk; the boot CPU on its unit, with node-local stacks of its own made ready. */
void stage_percpu(struct boot_state *s);

/*
 * Interrupts of the boot CPU, then every other CPU. From here on a panic stops the others by NMI.
 */
void stage_smp(struct boot_state *s);

/*
 * Are the TSCs of all CPUs in step? TSCs that are not are a finding about the firmware, which sets
 * them. While memblock still gives memory.
 */
void stage_tsc(struct boot_state *s);

/* MTRRs, PAT, control registers and microcode of all CPUs, compared. Interrupts on. */
void stage_cpu_regs(struct boot_state *s);

/* Memblock's free memory to the page allocator; small-object memory; memblock is closed. */
void stage_pages(struct boot_state *s);

/* The dynamic per-CPU allocator over them, and its hooks in the idle loop and in park and wake. */
void stage_percpu_dynamic(struct boot_state *s);

/* Does what run= asks for: report, tests, benchmarks. Then the verdict, and the end. */
void stage_run(struct boot_state *s) NORETURN;

#endif
