/*
 * SPCR and DBG2: the tables of real machines, every kind of port, and each table cut off at every
 * length with every byte damaged.
 * SPDX-License-Identifier: MIT
 */
#include "acpi/dbg2.h"
#include "acpi/spcr.h"
#include "kernel/base/errno.h"
#include "kernel/base/ktest.h"
#include "tests/acpi/acpi_build.h"
#include "tests/host/host_rules.h"
#include "tests/host/shim.h"

static struct spcr_info spcr;
static struct dbg2_info dbg2;

/* ---- SPCR ------------------------------------------------------------------------------------ */

struct gas {
    u8 space, bits, access;
    u64 address;
};

static void put_gas(struct table *t, struct gas g)
{
    put(t, g.space, 1), put(t, g.bits, 1), put(t, 0, 1), put(t, g.access, 1), put(t, g.address, 8);
}

static struct table spcr_table(u8 revision, u8 interface, struct gas g, u8 baud)
{
    struct table t;

    put_header(&t, "SPCR", revision);
    put(&t, interface, 1), put(&t, 0, 3);
    put_gas(&t, g);
    put(&t, 3, 1), put(&t, 4, 1), put(&t, 4, 4);
    put(&t, baud, 1), put(&t, 0, 1), put(&t, 1, 1), put(&t, 2, 1), put(&t, 3, 1), put(&t, 0, 1);
    put(&t, 0xffffffff, 4), put(&t, 0, 3), put(&t, 0, 4), put(&t, 0, 1);
    put(&t, 0, 4); /* clock */
    return t;
}

static int parse_spcr(struct table t)
{
    int err;

    shim_log_reset();
    tighten(&t);
    err = spcr_parse(t.b, t.len, &spcr);
    free(t.b);
    return err;
}

KTEST(acpi_uart, spcr_ports)
{
    struct gas com2 = {1, 8, 1, 0x2f8};

    REQUIRE_EQ(parse_spcr(spcr_table(1, 1, com2, 7)), 0);
    EXPECT_TRUE(!spcr.uart.mmio && spcr.uart.base == 0x2f8 && spcr.uart.baud == 115200);
    EXPECT_TRUE(spcr.uart.width == 1 && spcr.uart.stride == 1);
    EXPECT_TRUE(spcr.revision == 1 && spcr.terminal == 3 && spcr.pci_vendor == 0xffff);
    EXPECT_TRUE(parse_spcr(spcr_table(2, 0, com2, 0)) == 0 && spcr.uart.baud == 0);
    EXPECT_TRUE(parse_spcr(spcr_table(2, 0, com2, 3)) == 0 && spcr.uart.baud == 9600);
    EXPECT_TRUE(parse_spcr(spcr_table(2, 0, com2, 4)) == 0 && spcr.uart.baud == 19200);
    EXPECT_TRUE(parse_spcr(spcr_table(2, 0, com2, 6)) == 0 && spcr.uart.baud == 57600);
    EXPECT_EQ(shim_log_count(), 0);
    EXPECT_TRUE(parse_spcr(spcr_table(2, 0, com2, 5)) == 0 && spcr.uart.baud == 0);
    EXPECT_TRUE(shim_log_contains("baud rate code 5 at offset 0x3a"));
}

