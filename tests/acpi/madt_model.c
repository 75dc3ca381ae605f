/*
 * The MADT against a model that looks at every pair of entries: tables out of order, with holes,
 * repeats, hundreds of disabled entries, ids without a CPU, no id 0, both types of entry mixed.
 * Then the CPU numbers that follow from it, with the boot CPU anywhere in the table, or missing.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/ktest.h"
#include "tests/host/random.h"
#include "tests/host/shim.h"
#include "tests/mm/numa/numa_host.h"

#define ROUNDS      4000
#define MAX_ENTRIES 400

struct entry {
    u32 id;
    bool enabled, x2apic;
    bool other; /* not a CPU */
};

static struct entry entries[MAX_ENTRIES];
static u32 nr_entries;

static u64 seed = 1;

static u32 below(u32 n)
{
    return (u32)(random_lcg(&seed) >> 33) % n;
}

static bool nobody(const struct entry *e)
{
    return e->id == (e->x2apic ? 0xffffffff : 0xff);
}

/* From a few ids, so that many repeat, or from many, mostly disabled, as real tables are. */
static void make_entries(void)
{
    u32 span = 1 + below(below(2) ? 12 : 500), first = below(3) ? below(40) : 0;
    u32 disabled_of_10 = below(10), x2apic_of_10 = below(11);

    nr_entries = below(below(4) ? 30 : MAX_ENTRIES + 1);
    for (u32 i = 0; i < nr_entries; i++) {
        struct entry *e = &entries[i];

        *e = (struct entry){
            .id = first + below(span),
            .enabled = below(10) >= disabled_of_10,
            .x2apic = below(10) < x2apic_of_10,
            .other = below(20) == 0,
        };
        if (!e->x2apic)
            e->id &= 0xff;
        if (below(15) == 0)
            e->id = e->x2apic ? 0xffffffff : 0xff;
    }
}

static void build(struct table *t)
{
    madt_begin(t, 4);
    for (u32 i = 0; i < nr_entries; i++) {
        const struct entry *e = &entries[i];

        if (e->other)
            put(t, 0x0477, 2), put(t, 0, 2);
        else if (e->x2apic)
            madt_x2apic(t, e->id, e->enabled);
        else
            madt_lapic(t, (u8)e->id, e->enabled);
    }
    seal(t);
    tighten(t);
}

/* The better record of one CPU: enabled, then type 0, then the earlier one. */
static bool better(u32 i, u32 k)
{
    const struct entry *a = &entries[i], *b = &entries[k];

    if (a->enabled != b->enabled)
        return a->enabled;
    if (a->x2apic != b->x2apic)
        return !a->x2apic;
    return i < k;
}

static bool is_cpu(u32 i)
{
    return !entries[i].other && !nobody(&entries[i]);
}

static bool kept(u32 i)
{
    bool lapic = false;

    if (!is_cpu(i))
        return false;
    for (u32 k = 0; k < nr_entries; k++) {
        if (!is_cpu(k))
            continue;
        if (k != i && entries[k].id == entries[i].id && better(k, i))
            return false;
        lapic |= entries[k].enabled && !entries[k].x2apic;
    }
    /* A disabled type 9 entry below 255 says nothing where type 0 entries are in use. */
    return !(lapic && entries[i].x2apic && !entries[i].enabled && entries[i].id < 255);
}

static void check_records(const struct machine *m)
{
    u32 n = 0;

    for (u32 i = 0; i < nr_entries; i++) {
        const struct madt_cpu *c = &m->cpus[n];

        if (!kept(i))
            continue;
        REQUIRE_TRUE(n < m->madt_info.cpu_count);
        EXPECT_EQ(c->entry, i);
        EXPECT_EQ(c->apic_id, entries[i].id);
        EXPECT_EQ(c->enabled, entries[i].enabled);
        EXPECT_EQ(c->x2apic, entries[i].x2apic);
        n++;
    }
    EXPECT_EQ(m->madt_info.cpu_count, n);
}

/* CPU 0 is who runs; then the enabled ones as they stand. */
static void check_numbers(const struct machine *m)
{
    u32 cpu = 1;
    bool listed = false;

    EXPECT_EQ(m->t.cpus[0].apic_id, m->boot_apic_id);
    for (u32 i = 0; i < nr_entries; i++) {
        if (!kept(i) || !entries[i].enabled)
            continue;
        if (entries[i].id == m->boot_apic_id) {
            listed = true;
            continue;
        }
        REQUIRE_TRUE(cpu < m->t.cpu_count);
        EXPECT_EQ(m->t.cpus[cpu++].apic_id, entries[i].id);
    }
    EXPECT_EQ(m->t.cpu_count, cpu);
    EXPECT_EQ(firmware_found()->count[FW_MADT_BOOT_CPU], !listed && m->madt_info.cpu_count ? 1 : 0);
}

static bool has_id(const struct machine *m, u32 id)
{
    for (u32 i = 0; i < m->madt_info.cpu_count; i++)
        if (m->cpus[i].apic_id == id)
            return true;
    return false;
}

KTEST(madt, any_table_as_the_model_says)
{
    static const struct range ram = {0, SZ_1G};
    u32 no_zero = 0, boot_unlisted = 0, many_disabled = 0, repeats = 0;

    for (u32 round = 0; round < ROUNDS; round++) {
        struct machine m = {.ram = &ram, .ram_count = 1};

        make_entries();
        build(&m.madt);
        m.boot_apic_id = nr_entries && below(8) ? entries[below(nr_entries)].id : below(600);
        if (m.boot_apic_id == 0xff || m.boot_apic_id == 0xffffffff)
            m.boot_apic_id = 7;
        shim_log_reset();
        REQUIRE_EQ(machine_build(&m), 0);
        EXPECT_EQ(numa_verify(&m.t, &ram, 1), 0);
        check_records(&m);
        check_numbers(&m);
        no_zero += m.madt_info.cpu_count && !has_id(&m, 0);
        boot_unlisted += firmware_found()->count[FW_MADT_BOOT_CPU] != 0;
        many_disabled += m.madt_info.disabled > 100;
        repeats += m.madt_info.duplicates != 0;
        machine_free(&m);
    }
    EXPECT_TRUE(no_zero > 100 && boot_unlisted > 100 && many_disabled > 100 && repeats > 100);
}
