/*
 * The end of a run on the real machine; see power.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/platform/power.h"
#include "kernel/base/cpu.h"
#include "kernel/base/deadline.h"
#include "kernel/base/print.h"
#include "kernel/platform/console.h"
#include "kernel/platform/cpu_tables.h"
#include "mm/map/address_map.h"

#define EXIT_PORT   0xf4
#define PCI_ADDRESS 0xcf8
#define PCI_DATA    0xcfc
#define WIRE_US     20000    /* a full FIFO of 16 bytes at 9600 baud */
#define EXIT_ABSENT 0xff     /* what a port without a device reads as; QEMU's reads as 0 */
#define EXIT_US     60000000 /* time for QEMU to exit, on the busiest host */
#define NO_EXIT_US  2000000  /* the same where nothing seems to be */

static struct power_config config;

/* Registers in memory, mapped once. va NULL: the mapping failed. */
static struct {
    u64 pa;
    void *va;
} mapped[8];
static u32 nr_mapped;
static bool boot_tables_gone;

void power_configure(const struct power_config *c)
{
    config = *c;
}

/* ---- registers by their generic address ------------------------------------------------------ */

static void map_register(const struct acpi_gas *r, struct kernel_vm *vm)
{
    if (r->space != ACPI_SPACE_MEMORY || !r->address || nr_mapped == ARRAY_SIZE(mapped))
        return;
    for (u32 i = 0; i < nr_mapped; i++)
        if (mapped[i].pa == r->address)
            return;
    mapped[nr_mapped].pa = r->address;
    mapped[nr_mapped++].va =
        paging_map_mmio(vm, r->address, FADT_REGISTER_BYTES, PT_UC, "power register");
}

void power_map_registers(struct kernel_vm *vm)
{
    const struct fadt_info *f = config.machine.fadt;

    boot_tables_gone = true;
    if (!f)
        return;
    const struct acpi_gas *const all[] = {
        &f->pm1a_cnt,      &f->pm1b_cnt,     &f->pm1a_sts,  &f->pm1b_sts,
        &f->sleep_control, &f->sleep_status, &f->reset_reg,
    };
    static_assert(ARRAY_SIZE(all) <= ARRAY_SIZE(mapped), "every register has its place");
    for (u32 i = 0; i < ARRAY_SIZE(all); i++)
        map_register(all[i], vm);
}

/* The port to access the register through, ready for use. 0: it is not behind a port. */
static u16 register_port(const struct acpi_gas *r)
{
    u32 address;

    if (r->space == ACPI_SPACE_IO && r->address < 0x10000)
        return (u16)r->address;
    if (!power_pci_address(r, &address))
        return 0;
    outl(PCI_ADDRESS, address);
    return (u16)(PCI_DATA + (r->address & 3));
}

/* Its virtual address. NULL: it is not in memory, or is not mapped. */
static void *register_memory(const struct acpi_gas *r)
{
    if (r->space != ACPI_SPACE_MEMORY)
        return NULL;
    if (!boot_tables_gone)
        return r->address < BOOT_MAPPED_LIMIT - FADT_REGISTER_BYTES ? phys_to_virt(r->address)
                                                                    : NULL;
    for (u32 i = 0; i < nr_mapped; i++)
        if (mapped[i].pa == r->address)
            return mapped[i].va;
    return NULL;
}

static bool op_read(void *ctx, const struct acpi_gas *r, u32 bytes, u32 *value)
{
    u16 port = register_port(r);
    void *p = port ? NULL : register_memory(r);

    (void)ctx;
    if (port)
        *value = bytes == 1 ? inb(port) : inw(port);
    else if (p)
        *value = bytes == 1 ? *(volatile u8 *)p : *(volatile u16 *)p;
    return port || p;
}

static bool op_write(void *ctx, const struct acpi_gas *r, u32 bytes, u32 value)
{
    u16 port = register_port(r);
    void *p = port ? NULL : register_memory(r);

    (void)ctx;
    if (port && bytes == 1)
        outb(port, (u8)value);
    else if (port)
        outw(port, (u16)value);
    else if (p && bytes == 1)
        *(volatile u8 *)p = (u8)value;
    else if (p)
        *(volatile u16 *)p = (u16)value;
    return port || p;
}

/* ---- the rest of the machine ----------------------------------------------------------------- */

static void op_flush(void *ctx)
{
    (void)ctx;
    console_finish();
    udelay(WIRE_US); /* a UART still sends what its FIFO has taken */
}

static u64 op_now(void *ctx)
{
    (void)ctx;
    return uptime_us();
}

/* An empty IDT: no handler for the breakpoint, the fault after it, or the double fault. */
static void op_triple(void *ctx)
{
    struct table_ptr none = {0, 0};

    (void)ctx;
    __asm__ volatile("lidt %0; int3" : : "m"(none));
}

const struct power_ops power_hardware = {
    .read = op_read,
    .write = op_write,
    .flush = op_flush,
    .now_us = op_now,
    .triple = op_triple,
};

static NORETURN void stay_on(enum power_result result, bool show)
{
    if (show && config.show_verdict)
        config.show_verdict(result);
    console_hold(false);
    op_flush(NULL);
    cpu_halt_forever();
}

/*
 * QEMU exits from its main loop, which a busy host may keep waiting while this CPU runs on. A line
 * begun meanwhile would be cut off, so nothing is said for long. PAUSE lets that loop run.
 */
static void leave_by_port(enum power_result result)
{
    bool absent = inb(EXIT_PORT) == EXIT_ABSENT;
    u64 start = uptime_us(), us = absent ? NO_EXIT_US : EXIT_US;

    outb(EXIT_PORT, (u8)result);
    while (uptime_us() - start < us)
        cpu_relax();
    pr_warn("power: exit=isa-debug: %s", absent ? "there is no exit port" : "nothing happened");
}

void power_end(enum power_result result)
{
    enum option_end end = power_choose(config.end, cpu_has_hypervisor(), result == POWER_PANIC);

    config.machine.ops = &power_hardware;
    config.machine.patience = cpu_has_hypervisor() ? HYPERVISOR_FACTOR : 1;
    local_irq_disable();
    console_hold(true); /* no line of another CPU is under way when the machine goes */
    op_flush(NULL);
    if (config.exit_port)
        leave_by_port(result);
    if (config.end == END_SHELL)
        pr_warn("power: end=shell: there is no shell yet, waiting instead");
    if (end == END_POWEROFF)
        power_try_off(&config.machine);
    if (end == END_RESET)
        power_try_reset(&config.machine);
    if (end == END_POWEROFF || end == END_RESET)
        pr_warn("power: no way to %s worked, waiting instead",
                end == END_RESET ? "reset" : "switch off");
    if (end == END_HALT)
        pr_info("power: halted");
    else
        pr_info("power: waiting, switch off or reset by hand");
    stay_on(result, end != END_HALT);
}
