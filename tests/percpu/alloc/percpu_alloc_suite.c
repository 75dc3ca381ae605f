/*
 * The dynamic per-CPU allocator as its users see it, on real CPUs: zero, isolation, accessors,
 * addresses, what is refused, what is counted and shown.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/safe.h"
#include "kernel/base/string.h"
#include "percpu/debug/debug.h"
#include "tests/percpu/alloc/percpu_dyn.h"

#define MAX_OBJECTS 40u

static const u32 sizes[] = {1, 4, 8, 20, 64, 120, 512, 520, 1024, 2000, 4096, 6000, 20000};

/* Static: other CPUs look at it. */
static struct objects {
    struct tally t;
    void *p[MAX_OBJECTS];
    u32 bytes[MAX_OBJECTS]; /* usable */
    u32 n;
} objs;

/* Two of each size. */
static bool take_objects(struct objects *o)
{
    *o = (struct objects){.n = 0};
    for (u32 i = 0; i < 2 * ARRAY_SIZE(sizes); i++) {
        void *p = percpu_alloc(sizes[i / 2], sizes[i / 2] < 8 ? 4 : 8, 0);

        if (!p) {
            ktest_fail(__FILE__, __LINE__, "no memory for %u bytes", sizes[i / 2]);
            return false;
        }
        o->p[o->n] = p;
        o->bytes[o->n++] = (u32)percpu_size(p);
        EXPECT_GE(o->bytes[i], sizes[i / 2]);
    }
    return true;
}

static void give_objects(struct objects *o)
{
    for (u32 i = 0; i < o->n; i++)
        percpu_free(o->p[i]);
    o->n = 0;
}

static u32 words_not_zero(const struct objects *o)
{
    u32 cpu, n = 0;

    for_each_looked_cpu(cpu)
    {
        for (u32 i = 0; i < o->n; i++)
            n += dyn_not_zero(per_cpu_ptr(o->p[i], cpu), o->bytes[i]);
    }
    return n;
}

static void fill_all(const struct objects *o)
{
    u32 cpu;

    for_each_looked_cpu(cpu)
    {
        for (u32 i = 0; i < o->n; i++)
            dyn_fill(per_cpu_ptr(o->p[i], cpu), o->bytes[i], cpu, i);
    }
}

static u32 words_wrong(const struct objects *o)
{
    u32 cpu, n = 0;

    for_each_looked_cpu(cpu)
    {
        for (u32 i = 0; i < o->n; i++)
            n += dyn_wrong(per_cpu_ptr(o->p[i], cpu), o->bytes[i], cpu, i);
    }
    return n;
}

/* ---- contents -------------------------------------------------------------------------------- */

/* Fresh memory, memory that others left dirty in magazines, and what went through a chunk. */
KTEST(percpu_alloc, zero_fresh_and_reused)
{
    struct dyn_state s;

    dyn_begin(&s);
    for (u32 round = 0; round < 3; round++) {
        dyn_soil_memory();
        if (!take_objects(&objs))
            break;
        EXPECT_EQ(words_not_zero(&objs), 0);
        fill_all(&objs);
        give_objects(&objs);
        if (round == 1)
            percpu_trim();
    }
    give_objects(&objs);
    dyn_end(&s);
}

static void write_own(void *arg)
{
    struct objects *o = arg;

    for (u32 i = 0; i < o->n; i++) {
        CHECK(&o->t, dyn_not_zero(this_cpu_ptr((u8 *)o->p[i]), o->bytes[i]) == 0);
        dyn_fill(this_cpu_ptr((u8 *)o->p[i]), o->bytes[i], cpu_number(), i);
    }
    tally_ran(&o->t);
}

/* Up to 16 CPUs everybody looks at everybody, above at itself and the next one. */
static void look_at_others(void *arg)
{
    u32 self = cpu_number(), n = cpu_map.nr_ids, others = n <= 16 ? n : 2;
    struct objects *o = arg;

    for (u32 k = 0; k < others; k++) {
        u32 cpu = (self + k) % n;

        for (u32 i = 0; i < o->n && cpu_is_online(cpu); i++)
            CHECK(&o->t, !dyn_wrong(per_cpu_ptr(o->p[i], cpu), o->bytes[i], cpu, i));
    }
    tally_ran(&o->t);
}

