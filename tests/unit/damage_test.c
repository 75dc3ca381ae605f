/*
 * Any damage: every byte of every table of ten real machines and one of QEMU's (HMAT, CEDT), and of
 * what real loaders left in memory, takes wrong values; every table and block is cut off at every
 * length. Whatever is then believed must hold numa_verify(), nothing outside a table may be read
 * (ASan: each is an allocation of its own size), it must end (a watchdog), and nothing may be lost
 * without a word.
 *
 * As `perch test` runs it, each byte takes two of its ten wrong values, and every offset is cut;
 * DAMAGE_SWEEP=full (make damage-sweep) takes all ten: the eight single bits, 0 and 0xff.
 * Reads its data relative to the top folder.
 * SPDX-License-Identifier: MIT
 */
#include <signal.h>
#include <unistd.h>

#include "boot/multiboot2.h"
#include "boot/pvh.h"
#include "kernel/base/errno.h"
#include "tests/fuzz/boot_fuzz.h"
#include "tests/unit/damage_world.h"

#define VALUES 10 /* wrong values of a byte: 8 bits, 0, 0xff */
#define MAX_LINES                                                                                  \
    1200            /* of log for one machine, whatever its tables say; 80 CPUs have about 250     \
                     */
#define SECONDS 120 /* of the watchdog for one machine */

static const char *const machines[] = {
    "acpi/asustek-m4a88td-v-evo-usb3-822e",
    "acpi/dell-poweredge-r820-e598",
    "acpi/evga-x299-micro-4b64",
    "acpi/hewlett-packard-proliant-dl165-g7-1979",
    "acpi/hewlett-packard-proliant-dl360-g7-60dc",
    "acpi/hewlett-packard-touchsmart-tx2-6909",
    "acpi/huanan-x99-qd4-v1-0-734c",
    "acpi/supermicro-h8dgu-57ed",
    "acpi/supermicro-h8qg6-58e8",
    "acpi/supermicro-x10dai-4a64",
    "qemu-acpi",
};

static const char *const loaders[] = {"pvh-qboot", "pvh-seabios", "multiboot2-bios",
                                      "multiboot2-uefi"};

static bool every_value(void)
{
    const char *sweep = getenv("DAMAGE_SWEEP");

    return sweep && strcmp(sweep, "full") == 0;
}

/* Two values an offset, another two with each offset, unless all are wanted. */
static bool chosen(size_t offset, u32 value)
{
    return every_value() || value == offset * 2 % VALUES || value == (offset * 2 + 5) % VALUES;
}

static u8 wrong(u8 byte, u32 value)
{
    return value < 8 ? byte ^ (u8)(1u << value) : value == 8 ? 0 : 0xff;
}

static void still_running(int signal UNUSED)
{
    static const char text[] = "damage: the watchdog ended a run that does not end\n";

    if (write(2, text, sizeof(text) - 1) < 0 || text[0])
        abort();
}

static void watchdog(const char *name)
{
    ktest_note("%s", name);
    signal(SIGALRM, still_running);
    alarm(SECONDS);
}

/* What the machine decides when nothing is damaged, and the findings it has then. */
struct base {
    u64 decided;
    struct firmware_findings found;
};

/* Is there a finding that the whole machine has not? */
static bool said(const struct base *base)
{
    const struct firmware_findings *now = firmware_found(), *then = &base->found;

    for (u32 i = 0, k; i < now->nr_kept; i++) {
        for (k = 0; k < then->nr_kept; k++)
            if (now->kept[i].id == then->kept[k].id &&
                strcmp(now->kept[i].text, then->kept[k].text) == 0)
                break;
        if (k == then->nr_kept)
            return true;
    }
    return false;
}

/* One damage: true when all held. With checksums, a change must have been said. */
static bool holds(struct world *w, const struct base *base, bool ignore_checksums)
{
    u64 decided;

    if (!world_boot(w, ignore_checksums, &decided) || shim_log_count() > MAX_LINES)
        return false;
    return ignore_checksums || decided == base->decided || said(base);
}

/* A shorter length can have a right sum too: then nothing gives the damage away (5.2.6). */
static bool sum_is_right(const struct table *t)
{
    u32 length;
    u8 sum = 0;

    memcpy(&length, t->b + 4, sizeof(length));
    for (u32 i = 0; i < length && i < t->len; i++)
        sum = (u8)(sum + t->b[i]);
    return length >= ACPI_TABLE_MIN && length <= t->len && sum == 0;
}

/* One piece, every byte; the first damage that does not hold is named. */
static bool sweep_bytes(struct world *w, struct piece *p, const struct base *base, u64 *runs)
{
    for (size_t at = 0; at < p->t.len; at++) {
        u8 good = p->t.b[at];

        for (u32 value = 0; value < VALUES; value++) {
            bool held = true;

            p->t.b[at] = wrong(good, value);
            if (p->t.b[at] != good && chosen(at, value)) {
                held = holds(w, base, sum_is_right(&p->t)) && holds(w, base, true);
                *runs += 2;
            }
            p->t.b[at] = good;
            if (held)
                continue;
            ktest_note("%s: offset 0x%zx, 0x%02x for 0x%02x", p->name, at, wrong(good, value),
                       good);
            return false;
        }
    }
    return true;
}

static bool says_less(const char *name)
{
    return !strcmp(name, "XSDT") || !strcmp(name, "HMAT") || !strcmp(name, "CEDT");
}

/*
 * One piece cut off at every length: as it is, and with length and checksum made right. After that
 * an XSDT, HMAT or CEDT that ends between two entries is a good one that says less, and no other
 * table knows what is missing.
 */
