/*
 * HMAT: bounds, structures, values; see hmat.h. The findings are in hmat_check.c.
 * SPDX-License-Identifier: MIT
 */
#include "acpi/hmat.h"

#include "acpi/tables.h"
#include "kernel/base/errno.h"
#include "kernel/base/print.h"

#define LOG_PAIRS    256 /* lines with one value each */
#define UNKNOWN      0xffffu
#define MAX_VALUE    0xffffffffu
#define HIERARCHY(f) ((f)&0xf)

int hmat_open(const void *table, size_t len, struct hmat *h)
{
    struct acpi_bytes bytes = {table, len};
    struct acpi_hmat head;

    *h = (struct hmat){0};
    if (!acpi_read(bytes, 0, &head, sizeof(head)))
        return -EINVAL;
    h->revision = head.h.revision;
    if (head.h.revision < 1 || head.h.revision > 2)
        return -ENOENT;
    h->bytes = bytes;
    return 0;
}

void hmat_walk_begin(struct hmat_walk *w, const struct hmat *h)
{
    *w = (struct hmat_walk){.h = h, .next = sizeof(struct acpi_hmat)};
}

static bool take_proximity(struct acpi_bytes b, u8 revision, struct hmat_proximity *out)
{
    struct acpi_hmat_proximity p;

    if (!acpi_read(b, 0, &p, sizeof(p)))
        return false;
    *out = (struct hmat_proximity){
        .initiator = p.initiator,
        .memory = p.memory,
        .has_initiator = p.flags & ACPI_HMAT_INITIATOR_VALID,
        .has_memory = revision >= 2 || (p.flags & ACPI_HMAT_MEMORY_VALID),
        .base = revision == 1 ? p.base : 0,
        .length = revision == 1 ? p.size : 0,
        .flags = p.flags,
    };
    return true;
}

static bool take_locality(struct acpi_bytes b, u8 revision, struct hmat_locality *out)
{
    struct acpi_hmat_locality l;
    u64 i, t;

    if (!acpi_read(b, 0, &l, sizeof(l)))
        return false;
    i = l.initiators;
    t = l.targets;
    /* Each count must fit by itself first, so that the product cannot wrap. */
    if (i > b.len / 4 || t > b.len / 4 || sizeof(l) + 4 * i + 4 * t + 2 * i * t > b.len)
        return false;
    *out = (struct hmat_locality){
        .flags = l.flags,
        .hierarchy = HIERARCHY(l.flags),
        .data = l.data,
        .initiators = l.initiators,
        .targets = l.targets,
        .base_unit = l.base_unit,
        .revision = revision,
        .lists = {b.data + sizeof(l), b.len - sizeof(l)},
    };
    return true;
}

static bool take_cache(struct acpi_bytes b, struct hmat_cache *out)
{
    struct acpi_hmat_cache c;

    if (!acpi_read(b, 0, &c, sizeof(c)) || sizeof(c) + 2u * c.handles > b.len)
        return false;
    *out = (struct hmat_cache){
        .memory = c.memory,
        .size = c.size,
        .attributes = c.attributes,
        .levels = c.attributes & 0xf,
        .level = c.attributes >> 4 & 0xf,
        .associativity = c.attributes >> 8 & 0xf,
        .policy = c.attributes >> 12 & 0xf,
        .line = (u16)(c.attributes >> 16),
        .smbios_handles = c.handles,
    };
    return true;
}

static bool take(struct acpi_bytes b, u8 revision, struct hmat_item *item)
{
    switch (item->type) {
    case HMAT_PROXIMITY:
        return take_proximity(b, revision, &item->proximity);
    case HMAT_LOCALITY:
        return take_locality(b, revision, &item->locality);
    case HMAT_CACHE:
        return take_cache(b, &item->cache);
    }
    return false;
}

bool hmat_walk_next(struct hmat_walk *w, struct hmat_item *item)
{
    struct acpi_bytes all = w->h->bytes;
    struct acpi_hmat_head head;

    while (acpi_read(all, w->next, &head, sizeof(head))) {
        struct acpi_bytes b = {all.data + w->next, head.length};

        if (head.length < sizeof(head) || head.length > all.len - w->next)
            break;
        *item = (struct hmat_item){
            .type = head.type, .index = w->index++, .offset = (u32)w->next, .length = head.length};
        w->next += head.length;
        if (take(b, w->h->revision, item))
            return true;
    }
    w->next = all.len;
    return false;
}

static u32 domain(const struct hmat_locality *l, size_t place)
{
    u32 pxm;

    acpi_read(l->lists, 4 * place, &pxm, sizeof(pxm));
    return pxm;
}

