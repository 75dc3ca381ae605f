/*
 * boot/multiboot2: what a good loader passes arrives; each fault of a bad one is logged.
 * SPDX-License-Identifier: MIT
 */
#include "boot/multiboot2.h"
#include "kernel/base/errno.h"
#include "kernel/base/ktest.h"
#include "tests/boot/boot_image.h"
#include "tests/host/shim.h"

static struct boot_info info;
static struct image image;

static size_t image_u32(struct image *m, u32 v)
{
    return image_put(m, &v, sizeof(v));
}

static size_t image_u64(struct image *m, u64 v)
{
    return image_put(m, &v, sizeof(v));
}

static void image_align(struct image *m)
{
    image_resize(m, align_up(m->size, 8));
}

static void begin(void)
{
    image_free(&image);
    image_u64(&image, 0);
    shim_log_reset();
}

static size_t tag(u32 type, const void *payload, u32 len)
{
    size_t off = image_u32(&image, type);

    image_u32(&image, 8 + len);
    image_put(&image, payload, len);
    image_align(&image);
    return off;
}

/* A memory map with one entry, of entry_size bytes. */
static size_t mmap_tag(u32 entry_size, u64 base, u64 length, u32 type)
{
    u64 words[8] = {entry_size, base, length, type};

    return tag(6, words, 8 + entry_size);
}

static size_t efi_tag(u32 type, u64 base, u64 pages, u64 attribute)
{
    u64 words[8] = {48 | 1ULL << 32, type, base, 0, pages, attribute};

    return tag(17, words, 8 + 48);
}

static int parse(void)
{
    struct phys_window w = {image_map, &image, NULL};

    image_set32(&image, 0, (u32)image.size);
    return multiboot2_parse(&w, IMAGE_BASE, &info);
}

static int finish(void)
{
    tag(0, "", 0);
    return parse();
}

KTEST(multiboot2, all_used_tags)
{
    u32 module[3] = {0x100000, 0x180000, 0x00612078}; /* "x a" */
    u8 rsdp[36] = "RSD PTR v2";

    begin();
    tag(1, "run=test console=ttyS0", 23);
    tag(2, "GRUB 2.06", 10);
    tag(3, module, 12);
    tag(99, "unknown", 7);
    tag(15, rsdp, 36);
    tag(14, "RSD PTR v1..........", 20);
    mmap_tag(24, 0x100000, 0x7f00000, 1);
    REQUIRE_EQ(finish(), 0);
    EXPECT_EQ(shim_log_count(), 0);
    EXPECT_EQ(info.origin, BOOT_MULTIBOOT2);
    EXPECT_STREQ(info.cmdline, "run=test console=ttyS0");
    EXPECT_FALSE(info.cmdline_truncated);
    EXPECT_STREQ(info.loader, "GRUB 2.06");
    REQUIRE_EQ(info.n_modules, 1);
    EXPECT_EQ(info.modules[0].end, 0x180000);
    EXPECT_STREQ(info.modules[0].args, "x a");
    EXPECT_EQ(info.rsdp_len, 36);
    EXPECT_STREQ((const char *)info.rsdp, "RSD PTR v2");
    REQUIRE_EQ(info.n_ranges, 1);
    EXPECT_EQ(info.ranges[0].end, 0x8000000);
    REQUIRE_EQ(info.n_reserved, 2);
    EXPECT_EQ(info.reserved[0].base, IMAGE_BASE);
    EXPECT_EQ(info.reserved[0].end, IMAGE_BASE + image.size);
    EXPECT_STREQ(info.reserved[1].name, "module");
}

KTEST(multiboot2, longer_entries_are_stepped_over)
{
    u64 words[9] = {32, 0x1000, 0x1000, 1, 0, 0x2000, 0x1000, 0xefffffff, 0};

    begin();
    tag(6, words, 72);
    REQUIRE_EQ(finish(), 0);
    REQUIRE_EQ(info.n_ranges, 2);
    EXPECT_EQ(info.ranges[1].base, 0x2000);
    EXPECT_EQ(info.ranges[1].type, BOOT_MEM_SPECIAL);
}

KTEST(multiboot2, bad_entry_sizes)
{
    static const u32 sizes[] = {0, 8, 16, 28, 0xfffffff8};

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        begin();
        image_set32(&image, mmap_tag(24, 0, 0x1000, 1) + 8, sizes[i]);
        EXPECT_EQ(finish(), -ENOENT);
        EXPECT_EQ(info.n_ranges, 0);
    }
    EXPECT_TRUE(shim_log_contains("no memory map, or no RAM in it"));
}

KTEST(multiboot2, wrapping_and_empty_ranges)
{
    begin();
    mmap_tag(24, ~0ULL - 0xfff, 0x2000, 1);
    mmap_tag(24, 0x5000, 0, 1);
    mmap_tag(24, 0x1000, 0x1000, 1);
    REQUIRE_EQ(finish(), 0);
    EXPECT_EQ(info.n_ranges, 1);
    EXPECT_EQ(info.dropped_ranges, 1);
    EXPECT_TRUE(shim_log_contains_prefix("firmware bug: multiboot2 memory map: entry 0"));
}

