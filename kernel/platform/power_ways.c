/*
 * Power-off and reset, way by way; see power_ways.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/platform/power_ways.h"

#include "kernel/base/print.h"
#include "kernel/base/printf.h"

/*
 * ACPI 6.5, 4.8.3: PM1 status, PM1 control; 4.8.3.7: sleep control and sleep status. Status bits
 * are cleared by writing 1; 0 leaves a bit as it is.
 */
#define PM1_WAK_STS    (1u << 15)
#define PM1_SCI_EN     (1u << 0)
#define PM1_SLP_TYP(t) ((u32)(t) << 10)
#define PM1_SLP_EN     (1u << 13)
#define SLEEP_TYP(t)   ((u32)(t) << 2)
#define SLEEP_EN       (1u << 5)
#define SLEEP_WAK_STS  (1u << 7)

/* The 8042: status at 0x64; bit 1 is set while its input buffer is full. */
#define KBD_PORT        0x64
#define KBD_FULL        (1u << 1)
#define KBD_PULSE_RESET 0xfe
#define KBD_ABSENT      0xff

/* Reset control register of Intel and AMD chipsets: bit 1: hard reset; setting bit 2 resets. */
#define CF9_PORT   0xcf9
#define CF9_HARD   0x02
#define CF9_NOW    0x06
#define CF9_ABSENT 0xff

static const char *const way_names[POWER_WAYS] = {
    [POWER_WAY_S5] = "ACPI S5",
    [POWER_WAY_REGISTER] = "the FADT's reset register",
    [POWER_WAY_KEYBOARD] = "the keyboard controller",
    [POWER_WAY_CF9] = "port 0xcf9",
    [POWER_WAY_TRIPLE] = "a triple fault",
};

static struct acpi_gas port(u16 number)
{
    return (struct acpi_gas){.address = number, .space = ACPI_SPACE_IO, .bit_width = 8};
}

static bool get(const struct power_machine *m, const struct acpi_gas *r, u32 bytes, u32 *value)
{
    return r->address && m->ops->read(m->ctx, r, bytes, value);
}

static bool put(const struct power_machine *m, const struct acpi_gas *r, u32 bytes, u32 value)
{
    return r->address && m->ops->write(m->ctx, r, bytes, value);
}

/* The write after which the machine should be off or reset. */
static bool put_last(const struct power_machine *m, enum power_way way, const struct acpi_gas *r,
                     u32 bytes, u32 value)
{
    return m->broken & 1u << way ? r->address != 0 : put(m, r, bytes, value);
}

/* Waits until (register & mask) == value. False: not within us, or the register is unreadable. */
static bool await(const struct power_machine *m, const struct acpi_gas *r, u32 bytes, u32 mask,
                  u32 value, u64 us)
{
    u64 start = m->ops->now_us(m->ctx);
    u32 now;

    do {
        if (!get(m, r, bytes, &now))
            return false;
        if ((now & mask) == value)
            return true;
    } while (m->ops->now_us(m->ctx) - start < us * m->patience);
    return false;
}

/* Logged before the attempt, because the machine may be off after it. */
static void announce(const struct power_machine *m, enum power_way way, const char *detail)
{
    pr_info("power: %s by %s (%s)", way == POWER_WAY_S5 ? "off" : "reset", way_names[way], detail);
    m->ops->flush(m->ctx);
}

/*
 * Gives the machine time to go off. If this returns, it has not. A hypervisor goes off while this
 * CPU runs on, and its host may be busy: a line that is said too early is cut off in the middle.
 */
static void still_here(const struct power_machine *m, enum power_way way)
{
    u64 us = m->patience > 1 ? POWER_GONE_BUSY_US : POWER_GONE_US;
    u64 start = m->ops->now_us(m->ctx);

    while (m->ops->now_us(m->ctx) - start < us)
        ;
    pr_warn("power: %s did nothing within %llu ms", way_names[way], (ull)(us / 1000));
}

static void unreachable(enum power_way way, const struct acpi_gas *r)
{
    pr_warn("power: %s cannot be reached (address space %u, 0x%lx)", way_names[way], r->space,
            r->address);
}

/* ---- off ------------------------------------------------------------------------------------- */

/* 4.8.3.2.1 requires ACPI mode: write SMI_CMD, then SCI_EN becomes set. */
static void enter_acpi_mode(const struct power_machine *m)
{
    const struct fadt_info *f = m->fadt;
    struct acpi_gas smi = port((u16)f->smi_cmd);
    u32 control;

    if (!get(m, &f->pm1a_cnt, 2, &control) || control & PM1_SCI_EN)
        return;
    if (!f->smi_cmd || !f->acpi_enable)
        return; /* 5.2.9: a machine without these is always in ACPI mode */
    put(m, &smi, 1, f->acpi_enable);
    if (!await(m, &f->pm1a_cnt, 2, PM1_SCI_EN, PM1_SCI_EN, POWER_ACPI_MODE_US))
        pr_warn("power: ACPI mode does not come on (0x%02x to SMI command port 0x%x)",
                f->acpi_enable, f->smi_cmd);
}

