/*
 * Power-off and reset on a machine made of a table of registers, on which each way works or fails
 * as the case wants. A way that works ends the call, as on a real machine.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/platform/power_ways.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include "kernel/base/ktest.h"
#include "tests/host/shim.h"

#define PM1A_STS 0x600
#define PM1A_CNT 0x604
#define PM1B_STS 0x610
#define PM1B_CNT 0x614
#define SMI_CMD  0xb2
#define SLP_CTL  0xfea00200
#define SLP_STS  0xfea00201
#define RESET    0xfea00202
#define STEP_US  10

struct reg {
    u64 address;
    u32 value;
    u32 writes;
    u32 written[8];
};

static struct fake {
    struct reg regs[12];
    u32 nr;
    u64 now;
    u32 flushes;
    u64 gone_address; /* this write takes the machine away ... */
    u32 gone_mask, gone_value;
    bool gone_by_triple;
    u32 triples;
    bool acpi_deaf; /* SCI_EN never comes on */
    u32 kbd_busy;   /* reads of the status until the buffer is empty */
    jmp_buf out;
} fake;

static struct reg *find(const struct acpi_gas *r)
{
    for (u32 i = 0; i < fake.nr; i++)
        if (fake.regs[i].address == r->address)
            return &fake.regs[i];
    return NULL;
}

static struct reg *at(u64 address)
{
    return find(&(struct acpi_gas){.address = address});
}

static void add(u64 address, u32 value)
{
    fake.regs[fake.nr++] = (struct reg){.address = address, .value = value};
}

static bool fake_read(void *ctx, const struct acpi_gas *r, u32 bytes, u32 *value)
{
    struct reg *reg = find(r);

    (void)ctx;
    fake.now += STEP_US;
    if (r->space == ACPI_SPACE_IO && r->address == 0x64 && reg && fake.kbd_busy) {
        *value = reg->value | 2;
        fake.kbd_busy--;
        return true;
    }
    if (!reg && r->space == ACPI_SPACE_IO) {
        *value = bytes == 1 ? 0xff : 0xffff; /* an empty bus */
        return true;
    }
    *value = reg ? reg->value : 0;
    return reg;
}

static bool fake_write(void *ctx, const struct acpi_gas *r, u32 bytes, u32 value)
{
    struct reg *reg = find(r);

    (void)ctx;
    EXPECT_TRUE(value <= (bytes == 1 ? 0xffu : 0xffffu));
    if (!reg)
        return r->space == ACPI_SPACE_IO;
    if (reg->writes < ARRAY_SIZE(reg->written))
        reg->written[reg->writes] = value;
    reg->writes++;
    if (r->address == SMI_CMD && !fake.acpi_deaf)
        at(PM1A_CNT)->value |= 1;
    if (r->address == fake.gone_address && (value & fake.gone_mask) == fake.gone_value)
        longjmp(fake.out, 1);
    return true;
}

static void fake_flush(void *ctx)
{
    (void)ctx;
    fake.flushes++;
}

static u64 fake_now(void *ctx)
{
    (void)ctx;
    return fake.now += STEP_US;
}

static void fake_triple(void *ctx)
{
    (void)ctx;
    fake.triples++;
    if (fake.gone_by_triple)
        longjmp(fake.out, 1);
}

static const struct power_ops ops = {fake_read, fake_write, fake_flush, fake_now, fake_triple};
static struct fadt_info fadt;
static struct power_machine machine;

static struct acpi_gas gas(u8 space, u64 address)
{
    return (struct acpi_gas){.address = address, .space = space, .bit_width = 8};
}

