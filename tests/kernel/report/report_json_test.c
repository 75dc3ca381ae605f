/*
 * The form of the report: numbering, checksums, escaping, arrays, and the line that would not fit.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/crc32.h"
#include "kernel/base/ktest.h"
#include "kernel/base/printf.h"
#include "kernel/base/string.h"
#include "kernel/report/report_json.h"
#include "tests/host/shim.h"

#define CRC_FIELD 18 /* ,"crc":"01234567"} */

static void crc_at_end(const char *line)
{
    size_t len = strlen(line);
    char want[CRC_FIELD + 1];

    REQUIRE_TRUE(len > CRC_FIELD);
    ksnprintf(want, sizeof(want), ",\"crc\":\"%08x\"}", crc32(0, line, len - CRC_FIELD));
    EXPECT_STREQ(line + len - CRC_FIELD, want);
}

KTEST(report_json, lines_and_checksums)
{
    struct report r;
    char end[64];
    u32 all = 0;

    shim_raw_capture(true);
    report_begin(&r, "REPORT");
    report_object(&r, "\"type\":\"a\"");
    report_object(&r, "\"type\":\"%s\",\"x\":%u", "b", 7u);
    report_end(&r);
    shim_raw_capture(false);
    REQUIRE_TRUE(shim_raw_count() == 4);
    EXPECT_STREQ(shim_raw_line(0), "-----BEGIN PERCH REPORT-----");
    EXPECT_TRUE(memcmp(shim_raw_line(1), "{\"n\":0,\"type\":\"a\",", 18) == 0);
    EXPECT_TRUE(memcmp(shim_raw_line(2), "{\"n\":1,\"type\":\"b\",\"x\":7,", 24) == 0);
    for (size_t i = 1; i < 3; i++) {
        crc_at_end(shim_raw_line(i));
        all = crc32(all, shim_raw_line(i), strlen(shim_raw_line(i)));
        all = crc32(all, "\n", 1);
    }
    ksnprintf(end, sizeof(end), "-----END PERCH REPORT lines=2 crc32=%08x-----", all);
    EXPECT_STREQ(shim_raw_line(3), end);
}

KTEST(report_json, a_full_line_and_one_more)
{
    char fill[REPORT_LINE_MAX];
    struct report r;

    memset(fill, 'x', sizeof(fill));
    fill[REPORT_LINE_MAX - CRC_FIELD - strlen("{\"n\":0,")] = '\0';
    shim_raw_capture(true);
    report_begin(&r, "REPORT");
    report_object(&r, "%s", fill);
    EXPECT_EQ(strlen(shim_raw_line(1)), (size_t)REPORT_LINE_MAX);
    crc_at_end(shim_raw_line(1));
    r.lines = 10; /* a longer number */
    EXPECT_TRUE(SHIM_PANICS(report_object(&r, "%s", fill)));
    shim_raw_capture(false);
}

KTEST(report_json, strings)
{
    char out[REPORT_STRING_MAX], text[400];

    EXPECT_STREQ(report_escape(out, ""), "");
    EXPECT_STREQ(report_escape(out, "GRUB 2.12"), "GRUB 2.12");
    EXPECT_STREQ(report_escape(out, "a\"b\\c\n\x7f\xe9"), "a\\\"b\\\\c\\u000a\\u007f\\u00e9");
    memset(text, '\x01', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    report_escape(out, text);
    EXPECT_EQ(strlen(out), (size_t)(REPORT_STRING_MAX - 1) / 6 * 6); /* no half escape */
}

KTEST(report_json, nodes)
{
    EXPECT_STREQ(report_node(0).text, "0");
    EXPECT_STREQ(report_node(1023).text, "1023");
    EXPECT_STREQ(report_node(NODE_NONE).text, "null");
}

KTEST(report_json, lists_hold_whole_items)
{
    struct report_list list = {0};
    u32 count = 0;

    EXPECT_STREQ(list.text, "");
    while (report_list_add(&list, true, 4095))
        count++;
    EXPECT_EQ(list.count, count);
    EXPECT_EQ(strlen(list.text), (size_t)count * 5 - 1);
    EXPECT_TRUE(strlen(list.text) + 5 >= REPORT_LIST_MAX);
    EXPECT_EQ(list.text[list.len - 1], '5');
}
