/*
 * The kernel's string functions, under names of their own, against libc's.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include <string.h>

#define memcpy  k_memcpy
#define memmove k_memmove
#define memset  k_memset
#define memcmp  k_memcmp
#define strlen  k_strlen
#define strnlen k_strnlen
#define strcmp  k_strcmp
#define strncmp k_strncmp
#define strchr  k_strchr
#include "kernel/base/string.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef strlen
#undef strnlen
#undef strcmp
#undef strncmp
#undef strchr

#include "kernel/base/ktest.h"

#define LEN 80

static void fill(u8 *buf)
{
    for (size_t i = 0; i < LEN; i++)
        buf[i] = (u8)rand();
}

static int sign(int v)
{
    return (v > 0) - (v < 0);
}

KTEST(string, memcpy_memset_every_offset)
{
    u8 src[LEN], ours[LEN], theirs[LEN];

    for (size_t at = 0; at < 12; at++) {
        for (size_t n = 0; at + n <= LEN - 8; n++) {
            fill(src);
            fill(ours);
            memcpy(theirs, ours, LEN);
            REQUIRE_TRUE(k_memcpy(ours + at, src + 5, n) == ours + at);
            memcpy(theirs + at, src + 5, n);
            REQUIRE_TRUE(memcmp(ours, theirs, LEN) == 0);
            REQUIRE_TRUE(k_memset(ours + at, 0x1a5, n) == ours + at);
            memset(theirs + at, 0x1a5, n);
            REQUIRE_TRUE(memcmp(ours, theirs, LEN) == 0);
        }
    }
}

KTEST(string, memmove_every_overlap)
{
    u8 ours[LEN], theirs[LEN];

    for (size_t from = 0; from < 40; from++) {
        for (size_t to = 0; to < 40; to++) {
            for (size_t n = 0; n <= 40; n++) {
                fill(ours);
                memcpy(theirs, ours, LEN);
                REQUIRE_TRUE(k_memmove(ours + to, ours + from, n) == ours + to);
                memmove(theirs + to, theirs + from, n);
                REQUIRE_TRUE(memcmp(ours, theirs, LEN) == 0);
            }
        }
    }
}

KTEST(string, compare)
{
    static const char *const words[] = {"", "a", "ab", "abc", "abd", "b", "\xff", "a\xff"};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(words); j++) {
            const char *a = words[i], *b = words[j];

            EXPECT_EQ(sign(k_strcmp(a, b)), sign(strcmp(a, b)));
            for (size_t n = 0; n < 5; n++)
                EXPECT_EQ(sign(k_strncmp(a, b, n)), sign(strncmp(a, b, n)));
            EXPECT_EQ(sign(k_memcmp(a, b, MIN(strlen(a), strlen(b)) + 1)),
                      sign(memcmp(a, b, MIN(strlen(a), strlen(b)) + 1)));
        }
    }
}

KTEST(string, length_and_search)
{
    const char *s = "key=value=";

    EXPECT_EQ(k_strlen(s), 10);
    EXPECT_EQ(k_strlen(""), 0);
    EXPECT_EQ(k_strnlen(s, 4), 4);
    EXPECT_EQ(k_strnlen(s, 40), 10);
    EXPECT_TRUE(k_strchr(s, '=') == s + 3);
    EXPECT_TRUE(k_strchr(s, '\0') == s + 10);
    EXPECT_TRUE(k_strchr(s, '!') == NULL);
}
