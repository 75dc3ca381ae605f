/*
 * Memory map normalisation; see boot/memmap.h. A sweep from boundary to boundary that visits every
 * input range at each step: it needs no scratch memory, and is easy to check by reading. A map of
 * 1024 ranges takes about two million steps; real ones have some tens of ranges.
 * SPDX-License-Identifier: MIT
 */
#include "boot/memmap.h"

#include "kernel/base/errno.h"
#include "kernel/base/firmware.h"
#include "kernel/base/print.h"

#define NO_TYPE (-1)

static bool usable(const struct boot_mem_range *r)
{
    return r->base < r->end;
}

/* The strictest type at pos, NO_TYPE: none; *next: the next address where it may change. */
static int type_at(const struct boot_mem_range *in, u32 n, u64 pos, u64 *next)
{
    int type = NO_TYPE;

    *next = ~0ULL;
    for (u32 i = 0; i < n; i++) {
        const struct boot_mem_range *r = &in[i];

        if (!usable(r) || r->end <= pos)
            continue;
        if (r->base > pos) {
            *next = MIN(*next, r->base);
        } else {
            *next = MIN(*next, r->end);
            type = MAX(type, (int)r->type);
        }
    }
    return type;
}

static int append(struct boot_mem_range *out, u32 capacity, u32 *count, struct boot_mem_range r)
{
    struct boot_mem_range *last = *count ? &out[*count - 1] : NULL;

    if (last && last->end == r.base && last->type == r.type) {
        last->end = r.end;
        return 0;
    }
    if (*count == capacity) {
        pr_err("boot: memory map needs more than %u ranges", capacity);
        return -ENOSPC;
    }
    out[(*count)++] = r;
    return 0;
}

static void report_wraps(const struct boot_mem_range *in, u32 n)
{
    for (u32 i = 0; i < n; i++)
        if (in[i].end < in[i].base)
            firmware_finding(FW_MEMMAP_WRAPS, "entry %u: begins at 0x%llx, ends at 0x%llx, dropped",
                             i, (ull)in[i].base, (ull)in[i].end);
}

int memmap_normalise(const struct boot_mem_range *in, u32 n, u64 limit, struct boot_mem_range *out,
                     u32 capacity, u32 *count, u64 *clipped)
{
    u64 pos = 0, next;
    int err = 0;

    *count = 0;
    *clipped = 0;
    report_wraps(in, n);
    for (; pos != ~0ULL; pos = next) {
        int type = type_at(in, n, pos, &next);

        if (pos < limit)
            next = MIN(next, limit);
        if (type == NO_TYPE)
            continue;
        if (pos >= limit)
            *clipped += type == BOOT_MEM_RAM ? next - pos : 0;
        else if (!err)
            err = append(out, capacity, count,
                         (struct boot_mem_range){pos, next, (enum boot_mem_type)type});
    }
    if (*clipped)
        pr_warn("boot: %llu MiB of RAM above 0x%llx are left unused", (ull)(*clipped / SZ_1M),
                (ull)limit);
    return err;
}

bool memmap_is_ram(const struct boot_mem_range *in, u32 n, u64 base, u64 end)
{
    for (u64 pos = base, next; pos < end; pos = next) {
        int type = type_at(in, n, pos, &next);

        if (type != NO_TYPE && type != BOOT_MEM_RESERVED && type != BOOT_MEM_NVS)
            return true;
    }
    return false;
}

u64 memmap_first_not_ram(const struct boot_mem_range *in, u32 n, u64 base, u64 end,
                         enum boot_mem_type *type)
{
    for (u64 pos = base, next; pos < end; pos = next) {
        int found = type_at(in, n, pos, &next);

        if (found == (int)BOOT_MEM_RAM)
            continue;
        *type = found == NO_TYPE ? BOOT_MEM_TYPES : (enum boot_mem_type)found;
        return pos;
    }
    return end;
}

bool memmap_lists(const struct boot_mem_range *in, u32 n, u64 base, u64 end)
{
    for (u64 pos = base, next; pos < end; pos = next)
        if (type_at(in, n, pos, &next) == NO_TYPE)
            return false;
    return true;
}

const char *memmap_type_name(enum boot_mem_type type)
{
    static const char *const names[BOOT_MEM_TYPES] = {
        [BOOT_MEM_RAM] = "usable",
        [BOOT_MEM_SPECIAL] = "soft reserved",
        [BOOT_MEM_ACPI] = "ACPI data",
        [BOOT_MEM_NVS] = "ACPI NVS",
        [BOOT_MEM_RESERVED] = "reserved",
        [BOOT_MEM_PMEM] = "persistent (type 7)",
        [BOOT_MEM_UNACCEPTED] = "unaccepted",
        [BOOT_MEM_UNUSABLE] = "unusable",
    };

    return type < BOOT_MEM_TYPES ? names[type] : "reserved";
}

void memmap_print(const struct boot_mem_range *map, u32 count)
{
    for (u32 i = 0; i < count; i++)
        pr_info("BIOS-e820: [mem 0x%016llx-0x%016llx] %s", (ull)map[i].base, (ull)(map[i].end - 1),
                memmap_type_name(map[i].type));
}
