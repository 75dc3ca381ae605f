/*
 * The results of the boot's stages. Each stage fills its part and reads the parts before it; report
 * and bench read all. There is one instance.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_STAGES_BOOT_STATE_H
#define PERCH_STAGES_BOOT_STATE_H

#include "acpi/fadt.h"
#include "acpi/hpet.h"
#include "acpi/hmat.h"
#include "acpi/madt.h"
#include "acpi/root.h"
#include "boot/boot_info.h"
#include "boot/memmap.h"
#include "boot/smbios.h"
#include "kernel/base/cmdline.h"
#include "kernel/base/percpu_defs.h"
#include "kernel/platform/paging.h"
#include "mm/pages/buddy.h"
#include "mm/memblock/memblock.h"
#include "mm/numa/node_order.h"
#include "mm/pages/smallmem.h"
#include "percpu/first/first_chunk_types.h"
#include "smp/compare/tsc_sync_core.h"

#define BOOT_MAX_MAP (2 * BOOT_MAX_RANGES + 1)

/* So large that neither list grows before the ACPI tables are reserved. */
#define BOOT_MEM_REGIONS BOOT_MAX_MAP
#define BOOT_RES_REGIONS (BOOT_MAX_RESERVED + ACPI_MAX_TABLES + 64)

/* placement.c */
struct placement_totals {
    u32 cpus;     /* CPUs that walked their own unit */
    u32 units_ok; /* units with all pages on the CPU's node */
    u32 nearest;  /* units on the nearest node with enough memory */
    u32 wrong;    /* units that a nearer node has memory for, or that GS does not point to */
};

struct boot_state {
    struct kernel_options opt;
    struct boot_info info;
    struct smbios_texts smbios;

    /* memory_stage.c: normalised memory map, its RAM, memblock over it. */
    struct boot_mem_range map[BOOT_MAX_MAP];
    u32 map_count;
    struct range ram[BOOT_MAX_MAP];
    u32 ram_count;
    struct memblock mb;
    struct memblock_region mem_regions[BOOT_MEM_REGIONS];
    struct memblock_region res_regions[BOOT_RES_REGIONS];

    /* acpi_stage.c, topology_stage.c */
    struct acpi_root acpi;
    bool has_acpi;
    struct fadt_info fadt;
    bool has_fadt;
    struct hpet_info hpet; /* address 0: none */
    u8 slp_typa, slp_typb;
    bool has_s5;
    struct madt_info madt;
    struct madt_cpu *madt_cpus;
    struct numa_topology topo;
    struct hmat hmat; /* empty when there is none */
    struct node_order order;

    /* paging, percpu, smp */
    struct range direct[BOOT_MAX_MAP + ACPI_MAX_TABLES + 8];
    struct kernel_vm vm;
    struct pcpu_first_chunk first_chunk;
    struct buddy pages; /* stage_pages(): all memory that memblock had free */
    struct small_mem small;
    u64 stack_top; /* of the boot CPU's own stack */
    struct placement_totals placement;

    /* tsc_stage.c; tsc.cpus 0: not compared */
    struct tsc_sync tsc;
    u32 tsc_reference;
};

/* The one instance; its users are main.c and the suites in the kernel. The boot CPU changes it. */
struct boot_state *boot_state_get(void);

/*
 * For tests: the boot CPU writes this before the per-CPU areas exist. The value must move with it
 * to its unit, and must not appear in another unit or in the template (docs/adr/0002).
 */
#define PERCPU_EARLY_MARK_LINKED  0x6c696e6b65642121ULL
#define PERCPU_EARLY_MARK_WRITTEN 0x7772697474656e21ULL
DECLARE_PER_CPU(u64, percpu_early_mark);

#endif
