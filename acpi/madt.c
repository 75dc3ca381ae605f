/*
 * MADT entries to records; see madt.h for the rules.
 * SPDX-License-Identifier: MIT
 */
#include "acpi/madt.h"

#include "acpi/reader.h"
#include "acpi/tables.h"
#include "kernel/base/errno.h"
#include "kernel/base/print.h"
#include "kernel/base/sort.h"

struct madt_parser {
    struct madt_cpu *cpus;
    u32 max;
    struct madt_info *info;
    bool lapic_seen; /* an enabled type 0 entry with a real id */
    bool raw;        /* without rules and findings: madt_list_cpus() */
};

static bool take_entry(const struct madt_parser *p, const struct acpi_entry *e, void *dst,
                       size_t size)
{
    if (acpi_read(e->bytes, 0, dst, size))
        return true;
    if (!p->raw)
        acpi_entry_length(FW_MADT_ENTRY_LENGTH, e, size);
    return false;
}

/* flags: the Local APIC flags of both CPU types (5.2.12.2, table 5.47). */
static void add_cpu(struct madt_parser *p, struct madt_cpu cpu, u32 flags)
{
    struct madt_info *info = p->info;
    bool no_id = cpu.apic_id == (cpu.x2apic ? 0xffffffff : 0xff);

    if (!p->raw && flags & ~(ACPI_MADT_CPU_ENABLED | ACPI_MADT_CPU_ONLINE_CAPABLE))
        firmware_finding(FW_MADT_RESERVED, "entry %u: reserved flags of a CPU are set: 0x%x",
                         cpu.entry, flags);
    cpu.enabled = flags & ACPI_MADT_CPU_ENABLED;
    cpu.online_capable =
        !cpu.enabled && info->revision >= 5 && (flags & ACPI_MADT_CPU_ONLINE_CAPABLE);
    info->x2apic_entries += cpu.x2apic;
    info->disabled += !cpu.enabled;
    info->online_capable += cpu.online_capable;
    info->no_ids += no_id;
    if (no_id && !p->raw)
        return;
    if (cpu.enabled) {
        info->enabled++;
        info->max_apic_id = MAX(info->max_apic_id, cpu.apic_id);
        p->lapic_seen |= !cpu.x2apic;
    }
    if (info->cpu_count < p->max)
        p->cpus[info->cpu_count++] = cpu;
    else
        info->no_room++;
}

static void parse_lapic(struct madt_parser *p, const struct acpi_entry *e)
{
    struct acpi_madt_lapic c;

    if (take_entry(p, e, &c, sizeof(c)))
        add_cpu(p, (struct madt_cpu){.apic_id = c.apic_id, .uid = c.uid, .entry = e->index},
                c.flags);
}

static void parse_x2apic(struct madt_parser *p, const struct acpi_entry *e)
{
    struct acpi_madt_x2apic c;

    if (take_entry(p, e, &c, sizeof(c)))
        add_cpu(p,
                (struct madt_cpu){
                    .apic_id = c.apic_id, .uid = c.uid, .entry = e->index, .x2apic = true},
                c.flags);
}

static void parse_ioapic(struct madt_parser *p, const struct acpi_entry *e)
{
    struct madt_info *info = p->info;
    struct acpi_madt_ioapic io;

    if (!take_entry(p, e, &io, sizeof(io)))
        return;
    if (io.address == 0)
        firmware_finding(FW_MADT_IOAPIC_ADDRESS, "entry %u: I/O APIC %u has address 0", e->index,
                         io.id);
    for (u32 i = 0; i < info->ioapic_count; i++)
        if (info->ioapics[i].id == io.id)
            firmware_finding(FW_MADT_IOAPIC_DUPLICATE,
                             "entry %u: I/O APIC id %u is taken by the one at 0x%x", e->index,
                             io.id, info->ioapics[i].address);
    if (info->ioapic_count == MADT_MAX_IOAPICS) {
        pr_warn("ACPI: MADT: no room for I/O APIC %u at 0x%x", io.id, io.address);
        return;
    }
    info->ioapics[info->ioapic_count++] =
        (struct madt_ioapic){.id = io.id, .address = io.address, .gsi_base = io.gsi_base};
}

