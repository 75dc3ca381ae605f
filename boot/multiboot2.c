/*
 * Multiboot2 information -> struct boot_info; see boot/multiboot2.h. Wire structs are copied out
 * before use, so alignment of the window does not matter.
 * SPDX-License-Identifier: MIT
 */
#include "boot/multiboot2.h"

#include "boot/boot_info_build.h"
#include "boot/efi_memmap.h"
#include "kernel/base/errno.h"
#include "kernel/base/print.h"
#include "kernel/base/string.h"

/* A larger total size is an error: GRUB passes section headers and memory maps, a few KiB. */
#define MBI_MAX (16 * SZ_1M)

enum mb2_tag_type {
    MB2_END = 0,
    MB2_CMDLINE = 1,
    MB2_LOADER = 2,
    MB2_MODULE = 3,
    MB2_MMAP = 6,
    MB2_FRAMEBUFFER = 8,
    MB2_EFI64 = 12,
    MB2_ACPI_OLD = 14,
    MB2_ACPI_NEW = 15,
    MB2_EFI_MMAP = 17,
};

/* Multiboot2 3.6.1: basic tags structure; fixed part, then tags. */
struct mb2_header {
    u32 total_size;
    u32 reserved;
};
static_assert(sizeof(struct mb2_header) == 8, "Multiboot2 3.6.1");

/* Multiboot2 3.6.1: head of each tag; tags begin at multiples of 8. */
struct mb2_tag {
    u32 type;
    u32 size; /* this head included, padding not */
};
static_assert(sizeof(struct mb2_tag) == 8, "Multiboot2 3.6.1");

/* Multiboot2 3.6.6: modules; a string follows. */
struct mb2_module {
    struct mb2_tag tag;
    u32 start;
    u32 end;
};
static_assert(sizeof(struct mb2_module) == 16, "Multiboot2 3.6.6");

/* Multiboot2 3.6.8 memory map and 3.6.17 EFI memory map begin alike; entries follow. */
struct mb2_table {
    struct mb2_tag tag;
    u32 entry_size;
    u32 entry_version;
};
static_assert(sizeof(struct mb2_table) == 16, "Multiboot2 3.6.8");

/* Multiboot2 3.6.8: entry of the memory map. */
struct mb2_mmap_entry {
    u64 base;
    u64 length;
    u32 type;
    u32 reserved;
};
static_assert(sizeof(struct mb2_mmap_entry) == 24, "Multiboot2 3.6.8");

/* Multiboot2 3.6.12: framebuffer. The text shows one reserved byte, but GRUB has two. */
struct mb2_framebuffer {
    struct mb2_tag tag;
    u64 base;
    u32 pitch;
    u32 width;
    u32 height;
    u8 bits;
    u8 type;
    u16 reserved;
    u8 red_pos, red_size, green_pos, green_size, blue_pos, blue_size; /* type RGB only */
} PACKED;
static_assert(sizeof(struct mb2_framebuffer) == 38, "Multiboot2 3.6.12");
#define MB2_FB_COMMON  32u
#define MB2_FB_PALETTE 0
#define MB2_FB_RGB     1
#define MB2_FB_TEXT    2
#define FB_MAX_SIDE    16384u
#define FB_MAX_BASE    (1ULL << 46) /* as for all memory: docs/adr/0001 */

/* The information structure and its size. */
struct mbi {
    const u8 *bytes;
    u32 size;
};

/* For the end of the walk, because the order of tags is free. */
struct found {
    bool mmap;
    u32 efi_offset; /* 0: none */
    struct mb2_tag efi;
};

/* Reads the head of a table tag; false, with a line: its entries cannot be walked. */
static bool table_head(const struct mbi *m, u32 off, u32 tag_size, u32 min_entry,
                       struct mb2_table *t)
{
    if (tag_size < sizeof(*t)) {
        pr_warn("boot loader: multiboot2: tag at offset 0x%x: size %u is too small, skipped", off,
                tag_size);
        return false;
    }
    memcpy(t, m->bytes + off, sizeof(*t));
    if (t->entry_size < min_entry || t->entry_size % 8) {
        pr_warn("boot loader: multiboot2: tag %u at offset 0x%x: entry size %u is wrong, skipped",
                t->tag.type, off, t->entry_size);
        return false;
    }
    return true;
}

static void take_mmap(const struct mbi *m, u32 off, u32 size, struct boot_info *out)
{
    struct mb2_mmap_entry e;
    struct mb2_table t;
    u32 entry = 0;

    if (!table_head(m, off, size, sizeof(e), &t))
        return;
    for (u32 at = sizeof(t); size - at >= t.entry_size; at += t.entry_size, entry++) {
        memcpy(&e, m->bytes + off + at, sizeof(e));
        boot_info_add_range(out, e.base, e.length, boot_mem_type_of_e820(e.type),
                            "multiboot2 memory map", entry, at);
    }
}

