/*
 * Bringing the application processors up: from the CPU map and a page below 1 MiB to CPUs that idle
 * online, each on its own stack, per-CPU unit and descriptor tables. Promises that no processor,
 * dead, slow or unreachable, stops the boot: who fails is named, left out, and cannot come back.
 * The batch is in smp/bringup_batch.h, the record of one processor in smp/bringup_state.h.
 *
 * Context: boot CPU, once, after the per-CPU areas, the final page tables, the boot CPU's
 * descriptor tables and apic_init_boot(); interrupts may be on or off. Nothing here allocates:
 * memory comes from the caller.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_BRINGUP_H
#define PERCH_SMP_BRINGUP_H

#include "kernel/base/errno.h"
#include "smp/bringup_batch.h"
#include "smp/bringup_fault.h"

/* What the platform does for a CPU. */
struct smp_ops {
    /*
     * Boot CPU, once for each CPU to be started: stacks from the CPU's node, its descriptor tables
     * filled; *stack_top: the end of its first stack, 16-byte aligned. An error leaves the CPU out.
     */
    int (*cpu_prepare)(void *ctx, u32 cpu, u64 *stack_top);
    /* On the CPU itself, interrupts off: loads GDT, TSS and IDT. */
    void (*cpu_load_tables)(void);
    /* On the CPU itself, online, interrupts off: its idle loop. Does not return. */
    void (*cpu_run)(void) NORETURN;
    /* Boot CPU: maps one page at its physical address, read-execute or read-write; and unmaps it.
     */
    int (*map_identity)(void *ctx, u64 pa, bool exec);
    void (*unmap_identity)(void *ctx, u64 pa);
    void *ctx;
};

struct smp_config {
    const struct smp_ops *ops;
    u32 max_cpus; /* online at most, the boot CPU included; 0: all */
    u64 tsc_hz;
    bool hypervisor;
    u64 trampoline_pa; /* TRAMPOLINE_SIZE below 1 MiB, in the direct map, kept from everybody else
                        */
    void *table;       /* smp_table_size() bytes, 64-byte aligned, below 4 GiB; for good */
    u64 table_pa;
    const struct smp_fault *faults;
    u32 nr_faults;
};

struct smp_result {
    u32 online;             /* the boot CPU included */
    u32 not_started;        /* beyond max_cpus: all but started, smp_start_one() may follow */
    u32 unreachable;        /* APIC ids that need x2APIC, which the machine lacks */
    u32 unprepared;         /* no memory for their stacks */
    u32 unknown;            /* processors that came without a record: not in the table */
    bool trampoline_in_use; /* somebody may still come through it: the caller keeps its pages */
    struct bringup_result batch;    /* ticks are the TSC's */
    u64 prepare_ticks;              /* stacks, tables, records of all CPUs, before the first INIT */
    u64 ap_ticks_min, ap_ticks_max; /* first instruction to online, of those online */
    const struct smp_record *records; /* one per CPU that was tried, sorted by APIC id */
    u32 nr_records;
};

/* Bytes for the records of n CPUs. */
u64 smp_table_size(u32 n);

/*
 * Starts all possible CPUs of cpu_map up to max_cpus, waits for them, enters them as present and
 * online, and says who did not come. 0, also when processors failed: *result says how many came;
 * -EINVAL: the trampoline or the table is out of reach, two CPUs have one APIC id; -ENOMEM: the
 * trampoline cannot be mapped. On an error only the boot CPU runs.
 */
int smp_bring_up(const struct smp_config *config, struct smp_result *result) MUST_CHECK;

/*
 * Starts, at run time, a CPU that max_cpus left out; when it returns 0 the CPU is online, or about
 * to enter itself. Thread context, one caller at a time, interrupts on or off. -ENODEV: not left
 * out, tried before, or no CPU can be started any more because one that was given up may still come
 * through the trampoline; -ETIMEDOUT: it did not come, and a line names the stage; errors of
 * smp_bring_up. smp_can_start(): whether it would be tried.
 */
int smp_start_one(u32 cpu) MUST_CHECK;
bool smp_can_start(u32 cpu);

/* ---- smp/ap_main.c --------------------------------------------------------------------------- */

/* Which ops the CPUs that start from now on use. Boot CPU. */
void smp_ap_use(const struct smp_ops *ops);

/* Where the trampoline enters C. Only the trampoline calls it. */
void smp_ap_main(struct smp_record *rec, u32 ticket) NORETURN;

#endif
