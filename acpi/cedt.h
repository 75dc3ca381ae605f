/*
 * CEDT: the CXL Early Discovery Table. Promises checked raw records of the CXL host bridges (CHBS)
 * and of the fixed memory windows (CFMWS). A window is a physical range that firmware set aside for
 * CXL memory, present or not. mm/numa/cxl_windows.c compares windows with the SRAT; no memory is
 * touched because of this table.
 *
 * Rules (CXL 3.0, 9.17.1): a CHBS has 32 bytes; a CFMWS has 36, and 4 for each target. Base and
 * size of a window are multiples of 256 MiB, not 0, and do not wrap. The number of interleave ways
 * is 1, 2, 4, 8, 16, 3, 6 or 12. An entry that breaks a rule is dropped with a finding. Other types
 * are counted and skipped.
 *
 * Context: any; never allocates; O(n). Pure.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_ACPI_CEDT_H
#define PERCH_ACPI_CEDT_H

#include "kernel/base/types.h"

#define CEDT_MAX_TARGETS 16 /* the largest number of ways */

struct cedt_bridge {
    u32 uid;     /* _UID of its ACPI0016 device */
    u32 version; /* 0: CXL 1.1, base is an RCRB; 1: CXL 2.0 and later, component registers */
    u64 base, length;
    u32 entry; /* index in the table, all types counted */
};

struct cedt_window {
    u64 base, size;
    u32 ways;                      /* of interleave; number of targets */
    u32 granularity;               /* bytes; 0: an undefined code */
    bool xor ;                     /* interleave arithmetic: modulo combined with XOR (CXIMS) */
    u16 restrictions;              /* bits, 9.17.1.3: cedt_restrictions_text() names them */
    u16 qtg;                       /* QoS throttling group */
    u32 targets[CEDT_MAX_TARGETS]; /* UIDs of host bridges, in order of interleave */
    u32 entry;
};

/* The caller sets the arrays and the *_max; cedt_parse() sets the rest. */
struct cedt_records {
    struct cedt_bridge *bridges;
    struct cedt_window *windows;
    u32 bridge_max, window_max;
    u32 bridge_count, window_count;
    u8 revision;
    u32 entries;       /* all entries walked */
    u32 unknown_types; /* CXIMS, RDPAS and later types */
    u32 dropped;       /* malformed entries */
    u32 no_room;       /* records dropped because an array was full */
};

/* Upper bounds of the records: sets bridge_max and window_max for an allocation. */
void cedt_count(const void *table, size_t len, struct cedt_records *r);

/* 0; -EINVAL: shorter than a table header (all counts are 0 then). */
int cedt_parse(const void *table, size_t len, struct cedt_records *r);

/*
 * The restrictions in words, comma-separated: "volatile, persistent, fixed"; "unrestricted" for
 * none. Written to out[size], terminated; returns out.
 */
const char *cedt_restrictions_text(u16 restrictions, char *out, size_t size);

#endif
