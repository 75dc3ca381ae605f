/*
 * libFuzzer: any bytes as a FADT, and as a DSDT that may hold _S5_.
 * SPDX-License-Identifier: MIT
 */
#include "acpi/fadt.h"
#include "acpi/s5.h"
#include "kernel/base/print.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
    struct fadt_info info;
    u8 a, b;

    fadt_parse(data, len, &info);
    if (acpi_find_s5(data, len, &a, &b) == 0)
        ASSERT(a <= 7 && b <= 7);
    return 0;
}