KTEST(multiboot2, too_many_ranges_are_counted)
{
    begin();
    for (u32 i = 0; i < BOOT_MAX_RANGES + 20; i++)
        mmap_tag(24, i * 0x1000, 0x1000, 1);
    REQUIRE_EQ(finish(), 0);
    EXPECT_EQ(info.n_ranges, BOOT_MAX_RANGES);
    EXPECT_EQ(info.dropped_ranges, 20);
    EXPECT_EQ(shim_log_count(), 8);
}

KTEST(multiboot2, efi_map_when_there_is_no_other)
{
    begin();
    efi_tag(7, 0x100000, 16, 0);
    REQUIRE_EQ(finish(), 0);
    REQUIRE_EQ(info.n_ranges, 1);
    EXPECT_EQ(info.ranges[0].end, 0x110000);

    begin();
    efi_tag(7, 0x200000, 16, 1ULL << 18);
    mmap_tag(24, 0x100000, 0x200000, 1);
    REQUIRE_EQ(finish(), 0);
    REQUIRE_EQ(info.n_ranges, 2);
    EXPECT_EQ(info.ranges[1].type, BOOT_MEM_SPECIAL);

    begin();
    efi_tag(7, 0, 1ULL << 52, 0);
    EXPECT_EQ(finish(), -ENOENT);
    EXPECT_EQ(info.dropped_ranges, 1);
}

KTEST(multiboot2, rsdp_sizes)
{
    u8 bytes[36] = "RSD PTR ";

    begin();
    mmap_tag(24, 0, 0x1000, 1);
    tag(14, bytes, 19);
    tag(15, bytes, 19);
    REQUIRE_EQ(finish(), 0);
    EXPECT_EQ(info.rsdp_len, 0);
    EXPECT_EQ(shim_log_matches("RSDP tag"), 2);

    begin();
    mmap_tag(24, 0, 0x1000, 1);
    tag(15, bytes, 24);
    REQUIRE_EQ(finish(), 0);
    EXPECT_EQ(info.rsdp_len, 20);
}

KTEST(multiboot2, strings)
{
    static char line[3000];

    memset(line, 'x', sizeof(line) - 1);
    begin();
    mmap_tag(24, 0, 0x1000, 1);
    tag(1, line, sizeof(line));
    tag(2, "no end", 6);
    REQUIRE_EQ(finish(), 0);
    EXPECT_TRUE(info.cmdline_truncated);
    EXPECT_EQ(strlen(info.cmdline), BOOT_CMDLINE_MAX - 1);
    EXPECT_STREQ(info.loader, "no end");
    EXPECT_TRUE(shim_log_contains("boot loader: multiboot2: string of tag 2"));
}

KTEST(multiboot2, bad_modules)
{
    u32 wrong[2] = {0x2000, 0x1000}, good[2] = {0x1000, 0x2000};

    begin();
    mmap_tag(24, 0, 0x1000, 1);
    tag(3, wrong, 8);
    tag(3, wrong, 4);
    tag(3, good, 8);
    REQUIRE_EQ(finish(), 0);
    EXPECT_EQ(info.n_modules, 1);
    EXPECT_EQ(info.dropped_modules, 1);
    EXPECT_STREQ(info.modules[0].args, "");
    EXPECT_EQ(shim_log_count(), 2);
}

KTEST(multiboot2, a_bad_tag_size_ends_the_walk)
{
    static const u32 sizes[] = {0, 7, 4096, 0xffffffff};

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        begin();
        mmap_tag(24, 0, 0x1000, 1);
        image_set32(&image, tag(2, "loader", 7) + 4, sizes[i]);
        EXPECT_EQ(finish(), 0);
        EXPECT_STREQ(info.loader, "");
        EXPECT_EQ(shim_log_matches("the rest is ignored"), 1);
    }
    begin();
    mmap_tag(24, 0, 0x1000, 1);
    EXPECT_EQ(parse(), 0);
    EXPECT_TRUE(shim_log_contains("no end tag"));
}

KTEST(multiboot2, bad_head)
{
    struct phys_window w = {image_map, &image, NULL};
    static const u32 sizes[] = {0, 8, 15, 0xffffffff};

    begin();
    mmap_tag(24, 0, 0x1000, 1);
    REQUIRE_EQ(finish(), 0);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        image_set32(&image, 0, sizes[i]);
        EXPECT_EQ(multiboot2_parse(&w, IMAGE_BASE, &info), -EINVAL);
    }
    image_set32(&image, 0, (u32)image.size + 1);
    EXPECT_EQ(multiboot2_parse(&w, IMAGE_BASE, &info), -EFAULT);
    EXPECT_EQ(multiboot2_parse(&w, IMAGE_BASE + 4, &info), -EINVAL);
    EXPECT_EQ(multiboot2_parse(&w, 0, &info), -EFAULT);
    EXPECT_EQ(info.n_ranges, 0);
    image_free(&image);
}

