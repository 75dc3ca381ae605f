/*
 * Starts the application processors. Afterwards they are online and idle, each on its own stack,
 * per-CPU unit and descriptor tables. Promises that no dead, slow or unreachable processor stops
 * the boot: one that fails is named in the log and left out, and cannot come online later.
 * smp/start/bringup_batch.h starts them as a batch; smp/start/bringup_state.h has the record of
 * one.
 *
 * Context: boot CPU, once, after the per-CPU areas, the final page tables, the boot CPU's
 * descriptor tables and apic_init_boot(); interrupts on or off. Nothing allocates: the caller
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
     * Boot CPU, once per CPU to start: allocates the CPU's stacks on its node and fills its
     * descriptor tables. *stack_top: end of its main stack, 16-byte aligned. On an error the CPU is
     * left out.
     */
    int (*cpu_prepare)(void *ctx, u32 cpu, u64 *stack_top);
    /* On the CPU itself, interrupts off: loads GDT, TSS and IDT. */
    void (*cpu_load_tables)(void);
    /* On the CPU itself, online, interrupts off: the idle loop. Does not return. */
    void (*cpu_run)(void) NORETURN;
    /* Boot CPU: maps one page at its physical address, read-execute or read-write. */
    int (*map_identity)(void *ctx, u64 pa, bool exec);
    void (*unmap_identity)(void *ctx, u64 pa);
    void *ctx;
};

struct smp_config {
    const struct smp_ops *ops;
    u32 max_cpus; /* most CPUs online, the boot CPU included; 0: all */
    u64 tsc_hz;
    bool hypervisor;
    u64 trampoline_pa; /* TRAMPOLINE_SIZE bytes below 1 MiB, reserved, in the direct map */
    void *table;       /* smp_table_size() bytes, 64-byte aligned, below 4 GiB; never freed */
    u64 table_pa;
    const struct smp_fault *faults;
    u32 nr_faults;
};

struct smp_result {
    u32 online;                       /* the boot CPU included */
    u32 not_started;                  /* beyond max_cpus; smp_start_one() can start them */
    u32 unreachable;                  /* their APIC ids need x2APIC, which the machine lacks */
    u32 unprepared;                   /* no memory for their stacks */
    u32 unknown;                      /* processors that started without a record */
    bool trampoline_in_use;           /* a processor may still enter it: its pages stay reserved */
    struct bringup_result batch;      /* ticks are the TSC's */
    u64 prepare_ticks;                /* before the first INIT: all stacks, tables, records */
    u64 ap_ticks_min, ap_ticks_max;   /* from first instruction to online, of online CPUs */
    const struct smp_record *records; /* one per CPU that was tried, sorted by APIC id */
    u32 nr_records;
};

/* Bytes for the records of n CPUs. */
u64 smp_table_size(u32 n);

/*
 * Starts all possible CPUs of cpu_map up to max_cpus and waits for them. CPUs that answer are
 * present and online afterwards; a log line names each of the others. 0, also when processors
 * failed: *result has the counts. -EINVAL: the trampoline or the table is out of reach, or two CPUs
 * have one APIC id; -ENOMEM: the trampoline cannot be mapped. On an error only the boot CPU runs.
 */
int smp_bring_up(const struct smp_config *config, struct smp_result *result) MUST_CHECK;

/*
 * Starts, at run time, a CPU that max_cpus left out. 0: it is online, or about to enter the online
 * set. -ENODEV: it was not left out, or was tried before, or a CPU that was given up may still use
 * the trampoline; -ETIMEDOUT: it did not answer, and a log line names its last stage; else errors
 * of smp_bring_up(). Thread context, one caller at a time, interrupts on or off.
 */
int smp_start_one(u32 cpu) MUST_CHECK;

/* False: smp_start_one() would return -ENODEV. */
bool smp_can_start(u32 cpu);

/* ---- smp/start/ap_main.c --------------------------------------------------------------------- */

/* Sets the ops of CPUs that start from now on. Boot CPU. */
void smp_ap_use(const struct smp_ops *ops);

/* C entry of an application processor. Called only by the trampoline. */
void smp_ap_main(struct smp_record *rec, u32 ticket) NORETURN;

#endif