/* As an ASUS PN50 has it, and 11 of 13 others: 8 bits, no access size; registers every 4 bytes. */
KTEST(acpi_uart, spcr_that_does_not_tell_the_stride)
{
    struct table t = read_whole("tests/data/cases/41c-pn50-real-layout/SPCR.bin");

    REQUIRE_TRUE(t.len != 0);
    EXPECT_EQ(spcr_parse(t.b, t.len, &spcr), 0);
    free(t.b);
    EXPECT_EQ(spcr.uart.verdict, ACPI_UART_OK);
    EXPECT_TRUE(spcr.uart.mmio && spcr.uart.base == 0xfedc9000 && spcr.uart.any);
    EXPECT_EQ(acpi_uart_span(&spcr.uart), 32); /* both ways are tried */
    EXPECT_EQ(acpi_uart_here(&spcr.uart, &host_rules), ACPI_UART_OK);
    spcr.uart.base = HOST_APIC - 16; /* within 32 bytes */
    EXPECT_EQ(acpi_uart_here(&spcr.uart, &host_rules), ACPI_UART_APIC);
    EXPECT_EQ(parse_spcr(spcr_table(2, 0x12, (struct gas){0, 8, 1, 0xfe034000}, 7)), 0);
    EXPECT_FALSE(spcr.uart.any); /* told: bytes */
    EXPECT_EQ(parse_spcr(spcr_table(2, 0x12, (struct gas){0, 32, 1, 0xfe034000}, 7)), 0);
    EXPECT_TRUE(spcr.uart.any); /* bytes of wide registers */
    EXPECT_EQ(parse_spcr(spcr_table(2, 0x12, (struct gas){0, 32, 3, 0xfe034000}, 7)), 0);
    EXPECT_FALSE(spcr.uart.any);
    EXPECT_EQ(parse_spcr(spcr_table(2, 0, (struct gas){1, 8, 0, 0x2f8}, 7)), 0);
    EXPECT_FALSE(spcr.uart.any); /* a port */
}

KTEST(acpi_uart, spcr_memory_by_width)
{
    EXPECT_EQ(parse_spcr(spcr_table(2, 0x12, (struct gas){0, 32, 3, 0xfe034000}, 7)), 0);
    EXPECT_TRUE(spcr.uart.mmio && spcr.uart.width == 4 && spcr.uart.stride == 4);
    EXPECT_EQ(parse_spcr(spcr_table(2, 0x12, (struct gas){0, 32, 1, 0xfe034000}, 7)), 0);
    EXPECT_TRUE(spcr.uart.width == 1); /* the access size wins */
    EXPECT_EQ(parse_spcr(spcr_table(2, 0, (struct gas){0, 32, 0, 0x80fe034000}, 7)), 0);
    EXPECT_TRUE(spcr.uart.width == 4); /* not given: the register's width */
    EXPECT_EQ(parse_spcr(spcr_table(2, 0, (struct gas){0, 16, 0, 0xfe034000}, 7)), 0);
    EXPECT_TRUE(spcr.uart.width == 2);
    EXPECT_EQ(parse_spcr(spcr_table(2, 0, (struct gas){0, 8, 0, 0xfe034000}, 7)), 0);
    EXPECT_TRUE(spcr.uart.width == 1);
}

static enum acpi_uart_verdict refused(u8 revision, u8 interface, struct gas g)
{
    u32 count[3];

    EXPECT_EQ(parse_spcr(spcr_table(revision, interface, g, 7)), -ENODEV);
    for (u32 k = 0; k < 3; k++)
        count[k] = shim_found(k);
    /* No fault: another kind of port. No port: nothing to do. The rest: an address that is none. */
    EXPECT_EQ(count[FIRMWARE_FAIL],
              spcr.uart.verdict != ACPI_UART_TYPE && spcr.uart.verdict != ACPI_UART_DISABLED);
    EXPECT_EQ(count[FIRMWARE_INFO], spcr.uart.verdict == ACPI_UART_DISABLED);
    EXPECT_EQ(count[FIRMWARE_WARN], 0);
    return spcr.uart.verdict;
}

