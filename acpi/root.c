/*
 * From the RSDP to the list of tables; see root.h. rsdp.c finds the RSDP itself.
 * SPDX-License-Identifier: MIT
 */
#include "acpi/root.h"

#include "acpi/fadt.h"
#include "acpi/reader.h"
#include "acpi/rsdp.h"
#include "acpi/tables.h"
#include "kernel/base/errno.h"
#include "kernel/base/print.h"
#include "kernel/base/string.h"

#define SUM_PIECE (64u << 10) /* so that a small window can check a large table */

struct root_finder {
    const struct phys_window *w;
    const struct acpi_rsdp_hint *hint;
    struct acpi_root *root;
};

/* Firmware's text for the log: up to a NUL; bytes that are not printable ASCII become '?'. */
static void text_of(char *dst, const char *src, size_t n)
{
    size_t i;

    for (i = 0; i < n && src[i]; i++)
        dst[i] = src[i] >= ' ' && src[i] <= '~' ? src[i] : '?';
    dst[i] = '\0';
}

static void log_table(const struct acpi_table_ref *t)
{
    char sig[5], oem[7], table[9], creator[5];

    text_of(sig, t->sig, sizeof(t->sig));
    if (memcmp(t->sig, "FACS", 4) == 0) {
        pr_info("ACPI: %-4s 0x%016llX %06X", sig, (ull)t->pa, t->length);
        return;
    }
    text_of(oem, t->oem_id, sizeof(t->oem_id));
    text_of(table, t->oem_table_id, sizeof(t->oem_table_id));
    text_of(creator, t->creator_id, sizeof(t->creator_id));
    pr_info("ACPI: %-4s 0x%016llX %06X (v%02u %-6s %-8s %08X %-4s %08X)", sig, (ull)t->pa,
            t->length, t->revision, oem, table, t->oem_revision, creator, t->creator_revision);
}

/* Sum of a table's bytes, piece by piece; false when the window cannot map one. */
static bool sum_table(const struct phys_window *w, const struct acpi_table_ref *t, u8 *sum)
{
    *sum = 0;
    for (u32 done = 0; done < t->length;) {
        u32 n = MIN(t->length - done, SUM_PIECE);
        const void *p = w->map(w->ctx, t->pa + done, n);

        if (!p)
            return false;
        *sum = (u8)(*sum + acpi_sum(p, n));
        done += n;
    }
    return true;
}

static void warn_unlisted(struct root_finder *f, u64 pa, u32 length, const char *what)
{
    if (!phys_listed(f->w, pa, length))
        firmware_finding(FW_TABLE_UNLISTED, "%s at 0x%llx: the memory map lists nothing there",
                         what, (ull)pa);
}

/* Reads and checks the header at pa. False: no table; else t->usable tells if it is valid. */
static bool read_table(struct root_finder *f, u64 pa, const char *what, struct acpi_table_ref *t)
{
    const void *p = f->w->map(f->w->ctx, pa, sizeof(struct acpi_header));
    struct acpi_header h;
    u8 sum;

    if (!p) {
        firmware_finding(FW_TABLE_UNREACHABLE, "%s at 0x%llx cannot be reached", what, (ull)pa);
        return false;
    }
    memcpy(&h, p, sizeof(h));
    *t = (struct acpi_table_ref){.pa = pa,
                                 .length = h.length,
                                 .revision = h.revision,
                                 .oem_revision = h.oem_revision,
                                 .creator_revision = h.creator_revision};
    memcpy(t->sig, h.sig, sizeof(t->sig));
    memcpy(t->oem_id, h.oem_id, sizeof(t->oem_id));
    memcpy(t->oem_table_id, h.oem_table_id, sizeof(t->oem_table_id));
    memcpy(t->creator_id, h.creator_id, sizeof(t->creator_id));
    if (h.length < ACPI_TABLE_MIN || h.length > ACPI_TABLE_MAX || pa + h.length < pa) {
        firmware_finding(FW_TABLE_LENGTH, "%s at 0x%llx: length 0x%x, must be 0x%x to 0x%x", what,
                         (ull)pa, h.length, ACPI_TABLE_MIN, ACPI_TABLE_MAX);
        return false;
    }
    log_table(t);
    warn_unlisted(f, pa, h.length, what);
    if (!sum_table(f->w, t, &sum)) {
        firmware_finding(FW_TABLE_UNREACHABLE, "%s at 0x%llx: 0x%x bytes cannot be reached", what,
                         (ull)pa, h.length);
        return false;
    }
    t->usable = sum == 0 || f->hint->ignore_checksums;
    if (!t->usable)
        firmware_finding(FW_TABLE_CHECKSUM,
                         "%s at 0x%llx: checksum 0x%02x at offset 0x9, not 0x%02x: not used", what,
                         (ull)pa, h.checksum, (u8)(h.checksum - sum));
    return true;
}

