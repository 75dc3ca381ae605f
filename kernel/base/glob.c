/*
 * Matching with one point of return: when the text after the last '*' does not fit, that '*' takes
 * one character more. Earlier stars need no second look, since they took the least they could.
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
