/*
 * Address to function name.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/ktest.h"
#include "kernel/base/symbols.h"

#define BASE 0xffffffff80000000ULL

static const struct symbol_entry entries[] = {
    {0x1000, 0},
    {0x1010, 6},
    {0x1011, 11},
    {0x2000, 15},
};
static const char names[] = "first\0four\0one\0last";
static const struct symbol_table table = {
    .entries = entries,
    .names = names,
    .base = BASE,
    .start = BASE + 0xf00,
    .end = BASE + 0x3000,
    .count = ARRAY_SIZE(entries),
};

static void expect(u64 addr, const char *name, u64 offset)
{
    u64 got = ~0ULL;
    const char *found = symbol_find(&table, addr, &got);

    EXPECT_STREQ(found ? found : "(none)", name);
    EXPECT_EQ(got, offset);
}

KTEST(symbols, each_address_has_its_function)
{
    expect(BASE + 0x1000, "first", 0);
    expect(BASE + 0x100f, "first", 0xf);
    expect(BASE + 0x1010, "four", 0);
    expect(BASE + 0x1011, "one", 0);
    expect(BASE + 0x1fff, "one", 0xfee);
    expect(BASE + 0x2000, "last", 0);
    expect(BASE + 0x2fff, "last", 0xfff);
}

KTEST(symbols, outside_is_nothing)
{
    expect(BASE + 0xfff, "(none)", 0);
    expect(BASE + 0xeff, "(none)", 0);
    expect(BASE + 0x3000, "(none)", 0);
    expect(0, "(none)", 0);
    expect(~0ULL, "(none)", 0);
}

KTEST(symbols, empty_table)
{
    struct symbol_table empty = table;
    u64 offset;

    empty.count = 0;
    EXPECT_TRUE(symbol_find(&empty, BASE + 0x1000, &offset) == NULL);
    EXPECT_EQ(offset, 0);
}