static struct acpi_table_ref *find_ref(struct acpi_root *root, const char sig[4], u32 nth)
{
    for (u32 i = 0; i < root->count; i++)
        if (root->tables[i].usable && memcmp(root->tables[i].sig, sig, 4) == 0 && nth-- == 0)
            return &root->tables[i];
    return NULL;
}

/* Reports a second table of a kind that must exist once (5.2.6); a second MADT has its own id. */
static void warn_second(struct root_finder *f, const struct acpi_table_ref *t)
{
    static const char one[][5] = {"APIC", "FACP", "SRAT", "SLIT", "HMAT", "MSCT", "PPTT", "SPCR"};
    struct acpi_table_ref *first = find_ref(f->root, t->sig, 0);

    if (!first || !t->usable)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(one); i++) {
        if (memcmp(one[i], t->sig, 4) != 0)
            continue;
        firmware_finding(i == 0 ? FW_MADT_SECOND : FW_TABLE_SECOND,
                         "%s at 0x%llx is a second one, 0x%llx is used", one[i], (ull)t->pa,
                         (ull)first->pa);
    }
}

/* Adds the table; false: the list is full, or has the table already. */
static bool add_table(struct root_finder *f, const struct acpi_table_ref *t)
{
    struct acpi_root *root = f->root;

    for (u32 i = 0; i < root->count; i++) {
        if (root->tables[i].pa == t->pa) {
            firmware_finding(FW_TABLE_TWICE, "table at 0x%llx is listed twice", (ull)t->pa);
            return false;
        }
    }
    if (root->count == ACPI_MAX_TABLES) {
        pr_warn("ACPI: no room for the table at 0x%llx", (ull)t->pa);
        return false;
    }
    warn_second(f, t);
    root->tables[root->count++] = *t;
    return true;
}

/* FACS has a signature and a length, but neither header nor checksum (5.2.10). */
static void add_facs(struct root_finder *f, u64 pa)
{
    const void *p = f->w->map(f->w->ctx, pa, sizeof(struct acpi_facs));
    struct acpi_table_ref t = {.pa = pa, .usable = true};
    struct acpi_facs facs = {.length = 0};

    if (p)
        memcpy(&facs, p, sizeof(facs));
    if (memcmp(facs.sig, "FACS", 4) != 0 || facs.length < ACPI_FACS_MIN ||
        facs.length > ACPI_TABLE_MAX || pa + facs.length < pa) {
        firmware_finding(FW_FACS_INVALID, "FACS at 0x%llx: length 0x%x or signature is wrong",
                         (ull)pa, facs.length);
        return;
    }
    memcpy(t.sig, facs.sig, sizeof(t.sig));
    t.length = facs.length;
    log_table(&t);
    warn_unlisted(f, pa, facs.length, "FACS");
    add_table(f, &t);
}

/* DSDT and FACS are found through the FADT only. */
static void follow_fadt(struct root_finder *f, const struct acpi_table_ref *fadt)
{
    const void *p = f->w->map(f->w->ctx, fadt->pa, fadt->length);
    struct acpi_table_ref t;
    struct fadt_info info;

    if (!p || fadt_parse(p, fadt->length, &info))
        return;
    if (info.dsdt && read_table(f, info.dsdt, "DSDT", &t)) {
        if (memcmp(t.sig, "DSDT", 4) == 0)
            add_table(f, &t);
        else
            firmware_finding(FW_DSDT_SIGNATURE, "DSDT at 0x%llx has another signature",
                             (ull)info.dsdt);
    }
    if (info.facs)
        add_facs(f, info.facs);
}

static void add_listed(struct root_finder *f, u64 pa)
{
    bool first_fadt = !find_ref(f->root, "FACP", 0);
    struct acpi_table_ref t;

    if (!read_table(f, pa, "table", &t) || !add_table(f, &t))
        return;
    if (first_fadt && t.usable && memcmp(t.sig, "FACP", 4) == 0)
        follow_fadt(f, &t);
}

