/*
 * EFI memory descriptors; see boot/efi_memmap.h.
 * SPDX-License-Identifier: MIT
 */
#include "boot/efi_memmap.h"

#include "boot/boot_info_build.h"
#include "kernel/base/print.h"
#include "kernel/base/string.h"

/* UEFI 2.10, 7.2.3: EFI_MEMORY_DESCRIPTOR. */
struct efi_descriptor {
    u32 type;
    u32 pad;
    u64 base;
    u64 virt;
    u64 pages; /* of 4 KiB */
    u64 attribute;
};
static_assert(sizeof(struct efi_descriptor) == EFI_DESCRIPTOR_MIN, "UEFI 7.2.3");

/* UEFI 2.10, 7.2.3: attributes. */
#define EFI_MEMORY_NV            (1ULL << 15)
#define EFI_MEMORY_MORE_RELIABLE (1ULL << 16)
#define EFI_MEMORY_SP            (1ULL << 18)

/* UEFI 2.10, 7.2.1, table 7.6: use after ExitBootServices(). */
enum efi_type {
    EFI_LOADER_CODE = 1,
    EFI_BOOT_SERVICES_DATA = 4,
    EFI_CONVENTIONAL = 7,
    EFI_UNUSABLE = 8,
    EFI_ACPI_RECLAIM = 9,
    EFI_ACPI_NVS = 10,
    EFI_PERSISTENT = 14,
    EFI_UNACCEPTED = 15,
};

static enum boot_mem_type type_of(const struct efi_descriptor *d)
{
    switch (d->type) {
    case EFI_LOADER_CODE ... EFI_BOOT_SERVICES_DATA: /* free after ExitBootServices() */
    case EFI_CONVENTIONAL:
        return d->attribute & EFI_MEMORY_SP ? BOOT_MEM_SPECIAL : BOOT_MEM_RAM;
    case EFI_UNUSABLE:
        return BOOT_MEM_UNUSABLE;
    case EFI_ACPI_RECLAIM:
        return BOOT_MEM_ACPI;
    case EFI_ACPI_NVS:
        return BOOT_MEM_NVS;
    case EFI_PERSISTENT:
        return BOOT_MEM_PMEM;
    case EFI_UNACCEPTED:
        return BOOT_MEM_UNACCEPTED;
    default: /* runtime services, MMIO, PAL code, unknown types */
        return BOOT_MEM_RESERVED;
    }
}

/* The older map has no such type: it calls this memory usable or reserved. */
static bool only_efi_says(enum boot_mem_type type)
{
    return type == BOOT_MEM_SPECIAL || type == BOOT_MEM_PMEM || type == BOOT_MEM_UNACCEPTED;
}

/* Only memory that can be allocated has attributes. */
static u32 attributes_of(const struct efi_descriptor *d, enum boot_mem_type type)
{
    u32 attr = 0;

    if (type != BOOT_MEM_RAM && type != BOOT_MEM_SPECIAL)
        return 0;
    if (d->attribute & EFI_MEMORY_MORE_RELIABLE)
        attr |= BOOT_ATTR_RELIABLE;
    if (d->attribute & EFI_MEMORY_NV)
        attr |= BOOT_ATTR_NONVOLATILE;
    return attr;
}

static void count(struct boot_efi_map *m, const struct efi_descriptor *d, u32 attr)
{
    m->entries++;
    if (type_of(d) != BOOT_MEM_RAM)
        return;
    m->ram_pages += d->pages;
    if (attr & BOOT_ATTR_RELIABLE)
        m->reliable_pages += d->pages;
}

static void take(const struct efi_descriptor *d, u32 entry, u32 at, bool whole,
                 struct boot_info *out)
{
    enum boot_mem_type type = type_of(d);
    u32 attr = attributes_of(d, type);
    u64 base = d->base, size = d->pages << 12;

    /* A page count whose bytes do not fit 64 bits becomes a range that wraps, so it is dropped. */
    if (d->pages >> 52) {
        base = MAX(base, 1ULL);
        size = ~0ULL;
    } else {
        count(&out->efi, d, attr);
    }
    if (whole || only_efi_says(type))
        boot_info_add_range(out, base, size, type, "EFI memory map", entry, at);
    if (attr)
        boot_info_add_attr(out, base, size, attr);
}

void efi_memmap_take(const void *map, u32 len, u32 entry_size, bool whole, struct boot_info *out)
{
    const u8 *bytes = map;
    struct efi_descriptor d;
    u32 entry = 0, at = 0;

    ASSERT(entry_size >= sizeof(d));
    out->efi.entry_size = entry_size;
    for (; len - at >= entry_size; at += entry_size, entry++) {
        memcpy(&d, bytes + at, sizeof(d));
        take(&d, entry, at, whole, out);
    }
    if (at != len)
        pr_warn(
            "boot loader: EFI memory map: %u bytes behind entry %u of %u bytes each are ignored",
            len - at, entry, entry_size);
}
