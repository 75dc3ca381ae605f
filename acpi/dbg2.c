/*
 * DBG2 records; see dbg2.h.
 * SPDX-License-Identifier: MIT
 */
#include "acpi/dbg2.h"

#include "acpi/reader.h"
#include "acpi/tables.h"
#include "kernel/base/errno.h"
#include "kernel/base/printf.h"

/* The UART at the first generic address. No known record has more than one address. */
static struct acpi_uart port(struct acpi_bytes record, const struct acpi_dbg2_device *d)
{
    struct acpi_uart u = {.verdict = ACPI_UART_SHORT, .type = d->port_subtype};
    struct acpi_gas_wire gas;

    if (d->gas_count == 0 || !acpi_read(record, d->gas_offset, &gas, sizeof(gas)))
        return u;
    u.gas = acpi_gas_of(&gas);
    acpi_uart_decide(&u);
    return u;
}

static void take(struct acpi_bytes record, size_t offset, u32 index,
                 const struct acpi_dbg2_device *d, struct dbg2_info *out)
{
    struct acpi_uart u;
    char what[48];

    if (d->port_type != DBG2_SERIAL) {
        out->others++;
        return;
    }
    u = port(record, d);
    if (u.verdict == ACPI_UART_SHORT)
        firmware_finding(FW_DBG2_DEVICE,
                         "device %u at offset 0x%zx: %u addresses at offset 0x%x do not fit its %u "
                         "bytes",
                         index, offset, d->gas_count, d->gas_offset, d->length);
    ksnprintf(what, sizeof(what), "device %u at offset 0x%zx: ", index, offset);
    acpi_uart_report(&u, FW_DBG2_ADDRESS, FW_DBG2_DISABLED, what);
    if (out->count == DBG2_MAX_PORTS)
        out->dropped++;
    else
        out->ports[out->count++] = u;
}

static int usable(const struct dbg2_info *out)
{
    for (u32 i = 0; i < out->count; i++)
        if (out->ports[i].verdict == ACPI_UART_OK)
            return 0;
    return -ENODEV;
}

int dbg2_parse(const void *table, size_t len, struct dbg2_info *out)
{
    struct acpi_bytes bytes = {table, len};
    struct acpi_dbg2_device d;
    struct acpi_dbg2 head;
    size_t at;

    *out = (struct dbg2_info){0};
    if (!acpi_read(bytes, 0, &head, sizeof(head))) {
        firmware_finding(FW_DBG2_SHORT, "length %zu, needs %zu", len, sizeof(head));
        return -EINVAL;
    }
    at = head.offset;
    for (u32 i = 0; i < head.count; i++) {
        if (at < sizeof(head) || !acpi_read(bytes, at, &d, sizeof(d)) || d.length < sizeof(d) ||
            d.length > len - at) {
            firmware_finding(FW_DBG2_DEVICE,
                             "device %u at offset 0x%zx does not fit the table's %zu bytes", i, at,
                             len);
            break;
        }
        out->devices++;
        take((struct acpi_bytes){bytes.data + at, d.length}, at, i, &d, out);
        at += d.length;
    }
    return usable(out);
}
