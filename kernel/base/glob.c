/*
 * When the text after the last '*' does not match, that '*' takes one character more. Earlier stars
 * are not tried again: they have taken as little as they can.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/glob.h"

bool glob_match(const char *pattern, const char *text)
{
    const char *star = NULL, *star_text = NULL;

    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            star_text = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++star_text;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}
