/*
 * Memory that is not plain DRAM; see mm/memblock/memory_attr.h.
 * SPDX-License-Identifier: MIT
 */
#include "mm/memblock/memory_attr.h"

#include "kernel/base/firmware.h"
#include "kernel/base/print.h"
#include "kernel/base/range.h"

bool memory_attr_of_type(enum boot_mem_type type, u32 *flags)
{
    switch (type) {
    case BOOT_MEM_RAM:
        *flags = 0;
        return true;
    case BOOT_MEM_SPECIAL:
        *flags = MEMBLOCK_SPECIAL;
        return true;
    case BOOT_MEM_PMEM: /* holds data: never written */
        *flags = MEMBLOCK_NONVOLATILE | MEMBLOCK_NOMAP;
        return true;
    case BOOT_MEM_UNACCEPTED:
        *flags = MEMBLOCK_UNACCEPTED | MEMBLOCK_NOMAP;
        return true;
    default:
        return false;
    }
}

u32 memory_attr_of_efi(u32 attr)
{
    return (attr & BOOT_ATTR_RELIABLE ? MEMBLOCK_MIRROR : 0) |
           (attr & BOOT_ATTR_NONVOLATILE ? MEMBLOCK_NONVOLATILE : 0);
}

static void note(const struct memblock_region *r, enum firmware_id id, const char *what)
{
    struct range range = {r->base, r->base + r->size};

    if (r->nid == NODE_NONE)
        firmware_finding(id, RANGE_FMT " on no node: %s", RANGE_ARG(range), what);
    else
        firmware_finding(id, RANGE_FMT " node %d: %s", RANGE_ARG(range), r->nid, what);
}

static void note_region(const struct memblock_region *r)
{
    if (r->flags & MEMBLOCK_SPECIAL)
        note(r, FW_MEMORY_SPECIAL, "special-purpose memory (CXL, HBM), used last");
    if (r->flags & MEMBLOCK_MIRROR)
        note(r, FW_MEMORY_RELIABLE, "more reliable (mirrored) memory");
    if (r->flags & MEMBLOCK_HOTPLUG)
        note(r, FW_MEMORY_HOTPLUG, "can be unplugged, used last");
    if (r->flags & MEMBLOCK_UNACCEPTED)
        note(r, FW_MEMORY_UNACCEPTED, "unaccepted, left alone: Perch accepts none");
    if (!(r->flags & MEMBLOCK_NONVOLATILE))
        return;
    if (r->flags & MEMBLOCK_NOMAP)
        note(r, FW_MEMORY_PERSISTENT, "persistent memory, left alone");
    else
        note(r, FW_MEMORY_NONVOLATILE, "called RAM, but non-volatile: used last");
}

void memory_attr_report(const struct memblock *mb, const struct boot_efi_map *efi)
{
    const struct memblock_region *r;
    u64 last = 0;

    if (efi->entries)
        pr_info("EFI memory map: %u descriptors of %u bytes, %llu MiB of RAM, %llu MiB of it "
                "(%llu%%) more reliable",
                efi->entries, efi->entry_size, (ull)(efi->ram_pages >> 8),
                (ull)(efi->reliable_pages >> 8),
                (ull)(efi->ram_pages ? efi->reliable_pages * 100 / efi->ram_pages : 0));
    for_each_mem_region(r, mb)
    {
        note_region(r);
        if (!(r->flags & MEMBLOCK_NOMAP) && r->flags & MEMBLOCK_LAST)
            last += r->size;
    }
    if (last)
        pr_info("memory: plain DRAM first, of the nearest node that has some; then %llu MiB that "
                "are special-purpose, hot-pluggable or non-volatile, in the same order",
                (ull)(last / SZ_1M));
}