/* A PC with every register there is, on which nothing takes it away. */
static void set_up(void)
{
    memset(&fake, 0, sizeof(fake));
    shim_log_reset();
    fadt = (struct fadt_info){
        .smi_cmd = SMI_CMD,
        .acpi_enable = 0xa0,
        .pm1a_sts = gas(ACPI_SPACE_IO, PM1A_STS),
        .pm1b_sts = gas(ACPI_SPACE_IO, PM1B_STS),
        .pm1a_cnt = gas(ACPI_SPACE_IO, PM1A_CNT),
        .pm1b_cnt = gas(ACPI_SPACE_IO, PM1B_CNT),
        .has_reset = true,
        .reset_reg = gas(ACPI_SPACE_MEMORY, RESET),
        .reset_value = 0x42,
    };
    machine = (struct power_machine){
        .ops = &ops, .fadt = &fadt, .has_s5 = true, .slp_typa = 5, .slp_typb = 7, .patience = 1};
    add(PM1A_STS, 0);
    add(PM1B_STS, 0);
    add(PM1A_CNT, 0x0201); /* SCI_EN, GBL_RLS-like bits that must stay */
    add(PM1B_CNT, 0x0c00); /* a sleep type from before that must go */
    add(SMI_CMD, 0);
    add(RESET, 0);
    add(0x64, 0x1c);
    add(0xcf9, 0);
}

static bool goes_off(void)
{
    if (setjmp(fake.out))
        return true;
    power_try_off(&machine);
    return false;
}

static bool resets(void)
{
    if (setjmp(fake.out))
        return true;
    power_try_reset(&machine);
    return false;
}

static void gone_at(u64 address, u32 mask, u32 value)
{
    fake.gone_address = address;
    fake.gone_mask = mask;
    fake.gone_value = value;
}

/* ---- off ------------------------------------------------------------------------------------- */

KTEST(power_ways, s5_types_first_then_enable)
{
    struct reg *a, *b;

    set_up();
    gone_at(PM1B_CNT, 1 << 13, 1 << 13);
    EXPECT_TRUE(goes_off());
    a = at(PM1A_CNT), b = at(PM1B_CNT);
    EXPECT_EQ(a->writes, 2);
    EXPECT_EQ(a->written[0], 0x0201 | 5 << 10);
    EXPECT_EQ(a->written[1], 0x0201 | 5 << 10 | 1 << 13);
    EXPECT_EQ(b->writes, 2);
    EXPECT_EQ(b->written[0], 7 << 10);
    EXPECT_EQ(b->written[1], 7 << 10 | 1 << 13);
    EXPECT_EQ(at(PM1A_STS)->written[0], 0x8000);
    EXPECT_EQ(at(PM1B_STS)->written[0], 0x8000);
    EXPECT_EQ(at(SMI_CMD)->writes, 0); /* SCI_EN was on */
    EXPECT_EQ(shim_log_count(), 1);
    EXPECT_TRUE(shim_log_contains("power: off by ACPI S5 (type 5 to 0x604 and PM1b)"));
    EXPECT_TRUE(fake.flushes > 0); /* the line went out before the machine did */
}

KTEST(power_ways, s5_without_pm1b)
{
    set_up();
    fadt.pm1b_cnt.address = fadt.pm1b_sts.address = 0;
    gone_at(PM1A_CNT, 1 << 13, 1 << 13);
    EXPECT_TRUE(goes_off());
    EXPECT_EQ(at(PM1B_CNT)->writes + at(PM1B_STS)->writes, 0);
}

KTEST(power_ways, s5_switches_to_acpi_mode)
{
    set_up();
    at(PM1A_CNT)->value = 0;
    gone_at(PM1A_CNT, 1 << 13, 1 << 13);
    EXPECT_TRUE(goes_off());
    EXPECT_EQ(at(SMI_CMD)->written[0], 0xa0);
    EXPECT_EQ(at(PM1A_CNT)->written[0], 1 | 5 << 10); /* read again after the switch */
}

/* Firmware that does not switch costs its deadline and a line; the rest is tried all the same. */
KTEST(power_ways, s5_acpi_mode_never_on)
{
    set_up();
    at(PM1A_CNT)->value = 0;
    fake.acpi_deaf = true;
    machine.patience = 3;
    gone_at(PM1A_CNT, 1 << 13, 1 << 13);
    EXPECT_TRUE(goes_off());
    EXPECT_TRUE(fake.now >= 3 * POWER_ACPI_MODE_US);
    EXPECT_TRUE(fake.now < 3 * POWER_ACPI_MODE_US + 1000);
    EXPECT_TRUE(shim_log_contains("ACPI mode does not come on (0xa0 to SMI command port 0xb2)"));
}

