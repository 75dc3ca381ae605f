/*
 * CEDT: bytes to records; see cedt.h.
 * SPDX-License-Identifier: MIT
 */
#include "acpi/cedt.h"

#include "acpi/reader.h"
#include "acpi/tables.h"
#include "kernel/base/errno.h"
#include "kernel/base/printf.h"

/* CXL 3.0, 9.17.1: types of structures. */
enum { TYPE_CHBS = 0, TYPE_CFMWS = 1 };

/* CXL 3.0, 9.17.1: head of each structure; unlike in MADT and SRAT the length has 16 bits. */
struct cedt_head {
    u8 type;
    u8 reserved;
    u16 length;
} PACKED;
static_assert(sizeof(struct cedt_head) == 4, "CXL 3.0, 9.17.1");

/* CXL 3.0, 9.17.1.2: CXL Host Bridge Structure. */
struct cedt_chbs {
    struct cedt_head h;
    u32 uid;
    u32 version;
    u32 reserved;
    u64 base;
    u64 length;
} PACKED;
static_assert(sizeof(struct cedt_chbs) == 32, "CXL 3.0, 9.17.1.2");

/* CXL 3.0, 9.17.1.3: CXL Fixed Memory Window Structure; the targets follow, 4 bytes each. */
struct cedt_cfmws {
    struct cedt_head h;
    u32 reserved;
    u64 base;
    u64 size;
    u8 ways; /* coded */
    u8 arithmetic;
    u16 reserved2;
    u32 granularity; /* coded */
    u16 restrictions;
    u16 qtg;
} PACKED;
static_assert(sizeof(struct cedt_cfmws) == 36, "CXL 3.0, 9.17.1.3");

#define WINDOW_UNIT     (256 * SZ_1M)
#define ARITHMETIC_XOR  1
#define MAX_GRANULARITY 6 /* 256 bytes << 6 */

/* A walk over the structures, and the one it is at. */
struct walk {
    struct acpi_bytes table;
    size_t next;
    bool quiet;
    u32 entries; /* so far, this one included */
    u32 index;
    size_t at;
    struct cedt_head head;
    struct acpi_bytes bytes; /* the whole structure */
};

/* The next structure; false at the end, and when its length is wrong: the rest is unknown then. */
static bool next(struct walk *w)
{
    size_t left = w->table.len - w->next;
    struct cedt_head *h = &w->head;

    w->at = w->next;
    w->index = w->entries;
    if (!left)
        return false;
    if (!acpi_read(w->table, w->at, h, sizeof(*h))) {
        if (!w->quiet)
            acpi_stray_bytes("CEDT", w->at, left);
        w->next = w->table.len;
        return false;
    }
    if (h->length < sizeof(*h) || h->length > left) {
        if (!w->quiet)
            firmware_finding(FW_CEDT_ENTRY_CUT,
                             "entry %u at offset 0x%zx length %u, %zu bytes are left: the rest of "
                             "the table is ignored",
                             w->index, w->at, h->length, left);
        w->next = w->table.len;
        return false;
    }
    w->bytes = (struct acpi_bytes){w->table.data + w->at, h->length};
    w->next += h->length;
    w->entries++;
    return true;
}

/* CXL 3.0, 8.2.4.19.7: powers of two, and three times a power of two. 0: an undefined code. */
static u32 ways_of(u8 code)
{
    if (code <= 4)
        return 1u << code;
    if (code >= 8 && code <= 10)
        return 3u << (code - 8);
    return 0;
}

static void drop_length(const struct walk *w, struct cedt_records *r, size_t needed)
{
    r->dropped++;
    firmware_finding(FW_CEDT_ENTRY_LENGTH,
                     "entry %u at offset 0x%zx type %u length %u, needs %zu, dropped", w->index,
                     w->at, w->head.type, w->head.length, needed);
}

