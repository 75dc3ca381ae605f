/*
 * SPCR: the serial port that firmware itself talks to, with its speed. Promises a struct acpi_uart
 * with a verdict. A port that firmware switched off (address 0, the default of most servers) is a
 * normal result, not a firmware bug.
 *
 * Interface types depend on the revision: revision 1 has only 0 and 1 (both 16550s), revision 2 and
 * later have DBG2's subtypes. Speeds: code 0 keeps the speed that firmware set; revision 4 may give
 * the speed as a number, and revision 3 the clock.
 *
 * Context: any; never allocates. Pure. Source: Microsoft, "Serial Port Console Redirection Table
 * (SPCR)", revision 1.10.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_ACPI_SPCR_H
#define PERCH_ACPI_SPCR_H

#include "acpi/uart.h"

struct spcr_info {
    u8 revision;
    u8 terminal;                /* 0 VT100, 1 extended VT100, 2 VT-UTF8, 3 ANSI */
    u16 pci_device, pci_vendor; /* 0xffff: not a PCI device */
    struct acpi_uart uart;
};

/*
 * Fills *out. 0 when out->uart is usable; -ENODEV when the table describes no UART that Perch can
 * drive (out->uart.verdict says why); -EINVAL, after a line "firmware bug:", when it is shorter
 * than the 80 bytes of revision 1.
 */
int spcr_parse(const void *table, size_t len, struct spcr_info *out);

#endif