/* Copies the addresses out of the root table, so that the window is free; returns their count. */
static u32 copy_entries(struct root_finder *f, const struct acpi_table_ref *t, u32 width,
                        u64 addresses[ACPI_MAX_TABLES])
{
    struct acpi_bytes b = {f->w->map(f->w->ctx, t->pa, t->length), t->length};
    const char *name = width == 8 ? "XSDT" : "RSDT";
    u32 entries = (t->length - ACPI_TABLE_MIN) / width, n = 0;

    if (!b.data)
        return 0;
    if ((t->length - ACPI_TABLE_MIN) % width == 1)
        acpi_stray_bytes(name, t->length - 1, 1);
    else if ((t->length - ACPI_TABLE_MIN) % width)
        firmware_finding(FW_XSDT_LENGTH, "%s: length 0x%x is no whole number of entries", name,
                         t->length);
    for (u32 i = 0; i < entries; i++) {
        size_t offset = ACPI_TABLE_MIN + (size_t)i * width;
        u64 pa = 0;

        acpi_read(b, offset, &pa, width);
        if (!pa) {
            firmware_finding(FW_XSDT_NULL_ENTRY, "%s: entry %u at offset 0x%zx is 0", name, i,
                             offset);
        } else if (n == ACPI_MAX_TABLES) {
            pr_warn("ACPI: %s: only the first %u of %u entries are used", name, n, entries);
            break;
        } else {
            addresses[n++] = pa;
        }
    }
    return n;
}

/* Takes all tables the root table at pa lists. False when it cannot be used. */
static bool use_root_table(struct root_finder *f, u64 pa, const char *sig, u32 width)
{
    u64 addresses[ACPI_MAX_TABLES];
    struct acpi_table_ref t;
    u32 n;

    if (!pa || !read_table(f, pa, sig, &t) || !t.usable)
        return false;
    if (memcmp(t.sig, sig, 4) != 0) {
        firmware_finding(FW_XSDT_SIGNATURE, "%s at 0x%llx has another signature", sig, (ull)pa);
        return false;
    }
    n = copy_entries(f, &t, width, addresses);
    if (n == 0) {
        firmware_finding(FW_XSDT_EMPTY, "%s at 0x%llx lists no table", sig, (ull)pa);
        return false;
    }
    f->root->count = 0;
    add_table(f, &t);
    for (u32 i = 0; i < n; i++)
        add_listed(f, addresses[i]);
    return true;
}

int acpi_root_find(const struct phys_window *w, const struct acpi_rsdp_hint *hint,
                   struct acpi_root *out)
{
    struct root_finder f = {.w = w, .hint = hint, .root = out};
    struct acpi_rsdp_found rsdp;
    char oem[7];
    int err = 0;

    memset(out, 0, sizeof(*out));
    if (!acpi_rsdp_find(w, hint, &rsdp)) {
        pr_warn("ACPI: no RSDP found");
        return -ENOENT;
    }
    out->rsdp_pa = rsdp.pa;
    out->rsdp_len = rsdp.len;
    text_of(oem, rsdp.oem_id, sizeof(rsdp.oem_id));
    pr_info("ACPI: RSDP 0x%016llX %06X (v%02u %-6s)", (ull)rsdp.pa, rsdp.len, rsdp.revision, oem);
    out->from_xsdt = use_root_table(&f, rsdp.xsdt, "XSDT", 8);
    if (!out->from_xsdt && !use_root_table(&f, rsdp.rsdt, "RSDT", 4)) {
        firmware_finding(FW_XSDT_UNUSABLE, "neither XSDT (0x%llx) nor RSDT (0x%x) can be used",
                         (ull)rsdp.xsdt, rsdp.rsdt);
        err = -EINVAL;
    }
    return err;
}

int acpi_table_map(const struct acpi_root *root, const struct phys_window *w, const char sig[4],
                   u32 nth, const void **data, size_t *len)
{
    struct acpi_table_ref *t = find_ref((struct acpi_root *)root, sig, nth);

    *data = NULL;
    *len = 0;
    if (!t)
        return -ENOENT;
    *data = w->map(w->ctx, t->pa, t->length);
    if (!*data)
        return -EFAULT;
    *len = t->length;
    return 0;
}

bool acpi_root_range(const struct acpi_root *root, u32 i, struct range *out)
{
    if (root->rsdp_pa && i-- == 0)
        return range_make(root->rsdp_pa, root->rsdp_len, out);
    if (i >= root->count)
        return false;
    return range_make(root->tables[i].pa, root->tables[i].length, out);
}
