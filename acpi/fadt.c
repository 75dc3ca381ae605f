/*
 * FADT fields; see fadt.h.
 * SPDX-License-Identifier: MIT
 */
#include "acpi/fadt.h"

#include "acpi/reader.h"
#include "acpi/tables.h"
#include "kernel/base/errno.h"

/* The 64-bit block when the table has one, else the 32-bit I/O port (5.2.9, X_PM1a_CNT_BLK). */
static struct acpi_gas block(const struct acpi_gas_wire *x, u32 port, u8 bytes)
{
    if (x->address)
        return acpi_gas_of(x);
    if (!port)
        return (struct acpi_gas){0};
    return (struct acpi_gas){
        .address = port,
        .space = ACPI_SPACE_IO,
        .bit_width = (u8)MIN(bytes * 8, 255),
    };
}

static void registers(const struct acpi_fadt *f, struct fadt_info *out)
{
    out->pm1a_sts = block(&f->x_pm1a_evt, f->pm1a_evt, f->pm1_evt_len / 2);
    out->pm1b_sts = block(&f->x_pm1b_evt, f->pm1b_evt, f->pm1_evt_len / 2);
    out->pm1a_cnt = block(&f->x_pm1a_cnt, f->pm1a_cnt, f->pm1_cnt_len);
    out->pm1b_cnt = block(&f->x_pm1b_cnt, f->pm1b_cnt, f->pm1_cnt_len);
    /* 5.2.9: PM_TMR_LEN is 4 or, where there is no timer, 0. */
    if (f->pm_tmr_len >= 4)
        out->pm_timer = block(&f->x_pm_tmr, f->pm_tmr, f->pm_tmr_len);
    if (out->pm_timer.space == ACPI_SPACE_IO && out->pm_timer.address <= 0xffff)
        out->pm_timer_port = (u16)out->pm_timer.address;
    out->pm_timer_32bit = f->flags & FADT_FLAG_TMR_VAL_EXT;
    out->smi_cmd = f->smi_cmd;
    out->acpi_enable = f->acpi_enable;
    out->acpi_disable = f->acpi_disable;
}

/* Table lengths of the specifications: revisions 3 and 4 (ACPI 2.0 to 4.0), 5 (5.0), 6 (5.1). */
enum { LENGTH_3 = 244, LENGTH_5 = 268, LENGTH_6 = 276 };

/* The table length that the specification gives this revision (5.2.9). */
static size_t length_of(u8 revision)
{
    return revision >= 6   ? LENGTH_6
           : revision >= 5 ? LENGTH_5
           : revision >= 3 ? LENGTH_3
                           : ACPI_FADT_V1_LEN;
}

/*
 * A new revision number on the body of an older one, as many healthy machines have it. Revision 6
 * adds the hypervisor's name, which means nothing outside of a guest; revision 5 the sleep
 * registers, which only hardware-reduced machines have.
 */
static bool is_older_body(const struct acpi_fadt *f, size_t len)
{
    return len == LENGTH_5 || (len == LENGTH_3 && !(f->flags & FADT_FLAG_HW_REDUCED));
}

static void check_length(const struct acpi_fadt *f, size_t len)
{
    size_t full = length_of(f->h.revision);

    if (len >= full)
        return;
    if (is_older_body(f, len))
        firmware_finding(
            FW_FADT_LENGTH_HARMLESS,
            "length %zu, revision %u has %zu: as revision %u, nothing of use is missing", len,
            f->h.revision, full, len == LENGTH_5 ? 5u : 3u);
    else
        firmware_finding(FW_FADT_LENGTH, "length %zu, revision %u has %zu", len, f->h.revision,
                         full);
}

int fadt_parse(const void *table, size_t len, struct fadt_info *out)
{
    struct acpi_bytes bytes = {table, len};
    struct acpi_fadt f;

    *out = (struct fadt_info){0};
    if (acpi_read_short(bytes, 0, &f, sizeof(f)) < ACPI_FADT_V1_LEN) {
        firmware_finding(FW_FADT_SHORT, "length %zu, needs %u", len, ACPI_FADT_V1_LEN);
        return -EINVAL;
    }
    check_length(&f, len);
    out->revision = f.h.revision;
    out->flags = f.flags;
    out->has_boot_flags = f.h.revision >= 2;
    out->boot_flags = out->has_boot_flags ? f.boot_flags : 0;
    out->dsdt = f.x_dsdt ? f.x_dsdt : f.dsdt;
    out->facs = f.x_facs ? f.x_facs : f.facs;
    out->hw_reduced = f.h.revision >= 5 && (f.flags & FADT_FLAG_HW_REDUCED);
    if (!out->hw_reduced)
        registers(&f, out);
    if (f.h.revision >= 5) {
        out->minor = f.minor & 0xf;
        out->sleep_control = acpi_gas_of(&f.sleep_control);
        out->sleep_status = acpi_gas_of(&f.sleep_status);
    }
    out->reset_reg = acpi_gas_of(&f.reset_reg);
    out->reset_value = f.reset_value;
    out->has_reset = (f.flags & FADT_FLAG_RESET_REG_SUP) && f.reset_reg.address;
    return 0;
}

static void drop_register(struct acpi_gas *g, const char *name, const struct mmio_rules *rules)
{
    enum mmio_verdict v;

    if (!g->address || g->space != ACPI_SPACE_MEMORY)
        return;
    v = mmio_allowed(rules, g->address, FADT_REGISTER_BYTES);
    if (v == MMIO_OK)
        return;
    firmware_finding(FW_FADT_REGISTER, "%s at 0x%llx: %s: not used", name, (ull)g->address,
                     mmio_verdict_text(v));
    *g = (struct acpi_gas){0};
}

void fadt_drop_registers(struct fadt_info *f, const struct mmio_rules *rules)
{
    drop_register(&f->pm1a_sts, "PM1a status", rules);
    drop_register(&f->pm1b_sts, "PM1b status", rules);
    drop_register(&f->pm1a_cnt, "PM1a control", rules);
    drop_register(&f->pm1b_cnt, "PM1b control", rules);
    drop_register(&f->pm_timer, "PM timer", rules);
    drop_register(&f->sleep_control, "sleep control", rules);
    drop_register(&f->sleep_status, "sleep status", rules);
    drop_register(&f->reset_reg, "reset register", rules);
    f->has_reset = f->has_reset && f->reset_reg.address;
}
