/*
 * The debug build's checks over a hosted machine: each kind of misuse gives its line, with the
 * place in the code, the CPU and the offset; right use gives none; nothing is lost.
 * SPDX-License-Identifier: MIT
 */
#include <string.h>
#include "kernel/base/printf.h"
#include "percpu/debug/debug.h"
#include "tests/percpu/alloc/alloc_rig.h"

/* CPU 3 has never been online. */
static const struct world_shape small = {
    .nr_nodes = 2, .nr_cpus = 4, .reserved_size = 8192, .absent = {1u << 3}};

#define SITE_A 0x1111u /* allocates */
#define SITE_F 0x2222u /* frees */
#define SITE_X 0x3333u /* frees again */

struct debug_rig {
    struct alloc_rig *r;
    struct pcpu_debug d;
    u64 mapped_at; /* what mapped() says yes to, 0: nothing; a page */
    u32 asked;
};

static int site_name(void *ctx, uintptr_t site, char *buf, size_t size)
{
    (void)ctx;
    return ksnprintf(buf, size, "site_%llx", (unsigned long long)site);
}

static bool mapped(void *ctx, u64 va)
{
    struct debug_rig *g = ctx;

    g->asked++;
    return g->mapped_at && va - g->mapped_at < PAGE_SIZE;
}

static struct pcpu_debug_config config_of(struct debug_rig *g)
{
    return (struct pcpu_debug_config){g, site_name, mapped};
}

static struct debug_rig *debug_new(const struct world_shape *shape)
{
    struct debug_rig *g = calloc(1, sizeof(*g));
    struct pcpu_debug_config config = config_of(g);

    g->r = rig_new(shape);
    if (pcpu_debug_init(&g->d, &g->r->a, &config))
        ktest_fail(__FILE__, __LINE__, "pcpu_debug_init");
    return g;
}

static void debug_end(struct debug_rig *g)
{
    const char *bad = pcpu_debug_verify(&g->d);

    if (bad)
        ktest_fail(__FILE__, __LINE__, "%s", bad);
    pcpu_debug_destroy(&g->d);
    rig_end(g->r);
    free(g);
}

static void *get(struct debug_rig *g, size_t size, size_t align, u32 flags)
{
    void *p = pcpu_debug_alloc(&g->d, size, align, flags, SITE_A);

    if (!p)
        ktest_fail(__FILE__, __LINE__, "no memory: %zu", size);
    return p;
}

static void put(struct debug_rig *g, void *p)
{
    pcpu_debug_free(&g->d, p, SITE_F);
}

static u8 *copy(struct debug_rig *g, void *p, u32 cpu)
{
    return rig_ptr(g->r, p, cpu);
}

static u64 damage(struct debug_rig *g)
{
    struct pcpu_debug_stats st;

    pcpu_debug_get_stats(&g->d, &st);
    return st.damage;
}

/* Since the last shim_log_reset() exactly one line, which contains all of these. */
static void said(const char *a, const char *b, const char *c)
{
    if (shim_log_count() != 1 || !shim_log_contains(a) || !shim_log_contains(b) ||
        !shim_log_contains(c))
        ktest_fail(__FILE__, __LINE__, "%zu lines, the first \"%s\"; wanted \"%s\" \"%s\" \"%s\"",
                   shim_log_count(), shim_log_line(0), a, b, c);
    shim_log_reset();
}

/* ---- right use ------------------------------------------------------------------------------- */

/* Every byte that was asked for is the user's, zero at first, in every unit. */
static void use(struct debug_rig *g, size_t size, size_t align, u32 flags)
{
    u8 *p = get(g, size, align, flags);

    EXPECT_TRUE(align > SZ_1K * 64 || is_aligned((uintptr_t)p, align));
    EXPECT_TRUE(is_aligned((uintptr_t)copy(g, p, 0), align));
    EXPECT_TRUE(rig_all_zero(g->r, p, size));
    EXPECT_EQ(pcpu_debug_size(&g->d, p), size);
    EXPECT_EQ(pcpu_debug_size(&g->d, p + 1), 0);
    rig_fill(g->r, p, size, 7);
    EXPECT_EQ(pcpu_debug_check_all(&g->d), 0);
    EXPECT_TRUE(rig_holds(g->r, p, size, 7));
    put(g, p);
    EXPECT_EQ(pcpu_debug_size(&g->d, p), 0);
}

