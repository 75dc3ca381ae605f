/*
 * Parses one value of console=: which device, its address, its speed. Promises numbers in range, or
 * a reason. Does not look for the device.
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

/* The address of a UART's eight registers, and its speed. */
struct uart_place {
    u64 base; /* port, or physical address */
    bool mmio;
    u8 width;  /* bytes of one access: 1, 2 or 4 (ports: 1) */
    u8 stride; /* bytes from one register to the next */
    bool any;  /* in memory: width and stride are found out by the driver */
    bool pc;   /* its clock is the PC's, so that a divisor is a known speed */
    u32 baud;  /* 0: as firmware set it */
};

struct console_spec {
    enum console_kind kind;
    struct uart_place uart; /* CONSOLE_UART only */
};

/* The PC's serial port i < NR_COM, in the order in which they are tried. */
struct uart_place com_place(u32 i);

/*
 * 0, or -EINVAL with a few words in *why. A stride of 2 or 4 also means accesses of that width:
 * devices with such a stride need them. "115200n8" means 115200: 8N1 is the only format.
 */
int console_spec_parse(const char *text, struct console_spec *out, const char **why);

/* "ttyS0", "port 0x3e0" or "mmio 0xfe034000, 32 bits every 4 bytes"; returns the text's length. */
int uart_place_text(const struct uart_place *p, char *buf, size_t size);

#endif