/* All ranges when there was no tag 6, else those that it cannot express. */
static void take_efi_mmap(const struct mbi *m, const struct found *f, struct boot_info *out)
{
    u32 off = f->efi_offset, size = f->efi.size;
    struct mb2_table t;

    if (table_head(m, off, size, EFI_DESCRIPTOR_MIN, &t))
        efi_memmap_take(m->bytes + off + sizeof(t), size - sizeof(t), t.entry_size, !f->mmap, out);
}

static void take_module(const struct mbi *m, u32 off, u32 size, u32 index, struct boot_info *out)
{
    struct mb2_module mod;
    struct boot_module *slot;

    if (size < sizeof(mod)) {
        pr_warn("boot loader: multiboot2: module tag at offset 0x%x: size %u is too small, skipped",
                off, size);
        return;
    }
    memcpy(&mod, m->bytes + off, sizeof(mod));
    slot = boot_info_add_module(out, mod.start, mod.end, index);
    if (slot)
        (void)boot_copy_string(slot->args, sizeof(slot->args), m->bytes + off + sizeof(mod),
                               size - sizeof(mod));
}

/* Tags 14 and 15 (Multiboot2 3.6.14, 3.6.15): the newer, longer copy wins in either order. */
static void take_rsdp(const struct mbi *m, u32 off, const struct mb2_tag *tag,
                      struct boot_info *out)
{
    u32 have = tag->size - (u32)sizeof(*tag);
    u32 len = have >= BOOT_RSDP_BYTES ? BOOT_RSDP_BYTES : 20;

    if (have < 20) {
        pr_warn("boot loader: multiboot2: RSDP tag %u at offset 0x%x: %u bytes, skipped", tag->type,
                off, have);
        return;
    }
    if (tag->type == MB2_ACPI_OLD)
        len = 20; /* what follows is not part of a revision 0 RSDP */
    if (len <= out->rsdp_len)
        return;
    memcpy(out->rsdp, m->bytes + off + sizeof(*tag), len);
    out->rsdp_len = len;
}

static void take_string(const struct mbi *m, u32 off, const struct mb2_tag *tag,
                        struct boot_info *out)
{
    const u8 *text = m->bytes + off + sizeof(*tag);
    size_t len = tag->size - sizeof(*tag);

    if (strnlen((const char *)text, len) == len)
        pr_warn("boot loader: multiboot2: string of tag %u at offset 0x%x has no end", tag->type,
                off);
    if (tag->type == MB2_CMDLINE)
        out->cmdline_truncated = !boot_copy_string(out->cmdline, sizeof(out->cmdline), text, len);
    else
        (void)boot_copy_string(out->loader, sizeof(out->loader), text, len);
}

static bool colour_ok(struct boot_fb_colour c, u32 bytes)
{
    return c.size && c.size <= 16 && (u32)c.pos + c.size <= 8 * bytes;
}

/* The name of what is wrong; NULL: nothing. */
static const char *framebuffer_fault(const struct boot_framebuffer *fb)
{
    if (!fb->width || !fb->height || fb->width > FB_MAX_SIDE || fb->height > FB_MAX_SIDE)
        return "size";
    if (fb->bytes < 2 || fb->bytes > 4)
        return "depth";
    if (fb->pitch < fb->width * fb->bytes || (fb->bytes != 3 && fb->pitch % fb->bytes) ||
        fb->pitch > 8 * FB_MAX_SIDE)
        return "pitch";
    if (!fb->base || fb->base % 4 || fb->base > FB_MAX_BASE - (u64)fb->pitch * fb->height)
        return "address";
    if (fb->kind == BOOT_FB_RGB &&
        !(colour_ok(fb->red, fb->bytes) && colour_ok(fb->green, fb->bytes) &&
          colour_ok(fb->blue, fb->bytes)))
        return "colour masks";
    return NULL;
}