KTEST(percpu_debug, right_use_is_silent)
{
    struct debug_rig *g = debug_new(&small);
    u32 unit = g->r->a.unit_size;

    for (size_t size = 1; size < 700; size += size < 70 ? 1 : 13)
        use(g, size, size % 3 ? 1 : 8, 0);
    for (size_t align = 1; align <= unit; align *= 2)
        use(g, 100, align, 0);
    use(g, 5000, 64, PCPU_ATOMIC);
    use(g, 300000, 8, 0);
    use(g, unit - 32, 8, 0);
    use(g, unit - 8, 8, 0);
    use(g, unit, 8, 0);
    use(g, unit, unit, 0);
    EXPECT_EQ(damage(g), 0);
    EXPECT_EQ(shim_log_count(), 0);
    debug_end(g);
}

KTEST(percpu_debug, wrong_sizes_are_refused)
{
    struct debug_rig *g = debug_new(&small);
    u32 unit = g->r->a.unit_size;

    EXPECT_FALSE(pcpu_debug_alloc(&g->d, 0, 8, 0, SITE_A));
    EXPECT_FALSE(pcpu_debug_alloc(&g->d, 8, 3, 0, SITE_A));
    EXPECT_FALSE(pcpu_debug_alloc(&g->d, unit + 1, 8, 0, SITE_A));
    EXPECT_FALSE(pcpu_debug_alloc(&g->d, 8, 2 * unit, 0, SITE_A));
    EXPECT_EQ(shim_log_matches("illegal size or align"), 4);
    debug_end(g);
}

KTEST(percpu_debug, bulk)
{
    struct debug_rig *g = debug_new(&small);
    static void *p[300];

    EXPECT_EQ(pcpu_debug_alloc_bulk(&g->d, 40, 8, 0, ARRAY_SIZE(p), p, SITE_A), ARRAY_SIZE(p));
    for (u32 i = 0; i < ARRAY_SIZE(p); i++)
        rig_fill(g->r, p[i], 40, i);
    for (u32 i = 0; i < ARRAY_SIZE(p); i++)
        EXPECT_TRUE(rig_holds(g->r, p[i], 40, i));
    EXPECT_EQ(pcpu_debug_check_all(&g->d), 0);
    shim_log_reset();
    EXPECT_EQ(pcpu_debug_leaks(&g->d), ARRAY_SIZE(p));
    EXPECT_TRUE(
        shim_log_contains("leak: 300 objects, 12000 bytes per unit, allocated by site_1111"));
    pcpu_debug_free_bulk(&g->d, ARRAY_SIZE(p), p, SITE_F);
    EXPECT_EQ(pcpu_debug_leaks(&g->d), 0);
    EXPECT_EQ(damage(g), 0);
    debug_end(g);
}

KTEST(percpu_debug, unzeroed_memory_is_not_zero)
{
    struct debug_rig *g = debug_new(&small);
    u8 *p = get(g, 24, 8, PCPU_NOZERO);

    for (u32 cpu = 0; cpu < 4; cpu++)
        for (u32 i = 0; i < 24; i++)
            EXPECT_EQ(copy(g, p, cpu)[i], cpu == 3 ? 0 : PCPU_DEBUG_UNINIT);
    put(g, p);
    debug_end(g);
}

/* ---- zones ----------------------------------------------------------------------------------- */

KTEST(percpu_debug, overflow)
{
    struct debug_rig *g = debug_new(&small);
    u8 *p = get(g, 21, 8, 0);

    copy(g, p, 2)[21] = 0xee;
    EXPECT_STREQ(pcpu_debug_verify(&g->d), "debug: a red zone is damaged");
    shim_log_reset();
    EXPECT_EQ(pcpu_debug_size(&g->d, p), 21);
    said("overflow of", "CPU 2's copy has 0xee in byte 0 after its end",
         "21 bytes, allocated by site_1111");
    EXPECT_EQ(pcpu_debug_size(&g->d, p), 21); /* repaired */
    EXPECT_EQ(shim_log_count(), 0);
    copy(g, p, 1)[21 + 7] = 1;
    put(g, p);
    said("overflow of", "CPU 1's copy has 0x01 in byte 7 after its end", "site_1111");
    EXPECT_EQ(damage(g), 2);
    EXPECT_EQ(pcpu_debug_forgive(&g->d), 2);
    EXPECT_EQ(damage(g), 0);
    debug_end(g);
}