KTEST(power_ways, s5_does_nothing)
{
    set_up();
    EXPECT_FALSE(goes_off());
    EXPECT_TRUE(shim_log_contains("power: ACPI S5 did nothing within 2000 ms"));
    EXPECT_TRUE(fake.now >= POWER_GONE_US);
    EXPECT_TRUE(fake.now < POWER_GONE_US + 1000);
    EXPECT_EQ(at(RESET)->writes + at(0x64)->writes + at(0xcf9)->writes + fake.triples, 0);
}

/* A hypervisor goes off while this CPU runs on: a line said early would be cut off. */
KTEST(power_ways, under_a_hypervisor_nothing_is_said_for_longer)
{
    set_up();
    machine.patience = 20;
    EXPECT_FALSE(goes_off());
    EXPECT_TRUE(shim_log_contains("power: ACPI S5 did nothing within 8000 ms"));
    EXPECT_TRUE(fake.now >= POWER_GONE_BUSY_US);
    EXPECT_TRUE(fake.now < POWER_GONE_BUSY_US + 1000);
}

KTEST(power_ways, s5_hardware_reduced)
{
    set_up();
    fadt.hw_reduced = true;
    fadt.sleep_control = gas(ACPI_SPACE_MEMORY, SLP_CTL);
    fadt.sleep_status = gas(ACPI_SPACE_MEMORY, SLP_STS);
    add(SLP_CTL, 0);
    add(SLP_STS, 0);
    gone_at(SLP_CTL, 0xff, 5 << 2 | 1 << 5);
    EXPECT_TRUE(goes_off());
    EXPECT_EQ(at(SLP_STS)->written[0], 0x80);
    EXPECT_EQ(at(PM1A_CNT)->writes, 0);
}

KTEST(power_ways, s5_not_there)
{
    set_up();
    machine.has_s5 = false;
    EXPECT_FALSE(goes_off());
    EXPECT_TRUE(shim_log_contains("power: cannot switch off: no \\_S5"));
    machine.fadt = NULL;
    EXPECT_FALSE(goes_off());
    EXPECT_TRUE(shim_log_contains("power: cannot switch off: no FADT"));
    EXPECT_EQ(at(PM1A_CNT)->writes, 0);
}

/* Registers in memory that nobody could map, or of which there are none. */
KTEST(power_ways, s5_out_of_reach)
{
    set_up();
    fadt.pm1a_cnt = gas(ACPI_SPACE_MEMORY, 0x123456789000);
    EXPECT_FALSE(goes_off());
    EXPECT_TRUE(shim_log_contains("ACPI S5 cannot be reached (address space 0, 0x123456789000)"));
    shim_log_reset();
    fadt.hw_reduced = true;
    fadt.sleep_control = gas(ACPI_SPACE_MEMORY, 0);
    EXPECT_FALSE(goes_off());
    EXPECT_TRUE(shim_log_contains("ACPI S5 cannot be reached (address space 0, 0x0)"));
}

/* ---- reset ----------------------------------------------------------------------------------- */

static const struct {
    u64 address;
    u32 value;
    const char *name;
} ways[] = {
    {RESET, 0x42, "the FADT's reset register"},
    {0x64, 0xfe, "the keyboard controller"},
    {0xcf9, 0x06, "port 0xcf9"},
    {0, 0, "a triple fault"},
};

/* Way by way: those before the one that works are tried and named, those after it never. */
KTEST(power_ways, reset_each_way_in_turn)
{
    for (size_t works = 0; works <= ARRAY_SIZE(ways); works++) {
        char line[80];

        set_up();
        if (works < 3)
            gone_at(ways[works].address, 0xff, ways[works].value);
        fake.gone_by_triple = works == 3;
        EXPECT_EQ(resets(), works < ARRAY_SIZE(ways));
        for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
            snprintf(line, sizeof(line), "power: reset by %s", ways[i].name);
            EXPECT_EQ(shim_log_contains(line), i <= works);
            snprintf(line, sizeof(line), "power: %s did nothing within 2000 ms", ways[i].name);
            EXPECT_EQ(shim_log_contains(line), i < works);
            if (i < 3 && i > works)
                EXPECT_EQ(at(ways[i].address)->writes, 0);
        }
        EXPECT_EQ(fake.triples, works >= 3);
        EXPECT_TRUE(fake.now < (works + 1) * POWER_GONE_US);
    }
}

