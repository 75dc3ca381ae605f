/*
 * The loader's information, checked and copied: the one struct that leaves boot/. Later stages read
 * it and never the loader's own memory, except modules and an RSDP given by address. Arrays are
 * bounded, strings are terminated, and what does not fit is counted. Ranges are as the loader gave
 * them: not empty, not wrapping, but unsorted and perhaps overlapping (boot/memmap.h sorts them).
 * Plain data; about 50 KiB, meant for static storage.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BOOT_BOOT_INFO_H
#define PERCH_BOOT_BOOT_INFO_H

#include "kernel/base/range.h"

#define BOOT_LOADER_NAME_MAX 64 /* with the NUL, like all of these */
#define BOOT_CMDLINE_MAX     2048
#define BOOT_MODULE_ARGS_MAX 128
#define BOOT_MAX_RANGES      1024
#define BOOT_MAX_RESERVED    128
#define BOOT_MAX_ATTRS       256
#define BOOT_MAX_MODULES     64
#define BOOT_RSDP_BYTES      36 /* ACPI 6.5, 5.2.5.3: revision 2 and later; revision 0 is 20 */

/* The numbers are what boot/entry32.asm passes in EDI. */
enum boot_origin {
    BOOT_MULTIBOOT2 = 1,
    BOOT_PVH = 2,
};

/* In order of strictness: where two ranges overlap, the higher one wins (boot/memmap.h). */
enum boot_mem_type {
    BOOT_MEM_RAM,
    BOOT_MEM_SPECIAL, /* "soft reserved" for a special purpose (HBM, CXL): not general RAM */
    BOOT_MEM_ACPI,    /* ACPI tables; could be reclaimed */
    BOOT_MEM_NVS,
    BOOT_MEM_RESERVED,
    BOOT_MEM_PMEM,       /* this and the next: above RESERVED, as older loaders call them */
    BOOT_MEM_UNACCEPTED, /* of a confidential guest: an access before acceptance is fatal */
    BOOT_MEM_UNUSABLE,   /* bad memory */
    BOOT_MEM_TYPES
};

/* Attributes of memory in the EFI memory map (UEFI 2.10, 7.2.3). */
#define BOOT_ATTR_RELIABLE    (1u << 0) /* EFI_MEMORY_MORE_RELIABLE: mirrored, for example */
#define BOOT_ATTR_NONVOLATILE (1u << 1) /* EFI_MEMORY_NV on memory of an ordinary type */

struct boot_attr {
    u64 base;
    u64 end;  /* exclusive */
    u32 attr; /* BOOT_ATTR_* */
};

/* The EFI memory map; entries is 0 when the loader passed none on. */
struct boot_efi_map {
    u32 entries, entry_size;
    u64 ram_pages;      /* 4 KiB each; special-purpose memory left out */
    u64 reliable_pages; /* of these, EFI_MEMORY_MORE_RELIABLE */
};

struct boot_mem_range {
    u64 base;
    u64 end; /* exclusive */
    enum boot_mem_type type;
};

/* Memory that holds the loader's data and must not be allocated. name: a string literal. */
struct boot_reserved {
    u64 base;
    u64 end; /* exclusive */
    const char *name;
};

struct boot_module {
    u64 base;
    u64 end; /* exclusive; base when the module is empty */
    char args[BOOT_MODULE_ARGS_MAX];
};

/* The screen as the loader has set it. */
enum boot_fb_kind {
    BOOT_FB_NONE,
    BOOT_FB_RGB,
    BOOT_FB_TEXT, /* EGA: two bytes a letter; width and height count letters */
};

struct boot_fb_colour {
    u8 pos, size; /* bits of a pixel */
};

/* Checked: rows fit the pitch, base + pitch * height does not wrap, masks lie inside a pixel. */
struct boot_framebuffer {
    enum boot_fb_kind kind;
    u64 base;  /* physical */
    u32 pitch; /* bytes from one row to the next */
    u32 width, height;
    u32 bytes; /* of a pixel: 2 to 4; of a letter: 2 */
    struct boot_fb_colour red, green, blue;
};

struct boot_info {
    enum boot_origin origin;
    char loader[BOOT_LOADER_NAME_MAX]; /* "" when the loader gives no name */
    char cmdline[BOOT_CMDLINE_MAX];
    bool cmdline_truncated;

    u32 n_ranges;
    u32 dropped_ranges; /* wrapped, or did not fit */
    struct boot_mem_range ranges[BOOT_MAX_RANGES];

    struct boot_efi_map efi;
    u32 n_attrs;
    u32 dropped_attrs;
    struct boot_attr attrs[BOOT_MAX_ATTRS];

    u32 n_reserved;
    u32 dropped_reserved;
    struct boot_reserved reserved[BOOT_MAX_RESERVED];

    u32 n_modules;
    u32 dropped_modules;
    struct boot_module modules[BOOT_MAX_MODULES];

    /* The RSDP: copied bytes (rsdp_len 20 or 36, else 0), or its address (else 0). */
    u8 rsdp[BOOT_RSDP_BYTES];
    u32 rsdp_len;
    u64 rsdp_phys;

    u64 efi_system_table; /* physical address; 0: not UEFI, or unknown */

    struct boot_framebuffer fb;
};

/* True: a byte of [base, end) is in memory that the loader calls RAM. */
bool boot_info_in_ram(const struct boot_info *info, u64 base, u64 end);

#endif
