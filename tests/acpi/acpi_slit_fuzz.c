/*
 * libFuzzer: any bytes as a SLIT. What is accepted holds Linux's rules in every entry.
 * SPDX-License-Identifier: MIT
 */
#include "acpi/slit.h"
#include "kernel/base/print.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
    struct slit_view v;

    if (slit_parse(data, len, &v)) {
        ASSERT(v.n == 0 && v.verdict != SLIT_OK);
        return 0;
    }
    for (u32 i = 0; i < v.n; i++)
        for (u32 j = 0; j < v.n; j++)
            ASSERT(i == j ? slit_distance(&v, i, j) == 10 : slit_distance(&v, i, j) > 10);
    return 0;
}