static void parse_override(struct madt_parser *p, const struct acpi_entry *e)
{
    struct acpi_madt_override o;

    if (!take_entry(p, e, &o, sizeof(o)))
        return;
    if (o.address)
        p->info->lapic_address = o.address;
    else
        firmware_finding(FW_MADT_LAPIC_ADDRESS,
                         "entry %u at offset 0x%zx overrides the local APIC address with 0",
                         e->index, e->offset);
}

static void parse_wakeup(struct madt_parser *p, const struct acpi_entry *e)
{
    struct madt_info *info = p->info;
    struct acpi_madt_wakeup w;

    if (!take_entry(p, e, &w, sizeof(w)) || p->raw)
        return;
    if (info->wakeups++) {
        firmware_finding(FW_MADT_WAKEUP_MAILBOX, "entry %u is another mailbox, at 0x%llx, ignored",
                         e->index, (ull)w.mailbox);
        return;
    }
    info->mailbox_version = w.mailbox_version;
    if (w.mailbox == 0 || w.mailbox % PAGE_SIZE)
        firmware_finding(FW_MADT_WAKEUP_MAILBOX, "entry %u at offset 0x%zx: mailbox at 0x%llx",
                         e->index, e->offset, (ull)w.mailbox);
    else
        info->mailbox = w.mailbox;
    firmware_finding(FW_MADT_WAKEUP,
                     "entry %u: CPUs may start only by the mailbox at 0x%llx, version %u", e->index,
                     (ull)w.mailbox, w.mailbox_version);
}

static void parse_entry(struct madt_parser *p, const struct acpi_entry *e)
{
    switch (e->type) {
    case ACPI_MADT_LAPIC:
        parse_lapic(p, e);
        break;
    case ACPI_MADT_X2APIC:
        parse_x2apic(p, e);
        break;
    case ACPI_MADT_IOAPIC:
        parse_ioapic(p, e);
        break;
    case ACPI_MADT_LAPIC_OVERRIDE:
        parse_override(p, e);
        break;
    case ACPI_MADT_WAKEUP:
        parse_wakeup(p, e);
        break;
    }
}

/*
 * Among the records of one id the one to keep sorts first: enabled before disabled, type 0 before
 * type 9, then table order.
 */
static int by_id(const void *a, const void *b, void *ctx UNUSED)
{
    const struct madt_cpu *x = a, *y = b;

    if (x->apic_id != y->apic_id)
        return sort_order(x->apic_id, y->apic_id);
    if (x->enabled != y->enabled)
        return x->enabled ? -1 : 1;
    if (x->x2apic != y->x2apic)
        return x->x2apic ? 1 : -1;
    return sort_order(x->entry, y->entry);
}

static int by_entry(const void *a, const void *b, void *ctx UNUSED)
{
    const struct madt_cpu *x = a, *y = b;

    return sort_order(x->entry, y->entry);
}

/* True: c, the first record of its id, is kept. See madt.h for type 9 beside type 0. */
static bool keep_first(struct madt_parser *p, const struct madt_cpu *c)
{
    if (!c->x2apic || c->apic_id >= 0xff || !p->lapic_seen)
        return true;
    if (!c->enabled) {
        p->info->quiet_duplicates++;
        return false;
    }
    firmware_finding(FW_MADT_X2APIC_LOW,
                     "entry %u is of type 9 for APIC id 0x%x, which belongs into a type 0 entry",
                     c->entry, c->apic_id);
    return true;
}

/* c repeats the id of kept. */
static void drop_repeat(struct madt_parser *p, const struct madt_cpu *c,
                        const struct madt_cpu *kept)
{
    if (!c->enabled || (c->x2apic && !kept->x2apic)) {
        p->info->quiet_duplicates++;
        return;
    }
    p->info->duplicates++;
    firmware_finding(FW_MADT_CPU_DUPLICATE, "entry %u repeats APIC id 0x%x of entry %u, ignored",
                     c->entry, c->apic_id, kept->entry);
}

