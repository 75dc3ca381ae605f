/*
 * Objects, checksums and marker lines of a report.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/report/report_json.h"
#include <stdarg.h>
#include "kernel/base/crc32.h"
#include "kernel/base/print.h"
#include "kernel/base/printf.h"
#include "kernel/base/string.h"

#define TAIL 18 /* ,"crc":"01234567"} */

void report_begin(struct report *r, const char *name)
{
    *r = (struct report){.name = name};
    log_raw("-----BEGIN PERCH %s-----", name);
}

void report_object(struct report *r, const char *fmt, ...)
{
    char line[REPORT_LINE_MAX + 1];
    size_t room = sizeof(line) - TAIL, len;
    va_list ap;
    int fields;

    len = (size_t)kscnprintf(line, room, "{\"n\":%u,", r->lines);
    va_start(ap, fmt);
    fields = kvsnprintf(line + len, room - len, fmt, ap);
    va_end(ap);
    ASSERT(fields >= 0 && (size_t)fields < room - len);
    len += (size_t)fields;
    ksnprintf(line + len, sizeof(line) - len, ",\"crc\":\"%08x\"}", crc32(0, line, len));
    log_raw("%s", line);
    r->crc = crc32(crc32(r->crc, line, len + TAIL), "\n", 1);
    r->lines++;
}

void report_end(const struct report *r)
{
    log_raw("-----END PERCH %s lines=%u crc32=%08x-----", r->name, r->lines, r->crc);
}

/* RFC 8259, 7. A byte that is not ASCII is taken for Latin-1. */
const char *report_escape(char out[REPORT_STRING_MAX], const char *text)
{
    size_t len = 0;

    for (; *text; text++) {
        u8 c = (u8)*text;
        char one[8];
        int n;

        if (c == '"' || c == '\\')
            n = kscnprintf(one, sizeof(one), "\\%c", c);
        else if (c < 0x20 || c >= 0x7f)
            n = kscnprintf(one, sizeof(one), "\\u%04x", c);
        else
            n = kscnprintf(one, sizeof(one), "%c", c);
        if (len + (size_t)n >= REPORT_STRING_MAX)
            break;
        memcpy(out + len, one, (size_t)n);
        len += (size_t)n;
    }
    out[len] = '\0';
    return out;
}

struct report_number report_node(s32 node)
{
    struct report_number out;

    if (node == NODE_NONE)
        ksnprintf(out.text, sizeof(out.text), "null");
    else
        ksnprintf(out.text, sizeof(out.text), "%d", node);
    return out;
}

bool report_list_add(struct report_list *list, bool known, u32 number)
{
    size_t room = sizeof(list->text) - list->len;
    const char *comma = list->count ? "," : "";
    int n = known ? ksnprintf(list->text + list->len, room, "%s%u", comma, number)
                  : ksnprintf(list->text + list->len, room, "%snull", comma);

    if (n < 0 || (size_t)n >= room) {
        list->text[list->len] = '\0';
        return false;
    }
    list->len += (size_t)n;
    list->count++;
    return true;
}
