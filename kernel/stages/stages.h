/*
 * The stages of the boot, in the order of kernel/main.c, and the end of the run. Each fills its
 * part of struct boot_state, and panics when the kernel cannot go on without it. Boot CPU.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_STAGES_STAGES_H
#define PERCH_STAGES_STAGES_H

#include "kernel/stages/boot_state.h"

struct numa_alloc;
struct numa_input;

/* Configures the end of the run (power, panic) with all that *s has. Called again after ACPI. */
void end_configure(struct boot_state *s);

/* Memory map to memblock; reserves the image, page 0, and what the loader left. */
void stage_memory(struct boot_state *s);

/* Reserves the pages that touch [base, end). Panics, naming what, when memblock has no room. */
void boot_reserve(struct boot_state *s, u64 base, u64 end, const char *what);

/* Finds and reserves the ACPI tables; parses those for clock, console and power. */
void stage_acpi_tables(struct boot_state *s);

/*
 * size bytes of memblock for an array, zeroed; NULL when size is 0 or no memory is free.
 * boot_array_free() gives an array back; p may be NULL. boot_state: a struct boot_state, untyped
 * for struct numa_alloc. Not after stage_pages().
 */
void *boot_array(void *boot_state, size_t size);
void boot_array_free(void *boot_state, void *p, size_t size);

/* The first table with this signature, in the early window. False: none, or it cannot be mapped. */
bool acpi_map_table(struct boot_state *s, const char *sig, const void **data, size_t *len);

/* MADT, SRAT and SLIT to CPUs, nodes and distances; node ids into memblock. */
void stage_topology(struct boot_state *s);

/*
 * Part of stage_topology(), after numa_build() and before the SRAT's records are freed: fills
 * s->hmat, logs it, and makes the findings of mm/numa/numa_check.h. Uses the early window.
 */
void check_tables_agree(struct boot_state *s, const struct numa_input *in,
                        const struct numa_alloc *alloc);

/* Part of stage_topology(), while the SRAT's records exist: logs the CXL windows of the CEDT. */
void cxl_list_windows(struct boot_state *s, const struct srat_records *srat);

/* Final page tables over all usable memory. */
void stage_paging(struct boot_state *s);

/* After stage_paging(): maps the power registers that are in memory. */
void end_map_registers(struct boot_state *s);

/* First chunk; moves the boot CPU to its unit and allocates its node-local stacks. */
void stage_percpu(struct boot_state *s);

/*
 * Interrupts of the boot CPU, then every other CPU. From here on a panic stops the others by NMI.
 */
void stage_smp(struct boot_state *s);

/*
 * Compares the TSCs of all CPUs. A difference is a finding, because firmware sets the TSCs. Before
 * stage_pages(): it needs memblock.
 */
void stage_tsc(struct boot_state *s);

/* Compares MTRRs, PAT, control registers and microcode of all CPUs. Interrupts on. */
void stage_cpu_regs(struct boot_state *s);

/* Gives memblock's free memory to the page allocator, closes memblock, sets up small objects. */
void stage_pages(struct boot_state *s);

/* The dynamic per-CPU allocator, and its hooks in the idle loop and in park and wake. */
void stage_percpu_dynamic(struct boot_state *s);

/* Report, tests and benchmarks as run= says; then the verdict, and the end. */
void stage_run(struct boot_state *s) NORETURN;

#endif