/* The damage next to the object is what is named; every alignment has a zone up to a page's. */
KTEST(percpu_debug, underflow)
{
    struct debug_rig *g = debug_new(&small);

    for (size_t align = 4; align <= 4096; align *= 2) {
        u8 *p = get(g, 64, align, 0);

        copy(g, p, 0)[-1] = 0x77;
        copy(g, p, 0)[-9] = 0x78;
        shim_log_reset();
        put(g, p);
        said("underflow of", "CPU 0's copy has 0x77 in byte 1 before its start", "64 bytes");
    }
    debug_end(g);
}

KTEST(percpu_debug, last_bytes_of_a_unit)
{
    struct debug_rig *g = debug_new(&small);
    u32 unit = g->r->a.unit_size;
    u8 *p = get(g, unit - 8, 8, 0);

    copy(g, p, 1)[unit - 8] = 0;
    shim_log_reset();
    put(g, p);
    said("overflow", "CPU 1", "byte 0 after");
    debug_end(g);
}

KTEST(percpu_debug, check_all_finds_every_one)
{
    struct debug_rig *g = debug_new(&small);
    u8 *p = get(g, 8, 8, 0), *q = get(g, 8, 8, PCPU_RESERVED), *fine = get(g, 8, 8, 0);

    copy(g, p, 0)[-4] = 0;
    copy(g, q, 3)[8] = 0; /* the first chunk is backed for everybody */
    shim_log_reset();
    EXPECT_EQ(pcpu_debug_check_all(&g->d), 2);
    EXPECT_EQ(shim_log_matches("underflow of"), 1);
    EXPECT_TRUE(shim_log_contains("CPU 3's copy has 0x00 in byte 0 after its end"));
    EXPECT_EQ(pcpu_debug_check_all(&g->d), 0);
    put(g, p);
    put(g, q);
    put(g, fine);
    debug_end(g);
}

/* ---- after free ------------------------------------------------------------------------------ */

KTEST(percpu_debug, use_after_free)
{
    struct debug_rig *g = debug_new(&small);
    u8 *p = get(g, 48, 8, 0);

    put(g, p);
    for (u32 cpu = 0; cpu < 3; cpu++)
        for (u32 i = 0; i < 48; i++)
            EXPECT_EQ(copy(g, p, cpu)[i], PCPU_DEBUG_FREED);
    copy(g, p, 2)[13] = 0x42;
    EXPECT_STREQ(pcpu_debug_verify(&g->d), "debug: poison is damaged");
    shim_log_reset();
    EXPECT_EQ(pcpu_debug_flush(&g->d), 1);
    said("use after free of", "CPU 2's copy has 0x42 at offset 13; 48 bytes",
         "allocated by site_1111, freed by site_2222");
    EXPECT_EQ(damage(g), 1);
    debug_end(g);
}

/* First in, first out, and bounded by number and by bytes. */
KTEST(percpu_debug, quarantine)
{
    struct debug_rig *g = debug_new(&small);
    static u8 *p[PCPU_DEBUG_QUARANTINE_OBJECTS + 10];
    struct pcpu_debug_stats st;

    for (u32 i = 0; i < ARRAY_SIZE(p); i++)
        p[i] = get(g, 4, 4, 0);
    for (u32 i = 0; i < ARRAY_SIZE(p); i++)
        put(g, p[i]);
    pcpu_debug_get_stats(&g->d, &st);
    EXPECT_EQ(st.quarantine_objects, PCPU_DEBUG_QUARANTINE_OBJECTS);
    EXPECT_EQ(st.quarantine_bytes, PCPU_DEBUG_QUARANTINE_OBJECTS * 40);
    EXPECT_EQ(g->d.oldest->ptr, (uintptr_t)p[10]);
    EXPECT_EQ(g->d.newest->ptr, (uintptr_t)p[ARRAY_SIZE(p) - 1]);
    put(g, get(g, PCPU_DEBUG_QUARANTINE_BYTES - 200, 8, 0));
    pcpu_debug_get_stats(&g->d, &st);
    EXPECT_LE(st.quarantine_bytes, PCPU_DEBUG_QUARANTINE_BYTES);
    EXPECT_LT(1, st.quarantine_objects);
    put(g, get(g, 2 * PCPU_DEBUG_QUARANTINE_BYTES, 8, 0)); /* not kept at all */
    pcpu_debug_get_stats(&g->d, &st);
    EXPECT_EQ(st.quarantine_objects, 0);
    EXPECT_EQ(st.quarantine_bytes, 0);
    debug_end(g);
}

