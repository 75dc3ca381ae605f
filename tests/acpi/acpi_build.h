/*
 * Made-up ACPI tables for the hosted tests: bytes appended one field after the other, lengths and
 * checksums set at the end. Independent of acpi/tables.h on purpose, so that both must agree.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TESTS_ACPI_ACPI_BUILD_H
#define PERCH_TESTS_ACPI_ACPI_BUILD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/types.h"

struct table {
    u8 *b;
    size_t len, max;
};

static inline void put(struct table *t, u64 value, size_t bytes)
{
    if (t->len + bytes > t->max) {
        t->max = 2 * t->max + bytes + 64;
        t->b = realloc(t->b, t->max);
        if (!t->b)
            abort();
    }
    for (size_t i = 0; i < bytes; i++)
        t->b[t->len++] = i < 8 ? (u8)(value >> (8 * i)) : 0;
}

static inline void put_header(struct table *t, const char *sig, u8 revision)
{
    *t = (struct table){0};
    for (int i = 0; i < 4; i++)
        put(t, (u8)sig[i], 1);
    put(t, 0, 4);
    put(t, revision, 1);
    put(t, 0, 1);
    for (int i = 0; i < 6; i++)
        put(t, (u8) "BOCHS "[i], 1);
    for (int i = 0; i < 8; i++)
        put(t, (u8) "BXPC    "[i], 1);
    put(t, 1, 4);
    put(t, 0x43505842, 4);
    put(t, 1, 4);
}

/* Length at 4, checksum at 9. */
static inline void seal(struct table *t)
{
    u8 sum = 0;

    for (int i = 0; i < 4; i++)
        t->b[4 + i] = (u8)(t->len >> (8 * i));
    t->b[9] = 0;
    for (size_t i = 0; i < t->len; i++)
        sum = (u8)(sum + t->b[i]);
    t->b[9] = (u8)-sum;
}

/* Moves the bytes into a block of exactly their size, so that ASan sees one byte too far. */
static inline void tighten(struct table *t)
{
    u8 *exact = malloc(t->len ? t->len : 1);

    if (!exact)
        abort();
    memcpy(exact, t->b, t->len);
    free(t->b);
    t->b = exact;
    t->max = t->len;
}

static inline void madt_begin(struct table *t, u8 revision)
{
    put_header(t, "APIC", revision);
    put(t, 0xfee00000, 4);
    put(t, 1, 4);
}

static inline void madt_lapic(struct table *t, u8 apic_id, u32 flags)
{
    put(t, 0, 1), put(t, 8, 1), put(t, apic_id, 1), put(t, apic_id, 1), put(t, flags, 4);
}

static inline void madt_x2apic(struct table *t, u32 apic_id, u32 flags)
{
    put(t, 9, 1), put(t, 16, 1), put(t, 0, 2);
    put(t, apic_id, 4), put(t, flags, 4), put(t, apic_id, 4);
}

static inline void srat_begin(struct table *t, u8 revision)
{
    put_header(t, "SRAT", revision);
    put(t, 1, 4), put(t, 0, 8);
}

static inline void srat_cpu(struct table *t, u8 apic_id, u32 pxm, u32 flags)
{
    put(t, 0, 1), put(t, 16, 1), put(t, pxm & 0xff, 1), put(t, apic_id, 1), put(t, flags, 4);
    put(t, 0, 1), put(t, pxm >> 8, 3), put(t, 0, 4);
}

static inline void srat_x2apic(struct table *t, u32 apic_id, u32 pxm, u32 flags)
{
    put(t, 2, 1), put(t, 24, 1), put(t, 0, 2), put(t, pxm, 4);
    put(t, apic_id, 4), put(t, flags, 4), put(t, 0, 8);
}

static inline void srat_mem(struct table *t, u64 base, u64 length, u32 pxm, u32 flags)
{
    put(t, 1, 1), put(t, 40, 1), put(t, pxm, 4), put(t, 0, 2);
    put(t, base, 8), put(t, length, 8), put(t, 0, 4), put(t, flags, 4), put(t, 0, 8);
}

static inline void srat_initiator(struct table *t, u32 pxm, u32 flags)
{
    put(t, 5, 1), put(t, 32, 1), put(t, 0, 2), put(t, pxm, 4);
    put(t, 0, 16), put(t, flags, 4), put(t, 0, 4);
}

static inline void slit_begin(struct table *t, u64 n)
{
    put_header(t, "SLIT", 1);
    put(t, n, 8);
}

/* A file, as an allocation of exactly its size; len 0 when there is none, or nothing in it. */
static inline struct table read_whole(const char *path)
{
    struct table t = {0};
    FILE *f = fopen(path, "rb");
    int c;

    if (!f)
        return t;
    while ((c = getc(f)) != EOF)
        put(&t, (u8)c, 1);
    fclose(f);
    if (t.len)
        tighten(&t);
    return t;
}

#endif
