/*
 * Starts the application processors: from the CPU map and a page below 1 MiB to CPUs that idle
 * online, each on its own stack, per-CPU unit and descriptor tables. Promises that no processor,
 * dead, slow or unreachable, stops the boot: one that fails is named in the log, left out, and
 * cannot come back. smp/start/bringup_batch.h has the batch, smp/start/bringup_state.h one
 * processor's record.
 *
 * Context: boot CPU, once, after the per-CPU areas, the final page tables, the boot CPU's
 * descriptor tables and apic_init_boot(); interrupts on or off. Nothing here allocates: the caller
 * provides the memory.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_START_BRINGUP_H
#define PERCH_SMP_START_BRINGUP_H

#include "kernel/base/errno.h"
#include "smp/start/bringup_batch.h"
#include "smp/start/bringup_fault.h"

/* What the platform does for a CPU. */
struct smp_ops {
    /*
     * Boot CPU, once per CPU to be started: allocates its stacks on its node and fills its
     * descriptor tables. *stack_top: end of its first stack, 16-byte aligned. An error leaves the
     * CPU out.
     */
    int (*cpu_prepare)(void *ctx, u32 cpu, u64 *stack_top);
    /* On the CPU itself, interrupts off: loads GDT, TSS and IDT. */
    void (*cpu_load_tables)(void);
    /* On the CPU itself, online, interrupts off: its idle loop. Does not return. */
    void (*cpu_run)(void) NORETURN;
    /* Boot CPU: maps one page at its physical address, read-execute or read-write. */
    int (*map_identity)(void *ctx, u64 pa, bool exec);
    void (*unmap_identity)(void *ctx, u64 pa);
    void *ctx;
};

struct smp_config {
    const struct smp_ops *ops;
    u32 max_cpus; /* online at most, the boot CPU included; 0: all */
    u64 tsc_hz;
    bool hypervisor;
    u64 trampoline_pa; /* TRAMPOLINE_SIZE bytes below 1 MiB, reserved, in the direct map */
    void *table;       /* smp_table_size() bytes, 64-byte aligned, below 4 GiB; never freed */
    u64 table_pa;
    const struct smp_fault *faults;
    u32 nr_faults;
};

struct smp_result {
    u32 online;                     /* the boot CPU included */
    u32 not_started;                /* beyond max_cpus: prepared, smp_start_one() may start them */
    u32 unreachable;                /* APIC ids that need x2APIC, which the machine lacks */
    u32 unprepared;                 /* no memory for their stacks */
    u32 unknown;                    /* processors that started without a record */
    bool trampoline_in_use;         /* a processor may still enter it: the caller keeps its pages */
    struct bringup_result batch;    /* ticks are the TSC's */
    u64 prepare_ticks;              /* stacks, tables, records of all CPUs, before the first INIT */
    u64 ap_ticks_min, ap_ticks_max; /* first instruction to online, of those online */
    const struct smp_record *records; /* one per CPU that was tried, sorted by APIC id */
    u32 nr_records;
};

/* Bytes for the records of n CPUs. */
u64 smp_table_size(u32 n);

/*
 * Starts all possible CPUs of cpu_map up to max_cpus and waits for them. Those that come are
 * present and online afterwards; a line names each of the others. 0, also when processors failed:
 * *result says how many run. -EINVAL: the trampoline or the table is out of reach, or two CPUs have
 * one APIC id; -ENOMEM: the trampoline cannot be mapped. On an error only the boot CPU runs.
 */
int smp_bring_up(const struct smp_config *config, struct smp_result *result) MUST_CHECK;

/*
 * Starts, at run time, a CPU that max_cpus left out. On return of 0 the CPU is online or about to
 * enter the set itself. Thread context, one caller at a time, interrupts on or off. -ENODEV: not
 * left out, or tried before, or a CPU that was given up may still use the trampoline; -ETIMEDOUT:
 * it did not come, and a line names its last stage; errors of smp_bring_up. smp_can_start(): would
 * it be tried?
 */
int smp_start_one(u32 cpu) MUST_CHECK;
bool smp_can_start(u32 cpu);

/* ---- smp/start/ap_main.c --------------------------------------------------------------------- */

/* Which ops the CPUs that start from now on use. Boot CPU. */
void smp_ap_use(const struct smp_ops *ops);

/* Where the trampoline enters C. Only the trampoline calls it. */
void smp_ap_main(struct smp_record *rec, u32 ticket) NORETURN;

#endif
