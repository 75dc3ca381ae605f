/*
 * HMAT and MSCT on made-up bytes: structures and values, and every byte and length of a table made
 * wrong (ASan watches the end of each: it is an allocation of exactly its size).
 * SPDX-License-Identifier: MIT
 */
#include "acpi/hmat.h"

#include "acpi/msct.h"
#include "kernel/base/ktest.h"
#include "tests/acpi/acpi_build.h"
#include "tests/host/shim.h"

static void hmat_begin(struct table *t, u8 revision)
{
    put_header(t, "HMAT", revision);
    put(t, 0, 4);
}

static void put_head(struct table *t, u16 type, u32 length)
{
    put(t, type, 2), put(t, 0, 2), put(t, length, 4);
}

static void proximity(struct table *t, u16 flags, u32 initiator, u32 memory, u64 base, u64 size)
{
    put_head(t, 0, 40);
    put(t, flags, 2), put(t, 0, 2), put(t, initiator, 4), put(t, memory, 4), put(t, 0, 4);
    put(t, base, 8), put(t, size, 8);
}

/* Two initiators, 7 and 8, and three targets, 7, 8 and 9; entries count up from first. */
static void locality(struct table *t, u8 data, u64 unit, u16 first)
{
    put_head(t, 1, 32 + 4 * 5 + 2 * 6);
    put(t, 0, 1), put(t, data, 1), put(t, 0, 2), put(t, 2, 4), put(t, 3, 4), put(t, 0, 4);
    put(t, unit, 8);
    put(t, 7, 4), put(t, 8, 4), put(t, 7, 4), put(t, 8, 4), put(t, 9, 4);
    for (u32 i = 0; i < 6; i++)
        put(t, first + i, 2);
}

static void cache(struct table *t, u32 memory, u64 size, u32 attributes, u16 handles)
{
    put_head(t, 2, 32 + 2u * handles);
    put(t, memory, 4), put(t, 0, 4), put(t, size, 8), put(t, attributes, 4), put(t, 0, 2);
    put(t, handles, 2), put(t, 0, 2u * handles);
}

static struct table usual(u8 revision)
{
    struct table t;

    hmat_begin(&t, revision);
    proximity(&t, 1, 7, 9, 0, 0);
    locality(&t, HMAT_READ_LATENCY, 1000, 100);
    locality(&t, HMAT_WRITE_BANDWIDTH, 16, 100);
    cache(&t, 9, 1ULL << 33, 0x01002121, 3);
    seal(&t);
    tighten(&t);
    return t;
}

KTEST(acpi_hmat, structures_and_values)
{
    struct table t = usual(2);
    struct hmat_item item[5];
    struct hmat_walk w;
    struct hmat h;
    u32 n = 0;

    shim_log_reset();
    REQUIRE_EQ(hmat_check(t.b, t.len, &h), 0);
    EXPECT_EQ(firmware_found()->nr_kept, 0);
    hmat_walk_begin(&w, &h);
    while (n < ARRAY_SIZE(item) && hmat_walk_next(&w, &item[n]))
        n++;
    REQUIRE_EQ(n, 4);
    EXPECT_TRUE(item[0].type == HMAT_PROXIMITY && item[0].offset == 40 && item[0].index == 0);
    EXPECT_TRUE(item[0].proximity.has_initiator && item[0].proximity.has_memory);
    EXPECT_TRUE(item[0].proximity.initiator == 7 && item[0].proximity.memory == 9);
    EXPECT_TRUE(item[1].type == HMAT_LOCALITY && item[1].index == 1);
    EXPECT_EQ(hmat_initiator(&item[1].locality, 1), 8);
    EXPECT_EQ(hmat_target(&item[1].locality, 2), 9);
    EXPECT_EQ(hmat_value(&item[1].locality, 0, 0), 100); /* 100 * 1000 ps */
    EXPECT_EQ(hmat_value(&item[1].locality, 1, 2), 105);
    EXPECT_EQ(hmat_value(&item[2].locality, 1, 0), 103 * 16);
    EXPECT_EQ(item[3].cache.size, 1ULL << 33);
    EXPECT_TRUE(item[3].cache.levels == 1 && item[3].cache.level == 2);
    EXPECT_TRUE(item[3].cache.associativity == 1 && item[3].cache.policy == 2);
    EXPECT_TRUE(item[3].cache.line == 256 && item[3].cache.smbios_handles == 3);
    hmat_log(&h);
    EXPECT_TRUE(shim_log_contains("acpi/hmat:   Initiator-Target[8-9]:105 nsec"));
    EXPECT_TRUE(
        shim_log_contains("acpi/hmat: Cache: Domain:9 Size:8589934592 Attrs:01002121 SMBIOS "
                          "Handles:3"));
    EXPECT_TRUE(SHIM_PANICS(hmat_value(&item[1].locality, 2, 0)));
    EXPECT_TRUE(SHIM_PANICS(hmat_target(&item[1].locality, 3)));
    free(t.b);
}

KTEST(acpi_hmat, revisions)
{
    struct hmat_item item;
    struct hmat_walk w;
    struct hmat h;

    for (u8 revision = 0; revision < 4; revision++) {
        struct table t = usual(revision);
        bool read = revision == 1 || revision == 2;

        EXPECT_EQ(hmat_open(t.b, t.len, &h), read ? 0 : -2);
        hmat_walk_begin(&w, &h);
        EXPECT_EQ(hmat_walk_next(&w, &item), read);
        EXPECT_EQ(read && item.proximity.has_memory, revision == 2); /* flag bit 1 in revision 1 */
        EXPECT_EQ(read && hmat_walk_next(&w, &item), read);
        if (read) /* tenths of a nanosecond, or picoseconds */
            EXPECT_EQ(hmat_value(&item.locality, 0, 0), revision == 1 ? 10000 : 100);
        free(t.b);
    }
}

