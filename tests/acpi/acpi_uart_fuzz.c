/*
 * libFuzzer: any bytes as an SPCR and as a DBG2. What is called usable has an address and a way to
 * it.
 * SPDX-License-Identifier: MIT
 */
#include "acpi/dbg2.h"
#include "acpi/spcr.h"
#include "kernel/base/print.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);

static void check(const struct acpi_uart *u)
{
    ASSERT(u->base && (u->mmio || u->base <= 0xfff8));
    ASSERT((u->width == 1 || u->width == 2 || u->width == 4) && u->stride >= u->width);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
    struct spcr_info spcr;
    struct dbg2_info dbg2;

    if (spcr_parse(data, len, &spcr) == 0)
        check(&spcr.uart);
    (void)dbg2_parse(data, len, &dbg2);
    ASSERT(dbg2.count <= DBG2_MAX_PORTS);
    for (u32 i = 0; i < dbg2.count; i++)
        if (dbg2.ports[i].verdict == ACPI_UART_OK)
            check(&dbg2.ports[i]);
    return 0;
}