KTEST(acpi_uart, spcr_refused)
{
    EXPECT_EQ(refused(1, 0x12, (struct gas){0, 32, 3, 0xfe034000}), ACPI_UART_TYPE);
    EXPECT_EQ(refused(2, 3, (struct gas){0, 32, 3, 0xfe034000}), ACPI_UART_TYPE); /* PL011 */
    EXPECT_EQ(refused(1, 3, (struct gas){0}), ACPI_UART_DISABLED);
    EXPECT_EQ(refused(2, 0, (struct gas){1, 8, 1, 0}), ACPI_UART_DISABLED);
    EXPECT_EQ(refused(2, 0, (struct gas){2, 8, 1, 0x2f8}), ACPI_UART_SPACE);
    EXPECT_EQ(refused(2, 0, (struct gas){1, 8, 1, 0xfff9}), ACPI_UART_RANGE);
    EXPECT_EQ(refused(2, 0, (struct gas){1, 8, 1, 0x1000003f8}), ACPI_UART_RANGE);
    EXPECT_EQ(refused(2, 0, (struct gas){0, 32, 3, ~0ULL & ~3}), ACPI_UART_RANGE);
    EXPECT_EQ(refused(2, 0, (struct gas){0, 32, 3, 0xfe034002}), ACPI_UART_RANGE); /* misaligned */
    EXPECT_EQ(refused(2, 0, (struct gas){0, 64, 4, 0xfe034000}), ACPI_UART_WIDTH);
    EXPECT_EQ(refused(2, 0, (struct gas){0, 8, 9, 0xfe034000}), ACPI_UART_WIDTH);
    EXPECT_TRUE(
        shim_log_contains("firmware bug: SPCR: address 0xfe034000, space 0, width 8, access "
                          "size 9: an access width that no 16550 has"));
}

KTEST(acpi_uart, where_this_machine_has_no_uart)
{
    struct mmio_rules r = host_rules;
    struct acpi_uart u;

    REQUIRE_EQ(parse_spcr(spcr_table(2, 0x12, (struct gas){0, 32, 3, 0x7fffffffe0}, 7)), 0);
    u = spcr.uart;
    r.phys_bits = 39;
    EXPECT_EQ(acpi_uart_here(&u, &r), ACPI_UART_OK); /* its last byte is the last there is */
    r.phys_bits = 38;
    EXPECT_EQ(acpi_uart_here(&u, &r), ACPI_UART_BEYOND);
    u.base = HOST_APIC;
    EXPECT_EQ(acpi_uart_here(&u, &r), ACPI_UART_APIC);
    u.base = HOST_IMAGE;
    EXPECT_EQ(acpi_uart_here(&u, &r), ACPI_UART_RAM);
    u.base = u.gas.address = 0x8000000;
    u.verdict = acpi_uart_here(&u, &r);
    EXPECT_EQ(u.verdict, ACPI_UART_RAM);
    acpi_uart_report(&u, FW_DBG2_ADDRESS, FW_DBG2_DISABLED, "device 0: ");
    EXPECT_TRUE(shim_log_contains("firmware bug: DBG2: device 0: address 0x8000000, space 0, "
                                  "width 32, access size 3: that is RAM"));
    EXPECT_EQ(shim_found(FIRMWARE_FAIL), 1);

    REQUIRE_EQ(parse_spcr(spcr_table(2, 0, (struct gas){1, 8, 1, 0x3f8}, 7)), 0);
    u = spcr.uart;
    EXPECT_EQ(acpi_uart_here(&u, &r), ACPI_UART_OK); /* ports are not in memory */
}

KTEST(acpi_uart, spcr_clock_and_precise_baud)
{
    struct table t = spcr_table(4, 0x12, (struct gas){0, 32, 3, 0xfe034000}, 7);

    t.len = 76;
    put(&t, 48000000, 4), put(&t, 3000000, 4), put(&t, 0, 4);
    EXPECT_EQ(parse_spcr(t), 0);
    EXPECT_TRUE(spcr.uart.clock_hz == 48000000 && spcr.uart.baud == 3000000);
    t = spcr_table(3, 0, (struct gas){1, 8, 1, 0x3f8}, 7);
    t.len = 76;
    put(&t, 1843200, 4), put(&t, 3000000, 4); /* what is behind revision 3 is not read as speed */
    EXPECT_EQ(parse_spcr(t), 0);
    EXPECT_TRUE(spcr.uart.clock_hz == 1843200 && spcr.uart.baud == 115200);
}

