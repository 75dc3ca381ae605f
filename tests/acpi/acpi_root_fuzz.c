/*
 * libFuzzer: the input is physical memory from 0x1000 on, with the RSDP at its start; checksums are
 * ignored, so that mutations get past them.
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "acpi/root.h"
#include "kernel/base/print.h"
#include "tests/host/host_rules.h"

#define BASE 0x1000

struct memory {
    const u8 *data;
    size_t len;
};

static const void *map(void *ctx, u64 pa, size_t len)
{
    const struct memory *m = ctx;

    if (!host_reach(pa, len) || pa < BASE || pa - BASE > m->len || len > m->len - (pa - BASE))
        return NULL;
    return m->data + (pa - BASE);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
    static struct acpi_root root;
    struct memory m = {data, len};
    struct phys_window w = {map, &m, NULL};
    struct acpi_rsdp_hint hint = {.pa = BASE, .ignore_checksums = true};
    const void *table;
    struct range r;
    size_t size;

    if (acpi_root_find(&w, &hint, &root))
        return 0;
    for (u32 i = 0; acpi_root_range(&root, i, &r); i++)
        ASSERT(r.start >= BASE && r.end - BASE <= len);
    if (acpi_table_map(&root, &w, "SRAT", 0, &table, &size) == 0)
        ASSERT(size >= ACPI_TABLE_MIN && memcmp(table, "SRAT", 4) == 0);
    return 0;
}
