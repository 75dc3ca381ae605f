/*
 * Any damage, all of it: each byte of every table and loader block of tests/damage/damage_check.h
 * takes all 255 wrong values, twice: as it is, and with the checksum made right. For speed this is
 * plain -O2 code (undefined behaviour traps), no log line is formatted, and instead of ASan each
 * table ends where a page ends that may be read and one begins that may not. So each table lies at
 * an odd address, too, as firmware's may. ASan sees a part of the same in damage_test.c.
 *
 * DAMAGE_PART=full: all of this, by `make damage-sweep`. Else, in `perch test`: all loader blocks;
 * with the checksum made right, all tables of the machines in whole[], and the first HEAD bytes of
 * every other table. DAMAGE_SHARE=K/N: every N-th byte from the K-th on, so that N processes do it
 * together.
 * Reads its data relative to the top folder.
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <sys/mman.h>

#include "tests/damage/damage_check.h"

#define GUARD_PAGE 4096u
#define HEAD       64 /* in `perch test`, of a table of a machine not in whole[] */

static const char *const whole[] = {"acpi/asustek-m4a88td-v-evo-usb3-822e",
                                    "acpi/hewlett-packard-touchsmart-tx2-6909", "qemu-acpi"};

/* ---- between guard pages --------------------------------------------------------------------- */

struct guarded {
    u8 *map;
    size_t size;
};

static struct guarded guards[WORLD_MAX];

