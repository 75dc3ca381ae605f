/*
 * MADT ("APIC" table): which CPUs the machine has, in which order, and its interrupt controllers.
 * Promises records in table order with every usable APIC id once; decides nothing about nodes.
 *
 * Rules (ACPI 6.5, 5.2.12):
 *  - Types 0 and 9 are CPUs. Ids 0xff (type 0) and 0xffffffff (type 9) mean "no CPU": skipped.
 *  - Of two enabled entries with one id the later is dropped as a firmware bug. A disabled entry
 *    beside another one is dropped silently, because firmware pads tables with disabled entries.
 *  - Beside an enabled type 0 entry, type 9 is for ids from 255 up (5.2.12.12). A type 9 entry with
 *    a lower id is dropped when type 0 lists the id or when it is disabled. An enabled one with an
 *    id of its own is kept and reported: a CPU that does not exist costs one start-up timeout, but
 *    a CPU that is not listed is lost.
 *  - A type 16 entry (multiprocessor wake-up, 5.2.12.19) is reported; the mailbox is not used.
 *
 * Context: any; never allocates; O(n log n). Pure.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_ACPI_MADT_H
#define PERCH_ACPI_MADT_H

#include "kernel/base/mmio_allowed.h"
#include "kernel/base/types.h"

#define MADT_MAX_IOAPICS 64

struct madt_cpu {
    u32 apic_id;
    u32 uid;   /* ACPI processor UID */
    u32 entry; /* index in the table, all types counted */
    bool enabled;
    bool online_capable; /* disabled, but may be started later; ACPI 6.3 (MADT revision 5) and up */
    bool x2apic;         /* from a type 9 entry */
};

struct madt_ioapic {
    u32 address;
    u32 gsi_base;
    u8 id;
};

struct madt_info {
    u8 revision;
    bool pcat_compat; /* two 8259s to be masked (flags bit 0) */
    u32 flags;
    u64 lapic_address;    /* type 5 override, else the header's field */
    u32 cpu_count;        /* records written */
    u32 entries;          /* all entries walked */
    u32 enabled;          /* entries of types 0 and 9 before any rule, with a real id */
    u32 disabled;         /* disabled entries, with any id */
    u32 online_capable;   /* of the disabled */
    u32 x2apic_entries;   /* type 9, with any flags */
    u32 no_ids;           /* entries with id 0xff or 0xffffffff */
    u32 duplicates;       /* enabled entries dropped because their id is taken */
    u32 quiet_duplicates; /* disabled ones, and type 9 beside type 0 */
    u32 no_room;          /* CPUs beyond the end of cpus[] */
    u32 max_apic_id;      /* of the enabled */
    u32 wakeups;          /* type 16 entries: CPUs that start by a mailbox */
    u16 mailbox_version;  /* of the first such entry */
    u64 mailbox;          /* its physical address; 0: none, or unusable */
    u32 ioapic_count;
    struct madt_ioapic ioapics[MADT_MAX_IOAPICS];
};

/* Upper bound of the records madt_parse() may write, for an allocation. */
u32 madt_count_cpus(const void *table, size_t len);

/*
 * For `perch acpi`: every whole CPU entry in table order, without rules and without findings.
 * Returns the number of records written, at most max.
 */
u32 madt_list_cpus(const void *table, size_t len, struct madt_cpu *cpus, u32 max);

/*
 * Parses the table of len bytes (as acpi_table_map() gives it). cpus: room for max records, written
 * in table order; CPUs beyond max are counted in no_room. 0; -EINVAL: shorter than a header.
 */
int madt_parse(const void *table, size_t len, struct madt_cpu *cpus, u32 max,
               struct madt_info *info);

#define MADT_IOAPIC_BYTES 0x14 /* the index register and the window: all that is used */

/* Drops the I/O APICs, each with a finding, whose registers mmio_allowed() forbids. */
void madt_drop_ioapics(struct madt_info *info, const struct mmio_rules *rules);

#endif
