/*
 * Finds the ACPI tables: RSDP from the loader, else by the BIOS scan; XSDT, else RSDT; then the
 * header of every table, DSDT and FACS included. Promises the boot code a list of tables whose
 * length and checksum are right, and the ranges all of them occupy, so that they can be reserved.
 * Everything is checked before it is used. A fault costs that table and a line that begins
 * "firmware bug:", never more.
 *
 * Context: boot CPU, before or after the direct map; never allocates. Pure.
 * Source: ACPI 6.5, 5.2.5 (RSDP and its search), 5.2.6 to 5.2.10.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_ACPI_ROOT_H
#define PERCH_ACPI_ROOT_H

#include "kernel/base/phys_window.h"
#include "kernel/base/range.h"
#include "kernel/base/types.h"

#define ACPI_MAX_TABLES 256
#define ACPI_TABLE_MIN  36u         /* a header */
#define ACPI_TABLE_MAX  (16u << 20) /* a longer one is an error */

/* Places to search for the RSDP, in this order: bytes, pa, BIOS areas. */
struct acpi_rsdp_hint {
    const void *bytes; /* a copy (Multiboot2 3.6.13, 3.6.14), or NULL */
    size_t len;
    u64 pa;                /* its address (PVH start info), or 0 */
    bool no_bios_scan;     /* do not search the BIOS areas (UEFI; tests) */
    bool ignore_checksums; /* use tables with a wrong checksum: for fuzzing only */
};

struct acpi_table_ref {
    u64 pa;
    u32 length;
    char sig[4];
    u8 revision;
    bool usable; /* length and checksum are right: acpi_table_map() maps it */
    char oem_id[6];
    char oem_table_id[8];
    u32 oem_revision;
    char creator_id[4];
    u32 creator_revision;
};

/* About 16 KiB: keep it in static storage. */
struct acpi_root {
    u64 rsdp_pa;  /* 0 when only a copy is known */
    u32 rsdp_len; /* 20, or 36 and more from revision 2 on */
    bool from_xsdt;
    u32 count;
    struct acpi_table_ref tables[ACPI_MAX_TABLES]; /* [0] is the XSDT or RSDT itself */
};

/*
 * Fills *out and logs each table in Linux's form. 0; -ENOENT: no valid RSDP; -EINVAL: neither XSDT
 * nor RSDT can be used. After an error out->count is 0. The window needs one slot only.
 */
int acpi_root_find(const struct phys_window *w, const struct acpi_rsdp_hint *hint,
                   struct acpi_root *out);

/*
 * Maps the nth (from 0) usable table with this signature: *data is its first byte and *len its
 * length; it is valid as long as the window's last mapping. -ENOENT: there is no such table;
 * -EFAULT: the window cannot map it. Firmware may change a table after acpi_root_find(), so parsers
 * bound every access by *len.
 */
int acpi_table_map(const struct acpi_root *root, const struct phys_window *w, const char sig[4],
                   u32 nth, const void **data, size_t *len);

/*
 * The i-th range (from 0) that ACPI tables occupy: RSDP, root table, every listed table with a sane
 * length, DSDT, FACS. False: there are fewer. Not sorted, may overlap; not page-aligned.
 */
bool acpi_root_range(const struct acpi_root *root, u32 i, struct range *out);

#endif