/* Each piece moves to where its last byte is the last that can be read. */
static void guard(struct world *w)
{
    for (u32 i = 0; i < w->count; i++) {
        struct table *t = &w->pieces[i].t;
        size_t inner = (t->len + GUARD_PAGE - 1) & ~(size_t)(GUARD_PAGE - 1);
        struct guarded *g = &guards[i];
        u8 *b;

        g->size = inner + 2 * GUARD_PAGE;
        g->map = mmap(NULL, g->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (g->map == MAP_FAILED ||
            mprotect(g->map + GUARD_PAGE, inner, PROT_READ | PROT_WRITE) != 0)
            abort();
        b = g->map + GUARD_PAGE + inner - t->len;
        memcpy(b, t->b, t->len);
        free(t->b);
        t->b = b;
    }
}

static void unguard(struct world *w)
{
    for (u32 i = 0; i < w->count; i++)
        if (munmap(guards[i].map, guards[i].size) != 0)
            abort();
    w->count = 0;
}

/* What is being damaged, for the last words of a run that crashes. */
static struct {
    const char *what, *piece;
    size_t at;
    u8 value;
} last;

static void crashed(int signal)
{
    char text[160];
    int len = snprintf(text, sizeof(text), "damage: signal %d: %s, %s: offset 0x%zx is 0x%02x\n",
                       signal, last.what, last.piece, last.at, last.value);

    if (write(2, text, (size_t)len) < 0 || len)
        abort();
}

static void catch_crashes(const char *what)
{
    last.what = what;
    signal(SIGSEGV, crashed);
    signal(SIGILL, crashed); /* undefined behaviour */
    watchdog(what);
}

static sigjmp_buf faulted;

static void jump_back(int signal UNUSED)
{
    siglongjmp(faulted, 1);
}

/* The judge can fail: the byte behind each table cannot be read, the last one can. */
KTEST(every_value, nothing_behind_a_table_can_be_read)
{
    volatile u32 faults = 0, read = 0;
    struct world w;

    world_load(&w, machines[0]);
    guard(&w);
    for (volatile u32 i = 0; i < w.count; i++) {
        const volatile u8 *end = w.pieces[i].t.b + w.pieces[i].t.len;

        signal(SIGSEGV, jump_back);
        if (sigsetjmp(faulted, 1)) {
            faults++;
            continue;
        }
        (void)end[-1];
        read++;
        (void)end[0];
    }
    signal(SIGSEGV, SIG_DFL);
    EXPECT_EQ(read, w.count);
    EXPECT_EQ(faults, w.count);
    unguard(&w);
}

/* ---- which part ------------------------------------------------------------------------------ */

struct part {
    bool full;
    u32 share, shares;
};

static struct part which_part(void)
{
    struct part p = {.shares = 1};
    const char *part = getenv("DAMAGE_PART"), *share = getenv("DAMAGE_SHARE");

    p.full = part && strcmp(part, "full") == 0;
    if (share && (sscanf(share, "%u/%u", &p.share, &p.shares) != 2 || p.share >= p.shares))
        abort();
    return p;
}

static bool mine(const struct part *part, size_t at)
{
    return at % part->shares == part->share;
}

/* How many bytes of a table of this machine are damaged? */
static size_t bytes_of(const struct part *part, const char *machine, size_t len)
{
    for (size_t i = 0; i < ARRAY_SIZE(whole); i++)
        if (part->full || strcmp(whole[i], machine) == 0)
            return len;
    return MIN(len, (size_t)HEAD);
}

/* ---- the sweeps ------------------------------------------------------------------------------ */

struct sweep {
    struct part part;
    struct base base;
    u64 runs;
};

/*
 * One damage, the checksum as it became, then made right. As it became, only length, checksum and
 * the root tables let anything but "table-checksum" follow.
 */
static bool both_hold(struct world *w, u32 piece, size_t at, struct sweep *s)
{
    bool held = true;

    if (s->part.full || piece < 2 || at < 10) {
        held = holds(w, &s->base, sum_is_right(&w->pieces[piece].t));
        s->runs++;
    }
    s->runs++;
    return held && holds(w, &s->base, true);
}

static bool sweep_byte(struct world *w, u32 piece, size_t at, struct sweep *s)
{
    u8 *byte = &w->pieces[piece].t.b[at], good = *byte;
    bool held = true;

    last.piece = w->pieces[piece].name;
    last.at = at;
    alarm(SECONDS);
    for (u32 wrong = 1; wrong < 256 && held; wrong++) {
        *byte = good ^ (u8)wrong;
        last.value = *byte;
        held = both_hold(w, piece, at, s);
        if (!held)
            ktest_fail(__FILE__, __LINE__, "%s: offset 0x%zx, 0x%02x for 0x%02x",
                       w->pieces[piece].name, at, *byte, good);
    }
    *byte = good;
    return held;
}

static void sweep_machine(const char *name, struct sweep *s)
{
    struct world w;

    world_load(&w, name);
    guard(&w);
    catch_crashes(name);
    EXPECT_TRUE(w.count > 4);
    EXPECT_TRUE(world_boot(&w, false, &s->base.decided));
    s->base.found = *firmware_found();
    for (u32 p = 0; p < w.count; p++) {
        size_t bytes = bytes_of(&s->part, name, w.pieces[p].t.len);

        for (size_t at = 0; at < bytes; at++)
            if (mine(&s->part, at) && !sweep_byte(&w, p, at, s))
                break;
    }
    unguard(&w);
}

KTEST(every_value, of_every_byte_of_the_tables)
{
    static struct sweep s;

    s.part = which_part();
    shim_log_quiet(true);
    for (size_t i = 0; i < ARRAY_SIZE(machines); i++)
        sweep_machine(machines[i], &s);
    alarm(0);
    shim_log_quiet(false);
    ktest_note("%llu boots", (unsigned long long)s.runs);
    EXPECT_TRUE(s.runs > (s.part.full ? 15000000 : 1500000) / s.part.shares);
}

static void sweep_loader(const char *name, const struct part *part, u64 *runs)
{
    bool pvh = strncmp(name, "pvh", 3) == 0;
    struct world w;

    catch_crashes(name);
    load_block(&w, name);
    guard(&w);
    EXPECT_EQ(parse_block(&w, pvh), 0);
    for (u32 i = 0; i < w.count; i++) {
        for (size_t at = 0; at < w.pieces[i].t.len; at++) {
            u8 *byte = &w.pieces[i].t.b[at], good = *byte;

            if (!mine(part, at))
                continue;
            alarm(SECONDS);
            for (u32 wrong = 1; wrong < 256; wrong++, ++*runs) {
                *byte = good ^ (u8)wrong;
                last.piece = "loader block";
                last.at = at;
                last.value = *byte;
                parse_block(&w, pvh);
                EXPECT_LE(shim_log_count(), MAX_LINES);
            }
            *byte = good;
        }
    }
    unguard(&w);
}

KTEST(every_value, of_every_byte_of_every_loader_block)
{
    struct part part = which_part();
    u64 runs = 0;

    shim_log_quiet(true);
    for (size_t i = 0; i < ARRAY_SIZE(loaders); i++)
        sweep_loader(loaders[i], &part, &runs);
    alarm(0);
    shim_log_quiet(false);
    ktest_note("%llu parses", (unsigned long long)runs);
    EXPECT_TRUE(runs > 3000000 / part.shares);
}
