/*
 * Two stages. stage_memory(): memblock from the loader's memory map; memory in use is reserved
 * before the first allocation. stage_paging(): the final page tables over all memory.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/stages/stages.h"
#include "kernel/stages/fail.h"
#include "boot/bios_area.h"
#include "kernel/base/firmware.h"
#include "kernel/base/print.h"
#include "kernel/base/sort.h"
#include "kernel/platform/console.h"
#include "kernel/platform/early_window.h"
#include "kernel/platform/mmio.h"
#include "mm/map/address_map.h"
#include "mm/memblock/memory_attr.h"

static void *mb_phys_to_virt(void *ctx, u64 pa)
{
    (void)ctx;
    return phys_to_virt(pa);
}

static const struct memblock_ops mb_ops = {.phys_to_virt = mb_phys_to_virt};

void boot_reserve(struct boot_state *s, u64 base, u64 end, const char *what)
{
    struct range r = range_pages_around((struct range){base, end});

    if (memblock_reserve(&s->mb, r.start, range_size(r)))
        panic("memblock: %s at 0x%llx cannot be reserved", what, (ull)base);
}

void *boot_array(void *boot_state, size_t size)
{
    struct boot_state *s = boot_state;

    return size ? memblock_zalloc(&s->mb, size, 64) : NULL;
}

void boot_array_free(void *boot_state, void *p, size_t size)
{
    struct boot_state *s = boot_state;

    if (p)
        memblock_give_back(&s->mb, virt_to_phys(p), size);
}

static void add_memory(struct boot_state *s, const struct boot_mem_range *m)
{
    struct range r = range_pages_inside((struct range){m->base, m->end});
    u32 flags;

    if (range_empty(r) || !memory_attr_of_type(m->type, &flags))
        return;
    if (!(flags & MEMBLOCK_NOMAP))
        s->ram[s->ram_count++] = r;
    if (memblock_add_node(&s->mb, r.start, range_size(r), NODE_NONE, flags))
        panic("memblock: no room for the memory map");
}

static void mark_attributes(struct boot_state *s)
{
    for (u32 i = 0; i < s->info.n_attrs; i++) {
        const struct boot_attr *a = &s->info.attrs[i];
        struct range r = range_pages_inside((struct range){a->base, a->end});

        if (memblock_mark(&s->mb, r.start, range_size(r), memory_attr_of_efi(a->attr)))
            panic("memblock: no room for the memory's attributes");
    }
}

/*
 * The loader has overwritten what was there. GRUB moves the image out of the way of firmware, but
 * an old GRUB and other loaders may not: docs/adr/0023.
 */
static void check_image(struct boot_state *s, struct range image)
{
    enum boot_mem_type type = BOOT_MEM_TYPES;
    u64 at = memmap_first_not_ram(s->map, s->map_count, image.start, image.end, &type);

    pr_info("memory: Perch is at " RANGE_FMT, RANGE_ARG(image));
    if (at < image.end)
        firmware_finding(FW_IMAGE_IN_RESERVED,
                         "the loader has put Perch at " RANGE_FMT ", where 0x%llx is %s: what "
                         "firmware had there is lost",
                         RANGE_ARG(image), (ull)at,
                         type == BOOT_MEM_TYPES ? "not in the memory map" : memmap_type_name(type));
}

static void reserve_bios_area(struct boot_state *s)
{
    struct range r = {BIOS_AREA_END, BIOS_AREA_END};

    if (!s->info.efi_system_table && !s->info.efi.entries)
        r.start = bios_area_start(&early_window);
    if (range_empty(r))
        return;
    pr_info("memory: the BIOS keeps " RANGE_FMT, RANGE_ARG(r));
    boot_reserve(s, r.start, r.end, "the BIOS's area");
}

void stage_memory(struct boot_state *s)
{
    struct range image = mmio_rules()->image;
    u64 clipped;

    if (memmap_normalise(s->info.ranges, s->info.n_ranges, PHYS_LIMIT, s->map, BOOT_MAX_MAP,
                         &s->map_count, &clipped))
        panic("memory map: too many ranges");
    memmap_print(s->map, s->map_count);
    check_image(s, image);

    memblock_init(&s->mb, s->mem_regions, BOOT_MEM_REGIONS, s->res_regions, BOOT_RES_REGIONS,
                  &mb_ops);
    memblock_set_current_limit(&s->mb, BOOT_MAPPED_LIMIT);
    for (u32 i = 0; i < s->map_count; i++)
        add_memory(s, &s->map[i]);
    mark_attributes(s);

    boot_reserve(s, 0, PAGE_SIZE, "the first page");
    reserve_bios_area(s);
    boot_reserve(s, image.start, image.end, "the image");
    for (u32 i = 0; i < s->info.n_reserved; i++) {
        const struct boot_reserved *r = &s->info.reserved[i];

        boot_reserve(s, r->base, r->end, r->name);
    }
    fail_low_memory(&s->opt, &s->mb);
    pr_info("Memory: %lluK/%lluK available",
            (ull)(memblock_node_free(&s->mb, MEMBLOCK_NODE_ANY) / SZ_1K),
            (ull)(memblock_node_without(&s->mb, MEMBLOCK_NODE_ANY, 0) / SZ_1K));
}

/* ---- the direct map's ranges ----------------------------------------------------------------- */

/* RAM, the map's ACPI memory, and the ACPI tables outside of it; sorted, without overlaps. */
static u32 direct_ranges(struct boot_state *s)
{
    struct range *out = s->direct, r;
    u32 n = 0, merged = 0;

    for (u32 i = 0; i < s->map_count; i++) {
        enum boot_mem_type type = s->map[i].type;

        if (type == BOOT_MEM_RAM || type == BOOT_MEM_SPECIAL || type == BOOT_MEM_ACPI ||
            type == BOOT_MEM_NVS)
            out[n++] = range_pages_around((struct range){s->map[i].base, s->map[i].end});
    }
    for (u32 i = 0; s->has_acpi && acpi_root_range(&s->acpi, i, &r); i++)
        if (n < ARRAY_SIZE(s->direct))
            out[n++] = range_pages_around(r);

    sort(out, n, sizeof(*out), sort_compare_u64, NULL);
    for (u32 i = 0; i < n; i++) {
        if (merged && out[i].start <= out[merged - 1].end)
            out[merged - 1].end = MAX(out[merged - 1].end, out[i].end);
        else
            out[merged++] = out[i];
    }
    return merged;
}

void stage_paging(struct boot_state *s)
{
    paging_init(&s->vm, &s->mb, s->direct, direct_ranges(s));
    console_remap(&s->vm);
}
