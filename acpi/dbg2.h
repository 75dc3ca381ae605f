/*
 * DBG2: the ports firmware offers to debuggers, a list of devices of several kinds. Promises the
 * serial ones as struct acpi_uart with a verdict each; the others (1394, USB, network) are counted.
 * DBG2 gives no speed, so the port keeps the one that firmware set.
 *
 * Context: any; never allocates. Pure. Source: Microsoft, "Debug Port Table 2 (DBG2)".
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_ACPI_DBG2_H
#define PERCH_ACPI_DBG2_H

#include "acpi/uart.h"

#define DBG2_MAX_PORTS 8
#define DBG2_SERIAL    0x8000u /* port type */

struct dbg2_info {
    u32 devices; /* records read */
    u32 others;  /* records of devices that are not serial */
    u32 dropped; /* serial devices beyond DBG2_MAX_PORTS */
    u32 count;
    struct acpi_uart ports[DBG2_MAX_PORTS]; /* in the table's order */
};

/*
 * Fills *out. 0 when a port is usable; -ENODEV when none is; -EINVAL, after a line "firmware bug:",
 * when there is no header. A record that does not fit ends the walk with such a line.
 */
int dbg2_parse(const void *table, size_t len, struct dbg2_info *out);

#endif
