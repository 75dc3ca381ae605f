/*
 * SLIT: the firmware's matrix of relative distances between proximity domains. Promises a bounded
 * view of the matrix with a verdict: usable as a whole or not at all, as in Linux, and the reason.
 *
 * Not usable (design: FAIL): no localities, shorter than its n * n matrix, a diagonal entry other
 * than 10, any other entry of 10 or less. Usable with a remark: longer than needed, asymmetric,
 * 255.
 *
 * Context: any; never allocates; O(n * n). Pure. Source: ACPI 6.5, 5.2.17.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_ACPI_SLIT_H
#define PERCH_ACPI_SLIT_H

#include "kernel/base/types.h"

#define SLIT_LOCAL       10 /* a domain to itself */
#define SLIT_REMOTE      20 /* assumed without a table */
#define SLIT_UNREACHABLE 255

#define SLIT_TOO_LARGE (~(size_t)0) /* more bytes than 64 bits can say */

enum slit_verdict {
    SLIT_OK,
    SLIT_TOO_SHORT,  /* no header, or no room for n * n entries */
    SLIT_EMPTY,      /* n is 0 */
    SLIT_DIAGONAL,   /* [bad_from][bad_from] is bad_value */
    SLIT_REMOTE_LOW, /* [bad_from][bad_to] is bad_value: 10 or less */
};

struct slit_view {
    enum slit_verdict verdict;
    u32 n;                 /* localities; 0 unless verdict is SLIT_OK */
    const u8 *matrix;      /* n * n bytes inside the table: row "from", column "to" */
    u64 stated_n;          /* as the table states it */
    size_t length, needed; /* of the table; needed may be SLIT_TOO_LARGE */
    size_t matrix_offset;  /* the same in every SLIT */
    u32 bad_from, bad_to, bad_value;
    bool oversize, asymmetric, unreachable; /* remarks on a usable table */
};

/*
 * Fills *view, which points into the table. 0 when usable; -EINVAL otherwise, after a line
 * "firmware bug:" with the place and Linux's "SLIT table looks invalid. Not used.".
 */
int slit_parse(const void *table, size_t len, struct slit_view *view);

/* Distance between two domains; 0 when the table has no row or column for one of them. */
static inline u8 slit_distance(const struct slit_view *v, u32 from, u32 to)
{
    return from < v->n && to < v->n ? v->matrix[(size_t)from * v->n + to] : 0;
}

#endif