/* What others do meanwhile: allocate, write, free, give everything back. */
static void churn(void)
{
    u64 random = dyn_seed(1);
    void *p[24];

    for (u32 round = 0; round < 6; round++) {
        for (u32 i = 0; i < ARRAY_SIZE(p); i++) {
            p[i] = percpu_alloc(1 + dyn_random(&random) % 1500, 4, 0);
            if (p[i])
                memset(per_cpu_ptr((u8 *)p[i], 0), 0xff, percpu_size(p[i]));
        }
        for (u32 i = 0; i < ARRAY_SIZE(p); i++)
            percpu_free(p[i]);
        if (round % 3 == 2)
            percpu_trim();
    }
}

/* Each CPU writes its copies of all objects; all differ, and what others do changes nothing. */
KTEST(percpu_alloc, isolated_and_kept)
{
    struct dyn_state s;

    dyn_begin(&s);
    if (take_objects(&objs)) {
        EXPECT_EQ(smp_call_all(write_own, &objs), 0);
        EXPECT_EQ(smp_call_all(look_at_others, &objs), 0);
        churn();
        EXPECT_EQ(smp_call_all(look_at_others, &objs), 0);
        EXPECT_TALLY(&objs.t, 3 * cpus_online());
    }
    give_objects(&objs);
    dyn_end(&s);
}

/* ---- accessors ------------------------------------------------------------------------------- */

static struct accessed {
    struct tally t;
    u8 *p8;
    u16 *p16;
    u32 *p32;
    u64 *p64;
} acc;

/* That each is one instruction on such a pointer is read off the disassembly (gs_ops.c). */
static void use_accessors(void *arg)
{
    struct accessed *a = arg;
    u64 old = 5, id = cpu_number() + 1;

    this_cpu_write(*a->p64, id << 32);
    this_cpu_add(*a->p64, 5);
    CHECK(&a->t, this_cpu_add_return(*a->p64, 1) == (id << 32) + 6);
    CHECK(&a->t, this_cpu_xchg(*a->p64, old) == (id << 32) + 6);
    CHECK(&a->t, this_cpu_try_cmpxchg(*a->p64, &old, id));
    CHECK(&a->t, this_cpu_cmpxchg(*a->p64, 0, 1) == id);
    this_cpu_write(*a->p32, id);
    this_cpu_inc(*a->p32);
    this_cpu_or(*a->p16, 0xff0);
    this_cpu_and(*a->p16, 0x3c3c);
    this_cpu_dec(*a->p8);
    CHECK(&a->t, this_cpu_ptr(a->p64) == per_cpu_ptr(a->p64, cpu_number()));
    tally_ran(&a->t);
}

KTEST(percpu_alloc, accessors)
{
    struct dyn_state s;
    u32 cpu;

    dyn_begin(&s);
    acc = (struct accessed){.p8 = alloc_percpu(u8),
                            .p16 = alloc_percpu(u16),
                            .p32 = alloc_percpu(u32),
                            .p64 = alloc_percpu_flags(u64, PCPU_ATOMIC)};
    REQUIRE_TRUE(acc.p8 && acc.p16 && acc.p32 && acc.p64);
    EXPECT_EQ(smp_call_all(use_accessors, &acc), 0);
    EXPECT_TALLY(&acc.t, cpus_online());
    for_each_online_cpu(cpu)
    {
        EXPECT_EQ(*per_cpu_ptr(acc.p64, cpu), cpu + 1);
        EXPECT_EQ(*per_cpu_ptr(acc.p32, cpu), cpu + 2);
        EXPECT_EQ(*per_cpu_ptr(acc.p16, cpu), 0xff0 & 0x3c3c);
        EXPECT_EQ(*per_cpu_ptr(acc.p8, cpu), 0xff);
    }
    percpu_free(acc.p8);
    percpu_free(acc.p16);
    percpu_free(acc.p32);
    percpu_free(acc.p64);
    dyn_end(&s);
}