KTEST(acpi_uart, spcr_of_real_machines)
{
    static const char *const paths[] = {
        "tests/data/acpi/dell-poweredge-r820-e598/SPCR.bin",
        "tests/data/acpi/hewlett-packard-proliant-dl165-g7-1979/SPCR.bin",
        "tests/data/acpi/hewlett-packard-proliant-dl360-g7-60dc/SPCR.bin",
    };

    for (u32 i = 0; i < ARRAY_SIZE(paths); i++) {
        EXPECT_EQ(parse_spcr(read_whole(paths[i])), -ENODEV);
        EXPECT_EQ(spcr.uart.verdict, ACPI_UART_DISABLED);
        EXPECT_EQ(spcr.revision, 1);
    }
}

/* ---- DBG2 ------------------------------------------------------------------------------------ */

static void dbg2_device(struct table *t, u16 type, u16 subtype, u8 addresses, struct gas g)
{
    u16 gas_end = (u16)(22 + 12 * addresses), length = (u16)(gas_end + 4 * addresses + 2);

    put(t, 0, 1), put(t, length, 2), put(t, addresses, 1);
    put(t, 2, 2), put(t, gas_end + 4u * addresses, 2), put(t, 0, 4);
    put(t, type, 2), put(t, subtype, 2), put(t, 0, 2), put(t, 22, 2), put(t, gas_end, 2);
    for (u32 i = 0; i < addresses; i++)
        put_gas(t, g);
    for (u32 i = 0; i < addresses; i++)
        put(t, 8, 4);
    put(t, '.', 2);
}

static struct table dbg2_table(u32 count)
{
    struct table t;

    put_header(&t, "DBG2", 0);
    put(&t, 44, 4), put(&t, count, 4);
    return t;
}

static int parse_dbg2(struct table t)
{
    int err;

    shim_log_reset();
    tighten(&t);
    err = dbg2_parse(t.b, t.len, &dbg2);
    free(t.b);
    return err;
}

KTEST(acpi_uart, dbg2_devices)
{
    struct table t = dbg2_table(4);

    dbg2_device(&t, 0x8002, 0, 1, (struct gas){0, 32, 3, 0xfe000000}); /* USB */
    dbg2_device(&t, 0x8000, 3, 1, (struct gas){0, 32, 3, 0xfe000000}); /* PL011 */
    dbg2_device(&t, 0x8000, 0x12, 2, (struct gas){0, 32, 3, 0xfe034000});
    dbg2_device(&t, 0x8000, 0, 1, (struct gas){1, 8, 0, 0x3f8});
    REQUIRE_EQ(parse_dbg2(t), 0);
    EXPECT_TRUE(dbg2.devices == 4 && dbg2.others == 1 && dbg2.count == 3 && dbg2.dropped == 0);
    EXPECT_EQ(dbg2.ports[0].verdict, ACPI_UART_TYPE);
    EXPECT_TRUE(dbg2.ports[1].verdict == ACPI_UART_OK && dbg2.ports[1].mmio &&
                dbg2.ports[1].stride == 4);
    EXPECT_TRUE(dbg2.ports[2].verdict == ACPI_UART_OK && dbg2.ports[2].base == 0x3f8);
    EXPECT_EQ(shim_log_count(), 0);
}

