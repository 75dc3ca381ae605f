/*
 * Findings about an HMAT by itself: lengths, reserved fields by the table's own revision, undefined
 * values. See hmat.h. The rules are those of fwts, but fwts applies the reserved fields of revision
 * 2 to revision 1 too.
 * SPDX-License-Identifier: MIT
 */
#include "acpi/hmat.h"

#include "acpi/tables.h"
#include "kernel/base/errno.h"

/* A structure under check. */
struct piece {
    struct acpi_bytes b;
    size_t offset;
    u32 index;
    u8 revision;
};

static void reserved(const struct piece *p, u64 value, size_t at, const char *what)
{
    if (value)
        firmware_finding(FW_HMAT_RESERVED, "structure %u: %s at offset 0x%zx is 0x%llx, must be 0",
                         p->index, what, p->offset + at, (ull)value);
}

/* False, with a finding: the structure is shorter than size. */
static bool fits(const struct piece *p, void *dst, size_t size)
{
    if (acpi_read(p->b, 0, dst, size))
        return true;
    firmware_finding(FW_HMAT_STRUCTURE_LENGTH, "structure %u at offset 0x%zx length %zu, needs %zu",
                     p->index, p->offset, p->b.len, size);
    return false;
}

/* A structure that is too long has a finding of its own, because it is used all the same. */
static void needs(const struct piece *p, u64 size)
{
    if (size != p->b.len)
        firmware_finding(size > p->b.len ? FW_HMAT_STRUCTURE_LENGTH : FW_HMAT_STRUCTURE_LONG,
                         "structure %u at offset 0x%zx length %zu, its counts need %llu", p->index,
                         p->offset, p->b.len, (ull)size);
}

static void check_proximity(const struct piece *p)
{
    struct acpi_hmat_proximity m;

    if (!fits(p, &m, sizeof(m)))
        return;
    needs(p, sizeof(m));
    reserved(p, m.flags & (p->revision >= 2 ? ~1u : ~7u), 8, "flags");
    reserved(p, m.reserved1, 10, "reserved field");
    reserved(p, m.reserved2, 20, "reserved field");
    if (p->revision < 2)
        return;
    reserved(p, m.base, 24, "reserved field");
    reserved(p, m.size, 32, "reserved field");
}

static void check_locality(const struct piece *p)
{
    struct acpi_hmat_locality l;

    if (!fits(p, &l, sizeof(l)))
        return;
    /* Nothing wraps: counts have 32 bits, and only counts within the length are multiplied. */
    if (l.initiators > p->b.len || l.targets > p->b.len)
        needs(p, sizeof(l) + 4ULL * l.initiators + 4ULL * l.targets);
    else
        needs(p,
              sizeof(l) + 4ULL * l.initiators + 4ULL * l.targets + 2ULL * l.initiators * l.targets);
    reserved(p, l.flags & 0xc0, 8, "flags");
    reserved(p, p->revision < 2 ? l.min_transfer : 0, 10, "reserved field");
    reserved(p, l.reserved1, 11, "reserved field");
    reserved(p, l.reserved2, 20, "reserved field");
    if (l.data >= HMAT_NR_DATA)
        firmware_finding(FW_HMAT_DATA_TYPE,
                         "structure %u: data type at offset 0x%zx is %u, not 0 to 5", p->index,
                         p->offset + 9, l.data);
    if (l.base_unit == 0)
        firmware_finding(FW_HMAT_BASE_UNIT, "structure %u: entry base unit at offset 0x%zx is 0",
                         p->index, p->offset + 24);
}

static void check_cache(const struct piece *p)
{
    static const struct {
        u8 shift, max;
        const char *what;
    } field[] = {
        {0, 3, "number of levels"},
        {4, 3, "level"},
        {8, 2, "associativity"},
        {12, 2, "policy"},
    };
    struct acpi_hmat_cache c;

    if (!fits(p, &c, sizeof(c)))
        return;
    needs(p, sizeof(c) + 2ULL * c.handles);
    reserved(p, c.reserved1, 12, "reserved field");
    reserved(p, c.reserved2, 28, "reserved field");
    for (size_t i = 0; i < ARRAY_SIZE(field); i++) {
        u32 value = c.attributes >> field[i].shift & 0xf;

        if (value > field[i].max)
            firmware_finding(FW_HMAT_CACHE, "structure %u: %s in 0x%08x at offset 0x%zx is %u",
                             p->index, field[i].what, c.attributes, p->offset + 24, value);
    }
}

static void check_piece(const struct piece *p, const struct acpi_hmat_head *head)
{
    reserved(p, head->reserved, 2, "reserved field");
    switch (head->type) {
    case HMAT_PROXIMITY:
        check_proximity(p);
        break;
    case HMAT_LOCALITY:
        check_locality(p);
        break;
    case HMAT_CACHE:
        check_cache(p);
        break;
    default:
        firmware_finding(FW_HMAT_TYPE, "structure %u at offset 0x%zx is of unknown type %u",
                         p->index, p->offset, head->type);
    }
}

static void check_structures(struct acpi_bytes all, u8 revision)
{
    size_t at = sizeof(struct acpi_hmat);
    struct acpi_hmat_head head;

    for (u32 index = 0; at < all.len; index++) {
        struct piece p = {.offset = at, .index = index, .revision = revision};

        if (!acpi_read(all, at, &head, sizeof(head))) {
            acpi_stray_bytes("HMAT", at, all.len - at);
            return;
        }
        if (head.length < sizeof(head) || head.length > all.len - at) {
            firmware_finding(FW_HMAT_STRUCTURE_CUT,
                             "structure %u at offset 0x%zx length %u, %zu bytes are left", index,
                             at, head.length, all.len - at);
            return;
        }
        p.b = (struct acpi_bytes){all.data + at, head.length};
        check_piece(&p, &head);
        at += head.length;
    }
}

int hmat_check(const void *table, size_t len, struct hmat *h)
{
    int err = hmat_open(table, len, h);
    struct acpi_hmat head;

    if (err == -EINVAL)
        firmware_finding(FW_HMAT_SHORT, "length %zu, needs %zu", len, sizeof(head));
    else if (err)
        firmware_finding(FW_HMAT_REVISION, "revision %u is not known: not used", h->revision);
    if (err)
        return err;
    acpi_read(h->bytes, 0, &head, sizeof(head));
    if (head.reserved)
        firmware_finding(FW_HMAT_RESERVED, "reserved field at offset 0x24 is 0x%x, must be 0",
                         head.reserved);
    check_structures(h->bytes, h->revision);
    return 0;
}
