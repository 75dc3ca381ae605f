/*
 * One value of console=, read: which device, where, and how. Promises numbers in range or a reason;
 * whether there is such a device is not known here.
 *
 *     ttyS0..3[,BAUD]   uart,io,ADDR[,BAUD]   uart,mmio,ADDR[,STRIDE][,BAUD]
 *     spcr   dbg2   fb   debugcon
 *
 * Pure; any context; never allocates.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_CONSOLE_SPEC_H
#define PERCH_BASE_CONSOLE_SPEC_H

#include "kernel/base/types.h"

#define NR_COM 4u

enum console_kind {
    CONSOLE_UART,
    CONSOLE_SPCR,
    CONSOLE_DBG2,
    CONSOLE_FB,
    CONSOLE_DEBUGCON,
};

/* Where the eight registers of a UART are, and its speed. */
struct uart_place {
    u64 base; /* port, or physical address */
    bool mmio;
    u8 width;  /* bytes of one access: 1, 2 or 4 (ports: 1) */
    u8 stride; /* bytes from one register to the next */
    u32 baud;  /* 0: as firmware set it */
};

struct console_spec {
    enum console_kind kind;
    struct uart_place uart; /* CONSOLE_UART only */
};

/* The PC's four, in the order they are tried. */
struct uart_place com_place(u32 i);

/* "ttyS1" for the place of a PC's port, else NULL. */
const char *com_name(const struct uart_place *p);

/*
 * 0, or -EINVAL with *why: a few words. A stride of 2 or 4 also means accesses of that width, as
 * the devices that have it want it; "115200n8" is 115200, since 8N1 is the only format.
 */
int console_spec_parse(const char *text, struct console_spec *out, const char **why);

/* "ttyS0", "port 0x3e0" or "mmio 0xfe034000, 32 bits every 4 bytes"; returns the text's length. */
int uart_place_text(const struct uart_place *p, char *buf, size_t size);

#endif