KTEST(acpi_hmat, counts_that_would_wrap)
{
    static const u32 counts[] = {0xffffffff, 0x80000000, 0x40000000, 0x10000, 13};

    for (size_t i = 0; i < ARRAY_SIZE(counts) * 2; i++) {
        struct hmat_item item;
        struct hmat_walk w;
        struct table t;
        struct hmat h;

        hmat_begin(&t, 2);
        locality(&t, 0, 1, 1);
        for (int byte = 0; byte < 4; byte++)
            t.b[40 + (i % 2 ? 12 : 16) + byte] = (u8)(counts[i / 2] >> (8 * byte));
        tighten(&t);
        shim_log_reset();
        EXPECT_EQ(hmat_check(t.b, t.len, &h), 0);
        EXPECT_EQ(firmware_found()->count[FW_HMAT_STRUCTURE_LENGTH], 1);
        hmat_walk_begin(&w, &h);
        EXPECT_FALSE(hmat_walk_next(&w, &item));
        free(t.b);
    }
}

/* Less than the eight bytes of a head is no structure, so none is lost. */
KTEST(acpi_hmat, stray_bytes_at_the_end)
{
    for (u32 tail = 0; tail < 9; tail++) {
        struct table t;
        struct hmat h;

        hmat_begin(&t, 2);
        locality(&t, 0, 1, 1);
        put(&t, 0, tail);
        tighten(&t);
        shim_log_reset();
        EXPECT_EQ(hmat_check(t.b, t.len, &h), 0);
        EXPECT_EQ(firmware_found()->count[FW_TABLE_STRAY_BYTES], tail > 0 && tail < 8);
        EXPECT_EQ(firmware_found()->count[FW_HMAT_STRUCTURE_CUT], tail == 8);
        EXPECT_EQ(tail == 5, shim_log_contains("HMAT: 5 stray bytes at the end, at offset 0x"));
        free(t.b);
    }
}

KTEST(acpi_hmat, log_is_bounded)
{
    struct table t;
    struct hmat h;

    hmat_begin(&t, 2);
    for (int i = 0; i < 100; i++)
        locality(&t, 0, 1000, 1);
    REQUIRE_EQ(hmat_open(t.b, t.len, &h), 0);
    shim_log_reset();
    hmat_log(&h);
    EXPECT_EQ(shim_log_matches("Initiator-Target["), 256);
    EXPECT_TRUE(shim_log_contains("only the first 256 values are shown"));
    free(t.b);
}

/* Everything that can be asked of what was read; true when a finding was made. */
static bool use(const u8 *bytes, size_t len)
{
    struct hmat_item item;
    struct hmat_walk w;
    struct hmat h;

    shim_log_reset();
    hmat_check(bytes, len, &h);
    hmat_log(&h);
    hmat_walk_begin(&w, &h);
    while (hmat_walk_next(&w, &item)) {
        const struct hmat_locality *l = &item.locality;

        for (u32 i = 0; item.type == HMAT_LOCALITY && i < l->initiators; i++)
            for (u32 k = 0; k < l->targets; k++)
                hmat_value(l, i, k);
    }
    return firmware_found()->nr_kept != 0;
}

KTEST(acpi_hmat, every_byte_and_every_length)
{
    struct table t = usual(2);

    EXPECT_FALSE(use(t.b, t.len));
    for (size_t at = 36; at < t.len; at++) {
        u8 was = t.b[at];

        for (int value = 0; value < 256; value++) {
            t.b[at] = (u8)value;
            use(t.b, t.len);
        }
        t.b[at] = was;
    }
    for (size_t len = 0; len < t.len; len++) {
        bool whole = len == 40 || len == 80 || len == 144 || len == 208; /* between structures */
        u8 *cut = malloc(len + 1);

        memcpy(cut + 1, t.b, len);
        EXPECT_EQ(use(cut + 1, len), !whole);
        free(cut);
    }
    free(t.b);
}

KTEST(acpi_hmat, msct_every_byte_and_every_length)
{
    struct msct_info info;
    struct table t;

    put_header(&t, "MSCT", 1);
    put(&t, 56, 4), put(&t, 7, 4), put(&t, 0, 4), put(&t, ~0ULL >> 18, 8);
    for (u32 i = 0; i < 2; i++) {
        put(&t, 1, 1), put(&t, 22, 1), put(&t, 4 * i, 4), put(&t, 4 * i + 3, 4);
        put(&t, 8, 4), put(&t, 1ULL << 40, 8);
    }
    tighten(&t);
    shim_log_reset();
    REQUIRE_EQ(msct_check(t.b, t.len, &info), 0);
    EXPECT_TRUE(info.max_domains == 8 && info.structures == 2);
    EXPECT_EQ(firmware_found()->nr_kept, 0);
    for (size_t at = 36; at < t.len; at++) {
        u8 was = t.b[at];

        for (int value = 0; value < 256; value++) {
            t.b[at] = (u8)value;
            msct_check(t.b, t.len, &info);
        }
        t.b[at] = was;
    }
    for (size_t len = 0; len < t.len; len++) {
        u8 *cut = malloc(len + 1);

        memcpy(cut + 1, t.b, len);
        shim_log_reset();
        EXPECT_EQ(msct_check(cut + 1, len, &info), len < 56 ? -22 : 0);
        EXPECT_EQ(firmware_found()->nr_kept != 0, len != 56 && len != 78);
        free(cut);
    }
    free(t.b);
}