/* Leaves one record per id, in table order. The array is its own scratch memory. */
static void drop_duplicates(struct madt_parser *p)
{
    struct madt_info *info = p->info;
    u32 kept = 0;
    u64 last_id = ~0ULL;
    struct madt_cpu first = {0};

    sort(p->cpus, info->cpu_count, sizeof(*p->cpus), by_id, NULL);
    for (u32 i = 0; i < info->cpu_count; i++) {
        struct madt_cpu c = p->cpus[i];

        if (c.apic_id == last_id) {
            drop_repeat(p, &c, &first);
            continue;
        }
        last_id = c.apic_id;
        first = c;
        if (keep_first(p, &c))
            p->cpus[kept++] = c;
    }
    info->cpu_count = kept;
    sort(p->cpus, kept, sizeof(*p->cpus), by_entry, NULL);
}

u32 madt_count_cpus(const void *table, size_t len)
{
    struct acpi_walk w;
    struct acpi_entry e;
    u32 n = 0;

    acpi_walk_begin_quiet(&w, (struct acpi_bytes){table, len}, sizeof(struct acpi_madt));
    while (acpi_walk_next(&w, &e))
        n += e.type == ACPI_MADT_LAPIC || e.type == ACPI_MADT_X2APIC;
    return n;
}

u32 madt_list_cpus(const void *table, size_t len, struct madt_cpu *cpus, u32 max)
{
    struct acpi_bytes bytes = {table, len};
    struct madt_info info = {0};
    struct madt_parser p = {.cpus = cpus, .max = max, .info = &info, .raw = true};
    struct acpi_madt head;
    struct acpi_walk w;
    struct acpi_entry e;

    if (!acpi_read(bytes, 0, &head, sizeof(head)))
        return 0;
    info.revision = head.h.revision;
    acpi_walk_begin_quiet(&w, bytes, sizeof(head));
    while (acpi_walk_next(&w, &e))
        if (e.type == ACPI_MADT_LAPIC || e.type == ACPI_MADT_X2APIC)
            parse_entry(&p, &e);
    return info.cpu_count;
}

int madt_parse(const void *table, size_t len, struct madt_cpu *cpus, u32 max,
               struct madt_info *info)
{
    struct madt_parser p = {.cpus = cpus, .max = max, .info = info};
    struct acpi_bytes bytes = {table, len};
    struct acpi_madt head;
    struct acpi_walk w;
    struct acpi_entry e;

    *info = (struct madt_info){0};
    if (!acpi_read(bytes, 0, &head, sizeof(head))) {
        firmware_finding(FW_MADT_SHORT, "length %zu, needs %zu", len, sizeof(head));
        return -EINVAL;
    }
    info->revision = head.h.revision;
    info->flags = head.flags;
    if (head.flags & ~ACPI_MADT_PCAT_COMPAT)
        firmware_finding(FW_MADT_RESERVED, "reserved flags at offset 0x28 are set: 0x%x",
                         head.flags);
    info->pcat_compat = head.flags & ACPI_MADT_PCAT_COMPAT;
    info->lapic_address = head.lapic_address;
    acpi_walk_begin(&w, bytes, sizeof(head), FW_MADT_ENTRY_CUT);
    while (acpi_walk_next(&w, &e))
        parse_entry(&p, &e);
    info->entries = w.index;
    if (!info->enabled)
        firmware_finding(FW_MADT_NO_CPU, "no enabled CPU in %u entries", info->entries);
    drop_duplicates(&p);
    if (info->disabled)
        firmware_finding(FW_MADT_ENTRY_DISABLED, "%u of %u CPU entries are disabled",
                         info->disabled, info->disabled + info->enabled);
    if (info->no_room)
        pr_warn("ACPI: MADT: no room for %u CPUs", info->no_room);
    return 0;
}

void madt_drop_ioapics(struct madt_info *info, const struct mmio_rules *rules)
{
    u32 kept = 0;

    for (u32 i = 0; i < info->ioapic_count; i++) {
        struct madt_ioapic *io = &info->ioapics[i];
        enum mmio_verdict v = mmio_allowed(rules, io->address, MADT_IOAPIC_BYTES);

        if (v == MMIO_OK)
            info->ioapics[kept++] = *io;
        else
            firmware_finding(FW_MADT_IOAPIC_ADDRESS, "I/O APIC %u at 0x%x: %s: not touched", io->id,
                             io->address, mmio_verdict_text(v));
    }
    info->ioapic_count = kept;
}
