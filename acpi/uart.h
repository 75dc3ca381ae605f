/*
 * A UART as SPCR and DBG2 describe it: a generic address, turned into registers that a 16550 driver
 * can reach. Promises that a usable one has an address in a known space (port or memory), a
 * register width and a register stride. The driver finds out whether a UART answers there.
 *
 * Context: any; never allocates. Pure. Sources: Microsoft's "Serial Port Console Redirection Table
 * (SPCR)" and "Debug Port Table 2 (DBG2)"; generic addresses: ACPI 6.5, 5.2.3.2.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_ACPI_UART_H
#define PERCH_ACPI_UART_H

#include "acpi/fadt.h"
#include "kernel/base/firmware.h"
#include "kernel/base/types.h"

/* DBG2 table 3, serial port subtypes (port type 0x8000); SPCR revision 2 and up uses the same. */
enum acpi_serial_type {
    ACPI_SERIAL_16550 = 0x00,
    ACPI_SERIAL_16550_SUBSET = 0x01, /* compatible with the DBGP table */
    ACPI_SERIAL_16550_GAS = 0x12,    /* width and distance as the generic address says */
};

enum acpi_uart_verdict {
    ACPI_UART_OK,
    ACPI_UART_DISABLED, /* address 0 */
    ACPI_UART_SHORT,    /* the table or record ends before the address */
    ACPI_UART_TYPE,     /* not a 16550 */
    ACPI_UART_SPACE,    /* neither port nor memory */
    ACPI_UART_RANGE,    /* eight registers do not fit behind the address */
    ACPI_UART_WIDTH,    /* an access size that no UART has */
    ACPI_UART_BEYOND,   /* beyond the physical address width of the CPU */
    ACPI_UART_RAM,      /* the address is RAM, or the kernel itself */
    ACPI_UART_APIC,     /* the address is the local APIC's */
};

struct acpi_uart {
    enum acpi_uart_verdict verdict;
    u16 type; /* enum acpi_serial_type, or another number */
    struct acpi_gas gas;
    u64 base; /* port or physical address */
    bool mmio;
    u8 width;     /* bytes of one access: 1, 2, 4 */
    u8 stride;    /* bytes from one register to the next */
    bool any;     /* the table does not tell width and stride: the driver finds them out */
    u32 baud;     /* 0: keep what firmware set */
    u32 clock_hz; /* 16 times the highest speed; 0: unknown */
};

/* Fills verdict, base, mmio, width, stride and any from u->type and u->gas. */
void acpi_uart_decide(struct acpi_uart *u);

/*
 * The verdict for this machine on a UART that is usable by its table: OK, or why mmio_allowed()
 * forbids its registers.
 */
enum acpi_uart_verdict acpi_uart_here(const struct acpi_uart *u, const struct mmio_rules *rules);

/*
 * Makes the finding `disabled` for address 0, and `address` for a verdict about the address. Other
 * verdicts are no fault. what: "", or the name of the device and ": ".
 */
void acpi_uart_report(const struct acpi_uart *u, enum firmware_id address,
                      enum firmware_id disabled, const char *what);

/* Bytes that the registers take up, at most. */
static inline u64 acpi_uart_span(const struct acpi_uart *u)
{
    return 8ULL * (u->any ? 4 : u->stride);
}

/* A few words for each verdict, for "refused: ...". */
const char *acpi_uart_verdict_text(enum acpi_uart_verdict v);

#endif
