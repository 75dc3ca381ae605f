/*
 * MADT ("APIC" table): which CPUs the machine has, in which order, and its interrupt controllers.
 * Promises records in table order with every usable APIC id once; decides nothing about nodes.
 *
 * Rules (ACPI 6.5, 5.2.12): types 0 and 9 are CPUs; ids 0xff (type 0) and 0xffffffff (type 9) mean
 * "nobody" and are skipped; disabled entries are set aside before anything is compared, since
 * firmware fills tables with them; of two enabled entries with one id the later is dropped as a
 * firmware bug, a disabled one beside an enabled one silently. Where an enabled type 0 entry is,
 * a type 9 entry with an id below 255 should not be there (5.2.12.12): it is dropped when type 0
 * lists the id or when it is disabled; an enabled one with an id of its own is kept and reported,
 * because a CPU that does not exist costs one start-up timeout, and one not listed is lost. A type
 * 16 entry (multiprocessor wake-up, 5.2.12.19) is reported; Perch does not use the mailbox.
 *
 * Context: any; never allocates; O(n log n). Pure.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_ACPI_MADT_H
#define PERCH_ACPI_MADT_H

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
    u32 disabled;         /* whatever their id */
    u32 online_capable;   /* of the disabled */
    u32 x2apic_entries;   /* type 9, whatever flags */
    u32 no_ids;           /* entries with id 0xff or 0xffffffff */
    u32 duplicates;       /* enabled entries dropped for an id already there */
    u32 quiet_duplicates; /* the same for disabled ones, and type 9 beside type 0 */
    u32 no_room;          /* CPUs that found no room in cpus[] */
    u32 max_apic_id;      /* of the enabled */
    u32 wakeups;          /* type 16 entries: CPUs that start by a mailbox */
    u16 mailbox_version;  /* of the first of them */
    u64 mailbox;          /* its physical address; 0: none that can be used */
    u32 ioapic_count;
    struct madt_ioapic ioapics[MADT_MAX_IOAPICS];
};

/* Upper bound of the records madt_parse() may write, for an allocation. */
u32 madt_count_cpus(const void *table, size_t len);

/*
 * The CPU entries as they stand, for a listing: all of them but the cut-off ones, in table order,
 * without any rule, and nothing is reported. Returns how many were written, at most max.
 */
u32 madt_list_cpus(const void *table, size_t len, struct madt_cpu *cpus, u32 max);

/*
 * Parses the table of len bytes (as acpi_table_map() gives it). cpus: room for max records, written
 * in table order; CPUs beyond max are counted in no_room. 0; -EINVAL: there is not even a header.
 */
int madt_parse(const void *table, size_t len, struct madt_cpu *cpus, u32 max,
               struct madt_info *info);

#endif