static bool sweep_lengths(struct world *w, struct piece *p, const struct base *base, u64 *runs)
{
    struct table whole = p->t;

    for (size_t len = 0; len < whole.len; len++) {
        bool held;

        p->t = (struct table){.b = malloc(len ? len : 1), .len = len, .max = len};
        memcpy(p->t.b, whole.b, len);
        held = holds(w, base, false) && holds(w, base, true);
        if (held && len >= ACPI_TABLE_MIN && p != &w->pieces[0]) {
            seal(&p->t);
            held = holds(w, base, says_less(p->name));
        }
        *runs += 3;
        free(p->t.b);
        p->t = whole;
        if (!held) {
            ktest_note("%s: %zu of %zu bytes", p->name, len, whole.len);
            return false;
        }
    }
    return true;
}

typedef bool sweep_fn(struct world *w, struct piece *p, const struct base *base, u64 *runs);

static void sweep_machines(sweep_fn *sweep)
{
    u64 runs = 0;

    for (size_t i = 0; i < ARRAY_SIZE(machines); i++) {
        struct world w;
        static struct base base;

        watchdog(machines[i]);
        world_load(&w, machines[i]);
        REQUIRE_TRUE(w.count > 4);
        REQUIRE_TRUE(world_boot(&w, false, &base.decided));
        base.found = *firmware_found();
        for (u32 p = 0; p < w.count; p++)
            EXPECT_TRUE(sweep(&w, &w.pieces[p], &base, &runs));
        world_free(&w);
    }
    alarm(0);
    ktest_note("%llu boots", (unsigned long long)runs);
    EXPECT_TRUE(runs > 10000);
}

KTEST(damage, every_byte_of_every_table)
{
    sweep_machines(sweep_bytes);
}

KTEST(damage, every_length_of_every_table)
{
    sweep_machines(sweep_lengths);
}

/* ---- what loaders leave --------------------------------------------------------------------- */

static u64 number(const u8 *b)
{
    u64 value;

    memcpy(&value, b, sizeof(value));
    return value;
}

/* Records of address, length and bytes; the block itself is the first. */
static void load_block(struct world *w, const char *name)
{
    char path[128];
    struct table file;

    snprintf(path, sizeof(path), "tests/data/loader/%s.bin", name);
    file = read_whole(path);
    *w = (struct world){0};
    for (size_t at = 0; at + 16 <= file.len;) {
        struct table t = {0};
        size_t len = number(file.b + at + 8);

        for (size_t i = 0; i < len; i++)
            put(&t, file.b[at + 16 + i], 1);
        tighten(&t);
        world_add(w, name, number(file.b + at), t);
        at += 16 + len;
    }
    free(file.b);
}

static int parse_block(struct world *w, bool pvh)
{
    static struct boot_info info;
    struct phys_window window = {world_map, w};
    int err;

    shim_log_reset();
    err = pvh ? pvh_parse(&window, w->pieces[0].pa, &info)
              : multiboot2_parse(&window, w->pieces[0].pa, &info);
    fuzz_check_boot_info(&info);
    return err;
}

static void sweep_block(struct world *w, bool pvh, u64 *runs)
{
    for (u32 i = 0; i < w->count; i++) {
        struct table *t = &w->pieces[i].t;

        for (size_t at = 0; at < t->len; at++) {
            u8 good = t->b[at];

            for (u32 value = 0; value < VALUES; value++, ++*runs) {
                t->b[at] = wrong(good, value);
                parse_block(w, pvh);
                EXPECT_TRUE(shim_log_count() <= MAX_LINES);
            }
            t->b[at] = good;
        }
    }
}

KTEST(damage, every_byte_of_every_loader_block)
{
    u64 runs = 0;

    for (size_t i = 0; i < ARRAY_SIZE(loaders); i++) {
        bool pvh = strncmp(loaders[i], "pvh", 3) == 0;
        struct world w;

        watchdog(loaders[i]);
        load_block(&w, loaders[i]);
        REQUIRE_TRUE(w.count > 0);
        REQUIRE_EQ(parse_block(&w, pvh), 0);
        sweep_block(&w, pvh, &runs);
        world_free(&w);
    }
    alarm(0);
    EXPECT_TRUE(runs > 100000);
}

/* Cut off in memory, and, of a Multiboot2 block, cut off by its own total size (3.6.2). */
static void cut_block(struct world *w, bool pvh, u32 which)
{
    struct table whole = w->pieces[which].t;

    for (size_t len = 0; len < whole.len; len++) {
        struct table *t = &w->pieces[which].t;
        u32 size = (u32)len;
        int err;

        *t = (struct table){.b = malloc(len ? len : 1), .len = len, .max = len};
        memcpy(t->b, whole.b, len);
        err = parse_block(w, pvh);
        EXPECT_TRUE(err || shim_log_count() || (pvh && which > 0));
        if (!pvh && len >= 8) {
            memcpy(t->b, &size, sizeof(size));
            err = parse_block(w, pvh);
            EXPECT_TRUE(err || shim_log_count());
        }
        free(t->b);
        *t = whole;
    }
}

KTEST(damage, every_length_of_every_loader_block)
{
    for (size_t i = 0; i < ARRAY_SIZE(loaders); i++) {
        bool pvh = strncmp(loaders[i], "pvh", 3) == 0;
        struct world w;

        watchdog(loaders[i]);
        load_block(&w, loaders[i]);
        REQUIRE_TRUE(w.count > 0);
        for (u32 which = 0; which < w.count; which++)
            cut_block(&w, pvh, which);
        world_free(&w);
    }
    alarm(0);
}