KTEST(acpi_uart, dbg2_damage)
{
    struct table t = dbg2_table(2);

    dbg2_device(&t, 0x8000, 0, 0, (struct gas){0}); /* no address at all */
    dbg2_device(&t, 0x8000, 0, 1, (struct gas){1, 8, 0, 0x3f8});
    EXPECT_EQ(parse_dbg2(t), 0);
    EXPECT_EQ(dbg2.ports[0].verdict, ACPI_UART_SHORT);
    EXPECT_TRUE(shim_log_contains("firmware bug: DBG2: device 0 at offset 0x2c: 0 addresses"));

    t = dbg2_table(0xffffffff);
    for (u32 i = 0; i < DBG2_MAX_PORTS + 3; i++)
        dbg2_device(&t, 0x8000, 0, 1, (struct gas){1, 8, 0, 0x3f8 + i});
    EXPECT_EQ(parse_dbg2(t), 0); /* ends at the end of the table */
    EXPECT_TRUE(dbg2.count == DBG2_MAX_PORTS && dbg2.dropped == 3);
    EXPECT_EQ(shim_log_count(), 1);

    t = dbg2_table(1);
    t.b[36] = 0; /* the records would begin in the header */
    dbg2_device(&t, 0x8000, 0, 1, (struct gas){1, 8, 0, 0x3f8});
    EXPECT_EQ(parse_dbg2(t), -ENODEV);
    EXPECT_EQ(parse_dbg2(dbg2_table(0)), -ENODEV);
}

KTEST(acpi_uart, dbg2_addresses)
{
    struct table t = dbg2_table(3);

    dbg2_device(&t, 0x8000, 0, 1, (struct gas){1, 8, 0, 0});
    dbg2_device(&t, 0x8000, 0, 1, (struct gas){1, 8, 0, 0x103f8});
    dbg2_device(&t, 0x8000, 0x12, 1, (struct gas){0, 32, 3, 0xfe034001});
    EXPECT_EQ(parse_dbg2(t), -ENODEV);
    EXPECT_EQ(dbg2.count, 3);
    EXPECT_TRUE(shim_log_contains("DBG2: device 0 at offset 0x2c: address 0: no port is named"));
    EXPECT_TRUE(shim_log_contains("firmware bug: DBG2: device 1 at offset 0x54: address 0x103f8"));
    EXPECT_TRUE(shim_log_contains("firmware bug: DBG2: device 2 at offset 0x7c: address "
                                  "0xfe034001"));
    EXPECT_TRUE(shim_found(FIRMWARE_FAIL) == 2 && shim_found(FIRMWARE_INFO) == 1);
}

KTEST(acpi_uart, dbg2_of_a_real_machine)
{
    REQUIRE_EQ(parse_dbg2(read_whole("tests/data/acpi/evga-x299-micro-4b64/DBG2.bin")), 0);
    EXPECT_TRUE(dbg2.devices == 1 && dbg2.count == 1);
    EXPECT_TRUE(!dbg2.ports[0].mmio && dbg2.ports[0].base == 0x3f8 && dbg2.ports[0].baud == 0);
}

/* ---- damage ---------------------------------------------------------------------------------- */

static void cut_and_damage(struct table (*make)(void), int (*parse)(struct table t))
{
    struct table whole = make();
    size_t len = whole.len;

    free(whole.b);
    for (size_t cut = 0; cut < len; cut++) {
        struct table t = make();

        t.len = cut;
        parse(t);
    }
    for (size_t at = 0; at < len; at++) {
        for (u32 bit = 0; bit < 9; bit++) {
            struct table t = make();

            t.b[at] ^= bit == 8 ? 0xff : (u8)(1u << bit);
            parse(t);
            EXPECT_TRUE(spcr.uart.verdict != ACPI_UART_OK || spcr.uart.stride);
            EXPECT_TRUE(dbg2.count <= DBG2_MAX_PORTS);
        }
    }
}

static struct table some_spcr(void)
{
    return spcr_table(2, 0x12, (struct gas){0, 32, 3, 0xfe034000}, 7);
}

static struct table some_dbg2(void)
{
    struct table t = dbg2_table(2);

    dbg2_device(&t, 0x8000, 0x12, 2, (struct gas){0, 32, 3, 0xfe034000});
    dbg2_device(&t, 0x8000, 0, 1, (struct gas){1, 8, 0, 0x3f8});
    return t;
}

KTEST(acpi_uart, cut_off_and_damaged)
{
    cut_and_damage(some_spcr, parse_spcr);
    cut_and_damage(some_dbg2, parse_dbg2);
}
