/*
 * MSCT: lengths and the number of domains; see msct.h.
 * SPDX-License-Identifier: MIT
 */
#include "acpi/msct.h"

#include "acpi/reader.h"
#include "acpi/tables.h"
#include "kernel/base/errno.h"

static void check_structures(struct acpi_bytes b, size_t at, struct msct_info *out)
{
    struct acpi_msct_domains d;

    for (; at < b.len; at += d.length) {
        bool there = acpi_read(b, at, &d, sizeof(d));

        if (b.len - at == 1) {
            acpi_stray_bytes("MSCT", at, 1);
            return;
        }
        if (!there || d.length < sizeof(d) || d.length > b.len - at) {
            firmware_finding(FW_MSCT_STRUCTURE,
                             "structure %u at offset 0x%zx: length %u, %zu bytes are left",
                             out->structures, at, there ? d.length : 0u, b.len - at);
            return;
        }
        if (d.first > d.last)
            firmware_finding(FW_MSCT_STRUCTURE, "structure %u at offset 0x%zx: domains %u to %u",
                             out->structures, at, d.first, d.last);
        out->structures++;
    }
}

int msct_check(const void *table, size_t len, struct msct_info *out)
{
    struct acpi_bytes b = {table, len};
    struct acpi_msct m;

    *out = (struct msct_info){0};
    if (!acpi_read(b, 0, &m, sizeof(m))) {
        firmware_finding(FW_MSCT_SHORT, "length %zu, needs %zu", len, sizeof(m));
        return -EINVAL;
    }
    out->max_domains = m.max_domain == 0xffffffff ? m.max_domain : m.max_domain + 1;
    if (m.offset < sizeof(m) || m.offset > len)
        firmware_finding(FW_MSCT_SHORT,
                         "offset of the domain structures at offset 0x24 is 0x%x, must be 0x%zx to "
                         "0x%zx",
                         m.offset, sizeof(m), len);
    else
        check_structures(b, m.offset, out);
    return 0;
}
