/*
 * SRAT: which proximity domain CPUs and memory ranges belong to. Promises checked raw records in
 * table order, disabled ones included; what they mean for nodes is decided in mm/numa/numa.c.
 *
 * Rules (ACPI 6.5, 5.2.16): type 0 is exactly 16 bytes, types 1, 2 and 5 at least 40, 24 and 32; an
 * entry of another length is dropped with a "firmware bug:" line, and the rest is used. Up to table
 * revision 1 only the low 8 bits of a domain count (types 0 and 1). Type 6 (ports) is read as type
 * 5; other types are counted and skipped. Reserved bits that are set are reported.
 *
 * Context: any; never allocates; O(n). Pure.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_ACPI_SRAT_H
#define PERCH_ACPI_SRAT_H

#include "kernel/base/types.h"

#define SRAT_MEM_ENABLED      (1u << 0)
#define SRAT_MEM_HOTPLUG      (1u << 1)
#define SRAT_MEM_NON_VOLATILE (1u << 2)

struct srat_cpu {
    u32 apic_id;
    u32 pxm;
    u32 entry;  /* index in the table, all types counted */
    u32 offset; /* in the table */
    bool enabled;
    bool x2apic; /* type 2 */
};

struct srat_mem {
    u64 base, length; /* as the table says: may be 0, may wrap */
    u32 pxm;
    u32 flags; /* SRAT_MEM_* */
    u32 entry;
};

struct srat_initiator {
    u32 pxm;
    u32 entry;
    bool enabled;
    bool port; /* type 6: a place to plug memory into; its domain makes no node */
};

/* The caller sets the arrays and the *_max; srat_parse() sets the rest. */
struct srat_records {
    struct srat_cpu *cpus;
    struct srat_mem *mems;
    struct srat_initiator *initiators;
    u32 cpu_max, mem_max, initiator_max;
    u32 cpu_count, mem_count, initiator_count;
    u8 revision;
    u32 entries;       /* all entries walked */
    u32 disabled;      /* CPU, memory and initiator entries with the enabled flag clear */
    u32 unknown_types; /* entries of other types */
    u32 dropped;       /* malformed entries */
    u32 no_room;       /* records dropped because an array was full */
};

/* Upper bounds of the records: sets cpu_max, mem_max and initiator_max for an allocation. */
void srat_count(const void *table, size_t len, struct srat_records *r);

/* 0; -EINVAL: shorter than a table header (all counts are 0 then). */
int srat_parse(const void *table, size_t len, struct srat_records *r);

#endif
