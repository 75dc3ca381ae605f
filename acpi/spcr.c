/*
 * SPCR fields; see spcr.h.
 * SPDX-License-Identifier: MIT
 */
#include "acpi/spcr.h"

#include "acpi/reader.h"
#include "acpi/tables.h"
#include "kernel/base/errno.h"

/* Field "Baud Rate"; 0: keep the speed, or an undefined code. */
static u32 baud_of_code(u8 code)
{
    static const u32 bauds[] = {[3] = 9600, [4] = 19200, [6] = 57600, [7] = 115200};

    return code < ARRAY_SIZE(bauds) ? bauds[code] : 0;
}

static void speed(const struct acpi_spcr *s, struct spcr_info *out)
{
    out->uart.baud = baud_of_code(s->baud);
    if (s->baud && !out->uart.baud)
        firmware_finding(FW_SPCR_BAUD, "baud rate code %u at offset 0x3a is unknown, speed kept",
                         s->baud);
    if (s->h.revision >= 3)
        out->uart.clock_hz = s->clock_hz;
    if (s->h.revision >= 4 && s->precise_baud)
        out->uart.baud = s->precise_baud;
}

int spcr_parse(const void *table, size_t len, struct spcr_info *out)
{
    struct acpi_bytes bytes = {table, len};
    struct acpi_spcr s;

    *out = (struct spcr_info){.uart.verdict = ACPI_UART_SHORT};
    if (acpi_read_short(bytes, 0, &s, sizeof(s)) < ACPI_SPCR_V1_LEN) {
        firmware_finding(FW_SPCR_SHORT, "length %zu, needs %u", len, ACPI_SPCR_V1_LEN);
        return -EINVAL;
    }
    out->revision = s.h.revision;
    out->terminal = s.terminal;
    out->pci_device = s.pci_device;
    out->pci_vendor = s.pci_vendor;
    out->uart.type = s.interface;
    out->uart.gas = acpi_gas_of(&s.base);
    acpi_uart_decide(&out->uart);
    /* Revision 1 defines 0 and 1 only. */
    if (s.h.revision < 2 && s.interface > ACPI_SERIAL_16550_SUBSET &&
        out->uart.verdict != ACPI_UART_DISABLED)
        out->uart.verdict = ACPI_UART_TYPE;
    acpi_uart_report(&out->uart, FW_SPCR_ADDRESS, FW_SPCR_DISABLED, "");
    if (out->uart.verdict != ACPI_UART_OK)
        return -ENODEV;
    speed(&s, out);
    return 0;
}
