/*
 * A UART as SPCR and DBG2 describe it: a generic address, turned into registers that a 16550 driver
 * can reach. Promises that what it calls usable has an address, a known way to it (port or memory),
 * a register width and a distance between registers; whether a UART answers there is for the driver
 * to find out.
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
    ACPI_UART_SHORT,    /* the table or record is cut off before the address */
    ACPI_UART_TYPE,     /* not a 16550 */
    ACPI_UART_SPACE,    /* neither port nor memory */
    ACPI_UART_RANGE,    /* eight registers do not fit behind the address */
    ACPI_UART_WIDTH,    /* an access size no UART has */
    ACPI_UART_BEYOND,   /* beyond the physical address width of the CPU */
    ACPI_UART_RAM,      /* that is RAM */
};

struct acpi_uart {
    enum acpi_uart_verdict verdict;
    u16 type; /* enum acpi_serial_type, or what the table says */
    struct acpi_gas gas;
    u64 base; /* port or physical address */
    bool mmio;
    u8 width;     /* bytes of one access: 1, 2, 4 */
    u8 stride;    /* bytes from one register to the next */
    u32 baud;     /* 0: keep what firmware set */
    u32 clock_hz; /* 16 times the highest speed; 0: not said */
};

/* Decides over u->type and u->gas: fills verdict, base, mmio, width and stride. */
void acpi_uart_decide(struct acpi_uart *u);

/*
 * What this machine makes of a UART that the table alone leaves usable: OK, BEYOND or RAM. in_ram:
 * one of its registers lies there, by the boot memory map.
 */
enum acpi_uart_verdict acpi_uart_here(const struct acpi_uart *u, u32 phys_bits, bool in_ram);

/*
 * The finding for a verdict that is about the address, into `address` or, for address 0,
 * `disabled`; what: "" or the device it is about, with ": " behind. Others are no fault.
 */
void acpi_uart_report(const struct acpi_uart *u, enum firmware_id address,
                      enum firmware_id disabled, const char *what);

/* Bytes that the registers take up. */
static inline u64 acpi_uart_span(const struct acpi_uart *u)
{
    return 8ULL * u->stride;
}

/* A few words for each verdict, for "refused: ...". */
const char *acpi_uart_verdict_text(enum acpi_uart_verdict v);

#endif
