/*
 * SLIT: bounds and verdict; see slit.h.
 * SPDX-License-Identifier: MIT
 */
#include "acpi/slit.h"

#include "acpi/reader.h"
#include "acpi/tables.h"
#include "kernel/base/errno.h"
#include "kernel/base/print.h"

static int refuse(struct slit_view *v, enum slit_verdict why)
{
    size_t at = sizeof(struct acpi_slit) + (size_t)v->bad_from * v->n + v->bad_to;

    v->verdict = why;
    if (why == SLIT_TOO_SHORT && v->needed == SLIT_TOO_LARGE)
        firmware_finding(FW_SLIT_SHORT,
                         "length %zu, %llu localities at offset 0x24 need more than 2^64 bytes",
                         v->length, (ull)v->stated_n);
    else if (why == SLIT_TOO_SHORT)
        firmware_finding(FW_SLIT_SHORT, "length %zu, %llu localities need %zu", v->length,
                         (ull)v->stated_n, v->needed);
    else if (why == SLIT_EMPTY)
        firmware_finding(FW_SLIT_EMPTY, "0 localities at offset 0x24");
    else
        firmware_finding(why == SLIT_DIAGONAL ? FW_SLIT_DIAGONAL : FW_SLIT_REMOTE_LOW,
                         "entry [%u][%u] at offset 0x%zx is %u, must be %s", v->bad_from, v->bad_to,
                         at, v->bad_value, why == SLIT_DIAGONAL ? "10" : "more than 10");
    pr_warn("SLIT table looks invalid. Not used.");
    v->n = 0;
    v->matrix = NULL;
    return -EINVAL;
}

/* Compares every entry with the rule of its place; the first bad one decides. */
static enum slit_verdict check_matrix(struct slit_view *v)
{
    for (u32 from = 0; from < v->n; from++) {
        for (u32 to = 0; to < v->n; to++) {
            u8 d = v->matrix[(size_t)from * v->n + to];

            if (from == to ? d != SLIT_LOCAL : d <= SLIT_LOCAL) {
                v->bad_from = from;
                v->bad_to = to;
                v->bad_value = d;
                return from == to ? SLIT_DIAGONAL : SLIT_REMOTE_LOW;
            }
            v->asymmetric |= d != v->matrix[(size_t)to * v->n + from];
            v->unreachable |= d == SLIT_UNREACHABLE;
        }
    }
    return SLIT_OK;
}

int slit_parse(const void *table, size_t len, struct slit_view *view)
{
    struct acpi_bytes bytes = {table, len};
    struct acpi_slit s;
    enum slit_verdict verdict;

    *view = (struct slit_view){.length = len, .needed = sizeof(s), .matrix_offset = sizeof(s)};
    if (!acpi_read(bytes, 0, &s, sizeof(s)))
        return refuse(view, SLIT_TOO_SHORT);
    view->stated_n = s.n;
    if (s.n == 0)
        return refuse(view, SLIT_EMPTY);
    /* n * n must not wrap before it is compared with the length. */
    view->needed = s.n <= 0xffffffff ? sizeof(s) + (size_t)(s.n * s.n) : SLIT_TOO_LARGE;
    if (view->needed > len)
        return refuse(view, SLIT_TOO_SHORT);
    view->n = (u32)s.n;
    view->matrix = (const u8 *)table + sizeof(s);
    view->oversize = len > view->needed;
    if (view->oversize)
        firmware_finding(FW_SLIT_OVERSIZE, "%zu bytes, its %u localities need %zu", len, view->n,
                         view->needed);
    verdict = check_matrix(view);
    return verdict == SLIT_OK ? 0 : refuse(view, verdict);
}
