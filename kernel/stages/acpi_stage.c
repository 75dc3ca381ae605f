/*
 * Stage: finds and reserves the ACPI tables; parses FADT, HPET, SPCR, DBG2 and \_S5.
 * SPDX-License-Identifier: MIT
 */
#include "acpi/s5.h"
#include "kernel/base/errno.h"
#include "kernel/base/firmware.h"
#include "kernel/base/print.h"
#include "kernel/platform/console.h"
#include "kernel/platform/early_window.h"
#include "kernel/platform/mmio.h"
#include "kernel/stages/stages.h"

static void reserve_tables(struct boot_state *s)
{
    struct range r;

    for (u32 i = 0; acpi_root_range(&s->acpi, i, &r); i++)
        boot_reserve(s, r.start, r.end, "an ACPI table");
}

bool acpi_map_table(struct boot_state *s, const char *sig, const void **data, size_t *len)
{
    return s->has_acpi && acpi_table_map(&s->acpi, &early_window, sig, 0, data, len) == 0;
}

/* \_S5 from the DSDT, else from the first SSDT that has one. */
static bool find_s5(struct boot_state *s)
{
    const void *data;
    size_t len;

    if (acpi_map_table(s, "DSDT", &data, &len) &&
        acpi_find_s5(data, len, &s->slp_typa, &s->slp_typb) == 0)
        return true;
    for (u32 i = 0;; i++) {
        int err = acpi_table_map(&s->acpi, &early_window, "SSDT", i, &data, &len);

        if (err == -ENOENT)
            return false;
        if (err == 0 && acpi_find_s5(data, len, &s->slp_typa, &s->slp_typb) == 0)
            return true;
    }
}

static void consoles(struct boot_state *s)
{
    static struct spcr_info spcr;
    static struct dbg2_info dbg2;
    const void *data;
    size_t len;
    bool has_spcr = acpi_map_table(s, "SPCR", &data, &len);

    if (has_spcr)
        (void)spcr_parse(data, len, &spcr); /* spcr says if it is usable */
    bool has_dbg2 = acpi_map_table(s, "DBG2", &data, &len);
    if (has_dbg2)
        (void)dbg2_parse(data, len, &dbg2);
    console_tables(has_spcr ? &spcr : NULL, has_dbg2 ? &dbg2 : NULL);
}

void stage_acpi_tables(struct boot_state *s)
{
    struct acpi_rsdp_hint hint = {
        .bytes = s->info.rsdp_len ? s->info.rsdp : NULL,
        .len = s->info.rsdp_len,
        .pa = s->info.rsdp_phys,
    };
    const void *data;
    size_t len;

    s->has_acpi = acpi_root_find(&early_window, &hint, &s->acpi) == 0;
    if (!s->has_acpi) {
        pr_warn("ACPI: no tables: one CPU, one node");
        consoles(s);
        return;
    }
    reserve_tables(s);
    consoles(s);
    s->has_fadt = acpi_map_table(s, "FACP", &data, &len) && fadt_parse(data, len, &s->fadt) == 0;
    if (s->has_fadt)
        fadt_drop_registers(&s->fadt, mmio_rules());
    if (acpi_map_table(s, "HPET", &data, &len))
        hpet_parse(data, len, &s->hpet); /* address 0: not usable */
    else
        firmware_finding(FW_HPET_MISSING, "none: the TSC is measured by another clock");
    hpet_drop(&s->hpet, mmio_rules());
    s->has_s5 = find_s5(s);
}