/* ---- sizes and alignments -------------------------------------------------------------------- */

/* Every power of two up to a unit as alignment, of the copies; and the object lies in its unit. */
KTEST(percpu_alloc, alignments)
{
    const struct pcpu_first_chunk *fc = &boot_state_get()->first_chunk;
    u64 misaligned = 0, outside = 0;
    struct dyn_state s;
    void *p[24];
    u32 n = 0;

    dyn_begin(&s);
    for (u64 align = 1; align <= fc->unit_size && n < ARRAY_SIZE(p); align *= 2) {
        u64 size = n % 3 == 0 ? align : n % 3 == 1 ? 12 : MIN(3 * align / 2 + 4, fc->unit_size);
        struct percpu_location loc;
        u8 *copy;

        p[n] = percpu_alloc(size, align, 0);
        /* In units that are no power of two only the offset can be aligned. */
        REQUIRE_TRUE(p[n] || !is_pow2(fc->unit_size));
        if (!p[n])
            break;
        copy = per_cpu_ptr((u8 *)p[n], 0);
        REQUIRE_EQ(percpu_decode(copy, &loc), 0);
        misaligned += loc.off % align != 0;
        misaligned += align <= PAGE_SIZE && (u64)copy % align != 0;
        outside += loc.off + size > fc->unit_size || percpu_size(p[n]) < size;
        n++;
    }
    EXPECT_EQ(misaligned, 0);
    EXPECT_EQ(outside, 0);
    EXPECT_GE(n, 13);
    percpu_free_bulk(n, p);
    dyn_end(&s);
}

KTEST(percpu_alloc, refused_requests)
{
    u64 unit = boot_state_get()->first_chunk.unit_size;
    struct percpu_stats before, after;
    struct dyn_state s;

    dyn_begin(&s);
    percpu_get_stats(&before);
    EXPECT_TRUE(percpu_alloc(0, 8, PCPU_NOWARN) == NULL);
    EXPECT_TRUE(percpu_alloc(8, 0, PCPU_NOWARN) == NULL);
    EXPECT_TRUE(percpu_alloc(8, 24, PCPU_NOWARN) == NULL);
    EXPECT_TRUE(percpu_alloc(unit + 1, 8, PCPU_NOWARN) == NULL);
    EXPECT_TRUE(percpu_alloc(8, 4 * unit, PCPU_NOWARN) == NULL);
    EXPECT_TRUE(percpu_alloc(~0ULL, 8, PCPU_NOWARN | PCPU_ATOMIC) == NULL);
    percpu_get_stats(&after);
    EXPECT_EQ(after.nr_failed, before.nr_failed + 6);
    EXPECT_EQ(after.nr_failed_atomic, before.nr_failed_atomic + 1);
    percpu_free(NULL);
    dyn_end(&s);
}

KTEST(percpu_alloc, bulk)
{
    static void *p[200];
    struct dyn_state s;
    u32 cpu, dirty = 0, twice = 0, n;

    dyn_begin(&s);
    n = percpu_alloc_bulk(48, 8, 0, ARRAY_SIZE(p), p);
    EXPECT_EQ(n, ARRAY_SIZE(p));
    for_each_looked_cpu(cpu)
    {
        for (u32 i = 0; i < n; i++) {
            dirty += dyn_not_zero(per_cpu_ptr(p[i], cpu), 48);
            dyn_fill(per_cpu_ptr(p[i], cpu), 48, cpu, i);
        }
        for (u32 i = 0; i < n; i++)
            twice += dyn_wrong(per_cpu_ptr(p[i], cpu), 48, cpu, i);
    }
    EXPECT_EQ(dirty, 0);
    EXPECT_EQ(twice, 0);
    percpu_free_bulk(n, p);
    dyn_end(&s);
}

