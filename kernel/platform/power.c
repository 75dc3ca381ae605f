/*
 * The end of a run.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/platform/power.h"
#include "kernel/base/cpu.h"
#include "kernel/base/deadline.h"
#include "kernel/base/print.h"
#include "kernel/platform/console.h"

#define EXIT_PORT    0xf4
#define SLP_EN       (1u << 13) /* ACPI 6.5, table 4.17 */
#define SCI_EN       (1u << 0)
#define SETTLE_US    200000

static struct power_config config;

void power_configure(const struct power_config *c)
{
    config = *c;
}

static NORETURN void halt(void)
{
    for (;;) {
        local_irq_disable();
        cpu_halt();
    }
}

static void settle(void)
{
    console_flush();
    udelay(SETTLE_US);
}

/* ---- registers by their generic address ------------------------------------------------------ */

static bool write_register(const struct acpi_gas *r, u32 width, u32 value)
{
    if (!r->address)
        return false;
    if (r->space == ACPI_SPACE_IO && r->address < 0x10000) {
        if (width == 1)
            outb((u16)r->address, (u8)value);
        else
            outw((u16)r->address, (u16)value);
        return true;
    }
    if (r->space != ACPI_SPACE_MEMORY || !config.map_register)
        return false;
    volatile void *p = config.map_register(r->address);
    if (!p)
        return false;
    if (width == 1)
        *(volatile u8 *)p = (u8)value;
    else
        *(volatile u16 *)p = (u16)value;
    return true;
}

static void enable_acpi_mode(const struct fadt_info *f)
{
    if (!f->smi_cmd || !f->acpi_enable || f->pm1a_cnt.space != ACPI_SPACE_IO)
        return;
    if (inw((u16)f->pm1a_cnt.address) & SCI_EN)
        return;
    outb((u16)f->smi_cmd, f->acpi_enable);
    struct deadline d = deadline_start(300000);
    while (!(inw((u16)f->pm1a_cnt.address) & SCI_EN) && !deadline_passed(&d))
        ;
}

/* Soft off: ACPI 6.5, 4.8.3.2.1, or the sleep control register of hardware-reduced machines. */
static void power_off(void)
{
    const struct fadt_info *f = config.fadt;

    if (!f || !config.has_s5) {
        pr_warn("power: no way to power off is known (no %s)", f ? "\\_S5" : "FADT");
        return;
    }
    pr_info("power: off");
    console_flush();
    if (f->hw_reduced) {
        write_register(&f->sleep_control, 1, (u32)config.slp_typa << 2 | 1u << 5);
    } else {
        enable_acpi_mode(f);
        write_register(&f->pm1a_cnt, 2, (u32)config.slp_typa << 10 | SLP_EN);
        write_register(&f->pm1b_cnt, 2, (u32)config.slp_typb << 10 | SLP_EN);
    }
    settle();
    pr_warn("power: the machine did not power off");
}

/* ---- reset: the register the firmware names, then what PCs have always had ------------------- */

static void triple_fault(void)
{
    struct {
        u16 limit;
        u64 base;
    } PACKED none = {0, 0};

    __asm__ volatile("lidt %0; int3" : : "m"(none));
}

static void reset(void)
{
    pr_info("power: reset");
    console_flush();
    if (config.fadt && config.fadt->has_reset) {
        write_register(&config.fadt->reset_reg, 1, config.fadt->reset_value);
        settle();
    }
    outb(0xcf9, 0x02); /* reset control register: hard reset */
    outb(0xcf9, 0x06);
    settle();
    outb(0x64, 0xfe); /* keyboard controller: pulse the reset line */
    settle();
    triple_fault();
}

void power_end(enum power_result result)
{
    enum option_end end = config.end;

    local_irq_disable();
    console_flush();
    if (config.exit_port) {
        outb(EXIT_PORT, (u8)result);
        settle(); /* QEMU ends asynchronously */
    }
    if (end == END_AUTO)
        end = cpu_has_hypervisor() ? END_POWEROFF : END_WAIT;
    if (end == END_POWEROFF)
        power_off();
    if (end == END_RESET)
        reset();
    if (end == END_SHELL)
        pr_warn("power: there is no shell yet: waiting");
    pr_info("power: halted");
    console_flush();
    halt();
}
