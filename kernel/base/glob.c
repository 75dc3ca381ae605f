/*
 * When the text after the last '*' does not match, that '*' takes one character more. Earlier stars
 * are not tried again: they have taken as little as they can.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/glob.h"

#include "kernel/base/string.h"

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

bool glob_list_match(const char *list, const char *text)
{
    char pattern[GLOB_MAX];

    if (!*list)
        return true;
    for (;;) {
        const char *comma = strchr(list, ',');
        size_t len = comma ? (size_t)(comma - list) : strlen(list);

        if (len < sizeof(pattern)) {
            memcpy(pattern, list, len);
            pattern[len] = '\0';
            if (glob_match(pattern, text))
                return true;
        }
        if (!comma)
            return false;
        list = comma + 1;
    }
}