KTEST(percpu_debug, write_to_free_memory)
{
    struct debug_rig *g = debug_new(&small);
    u8 *p = get(g, 64, 8, 0), *q;

    put(g, p);
    pcpu_debug_flush(&g->d);
    pcpu_cpu_parking(&g->r->a); /* out of the magazine: cleared */
    copy(g, p, 1)[5] = 0x99;
    shim_log_reset();
    q = get(g, 64, 8, 0);
    REQUIRE_EQ(p, q);
    said("write to free memory: CPU 1's copy of", "has 0x99", "allocated by site_1111");
    EXPECT_TRUE(rig_all_zero(g->r, q, 64));
    EXPECT_EQ(damage(g), 1);
    put(g, q);
    debug_end(g);
}

/* ---- wrong frees ----------------------------------------------------------------------------- */

KTEST(percpu_debug, double_free)
{
    struct debug_rig *g = debug_new(&small);
    u8 *p = get(g, 56, 8, 0);

    put(g, p);
    shim_log_reset();
    pcpu_debug_free(&g->d, p, SITE_X);
    said("freed before by site_2222, now by site_3333", "56 bytes, allocated by site_1111",
         "refused");
    pcpu_debug_flush(&g->d);
    pcpu_debug_free(&g->d, p, SITE_X); /* remembered when it is really free */
    said("freed before by site_2222, now by site_3333", "56 bytes, allocated by site_1111",
         "refused");
    EXPECT_EQ(g->r->a.bad_free, 2);
    EXPECT_EQ(damage(g), 0);
    EXPECT_VALID(g->r);
    debug_end(g);
}

KTEST(percpu_debug, wrong_pointers)
{
    struct debug_rig *g = debug_new(&small);
    u8 *p = get(g, 100, 8, 0);
    static const s32 inside[] = {-16, -8, -1, 1, 4, 8, 99, 100, 111};
    struct pcpu_debug_stats st;

    for (u32 i = 0; i < ARRAY_SIZE(inside); i++) {
        shim_log_reset();
        pcpu_debug_free(&g->d, p + inside[i], SITE_X);
        said("by site_3333 refused: inside of an object of 100 bytes", "allocated by site_1111",
             "percpu: free of");
    }
    pcpu_debug_get_stats(&g->d, &st);
    EXPECT_EQ(st.refused, ARRAY_SIZE(inside));
    shim_log_reset();
    pcpu_debug_free(&g->d, (void *)(uintptr_t)RIG_STATIC_START, SITE_X);
    said("refused", "a static variable", "");
    pcpu_debug_free(&g->d, &g, SITE_X);
    said("refused", "no per-CPU pointer", "");
    EXPECT_EQ(g->r->a.bad_free, ARRAY_SIZE(inside) + 2);
    EXPECT_EQ(pcpu_debug_size(&g->d, p), 100);
    pcpu_debug_free(&g->d, NULL, SITE_X);
    EXPECT_EQ(shim_log_count(), 0);
    put(g, p);
    debug_end(g);
}

/* An object that was taken from the allocator itself goes back to it, whatever was there before. */
KTEST(percpu_debug, objects_without_zones)
{
    struct debug_rig *g = debug_new(&small);
    u8 *p = get(g, 4096, 1 << 13, 0), *q; /* no zone in front */

    put(g, p);
    pcpu_debug_flush(&g->d);
    q = pcpu_alloc(&g->r->a, 4096, 1 << 13, 0);
    REQUIRE_EQ(p, q);
    put(g, q);
    EXPECT_EQ(shim_log_count(), 0);
    EXPECT_EQ(g->r->a.bad_free, 0);
    debug_end(g);
}