/* The reserved area serves who asks for it, nobody else, and only until it is full. */
KTEST(percpu_alloc, reserved_area)
{
    const struct pcpu_region *r = &boot_state_get()->first_chunk.reserved_area;
    static void *p[128];
    u32 n = 0, elsewhere = 0;
    struct percpu_location loc;
    struct dyn_state s;

    if (r->start == r->end) {
        ktest_skip("no reserved area");
        return;
    }
    dyn_begin(&s);
    while (n < ARRAY_SIZE(p) &&
           (p[n] = percpu_alloc(256, 8, PCPU_RESERVED | PCPU_ATOMIC | PCPU_NOWARN)) != NULL) {
        elsewhere += percpu_decode(per_cpu_ptr((u8 *)p[n], 0), &loc) ||
                     loc.where != PERCPU_IN_RESERVED || loc.off < r->start || loc.off >= r->end;
        n++;
    }
    /* Red zones take their part. */
    if (percpu_is_debug())
        EXPECT_EQ(n, MIN((r->end - r->start) / (256 + 2 * PCPU_DEBUG_ZONE), ARRAY_SIZE(p)));
    else
        EXPECT_EQ(n, MIN((r->end - r->start) / 256, ARRAY_SIZE(p)));
    EXPECT_EQ(elsewhere, 0);
    percpu_free_bulk(n, p);
    dyn_end(&s);
}

/* ---- addresses ------------------------------------------------------------------------------- */

static u32 decoded_wrong(const void *addr, enum percpu_where where, u32 cpu, u64 off)
{
    struct percpu_location loc;

    return percpu_decode(addr, &loc) || loc.where != where || loc.cpu != cpu || loc.off != off ||
           !is_percpu_address(addr);
}

/* Every possible CPU's copy: where the offset says, found again by its address, at both ends. */
KTEST(percpu_alloc, addresses_of_every_cpu)
{
    u32 cpu, wrong = 0;
    struct percpu_location loc;
    struct dyn_state s;

    dyn_begin(&s);
    if (take_objects(&objs)) {
        for_each_possible_cpu(cpu) for (u32 i = 0; i < objs.n; i++)
        {
            u8 *copy = per_cpu_ptr((u8 *)objs.p[i], cpu);

            REQUIRE_EQ(percpu_decode(per_cpu_ptr((u8 *)objs.p[i], 0), &loc), 0);
            wrong += (uintptr_t)copy - (uintptr_t)objs.p[i] != __per_cpu_offset[cpu];
            wrong += decoded_wrong(copy, loc.where, cpu, loc.off);
            wrong += decoded_wrong(copy + objs.bytes[i] - 1, loc.where, cpu,
                                   loc.off + objs.bytes[i] - 1);
        }
        EXPECT_EQ(wrong, 0);
    }
    give_objects(&objs);
    dyn_end(&s);
}

/* The first and last byte of every unit of the first chunk and of chunk 2, and what is none. */
KTEST(percpu_alloc, decode)
{
    const struct pcpu_first_chunk *fc = &boot_state_get()->first_chunk;
    struct percpu_location loc;
    u32 cpu, wrong = 0, on_stack;
    const struct pcpu_dchunk *ch;
    struct dyn_state s;

    dyn_begin(&s);
    ch = percpu_allocator()->chunks[PCPU_CHUNK_DYNAMIC];
    for_each_possible_cpu(cpu)
    {
        u8 *unit = pcpu_unit_addr(fc, cpu), *dyn = (u8 *)ch->base + fc->unit_off[cpu];
        u64 var = (uintptr_t)&cpu_number_pcpu - (uintptr_t)__per_cpu_start;

        wrong += decoded_wrong(unit, PERCPU_STATIC, cpu, 0);
        wrong += decoded_wrong(per_cpu_ptr(&cpu_number_pcpu, cpu), PERCPU_STATIC, cpu, var);
        wrong += decoded_wrong(unit + fc->dyn_area.start, PERCPU_IN_FIRST, cpu, fc->dyn_area.start);
        wrong +=
            decoded_wrong(unit + fc->dyn_area.end - 1, PERCPU_IN_FIRST, cpu, fc->dyn_area.end - 1);
        wrong += decoded_wrong(dyn, PERCPU_IN_CHUNK, cpu, 0);
        wrong += decoded_wrong(dyn + fc->unit_size - 1, PERCPU_IN_CHUNK, cpu, fc->unit_size - 1);
    }
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(percpu_decode(&cpu_number_pcpu, &loc), -ENOENT); /* the template */
    EXPECT_EQ(percpu_decode(NULL, &loc), -ENOENT);
    EXPECT_EQ(percpu_decode(&on_stack, &loc), -ENOENT);
    EXPECT_EQ(percpu_decode(percpu_verify, &loc), -ENOENT);
    EXPECT_EQ(percpu_decode((void *)(ch->base + PCPU_WINDOW_SIZE), &loc), -ENOENT);
    EXPECT_FALSE(is_percpu_address((void *)~0ULL));
    EXPECT_EQ(per_cpu_ptr_to_phys(&on_stack), ~0ULL);
    dyn_end(&s);
}

