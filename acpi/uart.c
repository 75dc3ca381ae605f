/*
 * Generic address to UART registers; see uart.h.
 * SPDX-License-Identifier: MIT
 */
#include "acpi/uart.h"

#define UART_REGISTERS 8u

const char *acpi_uart_verdict_text(enum acpi_uart_verdict v)
{
    static const char *const text[] = {
        [ACPI_UART_OK] = "usable",
        [ACPI_UART_DISABLED] = "address 0: redirection is switched off in firmware set-up",
        [ACPI_UART_SHORT] = "the table is cut off",
        [ACPI_UART_TYPE] = "not a 16550",
        [ACPI_UART_SPACE] = "neither at a port nor in memory",
        [ACPI_UART_RANGE] = "no room for the registers at that address",
        [ACPI_UART_WIDTH] = "an access width that no 16550 has",
        [ACPI_UART_BEYOND] = "beyond the CPU's physical addresses",
        [ACPI_UART_RAM] = "that is RAM",
        [ACPI_UART_APIC] = "that is the local APIC",
    };

    return v < ARRAY_SIZE(text) ? text[v] : "?";
}

/*
 * Bytes of one access: the access size where it is given (5.2.3.2). Tables older than that field,
 * and many newer ones, leave it 0; then the register width decides.
 */
static u8 access_width(const struct acpi_gas *g)
{
    if (g->access)
        return g->access <= 4 ? (u8)(1u << (g->access - 1)) : 0;
    return g->bit_width == 32 ? 4 : g->bit_width == 16 ? 2 : 1;
}

static enum acpi_uart_verdict decide(struct acpi_uart *u)
{
    const struct acpi_gas *g = &u->gas;

    if (!g->address)
        return ACPI_UART_DISABLED;
    if (u->type != ACPI_SERIAL_16550 && u->type != ACPI_SERIAL_16550_SUBSET &&
        u->type != ACPI_SERIAL_16550_GAS)
        return ACPI_UART_TYPE;
    if (g->space != ACPI_SPACE_IO && g->space != ACPI_SPACE_MEMORY)
        return ACPI_UART_SPACE;
    u->mmio = g->space == ACPI_SPACE_MEMORY;
    u->base = g->address;
    /* Registers at ports are consecutive bytes, whatever width the table states. */
    u->width = u->mmio ? access_width(g) : 1;
    u->stride = u->width;
    /* Of 14 real machines with a UART in memory 12 say "8 bits", no access size, and have it so. */
    u->any = u->mmio && u->width == 1 && (!g->access || g->bit_width > 8);
    if (u->width == 0 || u->width > 4)
        return ACPI_UART_WIDTH;
    if (u->base % u->width || u->base > (u->mmio ? (1ULL << 52) : 0x10000ULL) - acpi_uart_span(u))
        return ACPI_UART_RANGE;
    return ACPI_UART_OK;
}

void acpi_uart_decide(struct acpi_uart *u)
{
    u->verdict = decide(u);
}

enum acpi_uart_verdict acpi_uart_here(const struct acpi_uart *u, const struct mmio_rules *rules)
{
    static const enum acpi_uart_verdict verdicts[] = {
        [MMIO_OK] = ACPI_UART_OK,         [MMIO_WRAPS] = ACPI_UART_RANGE,
        [MMIO_BEYOND] = ACPI_UART_BEYOND, [MMIO_IMAGE] = ACPI_UART_RAM,
        [MMIO_RAM] = ACPI_UART_RAM,       [MMIO_APIC] = ACPI_UART_APIC,
    };

    if (u->verdict != ACPI_UART_OK || !u->mmio)
        return u->verdict;
    return verdicts[mmio_allowed(rules, u->base, acpi_uart_span(u))];
}

void acpi_uart_report(const struct acpi_uart *u, enum firmware_id address,
                      enum firmware_id disabled, const char *what)
{
    switch (u->verdict) {
    case ACPI_UART_DISABLED:
        firmware_finding(disabled, "%saddress 0: no port is named", what);
        break;
    case ACPI_UART_SPACE:
    case ACPI_UART_RANGE:
    case ACPI_UART_WIDTH:
    case ACPI_UART_BEYOND:
    case ACPI_UART_RAM:
    case ACPI_UART_APIC:
        firmware_finding(address, "%saddress 0x%llx, space %u, width %u, access size %u: %s", what,
                         (ull)u->gas.address, u->gas.space, u->gas.bit_width, u->gas.access,
                         acpi_uart_verdict_text(u->verdict));
        break;
    default:
        break;
    }
}