static void take_bridge(const struct walk *w, struct cedt_records *r)
{
    struct cedt_chbs c;

    if (!acpi_read(w->bytes, 0, &c, sizeof(c))) {
        drop_length(w, r, sizeof(c));
        return;
    }
    if (r->bridge_count == r->bridge_max) {
        r->no_room++;
        return;
    }
    r->bridges[r->bridge_count++] = (struct cedt_bridge){
        .uid = c.uid, .version = c.version, .base = c.base, .length = c.length, .entry = w->index};
}

/* False, with a finding: the window is dropped. */
static bool check_window(const struct walk *w, const struct cedt_cfmws *c, struct cedt_records *r)
{
    bool wraps = c->base + c->size < c->base;

    if (c->size && !wraps && is_aligned(c->base | c->size, WINDOW_UNIT) && ways_of(c->ways))
        return true;
    r->dropped++;
    firmware_finding(FW_CEDT_WINDOW,
                     "entry %u at offset 0x%zx: window at 0x%llx, 0x%llx bytes, ways code %u: %s, "
                     "dropped",
                     w->index, w->at, (ull)c->base, (ull)c->size, c->ways,
                     !ways_of(c->ways) ? "not a number of ways"
                     : wraps           ? "wraps"
                                       : "not a multiple of 256 MiB");
    return false;
}

static void take_window(const struct walk *w, struct cedt_records *r)
{
    struct cedt_window *out;
    struct cedt_cfmws c;
    u32 ways;

    if (!acpi_read(w->bytes, 0, &c, sizeof(c))) {
        drop_length(w, r, sizeof(c));
        return;
    }
    if (!check_window(w, &c, r))
        return;
    ways = ways_of(c.ways);
    if (w->bytes.len < sizeof(c) + ways * sizeof(u32)) {
        drop_length(w, r, sizeof(c) + ways * sizeof(u32));
        return;
    }
    if (r->window_count == r->window_max) {
        r->no_room++;
        return;
    }
    out = &r->windows[r->window_count++];
    *out = (struct cedt_window){
        .base = c.base,
        .size = c.size,
        .ways = ways,
        .granularity = c.granularity <= MAX_GRANULARITY ? 256u << c.granularity : 0,
        .xor = c.arithmetic == ARITHMETIC_XOR,
        .restrictions = c.restrictions,
        .qtg = c.qtg,
        .entry = w->index,
    };
    acpi_read(w->bytes, sizeof(c), out->targets, ways * sizeof(u32));
}

void cedt_count(const void *table, size_t len, struct cedt_records *r)
{
    struct walk w = {.table = {table, len}, .next = sizeof(struct acpi_header), .quiet = true};

    r->bridge_max = r->window_max = 0;
    while (len >= w.next && next(&w)) {
        r->bridge_max += w.head.type == TYPE_CHBS;
        r->window_max += w.head.type == TYPE_CFMWS;
    }
}

int cedt_parse(const void *table, size_t len, struct cedt_records *r)
{
    struct walk w = {.table = {table, len}, .next = sizeof(struct acpi_header)};
    struct acpi_header header;

    *r = (struct cedt_records){.bridges = r->bridges,
                               .windows = r->windows,
                               .bridge_max = r->bridge_max,
                               .window_max = r->window_max};
    if (!acpi_read(w.table, 0, &header, sizeof(header))) {
        firmware_finding(FW_CEDT_SHORT, "length %zu, needs %zu", len, sizeof(header));
        return -EINVAL;
    }
    r->revision = header.revision;
    while (next(&w)) {
        if (w.head.type == TYPE_CHBS)
            take_bridge(&w, r);
        else if (w.head.type == TYPE_CFMWS)
            take_window(&w, r);
        else
            r->unknown_types++;
    }
    r->entries = w.entries;
    return 0;
}

const char *cedt_restrictions_text(u16 restrictions, char *out, size_t size)
{
    static const char *const words[] = {"device-coherent", "host-coherent", "volatile",
                                        "persistent", "fixed"};
    size_t at = 0;

    kscnprintf(out, size, "unrestricted");
    for (u32 i = 0; i < ARRAY_SIZE(words); i++)
        if (restrictions & 1u << i)
            at += kscnprintf(out + at, size - at, "%s%s", at ? ", " : "", words[i]);
    return out;
}