static void take_framebuffer(const struct mbi *m, u32 off, u32 size, struct boot_info *out)
{
    struct mb2_framebuffer t = {0};
    struct boot_framebuffer fb;
    const char *fault;

    memcpy(&t, m->bytes + off, MIN(size, (u32)sizeof(t)));
    if (size < MB2_FB_COMMON || (t.type == MB2_FB_RGB && size < sizeof(t))) {
        pr_warn("boot loader: multiboot2: framebuffer tag at offset 0x%x: size %u is too small, "
                "skipped",
                off, size);
        return;
    }
    fb = (struct boot_framebuffer){
        .kind = t.type == MB2_FB_RGB ? BOOT_FB_RGB : BOOT_FB_TEXT,
        .base = t.base,
        .pitch = t.pitch,
        .width = t.width,
        .height = t.height,
        .bytes = ((u32)t.bits + 7) / 8,
        .red = {t.red_pos, t.red_size},
        .green = {t.green_pos, t.green_size},
        .blue = {t.blue_pos, t.blue_size},
    };
    if (t.type == MB2_FB_RGB || t.type == MB2_FB_TEXT)
        fault = framebuffer_fault(&fb);
    else
        fault = t.type == MB2_FB_PALETTE ? "palette" : "type";
    if (fault) {
        pr_warn("boot loader: multiboot2: framebuffer tag at offset 0x%x: type %u, %ux%u, %u bits, "
                "pitch %u at 0x%llx: its %s cannot be used",
                off, t.type, t.width, t.height, t.bits, t.pitch, (ull)t.base, fault);
        return;
    }
    out->fb = fb;
    boot_info_reserve(out, fb.base, (u64)fb.pitch * fb.height, "framebuffer");
}

static void take_tag(const struct mbi *m, u32 off, const struct mb2_tag *tag, struct found *f,
                     struct boot_info *out)
{
    switch (tag->type) {
    case MB2_CMDLINE:
    case MB2_LOADER:
        take_string(m, off, tag, out);
        break;
    case MB2_MODULE:
        take_module(m, off, tag->size, out->n_modules + out->dropped_modules, out);
        break;
    case MB2_MMAP:
        take_mmap(m, off, tag->size, out);
        f->mmap = out->n_ranges != 0;
        break;
    case MB2_FRAMEBUFFER:
        take_framebuffer(m, off, tag->size, out);
        break;
    case MB2_EFI64: /* 3.6.10: the system table's address */
        if (tag->size >= sizeof(*tag) + sizeof(out->efi_system_table))
            memcpy(&out->efi_system_table, m->bytes + off + sizeof(*tag), 8);
        break;
    case MB2_ACPI_OLD:
    case MB2_ACPI_NEW:
        take_rsdp(m, off, tag, out);
        break;
    case MB2_EFI_MMAP:
        f->efi_offset = off;
        f->efi = *tag;
        break;
    default:
        break;
    }
}

static void walk_tags(const struct mbi *m, struct boot_info *out)
{
    struct found f = {0};
    struct mb2_tag tag;
    u64 off = sizeof(struct mb2_header);

    for (;;) {
        if (off + sizeof(tag) > m->size) {
            pr_warn("boot loader: multiboot2: no end tag before offset 0x%x", m->size);
            break;
        }
        memcpy(&tag, m->bytes + off, sizeof(tag));
        if (tag.size < sizeof(tag) || tag.size > m->size - off) {
            pr_warn("boot loader: multiboot2: tag %u at offset 0x%llx: size %u, the rest is "
                    "ignored",
                    tag.type, (ull)off, tag.size);
            break;
        }
        if (tag.type == MB2_END)
            break;
        take_tag(m, (u32)off, &tag, &f, out);
        off += align_up(tag.size, 8);
    }
    if (f.efi_offset)
        take_efi_mmap(m, &f, out);
}

int multiboot2_parse(const struct phys_window *w, u64 mbi_phys, struct boot_info *out)
{
    struct mb2_header head;
    struct mbi m;
    const void *p;

    boot_info_init(out, BOOT_MULTIBOOT2);
    if (mbi_phys % 8) {
        pr_err("boot loader: multiboot2: information at 0x%llx is not 8-byte aligned",
               (ull)mbi_phys);
        return -EINVAL;
    }
    p = phys_map(w, mbi_phys, sizeof(head));
    if (!p)
        return -EFAULT;
    memcpy(&head, p, sizeof(head));
    if (head.total_size < sizeof(head) + sizeof(struct mb2_tag) || head.total_size > MBI_MAX) {
        pr_err("boot loader: multiboot2: total size %u of the information is wrong",
               head.total_size);
        return -EINVAL;
    }
    m.size = head.total_size;
    m.bytes = phys_map(w, mbi_phys, m.size);
    if (!m.bytes)
        return -EFAULT;
    boot_info_reserve(out, mbi_phys, m.size, "multiboot2 information");
    walk_tags(&m, out);
    if (boot_info_in_ram(out, 0, ~0ULL))
        return 0;
    pr_err("boot loader: multiboot2: no memory map, or no RAM in it");
    return -ENOENT;
}