u32 hmat_initiator(const struct hmat_locality *l, u32 i)
{
    ASSERT(i < l->initiators);
    return domain(l, i);
}

u32 hmat_target(const struct hmat_locality *l, u32 i)
{
    ASSERT(i < l->targets);
    return domain(l, (size_t)l->initiators + i);
}

/*
 * Revision 1 has tenths of nanoseconds or of MB/s, and a value below 10 counts as unknown. Revision
 * 2 has picoseconds and MB/s (5.2.28.4). Linux's hmat_normalize() does the same.
 */
u32 hmat_value(const struct hmat_locality *l, u32 initiator, u32 target)
{
    u64 value;
    u16 entry;

    ASSERT(initiator < l->initiators && target < l->targets);
    acpi_read(l->lists,
              4 * ((size_t)l->initiators + l->targets) +
                  2 * ((size_t)initiator * l->targets + target),
              &entry, sizeof(entry));
    if (entry == 0 || entry == UNKNOWN || l->base_unit > MAX_VALUE / entry)
        return 0;
    value = entry * l->base_unit;
    if (l->revision == 1)
        return value < 10 ? 0 : (u32)((value + 9) / 10);
    return (u32)(hmat_is_latency(l->data) ? (value + 999) / 1000 : value);
}

const char *hmat_data_name(u8 data)
{
    static const char names[HMAT_NR_DATA][17] = {
        "Access Latency",   "Read Latency",   "Write Latency",
        "Access Bandwidth", "Read Bandwidth", "Write Bandwidth",
    };

    return data < HMAT_NR_DATA ? names[data] : "Reserved";
}

const char *hmat_data_id(u8 data)
{
    static const char ids[HMAT_NR_DATA][17] = {
        "access-latency",   "read-latency",   "write-latency",
        "access-bandwidth", "read-bandwidth", "write-bandwidth",
    };

    return data < HMAT_NR_DATA ? ids[data] : "reserved";
}

const char *hmat_associativity_id(u8 associativity)
{
    static const char ids[][8] = {"none", "direct", "complex"};

    return associativity < ARRAY_SIZE(ids) ? ids[associativity] : "reserved";
}

const char *hmat_policy_id(u8 policy)
{
    static const char ids[][14] = {"none", "write-back", "write-through"};

    return policy < ARRAY_SIZE(ids) ? ids[policy] : "reserved";
}

static void log_locality(const struct hmat_locality *l, u32 *pairs)
{
    const char *unit = hmat_is_latency(l->data) ? " nsec" : " MB/s";

    pr_info("acpi/hmat: Locality: Flags:%02x Type:%s Initiator Domains:%u Target Domains:%u "
            "Base:%lld",
            l->flags, hmat_data_name(l->data), l->initiators, l->targets, (long long)l->base_unit);
    for (u32 i = 0; i < l->initiators; i++) {
        for (u32 t = 0; t < l->targets; t++) {
            if (++*pairs > LOG_PAIRS)
                return;
            pr_info("acpi/hmat:   Initiator-Target[%u-%u]:%u%s", hmat_initiator(l, i),
                    hmat_target(l, t), hmat_value(l, i, t), unit);
        }
    }
}

static void log_item(const struct hmat *h, const struct hmat_item *item, u32 *pairs)
{
    const struct hmat_proximity *p = &item->proximity;
    const struct hmat_cache *c = &item->cache;

    if (item->type == HMAT_LOCALITY)
        log_locality(&item->locality, pairs);
    else if (item->type == HMAT_CACHE)
        pr_info("acpi/hmat: Cache: Domain:%u Size:%llu Attrs:%08x SMBIOS Handles:%d", c->memory,
                (ull)c->size, c->attributes, c->smbios_handles);
    else if (h->revision == 1)
        pr_info("acpi/hmat: Memory (%#llx length %#llx) Flags:%04x Processor Domain:%u Memory "
                "Domain:%u",
                (ull)p->base, (ull)p->length, p->flags, p->initiator, p->memory);
    else
        pr_info("acpi/hmat: Memory Flags:%04x Processor Domain:%u Memory Domain:%u", p->flags,
                p->initiator, p->memory);
}

void hmat_log(const struct hmat *h)
{
    struct hmat_walk w;
    struct hmat_item item;
    u32 pairs = 0;

    hmat_walk_begin(&w, h);
    while (hmat_walk_next(&w, &item))
        log_item(h, &item, &pairs);
    if (pairs > LOG_PAIRS)
        pr_info("acpi/hmat: only the first %u values are shown", LOG_PAIRS);
}