/* A framebuffer tag as GRUB writes it; masks of 8 bits at 16, 8 and 0. */
static size_t fb_tag(u64 base, u32 pitch, u32 width, u32 height, u8 bits, u8 type, u32 len)
{
    u8 payload[30] = {0};

    memcpy(payload, &base, 8);
    memcpy(payload + 8, &pitch, 4);
    memcpy(payload + 12, &width, 4);
    memcpy(payload + 16, &height, 4);
    payload[20] = bits, payload[21] = type;
    payload[24] = 16, payload[26] = 8, payload[28] = 0;
    payload[25] = payload[27] = payload[29] = 8;
    return tag(8, payload, len);
}

static enum boot_fb_kind fb_of(u64 base, u32 pitch, u32 width, u32 height, u8 bits, u8 type,
                               u32 len)
{
    begin();
    mmap_tag(24, 0x100000, 0x7f00000, 1);
    fb_tag(base, pitch, width, height, bits, type, len);
    EXPECT_EQ(finish(), 0);
    return info.fb.kind;
}

KTEST(multiboot2, framebuffer)
{
    EXPECT_EQ(fb_of(0xfd000000, 4096, 1024, 768, 32, 1, 30), BOOT_FB_RGB);
    EXPECT_TRUE(info.fb.base == 0xfd000000 && info.fb.pitch == 4096 && info.fb.width == 1024 &&
                info.fb.height == 768 && info.fb.bytes == 4);
    EXPECT_TRUE(info.fb.red.pos == 16 && info.fb.green.pos == 8 && info.fb.blue.size == 8);
    REQUIRE_EQ(info.n_reserved, 2);
    EXPECT_EQ(info.reserved[1].end, 0xfd000000 + 4096 * 768);
    EXPECT_FALSE(boot_info_in_ram(&info, 0xfd000000, 0xfd000001));
    EXPECT_TRUE(boot_info_in_ram(&info, 0x7ffffff, 0x9000000));
    EXPECT_FALSE(boot_info_in_ram(&info, 0x8000000, 0x9000000));
    EXPECT_EQ(fb_of(0x80fd000000, 2400, 800, 600, 24, 1, 30), BOOT_FB_RGB);
    EXPECT_EQ(fb_of(0xb8000, 160, 80, 25, 16, 2, 24), BOOT_FB_TEXT);
    EXPECT_EQ(shim_log_count(), 0);
}

KTEST(multiboot2, framebuffer_refused)
{
    EXPECT_EQ(fb_of(0xfd000000, 4096, 1024, 768, 32, 0, 30), BOOT_FB_NONE); /* a palette */
    EXPECT_EQ(fb_of(0xfd000000, 4095, 1024, 768, 32, 1, 30), BOOT_FB_NONE);
    EXPECT_EQ(fb_of(0xfd000000, 4098, 1024, 768, 32, 1, 30), BOOT_FB_NONE);
    EXPECT_EQ(fb_of(0xfd000000, 4096, 0, 768, 32, 1, 30), BOOT_FB_NONE);
    EXPECT_EQ(fb_of(0xfd000000, 4096, 1024, 0x40000000, 32, 1, 30), BOOT_FB_NONE);
    EXPECT_EQ(fb_of(0xfd000000, 0xfffffffc, 1024, 768, 32, 1, 30), BOOT_FB_NONE);
    EXPECT_EQ(fb_of(0xfd000000, 8192, 1024, 768, 64, 1, 30), BOOT_FB_NONE);
    EXPECT_EQ(fb_of(0xfd000000, 2048, 1024, 768, 8, 1, 30), BOOT_FB_NONE);
    EXPECT_EQ(fb_of(0xfd000000, 2048, 1024, 768, 16, 1, 30), BOOT_FB_NONE); /* masks of 32 bits */
    EXPECT_EQ(fb_of(0, 4096, 1024, 768, 32, 1, 30), BOOT_FB_NONE);
    EXPECT_EQ(fb_of(~0ULL << 12, 4096, 1024, 768, 32, 1, 30), BOOT_FB_NONE);
    EXPECT_TRUE(shim_log_contains("its address cannot be used"));
    EXPECT_EQ(fb_of(0xfd000000, 4096, 1024, 768, 32, 1, 29), BOOT_FB_NONE); /* no blue */
    EXPECT_EQ(fb_of(0xb8000, 160, 80, 25, 16, 2, 23), BOOT_FB_NONE);
    EXPECT_EQ(fb_of(0xa0000, 80, 640, 480, 1, 0, 30), BOOT_FB_NONE);
    EXPECT_TRUE(shim_log_contains("its palette cannot be used"));
    EXPECT_EQ(fb_of(0xa0000, 80, 640, 480, 1, 3, 30), BOOT_FB_NONE);
    EXPECT_TRUE(shim_log_contains("its type cannot be used"));
    EXPECT_TRUE(shim_log_contains("framebuffer tag at offset"));
    EXPECT_EQ(info.n_reserved, 1);
}
