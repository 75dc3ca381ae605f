/*
 * RSDP: the places where it may be, and its checks; see rsdp.h.
 * SPDX-License-Identifier: MIT
 */
#include "acpi/rsdp.h"

#include "acpi/tables.h"
#include "kernel/base/string.h"

#define EBDA_POINTER 0x40eULL /* real-mode segment of the extended BIOS data area */
#define BIOS_AREA    0xe0000ULL
#define BIOS_SIZE    0x20000ULL

/*
 * Reads the RSDP at the start of b; false: there is none. Revision 2 has a second checksum over the
 * whole. When that one is wrong, or bytes are missing, the first 20 bytes still name the RSDT.
 */
static bool parse_rsdp(struct acpi_bytes b, bool ignore_checksums, bool quiet,
                       struct acpi_rsdp_found *out)
{
    struct acpi_rsdp r;
    bool whole;

    if (acpi_read_short(b, 0, &r, sizeof(r)) < ACPI_RSDP_V1_LEN ||
        memcmp(r.sig, "RSD PTR ", sizeof(r.sig)) != 0)
        return false;
    if (!ignore_checksums && acpi_sum(b.data, ACPI_RSDP_V1_LEN) != 0)
        return false;
    *out =
        (struct acpi_rsdp_found){.rsdt = r.rsdt, .len = ACPI_RSDP_V1_LEN, .revision = r.revision};
    memcpy(out->oem_id, r.oem_id, sizeof(out->oem_id));
    if (r.revision < 2)
        return true;
    whole = r.length >= sizeof(r) && r.length <= b.len;
    if (whole && (ignore_checksums || acpi_sum(b.data, r.length) == 0)) {
        out->xsdt = r.xsdt;
        out->len = r.length;
        if (!r.xsdt && !quiet)
            firmware_finding(FW_RSDP_NO_XSDT,
                             "RSDP: revision %u, and no XSDT at offset 0x18: the RSDT is used",
                             r.revision);
    } else if (!quiet) {
        firmware_finding(
            FW_RSDP_CHECKSUM,
            "RSDP: length 0x%x (offset 0x14) or checksum 0x%02x (offset 0x20) is wrong", r.length,
            r.ext_checksum);
    }
    return true;
}

/* Maps as much as revision 2 needs, or less where memory ends. */
static bool try_address(const struct phys_window *w, u64 pa, bool ignore_checksums,
                        struct acpi_rsdp_found *out)
{
    size_t len = sizeof(struct acpi_rsdp);
    const void *p = w->map(w->ctx, pa, len);

    if (!p) {
        len = ACPI_RSDP_V1_LEN;
        p = w->map(w->ctx, pa, len);
    }
    if (!p || !parse_rsdp((struct acpi_bytes){p, len}, ignore_checksums, false, out))
        return false;
    out->pa = pa;
    return true;
}

/* On 16-byte boundaries (5.2.5.1). A false match is common in a BIOS and makes no finding. */
static bool scan(const struct phys_window *w, u64 pa, size_t len, bool ignore_checksums,
                 struct acpi_rsdp_found *out)
{
    const u8 *p = w->map(w->ctx, pa, len);

    if (!p)
        return false;
    for (size_t at = 0; at + ACPI_RSDP_V1_LEN <= len; at += 16) {
        if (!parse_rsdp((struct acpi_bytes){p + at, len - at}, ignore_checksums, true, out))
            continue;
        out->pa = pa + at;
        return true;
    }
    return false;
}

static bool scan_bios(const struct phys_window *w, bool ignore_checksums,
                      struct acpi_rsdp_found *out)
{
    const void *p = w->map(w->ctx, EBDA_POINTER, sizeof(u16));
    u16 segment = 0;

    if (p)
        memcpy(&segment, p, sizeof(segment));
    /* The first KiB holds the interrupt vectors, so a pointer into it is no EBDA. */
    if (segment >= 0x40 && scan(w, (u64)segment << 4, SZ_1K, ignore_checksums, out))
        return true;
    return scan(w, BIOS_AREA, BIOS_SIZE, ignore_checksums, out);
}

bool acpi_rsdp_find(const struct phys_window *w, const struct acpi_rsdp_hint *hint,
                    struct acpi_rsdp_found *out)
{
    bool ignore = hint->ignore_checksums;

    if (hint->bytes) {
        if (parse_rsdp((struct acpi_bytes){hint->bytes, hint->len}, ignore, false, out))
            return true;
        firmware_finding(FW_RSDP_LOADER, "RSDP: the loader's copy of %zu bytes is none", hint->len);
    }
    if (hint->pa) {
        if (try_address(w, hint->pa, ignore, out))
            return true;
        firmware_finding(FW_RSDP_LOADER, "RSDP: there is none at the loader's address 0x%llx",
                         (ull)hint->pa);
    }
    return !hint->no_bios_scan && scan_bios(w, ignore, out);
}
