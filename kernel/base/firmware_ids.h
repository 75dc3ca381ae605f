/*
 * Every finding about the firmware that Perch can make, one per line. The log, the report, `perch
 * acpi` and docs/firmware-checks.md use this list; a test compares the last. Programs rely on the
 * text ids: when the meaning of one changes, it gets a new name.
 *
 * X(name, id, class, form, table). Class: FAIL (a rule of the specification is broken, or an
 * operating system would drop the table), WARN (allowed or tolerable, but a known cause of trouble)
 * or INFO (common and harmless). Form: BUG when a rule is broken, else NOTE. Table: its signature,
 * or a word for what has none. A fault that is harmless in known cases has a second line with the
 * same text id and a lower class; its name begins with that of the first.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_FIRMWARE_IDS_H
#define PERCH_BASE_FIRMWARE_IDS_H

/* clang-format off */
#define FIRMWARE_IDS(X)                                                                            \
    /* the memory map */                                                                           \
    X(MEMMAP_WRAPS,          "memmap-wraps",          FAIL, BUG,  "memory map")                    \
    X(IMAGE_IN_RESERVED,     "image-in-reserved",     FAIL, BUG,  "memory")                        \
    /* memory that is not plain DRAM */                                                            \
    X(MEMORY_SPECIAL,        "memory-special",        INFO, NOTE, "memory")                        \
    X(MEMORY_RELIABLE,       "memory-reliable",       INFO, NOTE, "memory")                        \
    X(MEMORY_HOTPLUG,        "memory-hotplug",        INFO, NOTE, "memory")                        \
    X(MEMORY_NONVOLATILE,    "memory-nonvolatile",    INFO, NOTE, "memory")                        \
    X(MEMORY_PERSISTENT,     "memory-persistent",     INFO, NOTE, "memory")                        \
    X(MEMORY_UNACCEPTED,     "memory-unaccepted",     INFO, NOTE, "memory")                        \
    X(MEMORY_LOW,            "memory-low",            WARN, NOTE, "memory")                        \
    /* what firmware left in the CPUs */                                                           \
    X(CPU_FIVE_LEVELS,       "cpu-five-levels",       INFO, NOTE, "CPU")                           \
    X(CPU_NX_OFF,            "cpu-nx-off",            INFO, NOTE, "CPU")                           \
    X(CPU_MTRR,              "cpu-mtrr",              WARN, BUG,  "CPU")                           \
    X(MEMORY_UNCACHED,       "memory-uncached",       FAIL, BUG,  "MTRR")                          \
    X(MEMORY_MIXED_PAGE,     "memory-mixed-page",     WARN, NOTE, "MTRR")                          \
    X(CPU_MTRR_RESET,        "cpu-mtrr-reset",        INFO, NOTE, "CPU")                           \
    X(CPU_PAT,               "cpu-pat",               WARN, NOTE, "CPU")                           \
    X(CPU_CONTROL,           "cpu-control",           WARN, NOTE, "CPU")                           \
    X(CPU_MICROCODE,         "cpu-microcode",         WARN, BUG,  "CPU")                           \
    X(CPU_MCE_LEFT,          "cpu-mce-left",          WARN, NOTE, "CPU")                           \
    /* CEDT: CXL */                                                                                \
    X(CEDT_SHORT,            "cedt-short",            FAIL, BUG,  "CEDT")                          \
    X(CEDT_ENTRY_CUT,        "cedt-entry-cut",        FAIL, BUG,  "CEDT")                          \
    X(CEDT_ENTRY_LENGTH,     "cedt-entry-length",     FAIL, BUG,  "CEDT")                          \
    X(CEDT_WINDOW,           "cedt-window",           FAIL, BUG,  "CEDT")                          \
    X(CEDT_NO_SRAT,          "cedt-no-srat",          INFO, NOTE, "CEDT")                          \
    /* RSDP, root table, any table */                                                              \
    X(RSDP_LOADER,           "rsdp-loader",           WARN, BUG,  "ACPI")                          \
    X(RSDP_CHECKSUM,         "rsdp-checksum",         FAIL, BUG,  "ACPI")                          \
    X(RSDP_NO_XSDT,          "rsdp-no-xsdt",          FAIL, BUG,  "ACPI")                          \
    X(XSDT_LENGTH,           "xsdt-length",           FAIL, BUG,  "ACPI")                          \
    X(XSDT_NULL_ENTRY,       "xsdt-null-entry",       FAIL, BUG,  "ACPI")                          \
    X(XSDT_SIGNATURE,        "xsdt-signature",        FAIL, BUG,  "ACPI")                          \
    X(XSDT_EMPTY,            "xsdt-empty",            FAIL, BUG,  "ACPI")                          \
    X(XSDT_UNUSABLE,         "xsdt-unusable",         FAIL, BUG,  "ACPI")                          \
    X(TABLE_UNREACHABLE,     "table-unreachable",     FAIL, BUG,  "ACPI")                          \
    X(TABLE_UNLISTED,        "table-unlisted",        WARN, NOTE, "ACPI")                          \
    X(TABLE_LENGTH,          "table-length",          FAIL, BUG,  "ACPI")                          \
    X(TABLE_CHECKSUM,        "table-checksum",        FAIL, BUG,  "ACPI")                          \
    X(TABLE_TWICE,           "table-twice",           WARN, BUG,  "ACPI")                          \
    X(TABLE_SECOND,          "table-second",          WARN, BUG,  "ACPI")                          \
    X(TABLE_STRAY_BYTES,     "table-stray-bytes",     INFO, NOTE, "ACPI")                          \
    /* FADT and what it leads to */                                                                \
    X(FADT_SHORT,            "fadt-short",            FAIL, BUG,  "FACP")                          \
    X(FADT_LENGTH,           "fadt-length",           WARN, BUG,  "FACP")                          \
    X(FADT_REGISTER,         "fadt-register",         FAIL, BUG,  "FACP")                          \
    X(FADT_LENGTH_HARMLESS,  "fadt-length",           INFO, NOTE, "FACP")                          \
    X(DSDT_SIGNATURE,        "dsdt-signature",        FAIL, BUG,  "ACPI")                          \
    X(FACS_INVALID,          "facs-invalid",          FAIL, BUG,  "ACPI")                          \
    /* MADT */                                                                                     \
    X(MADT_SHORT,            "madt-short",            FAIL, BUG,  "APIC")                          \
    X(MADT_SECOND,           "madt-second",           FAIL, BUG,  "ACPI")                          \
    X(MADT_ENTRY_CUT,        "madt-entry-cut",        FAIL, BUG,  "APIC")                          \
    X(MADT_ENTRY_LENGTH,     "madt-entry-length",     FAIL, BUG,  "APIC")                          \
    X(MADT_NO_CPU,           "madt-no-cpu",           FAIL, BUG,  "APIC")                          \
    X(MADT_LAPIC_ADDRESS,    "madt-lapic-address",    FAIL, BUG,  "APIC")                          \
    X(MADT_X2APIC_LOW,       "madt-x2apic-low",       WARN, BUG,  "APIC")                          \
    X(MADT_CPU_DUPLICATE,    "madt-cpu-duplicate",    FAIL, BUG,  "APIC")                          \
    X(MADT_UID_DUPLICATE,    "madt-uid-duplicate",    WARN, BUG,  "APIC")                          \
    X(MADT_RESERVED,         "madt-reserved",         WARN, BUG,  "APIC")                          \
    X(MADT_IOAPIC_ADDRESS,   "madt-ioapic-address",   FAIL, BUG,  "APIC")                          \
    X(MADT_IOAPIC_DUPLICATE, "madt-ioapic-duplicate", WARN, BUG,  "APIC")                          \
    X(MADT_BOOT_CPU,         "madt-boot-cpu",         FAIL, BUG,  "APIC")                          \
    X(MADT_WAKEUP,           "madt-wakeup",           INFO, NOTE, "APIC")                          \
    X(MADT_WAKEUP_MAILBOX,   "madt-wakeup-mailbox",   FAIL, BUG,  "APIC")                          \
    X(MADT_ENTRY_DISABLED,   "madt-entry-disabled",   INFO, NOTE, "APIC")                          \
    X(MADT_CPU_LIMIT,        "madt-cpu-limit",        INFO, NOTE, "APIC")                          \
    /* the CPUs themselves */                                                                      \
    X(X2APIC_ON,             "x2apic-on",             INFO, NOTE, "CPU")                           \
    X(X2APIC_LOCKED,         "x2apic-locked",         INFO, NOTE, "CPU")                           \
    X(APIC_OFF,              "apic-off",              WARN, NOTE, "CPU")                           \
    X(CPU_UNREACHABLE,       "cpu-unreachable",       WARN, NOTE, "CPU")                           \
    X(CPU_SILENT,            "cpu-silent",            WARN, NOTE, "CPU")                           \
    /* SRAT */                                                                                     \
    X(SRAT_SHORT,            "srat-short",            FAIL, BUG,  "SRAT")                          \
    X(SRAT_ENTRY_CUT,        "srat-entry-cut",        FAIL, BUG,  "SRAT")                          \
    X(SRAT_ENTRY_LENGTH,     "srat-entry-length",     FAIL, BUG,  "SRAT")                          \
    X(SRAT_RESERVED,         "srat-reserved",         WARN, BUG,  "SRAT")                          \
    X(SRAT_ENTRY_TYPE,       "srat-entry-type",       INFO, NOTE, "SRAT")                          \
    X(SRAT_ENTRY_DISABLED,   "srat-entry-disabled",   INFO, NOTE, "SRAT")                          \
    X(SRAT_WRAPS,            "srat-wraps",            FAIL, BUG,  "SRAT")                          \
    X(SRAT_EMPTY_RANGE,      "srat-empty-range",      INFO, NOTE, "SRAT")                          \
    X(SRAT_NO_MEMORY,        "srat-no-memory",        FAIL, BUG,  "SRAT")                          \
    X(SRAT_DOMAIN_LIMIT,     "srat-domain-limit",     WARN, NOTE, "SRAT")                          \
    X(SRAT_OVERLAP,          "srat-overlap",          FAIL, BUG,  "SRAT")                          \
    X(SRAT_OVERLAP_NO_RAM,   "srat-overlap-no-ram",   INFO, NOTE, "SRAT")                          \
    X(SRAT_SELF_OVERLAP,     "srat-self-overlap",     WARN, BUG,  "SRAT")                          \
    X(SRAT_UNCOVERED,        "srat-uncovered",        FAIL, BUG,  "SRAT")                          \
    X(SRAT_UNCOVERED_SMALL,  "srat-uncovered-small",  INFO, NOTE, "SRAT")                          \
    X(SRAT_CPU_CONFLICT,     "srat-cpu-conflict",     FAIL, BUG,  "SRAT")                          \
    X(SRAT_CPU_MISSING,      "srat-cpu-missing",      FAIL, BUG,  "SRAT")                          \
    X(SRAT_CPU_UNKNOWN,      "srat-cpu-unknown",      WARN, NOTE, "SRAT")                          \
    X(SRAT_CPU_DISABLED,     "srat-cpu-disabled",     INFO, NOTE, "SRAT")                          \
    X(SRAT_DOMAINS_SPARSE,   "srat-domains-sparse",   INFO, NOTE, "SRAT")                          \
    X(SRAT_MEMORYLESS_NODE,  "srat-memoryless-node",  INFO, NOTE, "SRAT")                          \
    X(SRAT_CPULESS_NODE,     "srat-cpuless-node",     INFO, NOTE, "SRAT")                          \
    /* SLIT */                                                                                     \
    X(SLIT_MISSING,          "slit-missing",          INFO, NOTE, "SLIT")                          \
    X(SLIT_SHORT,            "slit-short",            FAIL, BUG,  "SLIT")                          \
    X(SLIT_EMPTY,            "slit-empty",            FAIL, BUG,  "SLIT")                          \
    X(SLIT_DIAGONAL,         "slit-diagonal",         FAIL, BUG,  "SLIT")                          \
    X(SLIT_REMOTE_LOW,       "slit-remote-low",       FAIL, BUG,  "SLIT")                          \
    X(SLIT_NO_LOCALITY,      "slit-no-locality",      FAIL, BUG,  "SLIT")                          \
    X(SLIT_OVERSIZE,         "slit-oversize",         INFO, NOTE, "SLIT")                          \
    X(SLIT_ASYMMETRIC,       "slit-asymmetric",       WARN, NOTE, "SLIT")                          \
    X(SLIT_UNREACHABLE,      "slit-unreachable",      WARN, NOTE, "SLIT")                          \
    /* HMAT, MSCT */                                                                               \
    X(HMAT_SHORT,            "hmat-short",            FAIL, BUG,  "HMAT")                          \
    X(HMAT_REVISION,         "hmat-revision",         WARN, NOTE, "HMAT")                          \
    X(HMAT_STRUCTURE_CUT,    "hmat-structure-cut",    FAIL, BUG,  "HMAT")                          \
    X(HMAT_STRUCTURE_LENGTH, "hmat-structure-length", FAIL, BUG,  "HMAT")                          \
    X(HMAT_STRUCTURE_LONG,   "hmat-structure-long",   WARN, BUG,  "HMAT")                          \
    X(HMAT_TYPE,             "hmat-type",             INFO, NOTE, "HMAT")                          \
    X(HMAT_RESERVED,         "hmat-reserved",         WARN, BUG,  "HMAT")                          \
    X(HMAT_DATA_TYPE,        "hmat-data-type",        FAIL, BUG,  "HMAT")                          \
    X(HMAT_BASE_UNIT,        "hmat-base-unit",        FAIL, BUG,  "HMAT")                          \
    X(HMAT_CACHE,            "hmat-cache",            WARN, BUG,  "HMAT")                          \
    X(HMAT_DOMAIN,           "hmat-domain",           WARN, BUG,  "HMAT")                          \
    X(HMAT_SLIT_ORDER,       "hmat-slit-order",       WARN, NOTE, "HMAT")                          \
    X(MSCT_SHORT,            "msct-short",            FAIL, BUG,  "MSCT")                          \
    X(MSCT_STRUCTURE,        "msct-structure",        FAIL, BUG,  "MSCT")                          \
    X(MSCT_DOMAINS,          "msct-domains",          WARN, BUG,  "MSCT")                          \
    /* SPCR, DBG2 */                                                                               \
    X(SPCR_SHORT,            "spcr-short",            FAIL, BUG,  "SPCR")                          \
    X(SPCR_BAUD,             "spcr-baud",             WARN, BUG,  "SPCR")                          \
    X(SPCR_ADDRESS,          "spcr-address",          FAIL, BUG,  "SPCR")                          \
    X(SPCR_DISABLED,         "spcr-disabled",         INFO, NOTE, "SPCR")                          \
    X(DBG2_SHORT,            "dbg2-short",            FAIL, BUG,  "DBG2")                          \
    X(DBG2_DEVICE,           "dbg2-device",           FAIL, BUG,  "DBG2")                          \
    X(DBG2_ADDRESS,          "dbg2-address",          FAIL, BUG,  "DBG2")                          \
    X(DBG2_DISABLED,         "dbg2-disabled",         INFO, NOTE, "DBG2")                          \
    /* clocks */                                                                                   \
    X(HPET_SHORT,            "hpet-short",            FAIL, BUG,  "HPET")                          \
    X(HPET_ADDRESS,          "hpet-address",          FAIL, BUG,  "HPET")                          \
    X(HPET_PERIOD,           "hpet-period",           FAIL, BUG,  "HPET")                          \
    X(HPET_MISSING,          "hpet-missing",          INFO, NOTE, "HPET")                          \
    X(CLOCK_STANDS,          "clock-stands",          WARN, NOTE, "clock")                         \
    X(TSC_UNSYNCED,          "tsc-unsynced",          WARN, NOTE, "TSC")                           \
    X(TSC_UNSTEADY,          "tsc-unsteady",          WARN, NOTE, "TSC")                           \
    X(TSC_LEAF,              "tsc-leaf",              WARN, NOTE, "TSC")                           \
    /* the end */
/* clang-format on */

#endif
