/*
 * Findings about the firmware: forms of the lines, classes, and what a table full of rubbish costs.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/firmware.h"

#include "kernel/base/ktest.h"
#include "kernel/base/string.h"
#include "tests/host/shim.h"

KTEST(firmware, forms_of_lines)
{
    shim_log_reset();
    firmware_finding(FW_SRAT_OVERLAP, "entry %u", 7);
    firmware_finding(FW_MADT_X2APIC_LOW, "entry %u", 8);
    firmware_finding(FW_SLIT_ASYMMETRIC, "odd");
    firmware_finding(FW_SLIT_OVERSIZE, "long");
    firmware_finding_in(FW_MEMMAP_WRAPS, "PVH memory map", "entry 1");
    REQUIRE_EQ(shim_log_count(), 5);
    EXPECT_STREQ(shim_log_line(0), "firmware bug: SRAT: entry 7");
    EXPECT_STREQ(shim_log_line(1), "firmware bug: MADT: entry 8");
    EXPECT_STREQ(shim_log_line(2), "SLIT: odd");
    EXPECT_STREQ(shim_log_line(3), "SLIT: long");
    EXPECT_STREQ(shim_log_line(4), "firmware bug: PVH memory map: entry 1");
    EXPECT_EQ(shim_log_level(2), LOG_WARN);
    EXPECT_EQ(shim_log_level(3), LOG_INFO);
    EXPECT_STREQ(firmware_found()->kept[1].table, "APIC");
    EXPECT_STREQ(firmware_found()->kept[4].text, "entry 1");
    EXPECT_EQ(shim_found(FIRMWARE_FAIL), 2);
    EXPECT_EQ(shim_found(FIRMWARE_WARN), 2);
    EXPECT_EQ(shim_found(FIRMWARE_INFO), 1);
}

KTEST(firmware, so_many_lines_of_one_id)
{
    const struct firmware_findings *f = firmware_found();

    shim_log_reset();
    for (u32 i = 0; i < 1000; i++)
        firmware_finding(FW_SRAT_WRAPS, "entry %u", i);
    firmware_finding(FW_SLIT_EMPTY, "another id still has its lines");
    EXPECT_EQ(f->count[FW_SRAT_WRAPS], 1000);
    EXPECT_EQ(f->shown[FW_SRAT_WRAPS], FIRMWARE_LINES);
    EXPECT_EQ(shim_log_count(), FIRMWARE_LINES + 2);
    EXPECT_EQ(shim_log_matches("more of the same is only counted"), 1);
    EXPECT_EQ(f->nr_kept, FIRMWARE_LINES + 1);
    EXPECT_EQ(firmware_total(f, FIRMWARE_FAIL), 1001);
}

KTEST(firmware, more_than_can_be_kept)
{
    const struct firmware_findings *f = firmware_found();
    u32 sum = 0, lines = 0;

    shim_log_reset();
    for (u32 id = 0; id < FIRMWARE_NR_IDS; id++)
        for (u32 i = 0; i < 20; i++)
            firmware_finding(id, "%u", i);
    EXPECT_EQ(f->nr_kept, FIRMWARE_MAX_KEPT);
    for (u32 id = 0; id < FIRMWARE_NR_IDS; id++) {
        EXPECT_EQ(f->count[id], 20);
        EXPECT_TRUE(f->shown[id] <= FIRMWARE_LINES);
        sum += f->shown[id];
        lines += f->shown[id] + 1;
    }
    EXPECT_EQ(sum, FIRMWARE_MAX_KEPT);
    EXPECT_EQ(shim_log_count(), lines);
}

KTEST(firmware, long_text_is_cut)
{
    char text[2 * FIRMWARE_TEXT_MAX];

    shim_log_reset();
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = 0;
    firmware_finding_in(FW_SRAT_WRAPS, text, "%s", text);
    EXPECT_EQ(strlen(firmware_found()->kept[0].text), FIRMWARE_TEXT_MAX - 1);
    EXPECT_EQ(strlen(firmware_found()->kept[0].table), FIRMWARE_TABLE_MAX - 1);
}
