/*
 * boot/pvh: start information of versions 0 and 1, good and damaged.
 * SPDX-License-Identifier: MIT
 */
#include "boot/pvh.h"
#include "kernel/base/errno.h"
#include "kernel/base/ktest.h"
#include "tests/boot/boot_image.h"
#include "tests/host/shim.h"

static struct boot_info info;
static struct image image;

/* Offsets in the start information. */
enum {
    VERSION = 4,
    MODULES = 12,
    MODLIST = 16,
    CMDLINE = 24,
    RSDP = 32,
    MEMMAP = 40,
    ENTRIES = 48,
};

static void begin(u32 version)
{
    image_free(&image);
    image_resize(&image, version ? 56 : 40);
    image_set32(&image, 0, 0x336ec578);
    image_set32(&image, VERSION, version);
    shim_log_reset();
}

static void point(size_t field, size_t offset)
{
    image_set32(&image, field, (u32)(IMAGE_BASE + offset));
}

static void add_memmap(u64 base, u64 size, u32 type)
{
    u64 words[3] = {base, size, type};
    size_t off = image_put(&image, words, sizeof(words));

    if (!image.bytes[ENTRIES])
        point(MEMMAP, off);
    image.bytes[ENTRIES]++;
}

static int parse(void)
{
    struct phys_window w = {image_map, &image, NULL};

    image_resize(&image, align_up(image.size, PAGE_SIZE)); /* strings are mapped page by page */
    return pvh_parse(&w, IMAGE_BASE, &info);
}

KTEST(pvh, version_1)
{
    u64 module[4] = {0x400000, 0x1000};
    size_t args;

    begin(1);
    add_memmap(0, 0x9fc00, 1);
    add_memmap(0xf0000, 0x10000, 2);
    add_memmap(0x100000000, 0x1000, 7);
    point(CMDLINE, image_put(&image, "run=test", 9));
    args = image_put(&image, "initrd", 7);
    module[2] = IMAGE_BASE + args;
    point(MODLIST, image_put(&image, module, sizeof(module)));
    image_set32(&image, MODULES, 1);
    image_set32(&image, RSDP, 0xf5ad0);
    REQUIRE_EQ(parse(), 0);
    EXPECT_EQ(shim_log_count(), 0);
    EXPECT_EQ(info.origin, BOOT_PVH);
    EXPECT_STREQ(info.cmdline, "run=test");
    EXPECT_FALSE(info.cmdline_truncated);
    EXPECT_EQ(info.rsdp_phys, 0xf5ad0);
    EXPECT_EQ(info.rsdp_len, 0);
    REQUIRE_EQ(info.n_ranges, 3);
    EXPECT_EQ(info.ranges[0].end, 0x9fc00);
    EXPECT_EQ(info.ranges[1].type, BOOT_MEM_RESERVED);
    EXPECT_EQ(info.ranges[2].type, BOOT_MEM_PMEM);
    REQUIRE_EQ(info.n_modules, 1);
    EXPECT_EQ(info.modules[0].end, 0x401000);
    EXPECT_STREQ(info.modules[0].args, "initrd");
    EXPECT_EQ(info.n_reserved, 6); /* start info, cmdline, module list, module, its line, map */
}

KTEST(pvh, version_0_has_no_memory_map)
{
    begin(0);
    point(CMDLINE, image_put(&image, "a", 2));
    EXPECT_EQ(parse(), -ENOENT);
    EXPECT_STREQ(info.cmdline, "a");
    EXPECT_TRUE(shim_log_contains("version 0: no memory map"));
}

KTEST(pvh, bad_head)
{
    struct phys_window w = {image_map, &image, NULL};

    begin(1);
    image_set32(&image, 0, 0x336ec579);
    EXPECT_EQ(parse(), -EINVAL);
    begin(0);
    image_set32(&image, VERSION, 1); /* version 1, but only 40 bytes can be read */
    EXPECT_EQ(pvh_parse(&w, IMAGE_BASE, &info), -EFAULT);
    EXPECT_EQ(pvh_parse(&w, 0x10, &info), -EFAULT);
    EXPECT_EQ(info.n_reserved, 0);
}

KTEST(pvh, pointers_to_nowhere)
{
    begin(1);
    add_memmap(0, 0x1000, 1);
    image_set32(&image, CMDLINE, 0x70000000);
    image_set32(&image, CMDLINE + 4, 0xffffffff);
    image_set32(&image, MODULES, 0xffffffff);
    memset(image.bytes + MODLIST, 0xff, 8);
    REQUIRE_EQ(parse(), 0);
    EXPECT_STREQ(info.cmdline, "");
    EXPECT_TRUE(info.cmdline_truncated);
    EXPECT_EQ(info.n_modules, 0);
    EXPECT_TRUE(shim_log_contains("boot loader: PVH: module list at 0xffffffffffffffff"));

    begin(1);
    add_memmap(0, 0x1000, 1);
    image_set32(&image, ENTRIES, 0xffffffff);
    EXPECT_EQ(parse(), -ENOENT);
    EXPECT_TRUE(shim_log_contains("memory map at"));
}

KTEST(pvh, command_line_without_end)
{
    const size_t at = PAGE_SIZE - 100; /* the longest one crosses a page boundary */

    begin(1);
    add_memmap(0, 0x1000, 1);
    point(CMDLINE, at);
    image_resize(&image, at + 9000);
    memset(image.bytes + at, 'y', 9000);
    REQUIRE_EQ(parse(), 0);
    EXPECT_TRUE(info.cmdline_truncated);
    EXPECT_EQ(strlen(info.cmdline), BOOT_CMDLINE_MAX - 1);

    image.bytes[at + BOOT_CMDLINE_MAX - 1] = 0;
    REQUIRE_EQ(parse(), 0);
    EXPECT_FALSE(info.cmdline_truncated);
    EXPECT_EQ(strlen(info.cmdline), BOOT_CMDLINE_MAX - 1);
}

KTEST(pvh, wrapping_range_and_module)
{
    u64 module[4] = {~0ULL - 5, 0x1000};

    begin(1);
    add_memmap(0, 0x1000, 1);
    add_memmap(~0ULL, 2, 1);
    point(MODLIST, image_put(&image, module, sizeof(module)));
    image_set32(&image, MODULES, 1);
    REQUIRE_EQ(parse(), 0);
    EXPECT_EQ(info.n_ranges, 1);
    EXPECT_EQ(info.dropped_ranges, 1);
    EXPECT_EQ(info.dropped_modules, 1);
    EXPECT_TRUE(shim_log_contains_prefix("firmware bug: PVH memory map: entry 1 at offset 0x18"));
    image_free(&image);
}
