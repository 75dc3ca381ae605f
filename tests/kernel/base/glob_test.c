/*
 * Globs: literals, wildcards, and many stars, which must stay cheap.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/glob.h"
#include "kernel/base/ktest.h"

KTEST(glob, literal)
{
    EXPECT_TRUE(glob_match("", ""));
    EXPECT_TRUE(glob_match("abc", "abc"));
    EXPECT_FALSE(glob_match("abc", "abcd"));
    EXPECT_FALSE(glob_match("abcd", "abc"));
    EXPECT_FALSE(glob_match("", "a"));
}

KTEST(glob, wildcards)
{
    EXPECT_TRUE(glob_match("*", ""));
    EXPECT_TRUE(glob_match("***", "anything"));
    EXPECT_TRUE(glob_match("a?c", "abc"));
    EXPECT_FALSE(glob_match("a?c", "ac"));
    EXPECT_TRUE(glob_match("percpu.*", "percpu.alloc"));
    EXPECT_FALSE(glob_match("percpu.*", "percpu"));
    EXPECT_TRUE(glob_match("*.a*b", "x.aab.aab"));
    EXPECT_FALSE(glob_match("*?", ""));
}

KTEST(glob, many_stars_stay_cheap)
{
    EXPECT_FALSE(glob_match("*a*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}

KTEST(glob, a_list)
{
    EXPECT_TRUE(glob_list_match("", "anything"));
    EXPECT_TRUE(glob_list_match("a*,b", "ab"));
    EXPECT_TRUE(glob_list_match("a*,b", "b"));
    EXPECT_FALSE(glob_list_match("a*,b", "c"));
    EXPECT_FALSE(glob_list_match("a,b", "a,b"));
    EXPECT_TRUE(glob_list_match("x,", ""));
}
