/*
 * Findings: what is wrong or odd about the firmware. firmware_finding() logs a line and keeps the
 * finding for the report. Promises that every finding is counted, that a broken table costs a
 * bounded number of lines, and that the ids (firmware_ids.h) are stable.
 *
 * Lines: "firmware bug: TABLE: text" when a rule is broken, else "TABLE: text"; FAIL and WARN at
 * warning level, INFO at information level. At most FIRMWARE_LINES of one id are printed and kept.
 *
 * This file and firmware.c are pure. The program has the collector, as it has the log:
 * kernel/platform/findings_store.c, tests/host/shim.c, tools/acpi. Any CPU; not from an NMI.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_FIRMWARE_H
#define PERCH_BASE_FIRMWARE_H

#include "kernel/base/firmware_ids.h"
#include "kernel/base/types.h"

enum firmware_id {
#define FIRMWARE_ENUM(name, id, class, form, table) FW_##name,
    FIRMWARE_IDS(FIRMWARE_ENUM)
#undef FIRMWARE_ENUM
        FIRMWARE_NR_IDS,
};

enum firmware_class { FIRMWARE_FAIL, FIRMWARE_WARN, FIRMWARE_INFO, FIRMWARE_NR_CLASSES };

struct firmware_kind {
    const char *id, *table;
    enum firmware_class class;
    bool bug; /* a rule is broken */
};

#define FIRMWARE_LINES     16  /* of one id */
#define FIRMWARE_MAX_KEPT  256 /* of all */
#define FIRMWARE_TEXT_MAX  224 /* with the NUL; longer text is cut */
#define FIRMWARE_TABLE_MAX 24

struct firmware_kept {
    enum firmware_id id;
    char table[FIRMWARE_TABLE_MAX];
    char text[FIRMWARE_TEXT_MAX];
};

/* Zeroed: empty. Invariant: shown <= count, and shown <= FIRMWARE_LINES, for each id. */
struct firmware_findings {
    u32 count[FIRMWARE_NR_IDS];
    u32 shown[FIRMWARE_NR_IDS]; /* number in kept[] */
    u32 nr_kept;
    struct firmware_kept kept[FIRMWARE_MAX_KEPT];
};

const struct firmware_kind *firmware_kind(enum firmware_id id);

/* "fail", "warn", "info". */
const char *firmware_severity(enum firmware_id id);

/* Number of findings of a class, kept or not. */
u32 firmware_total(const struct firmware_findings *f, enum firmware_class class);

/* ---- the program's own collector ------------------------------------------------------------- */

/*
 * Logs and keeps a finding about a table; NULL: the table in the list. Takes the collector's lock.
 */
void firmware_finding_in(enum firmware_id id, const char *table, const char *fmt, ...) PRINTF(3, 4);

/* The same about the table in the list: id, format, arguments. */
#define firmware_finding(id, ...) firmware_finding_in(id, NULL, __VA_ARGS__)

/* All findings so far. */
const struct firmware_findings *firmware_found(void);

/* The program provides these: its collector and the lock around it. */
struct firmware_findings *firmware_collector(void);
u64 firmware_collector_lock(void);
void firmware_collector_unlock(u64 flags);

#endif