/* Units that are no CPU's, and the page of a dynamic copy by its other address. */
KTEST(percpu_alloc, decode_holes)
{
    const struct pcpu_first_chunk *fc = &boot_state_get()->first_chunk;
    u32 unit = 0, holes = 0, found = 0, cpu = 0;
    const struct pcpu_dchunk *ch;
    struct dyn_state s;
    u64 pa, mapped;
    void *p;

    dyn_begin(&s);
    ch = percpu_allocator()->chunks[PCPU_CHUNK_DYNAMIC];
    for (u32 g = 0; g < fc->nr_groups; g++)
        for (u32 i = 0; i < fc->group_units[g]; i++, unit++) {
            u64 off = fc->group_offsets[g] + i * fc->unit_size;

            if (fc->unit_cpu[unit] != PCPU_NO_CPU)
                continue;
            holes++;
            found += is_percpu_address((void *)(ch->base + off));
            found += is_percpu_address(fc->base_addr + off);
        }
    EXPECT_EQ(found, 0);
    ktest_note("%u unused units", holes);

    p = percpu_alloc(MIN(fc->unit_size / 2, 16 * SZ_1K), PAGE_SIZE, 0);
    REQUIRE_TRUE(p != NULL);
    for_each_looked_cpu(cpu)
    {
        struct pagetable live = live_tables();
        u8 *copy = per_cpu_ptr((u8 *)p, cpu) + 8;

        pa = per_cpu_ptr_to_phys(copy);
        EXPECT_EQ(pagetable_lookup(&live, (u64)copy, &mapped, NULL, NULL), 0);
        EXPECT_EQ(pa, mapped);
        *(volatile u64 *)copy = cpu + 1;
        EXPECT_EQ(*(volatile u64 *)phys_to_virt(pa), cpu + 1);
        if ((u64)p - (u64)__per_cpu_start >= fc->unit_size)
            EXPECT_FALSE(is_percpu_address(phys_to_virt(pa)));
    }
    percpu_free(p);
    dyn_end(&s);
}

/* ---- what is refused ------------------------------------------------------------------------- */

/* Refused, counted, one line with this text; the objects are as they were. */
static void bad_free(void *ptr, const char *what)
{
    struct percpu_stats before, after;
    u64 mark = console_mark();

    percpu_get_stats(&before);
    percpu_free(ptr);
    percpu_get_stats(&after);
    EXPECT_EQ(after.bad_free, before.bad_free + 1);
    EXPECT_EQ(after.nr_free, before.nr_free);
    EXPECT_EQ(after.cached_bytes, before.cached_bytes);
    EXPECT_EQ(console_count(mark, "refused: "), 1);
    if (console_count(mark, what) != 1)
        ktest_fail(__FILE__, __LINE__, "the line does not say \"%s\"", what);
}