/* ---- leaks ----------------------------------------------------------------------------------- */

KTEST(percpu_debug, leaks_by_call_site)
{
    struct debug_rig *g = debug_new(&small);
    void *p[6];

    for (u32 i = 0; i < 6; i++)
        p[i] = pcpu_debug_alloc(&g->d, 10 + i, 8, 0, i % 2 ? 0x5000 : 0x4000 + i);
    put(g, p[1]);
    shim_log_reset();
    EXPECT_EQ(pcpu_debug_leaks(&g->d), 5);
    EXPECT_EQ(shim_log_count(), 5);
    EXPECT_STREQ(shim_log_line(0),
                 "percpu: leak: 1 objects, 10 bytes per unit, allocated by site_4000");
    EXPECT_STREQ(shim_log_line(3),
                 "percpu: leak: 2 objects, 28 bytes per unit, allocated by site_5000");
    EXPECT_STREQ(shim_log_line(4), "percpu: leaks: 5 objects, 64 bytes per unit, 4 call sites");
    for (u32 i = 0; i < 6; i++)
        if (i != 1)
            put(g, p[i]);
    EXPECT_EQ(pcpu_debug_leaks(&g->d), 0);
    debug_end(g);
}

/* ---- pointers -------------------------------------------------------------------------------- */

/* None lies where the template and the rest of the image do; each was checked. */
KTEST(percpu_debug, pointers_lead_nowhere)
{
    struct debug_rig *g = debug_new(&small);
    static void *p[2000];

    for (u32 i = 0; i < ARRAY_SIZE(p); i++) {
        p[i] = get(g, 8, 8, 0);
        EXPECT_GE((uintptr_t)p[i] - RIG_STATIC_START, g->r->a.unit_size);
    }
    EXPECT_GE(g->asked, 2 * ARRAY_SIZE(p));
    pcpu_debug_free_bulk(&g->d, ARRAY_SIZE(p), p, SITE_F);
    debug_end(g);
}

KTEST(percpu_debug, a_pointer_that_leads_somewhere)
{
    struct debug_rig *g = debug_new(&small);
    struct pcpu_debug_config config = config_of(g);
    u8 *p = get(g, 5000, 8, 0);
    u64 base = (u64)(uintptr_t)copy(g, p, 0) & ~(u64)(g->r->a.unit_size - 1);

    EXPECT_TRUE(pcpu_debug_base_usable(&g->r->a, &config, base));
    put(g, p);
    pcpu_debug_flush(&g->d);
    pcpu_cpu_parking(&g->r->a);
    g->mapped_at = (uintptr_t)p + 5000 - 1;
    EXPECT_FALSE(pcpu_debug_base_usable(&g->r->a, &config, base));
    shim_log_reset();
    p = get(g, 5000, 8, 0);
    said("something is mapped at the pointer", "itself", "site_1111");
    EXPECT_EQ(pcpu_debug_forgive(&g->d), 1);
    put(g, p);
    debug_end(g);
}

KTEST(percpu_debug, describe)
{
    struct debug_rig *g = debug_new(&small);
    u8 *p = get(g, 64, 8, 0);
    char text[80];

    EXPECT_LT(0, pcpu_debug_describe(&g->d, (uintptr_t)p + 8, text, sizeof(text)));
    EXPECT_STREQ(text, "per-CPU pointer without per_cpu_ptr, allocated by site_1111");
    put(g, p);
    pcpu_debug_describe(&g->d, (uintptr_t)p, text, sizeof(text));
    EXPECT_STREQ(text, "per-CPU pointer without per_cpu_ptr, freed by site_2222");
    EXPECT_LT(0, pcpu_debug_describe(&g->d, (uintptr_t)p + 8192, text, sizeof(text)));
    EXPECT_TRUE(strstr(text, "per-CPU pointer without per_cpu_ptr, chunk 2 offset 0x"));
    EXPECT_EQ(pcpu_debug_describe(&g->d, 0, text, sizeof(text)), 0);
    EXPECT_EQ(pcpu_debug_describe(&g->d, RIG_STATIC_START, text, sizeof(text)), 0);
    EXPECT_EQ(pcpu_debug_describe(&g->d, (u64)(uintptr_t)copy(g, p, 0), text, sizeof(text)), 0);
    debug_end(g);
}

