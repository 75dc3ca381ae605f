/*
 * Frees of the dynamic allocator: right ones from any CPU, and every kind of wrong one. A wrong one
 * is refused, named, counted, and changes nothing.
 * SPDX-License-Identifier: MIT
 */
#include "tests/percpu/alloc/alloc_rig.h"

static const struct world_shape small = {.nr_nodes = 2, .nr_cpus = 4, .reserved_size = 8192};

/* ---- wrong frees ----------------------------------------------------------------------------- */

static u64 mix(u64 h, const void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h = (h ^ ((const u8 *)p)[i]) * 0x100000001b3ULL;
    return h;
}

/* Everything the allocator remembers, as one number: chunks and magazines, without its counters. */
static u64 state_of(const struct alloc_rig *r)
{
    u64 h = 0xcbf29ce484222325ULL;

    for (u32 n = 0; n < r->a.chunks_end; n++) {
        const struct pcpu_dchunk *ch = r->a.chunks[n];
        const struct pcpu_chunk *c = ch ? &ch->c : NULL;

        if (!c)
            continue;
        h = mix(h, c, sizeof(*c));
        h = mix(h, ch->memory, pcpu_chunk_bytes(c->nr_blocks));
        for (u32 b = 0; b < c->nr_blocks; b++)
            if (c->blocks[b])
                h = mix(h, c->blocks[b], sizeof(*c->blocks[b]));
    }
    for (u32 i = 0; i < r->a.nr_cpus; i++)
        h = mix(h, r->a.mags[i], r->a.mags[i]->memory_bytes);
    return h;
}

/* Frees ptr, which must be refused with this text. */
static void refused(struct alloc_rig *r, const void *ptr, const char *why)
{
    u64 state = state_of(r);
    u64 before = r->a.bad_free;

    shim_log_reset();
    r->a.lines_refused = 0;
    pcpu_free(&r->a, (void *)(uintptr_t)ptr);
    if (r->a.bad_free != before + 1 || !shim_log_contains(why) || state_of(r) != state)
        ktest_fail(__FILE__, __LINE__, "%p \"%s\": counted %llu, said \"%s\"%s", ptr, why,
                   (unsigned long long)(r->a.bad_free - before), shim_log_line(0),
                   state_of(r) != state ? ", changed something" : "");
    EXPECT_EQ(shim_log_count(), 1);
}

static u8 *at(const void *ptr, s64 off)
{
    return (u8 *)((uintptr_t)ptr + (uintptr_t)off);
}

/* This CPU's magazines go back, as when it is parked. */
static void drain(struct alloc_rig *r)
{
    pcpu_cpu_parking(&r->a);
}

KTEST(percpu_alloc_free, null_is_nothing)
{
    struct alloc_rig *r = rig_new(&small);
    u64 state = state_of(r);

    pcpu_free(&r->a, NULL);
    EXPECT_EQ(state_of(r), state);
    EXPECT_EQ(r->a.bad_free, 0);
    EXPECT_EQ(pcpu_size(&r->a, NULL), 0);
    rig_end(r);
}

/* Twice, while it lies in a magazine, in a chunk, and when its block is gone. */
static void double_free(struct alloc_rig *r, size_t size, size_t align)
{
    static void *fill[2000];
    bool third;
    u32 n = 0;
    void *p;

    /* Beyond the first chunk, whose memory stays. */
    do {
        fill[n] = pcpu_alloc(&r->a, size, align, 0);
    } while (++n < ARRAY_SIZE(fill) && (u64)n * size < 3 * r->a.unit_size / 2);
    p = pcpu_alloc(&r->a, size, align, 0);
    REQUIRE_TRUE(p);
    pcpu_free(&r->a, p);
    refused(r, p, "freed before");
    EXPECT_EQ(pcpu_size(&r->a, p), 0);
    drain(r);
    refused(r, p, "freed before");
    third = r->a.chunks_end > 3;
    pcpu_free_bulk(&r->a, n, fill);
    pcpu_trim(&r->a);
    refused(r, p, third && !r->a.chunks[3] ? "no per-CPU pointer" : "freed before");
    EXPECT_VALID(r);
}

