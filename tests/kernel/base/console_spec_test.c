/*
 * console=: every form, and every way to get it wrong.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/console_spec.h"
#include "kernel/base/errno.h"
#include "kernel/base/ktest.h"
#include "kernel/base/string.h"

static struct console_spec spec;
static const char *why;

/* "kind base/width/stride/baud", in one line to compare. */
static bool is_uart(const char *text, bool mmio, u64 base, u32 width, u32 stride, u32 baud)
{
    return console_spec_parse(text, &spec, &why) == 0 && spec.kind == CONSOLE_UART &&
           spec.uart.mmio == mmio && spec.uart.base == base && spec.uart.width == width &&
           spec.uart.stride == stride && spec.uart.baud == baud;
}

KTEST(console_spec, uarts)
{
    EXPECT_TRUE(is_uart("ttyS0", false, 0x3f8, 1, 1, 0));
    EXPECT_TRUE(is_uart("ttyS1,57600", false, 0x2f8, 1, 1, 57600));
    EXPECT_TRUE(is_uart("ttyS2,115200n8", false, 0x3e8, 1, 1, 115200));
    EXPECT_TRUE(is_uart("ttyS3,", false, 0x2e8, 1, 1, 0));
    EXPECT_TRUE(is_uart("uart,io,0x3e0", false, 0x3e0, 1, 1, 0));
    EXPECT_TRUE(is_uart("uart,io,0xfff8,9600", false, 0xfff8, 1, 1, 9600));
    EXPECT_TRUE(is_uart("uart,mmio,0xfe030000", true, 0xfe030000, 1, 1, 0));
    EXPECT_TRUE(is_uart("uart,mmio,0xfe030000,4", true, 0xfe030000, 4, 4, 0));
    EXPECT_TRUE(is_uart("uart,mmio,0xfe030000,2,9600", true, 0xfe030000, 2, 2, 9600));
    EXPECT_TRUE(is_uart("uart,mmio,0xfe030000,115200", true, 0xfe030000, 1, 1, 115200));
    EXPECT_TRUE(is_uart("uart,mmio,0x380fe030000,16,9600", true, 0x380fe030000, 1, 16, 9600));
}

KTEST(console_spec, others)
{
    EXPECT_TRUE(console_spec_parse("spcr", &spec, &why) == 0 && spec.kind == CONSOLE_SPCR);
    EXPECT_TRUE(console_spec_parse("dbg2", &spec, &why) == 0 && spec.kind == CONSOLE_DBG2);
    EXPECT_TRUE(console_spec_parse("fb", &spec, &why) == 0 && spec.kind == CONSOLE_FB);
    EXPECT_TRUE(console_spec_parse("debugcon", &spec, &why) == 0 && spec.kind == CONSOLE_DEBUGCON);
}

KTEST(console_spec, refused_with_a_reason)
{
    static const char *const bad[] = {
        "",
        "ttyS4",
        "ttyS",
        "tty0",
        "ttyS0,fast",
        "ttyS0,230400",
        "ttyS0,9600,9600",
        "uart",
        "uart,io",
        "uart,io,",
        "uart,io,com1",
        "uart,io,0",
        "uart,io,0xfff9",
        "uart,io,0x1000003f8",
        "uart,usb,0x3f8",
        "uart,mmio,0",
        "uart,mmio,0xfe030002,4",
        "uart,mmio,0xfe030000,3",
        "uart,mmio,0xfe030000,0",
        "uart,mmio,0xfe030000,x",
        "uart,mmio,0xfe030000,4,9600,1",
        "uart,mmio,0xffffffffffffffff",
        "fb,1",
        "spcr,115200",
        "FB",
    };

    for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
        why = NULL;
        EXPECT_EQ(console_spec_parse(bad[i], &spec, &why), -EINVAL);
        EXPECT_TRUE(why && strlen(why) > 4);
    }
}

/* Whatever is typed: no crash, and what is accepted can be used as it is. */
KTEST(console_spec, any_text)
{
    static const char letters[] = "uart,iomspcdbg2fb0123456789xXtySn,,,";
    u64 seed = 14;
    u32 good = 0;

    for (u32 i = 0; i < 200000; i++) {
        char text[40] = "uart,mmio,0x";
        size_t len = i % 3 ? strlen(text) : 0;

        for (; len < sizeof(text) - 1 && (seed = seed * 6364136223846793005ULL + 1) >> 60; len++)
            text[len] = letters[(seed >> 33) % (sizeof(letters) - 1)];
        text[len] = 0;
        if (console_spec_parse(text, &spec, &why) || spec.kind != CONSOLE_UART)
            continue;
        good++;
        REQUIRE_TRUE(spec.uart.base && is_pow2(spec.uart.stride) && spec.uart.stride <= 16 &&
                     spec.uart.width <= spec.uart.stride && spec.uart.baud <= 115200 &&
                     (spec.uart.mmio || spec.uart.base <= 0xfff8));
    }
    EXPECT_TRUE(good > 1000);
}

KTEST(console_spec, names)
{
    struct uart_place p = com_place(1);
    char text[64];

    uart_place_text(&p, text, sizeof(text));
    EXPECT_STREQ(text, "ttyS1");
    p.base = 0x3e0;
    uart_place_text(&p, text, sizeof(text));
    EXPECT_STREQ(text, "port 0x3e0");
    p = (struct uart_place){.mmio = true, .base = 0x3f8, .width = 4, .stride = 4};
    uart_place_text(&p, text, sizeof(text));
    EXPECT_STREQ(text, "mmio 0x3f8, 32 bits every 4 bytes");
}
