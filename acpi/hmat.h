/*
 * HMAT: latencies and bandwidths between domains in real units, which memory belongs to which
 * initiator, and memory-side caches. Promises structures that are inside the table and whose counts
 * fit their length, so every accessor stays in bounds. hmat_check() reports the other structures,
 * by the rules of the table's own revision.
 *
 * Revisions 1 (ACPI 6.2) and 2 (ACPI 6.3 and later) are read; others are ignored, as in Linux.
 * Values are normalised as Linux does: nanoseconds and megabytes per second, 0 for "unknown".
 *
 * Context: any; never allocates; O(length). Pure. Source: ACPI 6.5, 5.2.28; ACPI 6.2, 5.2.27.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_ACPI_HMAT_H
#define PERCH_ACPI_HMAT_H

#include "acpi/reader.h"
#include "kernel/base/types.h"

enum hmat_type {
    HMAT_PROXIMITY = 0, /* which initiator a memory domain is attached to */
    HMAT_LOCALITY = 1,  /* a matrix of latencies or bandwidths */
    HMAT_CACHE = 2,     /* a memory-side cache */
};

/* 5.2.28.4, Data Type */
enum hmat_data {
    HMAT_ACCESS_LATENCY,
    HMAT_READ_LATENCY,
    HMAT_WRITE_LATENCY,
    HMAT_ACCESS_BANDWIDTH,
    HMAT_READ_BANDWIDTH,
    HMAT_WRITE_BANDWIDTH,
    HMAT_NR_DATA,
};

struct hmat {
    struct acpi_bytes bytes;
    u8 revision;
};

struct hmat_proximity {
    u32 initiator, memory; /* domains */
    bool has_initiator, has_memory;
    u64 base, length; /* revision 1 only */
    u16 flags;
};

struct hmat_locality {
    u8 flags;
    u8 hierarchy; /* 0: memory, 1 to 3: that level of memory-side cache */
    u8 data;      /* enum hmat_data, or an undefined number */
    u32 initiators, targets;
    u64 base_unit;
    u8 revision;
    struct acpi_bytes lists; /* initiators, targets, entries */
};

struct hmat_cache {
    u32 memory; /* domain */
    u64 size;
    u32 attributes;
    u8 levels, level;         /* number of levels; the level of this cache */
    u8 associativity, policy; /* 0 none; 1 direct, write back; 2 complex, write through */
    u16 line;
    u16 smbios_handles;
};

struct hmat_item {
    u16 type; /* enum hmat_type, or an undefined number */
    u32 index;
    u32 offset, length;
    union {
        struct hmat_proximity proximity;
        struct hmat_locality locality;
        struct hmat_cache cache;
    };
};

/* 0; -EINVAL: no header; -ENOENT: a revision that is not read. Reports nothing. */
int hmat_open(const void *table, size_t len, struct hmat *h);

struct hmat_walk {
    const struct hmat *h;
    size_t next;
    u32 index;
};

void hmat_walk_begin(struct hmat_walk *w, const struct hmat *h);

/*
 * The next usable structure of a known type; false at the end. Others are skipped without a report.
 * A structure whose length is wrong ends the walk.
 */
bool hmat_walk_next(struct hmat_walk *w, struct hmat_item *item);

/* Domain number i of a locality structure; i is below the count. */
u32 hmat_initiator(const struct hmat_locality *l, u32 i);
u32 hmat_target(const struct hmat_locality *l, u32 i);

/* Entry of the matrix: nanoseconds or MB/s; 0: unknown, or more than 32 bits can hold. */
u32 hmat_value(const struct hmat_locality *l, u32 initiator, u32 target);

/* HMAT_ACCESS_LATENCY to HMAT_WRITE_LATENCY? */
static inline bool hmat_is_latency(u8 data)
{
    return data <= HMAT_WRITE_LATENCY;
}

/* "Access Latency" and so on, as Linux prints it; "Reserved" for unknown ones. */
const char *hmat_data_name(u8 data);

/* Names in machine-readable output: "access-latency"; "direct"; "write-back"; ... */
const char *hmat_data_id(u8 data);
const char *hmat_associativity_id(u8 associativity);
const char *hmat_policy_id(u8 policy);

/*
 * hmat_open(), and a finding (hmat-*) for each rule that the table breaks by itself. After an error
 * *h is an empty table, safe to walk.
 */
int hmat_check(const void *table, size_t len, struct hmat *h);

/* Prints the lines that Linux prints ("acpi/hmat: ..."), with a bound on their number. */
void hmat_log(const struct hmat *h);

#endif