KTEST(percpu_alloc_free, double_frees)
{
    struct alloc_rig *r = rig_new(&small);

    double_free(r, 4, 4);
    double_free(r, 8, 8);
    double_free(r, 512, 8);
    double_free(r, 1024, 64);
    double_free(r, 4096, 8);
    double_free(r, 5000, 8);
    double_free(r, 100000, 8);
    rig_end(r);
}

static void inside(struct alloc_rig *r, size_t size, size_t align, u32 flags)
{
    u8 *p = pcpu_alloc(&r->a, size, align, flags);
    size_t usable = pcpu_size(&r->a, p);

    REQUIRE_TRUE(p);
    for (size_t off = 1; off < usable; off += off < 40 ? 1 : 1 + usable / 100) {
        EXPECT_EQ(pcpu_size(&r->a, p + off), 0);
        refused(r, at(p, (s64)off), "inside of an object");
    }
    refused(r, at(p, (s64)usable - 4 + (usable == 4)), "inside of an object");
    EXPECT_EQ(pcpu_size(&r->a, p), usable);
    pcpu_free(&r->a, p);
}

KTEST(percpu_alloc_free, interior_pointers)
{
    static const struct world_shape shape = {.nr_nodes = 1, .nr_cpus = 2, .reserved_size = 8192};
    struct alloc_rig *r = rig_new(&shape);

    inside(r, 8, 8, 0);
    inside(r, 16, 8, 0);
    inside(r, 512, 8, 0);
    inside(r, 4096, 4096, 0);
    inside(r, 24, 8, PCPU_RESERVED);
    inside(r, 2000, 8, PCPU_RESERVED);
    inside(r, r->a.unit_size, 8, 0);
    rig_end(r);
}

/* Any size in granules that has a byte like a tag of the user's. */
KTEST(percpu_alloc_free, size_bytes_of_big_objects)
{
    static const struct world_shape one = {.nr_nodes = 1, .nr_cpus = 1};
    struct alloc_rig *r = rig_new(&one);

    for (size_t size = 4104; size < 16384; size += 8) {
        u8 *p = pcpu_alloc(&r->a, size, 8, 0);
        u64 bad = r->a.bad_free;

        for (u32 off = 4; off <= 20; off += 4)
            pcpu_free(&r->a, p + off);
        if (r->a.bad_free != bad + 5 || pcpu_size(&r->a, p) != size)
            ktest_fail(__FILE__, __LINE__, "size %zu", size);
        pcpu_free(&r->a, p);
    }
    EXPECT_VALID(r);
    rig_end(r);
}

KTEST(percpu_alloc_free, wild_pointers)
{
    struct alloc_rig *r = rig_new(&small);
    u8 *p = pcpu_alloc(&r->a, 64, 8, 0), *big = pcpu_alloc(&r->a, 200000, 8, 0);
    const struct pcpu_first_chunk *fc = &r->w.fc;
    const u8 *first = (const u8 *)(uintptr_t)RIG_STATIC_START;

    refused(r, first, "a static variable");
    refused(r, first + 4, "a static variable");
    refused(r, first + fc->static_area.end - 8, "a static variable");
    refused(r, first + fc->static_area.end, "freed before, or never an object");
    refused(r, first + fc->size_sum, "no per-CPU pointer");
    refused(r, first + fc->unit_size, "no per-CPU pointer");
    refused(r, first - 8, "no per-CPU pointer");
    refused(r, (void *)8, "no per-CPU pointer");
    refused(r, (void *)~7ULL, "no per-CPU pointer");
    refused(r, (void *)(uintptr_t)rig_ptr(r, p, 1), "no per-CPU pointer"); /* a CPU's own copy */
    refused(r, (void *)(uintptr_t)(r->a.flat_base + 16 * SZ_1M), "no per-CPU pointer");
    refused(r, at(big, 200000), "freed before, or never an object");
    refused(r, at(big, -4096), "");
    /* A block that was never populated, and every address of the chunk's first unit. */
    refused(r, at((void *)r->a.chunks[2]->ptr, r->a.unit_size - 4096),
            "its memory is not populated");
    refused(r, at((void *)r->a.chunks[2]->ptr, r->a.unit_size), "no per-CPU pointer");
    pcpu_free(&r->a, p);
    pcpu_free(&r->a, big);
    rig_end(r);
}