/* ---- memory and CPUs ------------------------------------------------------------------------- */

/* What comes online gets zones and poison; its copies of live objects are zero. */
KTEST(percpu_debug, a_cpu_comes_online)
{
    struct debug_rig *g = debug_new(&small);
    u8 *live = get(g, 32, 8, 0), *dead = get(g, 32, 8, 0), *reserved = get(g, 8, 8, PCPU_RESERVED);

    put(g, dead);
    EXPECT_EQ(pcpu_debug_cpu_first_online(&g->d, 3), 0);
    EXPECT_EQ(copy(g, live, 3)[-1], PCPU_DEBUG_RED);
    EXPECT_EQ(copy(g, live, 3)[32], PCPU_DEBUG_RED);
    EXPECT_EQ(copy(g, live, 3)[0], 0);
    EXPECT_EQ(copy(g, dead, 3)[31], PCPU_DEBUG_FREED);
    EXPECT_EQ(pcpu_debug_check_all(&g->d), 0);
    copy(g, live, 3)[32] = 9;
    shim_log_reset();
    put(g, live);
    said("overflow of", "CPU 3's copy has 0x09", "");
    EXPECT_EQ(pcpu_debug_cpu_first_online(&g->d, 3), 0); /* again: nothing */
    put(g, reserved);
    debug_end(g);
}

/* The quarantine does not make an allocation fail. */
KTEST(percpu_debug, quarantine_gives_way)
{
    struct debug_rig *g = debug_new(&small);
    void *p[64], *q;
    u32 n = 0;

    while (n < ARRAY_SIZE(p) &&
           (p[n] = pcpu_debug_alloc(&g->d, 1000, 8, PCPU_RESERVED | PCPU_NOWARN, SITE_A)))
        n++;
    REQUIRE_TRUE(n > 2 && n < ARRAY_SIZE(p));
    shim_log_reset();
    EXPECT_FALSE(pcpu_debug_alloc(&g->d, 1000, 8, PCPU_RESERVED, SITE_A));
    EXPECT_TRUE(shim_log_contains("no room in the reserved area"));
    put(g, p[0]);
    q = get(g, 1000, 8, PCPU_RESERVED);
    EXPECT_EQ(q, p[0]);
    put(g, q);
    while (--n)
        put(g, p[n]);
    debug_end(g);
}

/* Whichever call for memory fails, nothing is lost. */
KTEST(percpu_debug, no_memory)
{
    for (u32 k = 1; k < 12; k++) {
        struct debug_rig *g = debug_new(&small);
        void *p[8];

        world_fail(&g->r->w, WORLD_MEMORY, k, true);
        for (u32 i = 0; i < ARRAY_SIZE(p); i++)
            p[i] = pcpu_debug_alloc(&g->d, 20000, 8, PCPU_NOWARN, SITE_A);
        world_fail(&g->r->w, 0, 0, false);
        pcpu_debug_free_bulk(&g->d, ARRAY_SIZE(p), p, SITE_F);
        EXPECT_EQ(pcpu_debug_leaks(&g->d), 0);
        EXPECT_EQ(damage(g), 0);
        debug_end(g);
    }
}

KTEST(percpu_debug, stats)
{
    struct debug_rig *g = debug_new(&small);
    void *p = get(g, 30, 8, 0), *q = get(g, 40, 8, 0);
    struct pcpu_debug_stats st;
    struct percpu_stats before, after;

    pcpu_debug_alloc_stats(&g->d, &before);
    put(g, p);
    pcpu_debug_alloc_stats(&g->d, &after);
    EXPECT_EQ(after.nr_free, before.nr_free + 1);
    pcpu_debug_flush(&g->d);
    pcpu_debug_alloc_stats(&g->d, &after);
    EXPECT_EQ(after.nr_free, before.nr_free + 1);
    EXPECT_EQ(after.nr_alloc, before.nr_alloc);
    pcpu_debug_get_stats(&g->d, &st);
    EXPECT_EQ(st.live_objects, 1);
    EXPECT_EQ(st.live_bytes, 40);
    EXPECT_LE(3, st.checks);
    put(g, q);
    debug_end(g);
}