/* fail=end_...: all is said and done but the last write. */
KTEST(power_ways, reset_broken_on_purpose)
{
    set_up();
    machine.broken = 1 << POWER_WAY_REGISTER | 1 << POWER_WAY_KEYBOARD;
    gone_at(0xcf9, 0xff, 0x06);
    EXPECT_TRUE(resets());
    EXPECT_EQ(at(RESET)->writes + at(0x64)->writes, 0);
    EXPECT_EQ(at(0xcf9)->written[0], 0x02); /* the edge that resets needs a 0 before the 1 */
    EXPECT_TRUE(shim_log_contains("the keyboard controller did nothing"));
}

KTEST(power_ways, reset_nothing_there)
{
    set_up();
    fake.nr = 0;
    machine.fadt = NULL;
    EXPECT_FALSE(resets());
    EXPECT_TRUE(shim_log_contains("power: the FADT names no reset register"));
    EXPECT_TRUE(shim_log_contains("power: there is no keyboard controller"));
    EXPECT_TRUE(shim_log_contains("power: there is no reset control register at port 0xcf9"));
    EXPECT_EQ(fake.triples, 1);
    EXPECT_TRUE(fake.now < POWER_GONE_US + 1000);
}

KTEST(power_ways, reset_register_out_of_reach)
{
    set_up();
    fadt.reset_reg = gas(ACPI_SPACE_MEMORY, 0x123456789000);
    fake.gone_by_triple = true;
    EXPECT_TRUE(resets());
    EXPECT_TRUE(shim_log_contains("the FADT's reset register cannot be reached"));
    set_up();
    fadt.reset_reg.space = 10; /* functional fixed hardware: nothing to write to */
    EXPECT_FALSE(resets());
    EXPECT_TRUE(shim_log_contains("cannot be reached (address space 10"));
    EXPECT_EQ(at(RESET)->writes, 0);
}

KTEST(power_ways, reset_keyboard_busy)
{
    set_up();
    fadt.has_reset = false;
    fake.kbd_busy = 100;
    gone_at(0x64, 0xff, 0xfe);
    EXPECT_TRUE(resets());
    EXPECT_FALSE(shim_log_contains("does not take commands"));
    EXPECT_EQ(fake.kbd_busy, 0);

    set_up();
    fadt.has_reset = false;
    fake.kbd_busy = ~0U;
    machine.patience = 2;
    gone_at(0x64, 0xff, 0xfe);
    EXPECT_TRUE(resets()); /* told all the same */
    EXPECT_TRUE(shim_log_contains("power: the keyboard controller does not take commands"));
    EXPECT_TRUE(fake.now < 2 * POWER_KEYBOARD_US + 1000);
}

/* ---- decisions ------------------------------------------------------------------------------- */

KTEST(power_ways, choose)
{
    EXPECT_EQ(power_choose(END_AUTO, true, false), END_POWEROFF);
    EXPECT_EQ(power_choose(END_AUTO, false, false), END_WAIT);
    EXPECT_EQ(power_choose(END_AUTO, true, true), END_WAIT);
    EXPECT_EQ(power_choose(END_AUTO, false, true), END_WAIT);
    for (int end = END_POWEROFF; end <= END_WAIT; end++)
        for (int i = 0; i < 4; i++)
            EXPECT_EQ(power_choose(end, i & 1, i & 2), end == END_SHELL ? END_WAIT : end);
}

KTEST(power_ways, pci_address)
{
    struct acpi_gas r = gas(ACPI_SPACE_PCI_CONFIG, 0x1fULL << 32 | 2 << 16 | 0x47);
    u32 address = 0;

    EXPECT_TRUE(power_pci_address(&r, &address));
    EXPECT_EQ(address, 0x8000fa44);
    r.address = 0x20ULL << 32;
    EXPECT_FALSE(power_pci_address(&r, &address));
    r.address = 8 << 16;
    EXPECT_FALSE(power_pci_address(&r, &address));
    r.address = 0x100;
    EXPECT_FALSE(power_pci_address(&r, &address));
    r.address = 1ULL << 48;
    EXPECT_FALSE(power_pci_address(&r, &address));
    r = gas(ACPI_SPACE_IO, 0xcf9);
    EXPECT_FALSE(power_pci_address(&r, &address));
}
