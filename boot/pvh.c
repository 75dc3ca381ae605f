/*
 * PVH start information -> struct boot_info; see boot/pvh.h. The layouts are those of Xen's
 * public/arch-x86/hvm/start_info.h, versions 0 and 1; later ones only append.
 * SPDX-License-Identifier: MIT
 */
#include "boot/pvh.h"

#include "boot/boot_info_build.h"
#include "kernel/base/errno.h"
#include "kernel/base/print.h"
#include "kernel/base/string.h"

#define PVH_MAGIC 0x336ec578 /* "xEn3" with bit 7 of the E set */

/* More entries than this are not read: boot_info keeps fewer. */
#define MEMMAP_MAX (4 * BOOT_MAX_RANGES)

/* start_info.h: struct hvm_start_info; version 0 ends before memmap_paddr. */
struct pvh_start_info {
    u32 magic;
    u32 version;
    u32 flags;
    u32 nr_modules;
    u64 modlist_paddr;
    u64 cmdline_paddr;
    u64 rsdp_paddr;
    u64 memmap_paddr;
    u32 memmap_entries;
    u32 reserved;
};
static_assert(sizeof(struct pvh_start_info) == 56, "hvm_start_info, version 1");
#define V0_SIZE offsetof(struct pvh_start_info, memmap_paddr)
static_assert(V0_SIZE == 40, "hvm_start_info, version 0");

/* start_info.h: struct hvm_modlist_entry. */
struct pvh_module {
    u64 paddr;
    u64 size;
    u64 cmdline_paddr;
    u64 reserved;
};
static_assert(sizeof(struct pvh_module) == 32, "hvm_modlist_entry");

/* start_info.h: struct hvm_memmap_table_entry; types are those of E820. */
struct pvh_memmap_entry {
    u64 addr;
    u64 size;
    u32 type;
    u32 reserved;
};
static_assert(sizeof(struct pvh_memmap_entry) == 24, "hvm_memmap_table_entry");

/* Maps count entries of size bytes at pa; NULL, with a line: not possible. */
static const u8 *map_table(const struct phys_window *w, u64 pa, u32 count, u32 size,
                           const char *name)
{
    u64 bytes = (u64)count * size;
    const u8 *p = NULL;

    if (pa && pa + bytes > pa)
        p = phys_map(w, pa, bytes);
    if (!p)
        pr_warn("boot loader: PVH: %s at 0x%llx, %u entries: cannot be read, ignored", name,
                (ull)pa, count);
    return p;
}

/*
 * Copies the string at pa. Its length is unknown, so it is mapped page by page up to its end.
 * Returns its bytes with the NUL; 0: it has no end within size bytes.
 */
static size_t read_string(const struct phys_window *w, u64 pa, char *dst, size_t size)
{
    size_t done = 0;

    while (done < size) {
        size_t chunk = MIN((size_t)(PAGE_SIZE - (pa + done) % PAGE_SIZE), size - done);
        const char *p = pa + done < pa ? NULL : phys_map(w, pa + done, chunk);
        size_t n = p ? strnlen(p, chunk) : 0;

        if (!p)
            break;
        memcpy(dst + done, p, n);
        done += n;
        if (n < chunk) {
            dst[done] = '\0';
            return done + 1;
        }
    }
    dst[MIN(done, size - 1)] = '\0';
    return 0;
}

static void take_cmdline(const struct phys_window *w, u64 pa, struct boot_info *out)
{
    size_t used;

    if (!pa)
        return;
    used = read_string(w, pa, out->cmdline, sizeof(out->cmdline));
    out->cmdline_truncated = used == 0;
    if (!used)
        pr_warn("boot loader: PVH: command line at 0x%llx has no end within %u bytes", (ull)pa,
                BOOT_CMDLINE_MAX);
    boot_info_reserve(out, pa, used ? used : strlen(out->cmdline), "command line");
}

static void take_modules(const struct phys_window *w, u64 pa, u32 count, struct boot_info *out)
{
    u32 n = MIN(count, (u32)BOOT_MAX_MODULES);
    const u8 *table;

    if (!count)
        return;
    if (n < count) {
        pr_warn("boot: PVH: %u modules, only %u are used", count, n);
        out->dropped_modules = count - n;
    }
    table = map_table(w, pa, n, sizeof(struct pvh_module), "module list");
    if (!table)
        return;
    boot_info_reserve(out, pa, (u64)n * sizeof(struct pvh_module), "PVH module list");
    for (u32 i = 0; i < n; i++) {
        struct boot_module *slot;
        struct pvh_module mod;

        memcpy(&mod, table + (u64)i * sizeof(mod), sizeof(mod));
        slot = boot_info_add_module(out, mod.paddr, mod.paddr + mod.size, i);
        if (slot && mod.cmdline_paddr) {
            size_t used = read_string(w, mod.cmdline_paddr, slot->args, sizeof(slot->args));

            boot_info_reserve(out, mod.cmdline_paddr, used, "module command line");
        }
    }
}

static void take_memmap(const struct phys_window *w, u64 pa, u32 count, struct boot_info *out)
{
    u32 n = MIN(count, (u32)MEMMAP_MAX);
    const u8 *table;

    if (!count)
        return;
    if (n < count) {
        pr_warn("boot loader: PVH: memory map of %u entries, only %u are read", count, n);
        out->dropped_ranges = count - n;
    }
    table = map_table(w, pa, n, sizeof(struct pvh_memmap_entry), "memory map");
    if (!table)
        return;
    boot_info_reserve(out, pa, (u64)n * sizeof(struct pvh_memmap_entry), "PVH memory map");
    for (u32 i = 0; i < n; i++) {
        struct pvh_memmap_entry e;

        memcpy(&e, table + (u64)i * sizeof(e), sizeof(e));
        boot_info_add_range(out, e.addr, e.size, boot_mem_type_of_e820(e.type), "PVH memory map", i,
                            (u64)i * sizeof(e));
    }
}

int pvh_parse(const struct phys_window *w, u64 start_info_phys, struct boot_info *out)
{
    struct pvh_start_info info = {0};
    size_t size = V0_SIZE;
    const void *p;

    boot_info_init(out, BOOT_PVH);
    p = phys_map(w, start_info_phys, V0_SIZE);
    if (!p)
        return -EFAULT;
    memcpy(&info, p, V0_SIZE);
    if (info.magic != PVH_MAGIC) {
        pr_err("boot loader: PVH: magic 0x%08x of the start information is wrong", info.magic);
        return -EINVAL;
    }
    if (info.version >= 1) {
        size = sizeof(info);
        p = phys_map(w, start_info_phys, size);
        if (!p)
            return -EFAULT;
        memcpy(&info, p, size);
    }
    boot_info_reserve(out, start_info_phys, size, "PVH start information");
    out->rsdp_phys = info.rsdp_paddr;
    take_cmdline(w, info.cmdline_paddr, out);
    take_modules(w, info.modlist_paddr, info.nr_modules, out);
    take_memmap(w, info.memmap_paddr, info.memmap_entries, out);
    if (boot_info_in_ram(out, 0, ~0ULL))
        return 0;
    pr_err("boot loader: PVH: version %u: no memory map, or no RAM in it", info.version);
    return -ENOENT;
}