/* 4.8.3.2.1: writes the sleep type to both registers, then SLP_EN to both. */
static void off_by_pm1(const struct power_machine *m)
{
    const struct fadt_info *f = m->fadt;
    const u32 keep = ~(PM1_SLP_TYP(7) | PM1_SLP_EN) & 0xffff;
    u32 a = 0, b = 0;
    char detail[64];

    enter_acpi_mode(m);
    if (!get(m, &f->pm1a_cnt, 2, &a)) {
        unreachable(POWER_WAY_S5, &f->pm1a_cnt);
        return;
    }
    get(m, &f->pm1b_cnt, 2, &b); /* most machines have none */
    a = (a & keep) | PM1_SLP_TYP(m->slp_typa);
    b = (b & keep) | PM1_SLP_TYP(m->slp_typb);
    ksnprintf(detail, sizeof(detail), "type %u to 0x%lx%s", m->slp_typa, f->pm1a_cnt.address,
              f->pm1b_cnt.address ? " and PM1b" : "");
    announce(m, POWER_WAY_S5, detail);
    put(m, &f->pm1a_sts, 2, PM1_WAK_STS);
    put(m, &f->pm1b_sts, 2, PM1_WAK_STS);
    put(m, &f->pm1a_cnt, 2, a);
    put(m, &f->pm1b_cnt, 2, b);
    put_last(m, POWER_WAY_S5, &f->pm1a_cnt, 2, a | PM1_SLP_EN);
    put_last(m, POWER_WAY_S5, &f->pm1b_cnt, 2, b | PM1_SLP_EN);
    still_here(m, POWER_WAY_S5);
}

/* 4.8.3.7: for machines without PM1 registers (hardware-reduced ACPI). */
static void off_by_sleep_control(const struct power_machine *m)
{
    const struct acpi_gas *r = &m->fadt->sleep_control;
    u32 value = SLEEP_TYP(m->slp_typa) | SLEEP_EN, old;
    char detail[64];

    if (!get(m, r, 1, &old)) {
        unreachable(POWER_WAY_S5, r);
        return;
    }
    ksnprintf(detail, sizeof(detail), "type %u to sleep control 0x%lx", m->slp_typa, r->address);
    announce(m, POWER_WAY_S5, detail);
    put(m, &m->fadt->sleep_status, 1, SLEEP_WAK_STS);
    put_last(m, POWER_WAY_S5, r, 1, value);
    still_here(m, POWER_WAY_S5);
}

void power_try_off(const struct power_machine *m)
{
    if (!m->fadt)
        pr_warn("power: cannot switch off: no FADT");
    else if (!m->has_s5)
        pr_warn("power: cannot switch off: no \\_S5 package in the DSDT or an SSDT");
    else if (m->fadt->hw_reduced)
        off_by_sleep_control(m);
    else
        off_by_pm1(m);
}

/* ---- reset ----------------------------------------------------------------------------------- */

/* 4.8.3.6: writes one byte to a port, to memory, or to PCI configuration space on bus 0. */
static void reset_by_register(const struct power_machine *m)
{
    static const char *const spaces[] = {"memory", "port", "PCI"};
    const struct acpi_gas *r = m->fadt ? &m->fadt->reset_reg : NULL;
    char detail[64];

    if (!r || !m->fadt->has_reset) {
        pr_info("power: the FADT names no reset register");
        return;
    }
    if (r->space >= ARRAY_SIZE(spaces)) {
        unreachable(POWER_WAY_REGISTER, r);
        return;
    }
    ksnprintf(detail, sizeof(detail), "0x%02x to %s 0x%lx", m->fadt->reset_value, spaces[r->space],
              r->address);
    announce(m, POWER_WAY_REGISTER, detail);
    if (put_last(m, POWER_WAY_REGISTER, r, 1, m->fadt->reset_value))
        still_here(m, POWER_WAY_REGISTER);
    else
        unreachable(POWER_WAY_REGISTER, r);
}

/*
 * Does not ask the FADT: its 8042 flag is clear on some machines whose chipset still answers. An
 * empty bus reads as ones.
 */
static void reset_by_keyboard(const struct power_machine *m)
{
    struct acpi_gas r = port(KBD_PORT);
    u32 status;

    if (!get(m, &r, 1, &status) || status == KBD_ABSENT) {
        pr_info("power: there is no keyboard controller");
        return;
    }
    if (!await(m, &r, 1, KBD_FULL, 0, POWER_KEYBOARD_US))
        pr_warn("power: the keyboard controller does not take commands");
    announce(m, POWER_WAY_KEYBOARD, "0xfe to port 0x64");
    put_last(m, POWER_WAY_KEYBOARD, &r, 1, KBD_PULSE_RESET);
    still_here(m, POWER_WAY_KEYBOARD);
}

static void reset_by_cf9(const struct power_machine *m)
{
    struct acpi_gas r = port(CF9_PORT);
    u32 value;

    if (!get(m, &r, 1, &value) || value == CF9_ABSENT) {
        pr_info("power: there is no reset control register at port 0xcf9");
        return;
    }
    announce(m, POWER_WAY_CF9, "0x06");
    put(m, &r, 1, CF9_HARD);
    put_last(m, POWER_WAY_CF9, &r, 1, CF9_NOW);
    still_here(m, POWER_WAY_CF9);
}

void power_try_reset(const struct power_machine *m)
{
    reset_by_register(m);
    reset_by_keyboard(m);
    reset_by_cf9(m);
    announce(m, POWER_WAY_TRIPLE, "the last resort");
    m->ops->triple(m->ctx);
    still_here(m, POWER_WAY_TRIPLE);
}

/* ---- decisions ------------------------------------------------------------------------------- */

enum option_end power_choose(enum option_end asked, bool hypervisor, bool panicked)
{
    if (asked == END_SHELL)
        return END_WAIT; /* there is no shell to end in yet */
    if (asked != END_AUTO)
        return asked;
    return hypervisor && !panicked ? END_POWEROFF : END_WAIT;
}

bool power_pci_address(const struct acpi_gas *reg, u32 *address)
{
    u64 device = reg->address >> 32, function = reg->address >> 16 & 0xffff;
    u64 offset = reg->address & 0xffff;

    if (reg->space != ACPI_SPACE_PCI_CONFIG || device > 31 || function > 7 || offset > 255)
        return false;
    *address = (u32)(1u << 31 | device << 11 | function << 8 | (offset & 0xfc));
    return true;
}
