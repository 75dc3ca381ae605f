/*
 * Bounded appends into struct boot_info; see boot/boot_info_build.h.
 * SPDX-License-Identifier: MIT
 */
#include "boot/boot_info_build.h"

#include "kernel/base/firmware.h"
#include "kernel/base/print.h"
#include "kernel/base/string.h"

/* Lines for one kind of drop. More are only counted, so that a bad map cannot fill the log. */
#define MAX_LINES 8

enum boot_mem_type boot_mem_type_of_e820(u32 type)
{
    switch (type) {
    case E820_RAM:
        return BOOT_MEM_RAM;
    case E820_ACPI:
        return BOOT_MEM_ACPI;
    case E820_NVS:
        return BOOT_MEM_NVS;
    case E820_UNUSABLE:
        return BOOT_MEM_UNUSABLE;
    case E820_PMEM:
    case E820_PRAM:
        return BOOT_MEM_PMEM;
    case E820_SOFT_RESERVED:
        return BOOT_MEM_SPECIAL;
    case E820_RESERVED:
    default:
        return BOOT_MEM_RESERVED;
    }
}

void boot_info_init(struct boot_info *info, enum boot_origin origin)
{
    memset(info, 0, sizeof(*info));
    info->origin = origin;
}

void boot_info_add_range(struct boot_info *info, u64 base, u64 size, enum boot_mem_type type,
                         const char *table, u32 entry, u64 offset)
{
    struct range r;

    if (size == 0)
        return;
    if (!range_make(base, size, &r)) {
        info->dropped_ranges++;
        firmware_finding_in(FW_MEMMAP_WRAPS, table,
                            "entry %u at offset 0x%llx: base 0x%llx length 0x%llx wraps, dropped",
                            entry, (ull)offset, (ull)base, (ull)size);
        return;
    }
    if (info->n_ranges == BOOT_MAX_RANGES) {
        if (info->dropped_ranges++ < MAX_LINES)
            pr_warn("boot: %s: entry %u " RANGE_FMT " dropped: more than %u ranges", table, entry,
                    RANGE_ARG(r), BOOT_MAX_RANGES);
        return;
    }
    info->ranges[info->n_ranges++] = (struct boot_mem_range){r.start, r.end, type};
}

void boot_info_add_attr(struct boot_info *info, u64 base, u64 size, u32 attr)
{
    struct boot_attr *last = info->n_attrs ? &info->attrs[info->n_attrs - 1] : NULL;
    struct range r;

    if (!range_make(base, size, &r) || range_empty(r))
        return;
    if (last && last->end == r.start && last->attr == attr) {
        last->end = r.end;
        return;
    }
    if (info->n_attrs == BOOT_MAX_ATTRS) {
        if (info->dropped_attrs++ == 0)
            pr_warn("boot: attributes of " RANGE_FMT " are lost: more than %u such ranges",
                    RANGE_ARG(r), BOOT_MAX_ATTRS);
        return;
    }
    info->attrs[info->n_attrs++] = (struct boot_attr){r.start, r.end, attr};
}

void boot_info_reserve(struct boot_info *info, u64 base, u64 size, const char *name)
{
    struct range r;

    if (!range_make(base, size, &r))
        return;
    if (info->n_reserved == BOOT_MAX_RESERVED) {
        if (info->dropped_reserved++ < MAX_LINES)
            pr_warn("boot: %s " RANGE_FMT " is not protected: more than %u such regions", name,
                    RANGE_ARG(r), BOOT_MAX_RESERVED);
        return;
    }
    info->reserved[info->n_reserved++] = (struct boot_reserved){r.start, r.end, name};
}

struct boot_module *boot_info_add_module(struct boot_info *info, u64 base, u64 end, u32 entry)
{
    struct boot_module *m;

    if (end < base) {
        if (info->dropped_modules++ < MAX_LINES)
            pr_warn("boot loader: module %u: begins at 0x%llx, ends at 0x%llx, dropped", entry,
                    (ull)base, (ull)end);
        return NULL;
    }
    boot_info_reserve(info, base, end - base, "module");
    if (info->n_modules == BOOT_MAX_MODULES) {
        if (info->dropped_modules++ < MAX_LINES)
            pr_warn("boot: module %u dropped: more than %u", entry, BOOT_MAX_MODULES);
        return NULL;
    }
    m = &info->modules[info->n_modules++];
    m->base = base;
    m->end = end;
    return m;
}

bool boot_copy_string(char *dst, size_t size, const void *src, size_t len)
{
    size_t n = strnlen(src, len);
    size_t copied = MIN(n, size - 1);

    memcpy(dst, src, copied);
    dst[copied] = '\0';
    return n < len && copied == n;
}

bool boot_info_in_ram(const struct boot_info *info, u64 base, u64 end)
{
    for (u32 i = 0; i < info->n_ranges; i++) {
        const struct boot_mem_range *r = &info->ranges[i];

        if (r->type == BOOT_MEM_RAM && r->base < end && base < r->end)
            return true;
    }
    return false;
}