/* Every granule of every chunk: only what is an object is taken. */
KTEST(percpu_alloc_free, all_addresses_of_the_window)
{
    struct alloc_rig *r = rig_new(&(struct world_shape){.nr_nodes = 1, .nr_cpus = 32});
    void *ptr[50];
    u32 taken = 0;

    for (u32 i = 0; i < 50; i++)
        ptr[i] = pcpu_alloc(&r->a, 8 + i * 40, 8, 0);
    r->a.lines_refused = ~0U;
    for (u64 off = 0; off < 2 * SZ_2M; off += 4) {
        uintptr_t p = r->a.flat_base + off;
        bool object = pcpu_size(&r->a, (void *)p) != 0;
        u64 bad = r->a.bad_free;

        if (!object) {
            pcpu_free(&r->a, (void *)p);
            taken += r->a.bad_free == bad;
        }
    }
    EXPECT_EQ(taken, 0);
    EXPECT_VALID(r);
    for (u32 i = 0; i < 50; i++) {
        EXPECT_TRUE(pcpu_size(&r->a, ptr[i]) >= 8 + i * 40);
        pcpu_free(&r->a, ptr[i]);
    }
    rig_end(r);
}

KTEST(percpu_alloc_free, few_lines_all_counted)
{
    struct alloc_rig *r = rig_new(&small);
    struct percpu_stats st;

    for (u32 i = 0; i < 1000; i++)
        pcpu_free(&r->a, (void *)(uintptr_t)(64 + 8 * i));
    pcpu_get_stats(&r->a, &st);
    EXPECT_EQ(st.bad_free, 1000);
    EXPECT_EQ(st.nr_free, 0);
    EXPECT_EQ(shim_log_count(), 16);
    rig_end(r);
}

KTEST(percpu_alloc_free, wrong_ones_among_many)
{
    struct alloc_rig *r = rig_new(&small);
    void *ptr[100];
    u8 *p;

    EXPECT_EQ(pcpu_alloc_bulk(&r->a, 48, 8, 0, 100, ptr), 100);
    p = ptr[50];
    pcpu_free(&r->a, p);
    p = ptr[99];
    ptr[99] = at(ptr[98], 4);
    pcpu_free_bulk(&r->a, 100, ptr);
    EXPECT_EQ(r->a.bad_free, 2);
    pcpu_free(&r->a, p);
    EXPECT_EQ(r->a.bad_free, 2);
    rig_end(r);
}

/* ---- right ones ------------------------------------------------------------------------------ */

KTEST(percpu_alloc_free, from_another_cpu)
{
    enum { N = 400 };
    struct alloc_rig *r = rig_new(&small);
    void *ptr[N];
    u32 bad = 0;

    for (u32 round = 0; round < 4; round++) {
        host_cpu_number = round;
        for (u32 i = 0; i < N; i++) {
            ptr[i] = pcpu_alloc(&r->a, 100, 4, 0);
            bad += !rig_all_zero(r, ptr[i], 100);
            rig_fill(r, ptr[i], 104, i);
        }
        host_cpu_number = (round + 1) % 4;
        for (u32 i = 0; i < N; i++) {
            bad += !rig_holds(r, ptr[i], 104, i);
            pcpu_free(&r->a, ptr[i]);
            refused(r, ptr[i], "freed before");
        }
        EXPECT_VALID(r);
    }
    EXPECT_EQ(bad, 0);
    host_cpu_number = 0;
    rig_end(r);
}

KTEST(percpu_alloc_free, counts)
{
    struct alloc_rig *r = rig_new(&small);
    static void *ptr[3000];
    struct percpu_stats st;

    for (u32 i = 0; i < 1000; i++)
        ptr[i] = pcpu_alloc(&r->a, 8 << i % 12, 8, i % 3 ? 0 : PCPU_NOWARN);
    EXPECT_EQ(pcpu_alloc_bulk(&r->a, 16, 8, 0, 2000, ptr + 1000), 2000);
    pcpu_get_stats(&r->a, &st);
    EXPECT_EQ(st.nr_alloc, 3000);
    EXPECT_EQ(st.nr_free, 0);
    EXPECT_EQ(st.nr_failed, 0);
    pcpu_free_bulk(&r->a, 3000, ptr);
    pcpu_get_stats(&r->a, &st);
    EXPECT_EQ(st.nr_alloc, 3000);
    EXPECT_EQ(st.nr_free, 3000);
    rig_end(r);
}
