/*
 * libFuzzer: any bytes as a FADT, as an HPET table, and as a DSDT that may hold _S5_.
 * SPDX-License-Identifier: MIT
 */
#include "acpi/fadt.h"
#include "acpi/hpet.h"
#include "acpi/s5.h"
#include "tests/host/host_devices.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
    struct fadt_info info;
    struct hpet_info hpet;
    u8 a, b;

    fadt_parse(data, len, &info);
    fadt_drop_registers(&info, &host_rules);
    host_check_fadt(&info);
    if (hpet_parse(data, len, &hpet) == 0) {
        ASSERT(hpet.address && hpet.address % 8 == 0);
        hpet_drop(&hpet, &host_rules);
        ASSERT(!hpet.address || host_no_harm(hpet.address, HPET_REG_SIZE));
    }
    if (acpi_find_s5(data, len, &a, &b) == 0)
        ASSERT(a <= 7 && b <= 7);
    return 0;
}