KTEST(percpu_alloc, bad_frees)
{
    u64 lines = atomic_exchange(&percpu_allocator()->lines_refused, 0); /* each says its line */
    u32 level = console_set_level(LOG_INFO); /* loglevel= may keep fewer */
    struct dyn_state s;
    void *once;

    ktest_expect_lines();
    dyn_begin(&s);
    if (take_objects(&objs)) {
        fill_all(&objs);
        once = percpu_alloc(72, 8, 0);
        percpu_free(once);
        bad_free(once, "freed before");
        percpu_trim();
        bad_free(once, "freed before");
        bad_free((u8 *)objs.p[8] + 8, "inside of an object");
        bad_free((u8 *)objs.p[8] + 2, "inside of an object");
        bad_free((u8 *)objs.p[ARRAY_SIZE(sizes) * 2 - 1] + 16000, "inside of an object");
        bad_free((u8 *)objs.p[ARRAY_SIZE(sizes) * 2 - 1] + 4, "inside of an object");
        bad_free(&cpu_number_pcpu, "a static variable");
        bad_free(per_cpu_ptr((u8 *)objs.p[0], cpu_map.nr_ids - 1), "no per-CPU pointer");
        bad_free(&s, "no per-CPU pointer");
        EXPECT_EQ(percpu_size(once), 0);
        EXPECT_EQ(percpu_size((u8 *)objs.p[8] + 8), 0);
        EXPECT_EQ(percpu_size(&cpu_number_pcpu), 0);
        EXPECT_EQ(words_wrong(&objs), 0);
    }
    give_objects(&objs);
    atomic_store(&percpu_allocator()->lines_refused, lines);
    console_set_level(level);
    dyn_end(&s);
}

/* ---- counts ---------------------------------------------------------------------------------- */

static u64 used_bytes(const struct percpu_stats *s)
{
    return s->populated_blocks * PAGE_SIZE - s->free_bytes - s->cached_bytes;
}

KTEST(percpu_alloc, counts)
{
    struct percpu_stats a, b, c;
    struct dyn_state s;
    u64 bytes = 0;

    dyn_begin(&s);
    percpu_get_stats(&a);
    if (take_objects(&objs)) {
        for (u32 i = 0; i < objs.n; i++)
            bytes += objs.bytes[i];
        percpu_get_stats(&b);
        EXPECT_EQ(b.nr_alloc, a.nr_alloc + objs.n);
        EXPECT_EQ(b.nr_free, a.nr_free);
        if (percpu_is_debug()) /* and red zones, of which there are two to an object */
            EXPECT_GE(used_bytes(&b), used_bytes(&a) + bytes + objs.n * PCPU_DEBUG_ZONE);
        else
            EXPECT_EQ(used_bytes(&b), used_bytes(&a) + bytes);
        EXPECT_LE(b.cached_bytes, b.cached_limit);
        give_objects(&objs);
        percpu_get_stats(&c);
        EXPECT_EQ(c.nr_free, a.nr_free + 2 * ARRAY_SIZE(sizes));
        EXPECT_EQ(c.nr_alloc, b.nr_alloc);
        EXPECT_LE(c.cached_bytes, c.cached_limit);
    }
    dyn_end(&s);
}

KTEST(percpu_alloc, dump)
{
    const struct boot_state *st = boot_state_get();
    struct percpu_stats s;
    u32 level;
    u64 mark;

    level = console_set_level(LOG_INFO);
    dyn_make_lowest_chunk();
    mark = console_mark();
    percpu_dump();
    console_set_level(level);
    percpu_get_stats(&s);
    EXPECT_EQ(console_count(mark, "percpu: unit "), 1);
    EXPECT_EQ(console_count(mark, "percpu: chunk 0 (first): "), 1);
    EXPECT_EQ(console_count(mark, "percpu: chunk 2: "), 1);
    EXPECT_EQ(console_count(mark, "percpu: chunk "),
              s.nr_chunks + (percpu_allocator()->reserved != NULL));
    EXPECT_EQ(console_count(mark, ": pages populated "), st->topo.node_count);
}
