/*
 * Any damage: every byte of every table of ten real machines and one of QEMU's (HMAT, CEDT), and of
 * what real loaders left in memory, takes wrong values; every table and block is cut off at every
 * length. Whatever is then believed must hold numa_verify(), nothing outside a table may be read
 * (ASan: each is an allocation of its own size), it must end (a watchdog), and nothing may be lost
 * without a word.
 *
 * As `perch test` runs it, each byte takes two of its ten wrong values, and every offset is cut;
 * DAMAGE_SWEEP=full (make damage-sweep) takes all ten: the eight single bits, 0 and 0xff. All 255:
 * tests/damage/every_value.c.
 * Reads its data relative to the top folder.
 * SPDX-License-Identifier: MIT
 */
#include "tests/damage/damage_check.h"

#define VALUES 10 /* wrong values of a byte: 8 bits, 0, 0xff */

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

/* ---- what loaders leave ---------------------------------------------------------------------- */

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
