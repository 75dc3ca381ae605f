/*
 * A long random life of the dynamic allocator against a list of what is allocated: objects never
 * overlap, are zero when new, keep what was written to each copy, and come back; wrong frees are
 * refused; memory that fails at random moments costs nothing but the call.
 * SPDX-License-Identifier: MIT
 */
#include <string.h>
#include "tests/host/random.h"
#include "tests/percpu/alloc/alloc_rig.h"

#define MAX_OBJECTS  4000u
#define SHADOW_SLOTS 192u /* of 2 MiB, from the window's first address on */
#define VERIFY_EVERY 8000u

struct object {
    u8 *ptr;
    u32 size, seed;
    u32 filled; /* so many CPUs, in the order in which they came, hold the pattern */
};

static struct model {
    struct alloc_rig *r;
    u32 n;
    struct object o[MAX_OBJECTS];
    u64 bytes, max_bytes;
    u32 order[WORLD_MAX_CPUS], nr_live; /* live CPUs as they came */
    u32 stride;                         /* one in so many CPUs is written and read */
    bool failing;                       /* memory fails now */
    u8 *last_freed;
    u8 *near, *first; /* by granule: 2 an object begins, 1 it goes on, 0 free */
    u64 refused, ops, failures, wrong;
} m;

#define WRONG(...) (m.wrong++, ktest_fail(__FILE__, __LINE__, __VA_ARGS__))

static u64 rng;

static u32 rnd(u32 n)
{
    return (u32)((random_lcg(&rng) >> 32) * n >> 32);
}

static bool one_in(u32 n)
{
    return rnd(n) == 0;
}

/* ---- who has what ---------------------------------------------------------------------------- */

/* The shadow of a per-CPU pointer; NULL: no object can begin there. */
static u8 *shadow(const u8 *ptr)
{
    uintptr_t p = (uintptr_t)ptr;

    if (p - m.r->a.static_start < m.r->a.unit_size)
        return m.first + (p - m.r->a.static_start) / 4;
    if (p - m.r->a.flat_base < SHADOW_SLOTS * SZ_2M)
        return m.near + (p - m.r->a.flat_base) / 4;
    return NULL;
}

static void take(const struct object *o)
{
    u8 *s = shadow(o->ptr);
    u32 n = (o->size + 3) / 4;

    if (!s) {
        WRONG("%p is in no chunk", o->ptr);
        return;
    }
    for (u32 i = 0; i < n; i++)
        if (s[i])
            WRONG("%p (%u bytes) overlaps another object", o->ptr, o->size);
    memset(s, 1, n);
    s[0] = 2;
}

static void give(const struct object *o)
{
    memset(shadow(o->ptr), 0, (o->size + 3) / 4);
}

/* ---- contents -------------------------------------------------------------------------------- */

static u8 byte_of(u32 seed, u32 cpu, u32 i)
{
    return (u8)(seed * 31 + cpu * 7 + i * 3) | 1;
}

/* The bytes that are looked at: the ends and some between; all of small ones. */
static u32 next_byte(u32 i, u32 size)
{
    u32 next = size <= 24 ? i + 1 : i + 1 + size / 8;

    return i + 1 < size ? MIN(next, size - 1) : size;
}

#define FOR_BYTES(i, size)   for (u32 i = 0; i < (size); i = next_byte(i, size))
#define FOR_CPUS(c, seed, n) for (u32 c = (seed) % m.stride; c < (n); c += m.stride)

static void fill(struct object *o)
{
    FOR_CPUS(c, o->seed, m.nr_live)
    {
        u8 *p = rig_ptr(m.r, o->ptr, m.order[c]);

        FOR_BYTES(i, o->size)
        p[i] = byte_of(o->seed, m.order[c], i);
    }
    o->filled = m.nr_live;
}

static bool holds(const struct object *o)
{
    FOR_CPUS(c, o->seed, m.nr_live)
    {
        const u8 *p = rig_ptr(m.r, o->ptr, m.order[c]);

        FOR_BYTES(i, o->size)
        if (p[i] != (c < o->filled ? byte_of(o->seed, m.order[c], i) : 0))
            return false;
    }
    return true;
}

/* In all copies, those of CPUs that never came too. */
static bool is_zero(const struct object *o)
{
    FOR_CPUS(cpu, o->seed, m.r->a.nr_cpus)
    {
        const u8 *p = rig_ptr(m.r, o->ptr, cpu);

        FOR_BYTES(i, o->size)
        if (p[i])
            return false;
    }
    return true;
}

/* ---- operations ------------------------------------------------------------------------------ */

static u32 some_size(void)
{
    switch (rnd(40)) {
    case 0:
        return 513 + rnd(8000);
    case 1:
        return 1024u << rnd(3);
    case 2:
        return one_in(20) ? m.r->a.unit_size >> rnd(3) : 16u << rnd(9);
    case 3:
    case 4:
    case 5:
        return 1 + rnd(512);
    default:
        return 1 + rnd(100);
    }
}

static void add(u8 *ptr, u32 size, bool zero)
{
    struct object *o = &m.o[m.n];

    *o = (struct object){.ptr = ptr, .size = size, .seed = rnd(1u << 30)};
    take(o);
    if (zero && !is_zero(o))
        WRONG("a new object of %u bytes is not zero", size);
    fill(o);
    m.bytes += size;
    m.n++;
}

static void alloc_one(void)
{
    u32 size = some_size(), align = 1u << (one_in(10) ? rnd(13) : rnd(4));
    u32 flags = PCPU_NOWARN | (one_in(6) ? PCPU_ATOMIC : 0) | (one_in(6) ? PCPU_NOZERO : 0);
    u8 *p;

    if (one_in(50))
        flags |= PCPU_RESERVED;
    align = MIN(align, m.r->a.unit_size);
    p = pcpu_alloc(&m.r->a, size, align, flags);
    if (p) {
        if (pcpu_size(&m.r->a, p) < size || (uintptr_t)p % align)
            WRONG("size %u align %u", size, align);
        add(p, size, !(flags & PCPU_NOZERO));
    } else if (!m.failing && !(flags & (PCPU_ATOMIC | PCPU_RESERVED))) {
        WRONG("no memory for %u bytes at %u", size, align);
    }
    m.failures += !p;
}

static void alloc_bulk(void)
{
    u32 size = 1 + rnd(one_in(4) ? 2000 : 64), n = 1 + rnd(150), got;
    u32 flags = PCPU_NOWARN | (one_in(4) ? PCPU_ATOMIC : 0);
    void *ptr[150];

    n = MIN(n, MAX_OBJECTS - m.n);
    got = pcpu_alloc_bulk(&m.r->a, size, 4, flags, n, ptr);
    if (got > n || (got < n && !m.failing && !(flags & PCPU_ATOMIC)))
        WRONG("%u of %u in bulk", got, n);
    for (u32 i = 0; i < got; i++)
        add(ptr[i], size, true);
}

static void *drop(u32 i)
{
    struct object o = m.o[i];

    if (!holds(&o))
        WRONG("an object of %u bytes lost its contents", o.size);
    give(&o);
    m.bytes -= o.size;
    m.o[i] = m.o[--m.n];
    return o.ptr;
}

static void free_one(void)
{
    m.last_freed = drop(rnd(m.n));
    pcpu_free(&m.r->a, m.last_freed);
}

static void free_bulk(void)
{
    void *ptr[100];
    u32 want = 1 + rnd(100), n = MIN(want, m.n), at = rnd(m.n - n + 1);

    for (u32 i = 0; i < n; i++)
        ptr[i] = drop(at);
    pcpu_free_bulk(&m.r->a, n, ptr);
}

/* A pointer that is no object's start. */
static void free_wrong(void)
{
    struct pcpu_allocator *a = &m.r->a;
    u8 *p = m.last_freed, *s;

    switch (rnd(4)) {
    case 0:
        p = (u8 *)(a->static_start + rnd(a->unit_size));
        break;
    case 1:
        p = (u8 *)(a->flat_base + rnd(8 * a->unit_size));
        break;
    case 2:
        p = m.n ? m.o[rnd(m.n)].ptr + 1 + rnd(64) : NULL;
        break;
    }
    s = p ? shadow(p) : NULL;
    if (!p || (s && *s == 2 && (uintptr_t)p % 4 == 0))
        return;
    pcpu_free(a, p);
    m.refused++;
}

static void come_online(void)
{
    u32 cpu = rnd(m.r->a.nr_cpus);

    if (rig_is_live(m.r, cpu))
        return;
    if (pcpu_cpu_first_online(&m.r->a, cpu) == 0)
        m.order[m.nr_live++] = cpu;
    else if (!m.failing)
        WRONG("CPU %u could not come", cpu);
}

/* A second trim finds no chunk and no block that the first one should have returned. */
static void trim(void)
{
    struct percpu_stats one, two;

    pcpu_trim(&m.r->a);
    if (m.failing)
        return;
    pcpu_get_stats(&m.r->a, &one);
    pcpu_trim(&m.r->a);
    pcpu_get_stats(&m.r->a, &two);
    if (one.nr_chunks != two.nr_chunks || one.populated_blocks != two.populated_blocks)
        WRONG("one trim leaves %lu chunks, %lu blocks, two leave %lu, %lu", one.nr_chunks,
              one.populated_blocks, two.nr_chunks, two.populated_blocks);
}

static void rare(void)
{
    switch (rnd(16)) {
    case 0:
        trim();
        break;
    case 1:
    case 2:
    case 3:
        pcpu_balance(&m.r->a);
        break;
    case 4:
        pcpu_cpu_parking(&m.r->a);
        break;
    case 5:
        come_online();
        break;
    case 6:
        m.failing = true;
        world_fail(&m.r->w, one_in(2) ? WORLD_MEMORY : WORLD_META, 1 + rnd(60), one_in(2));
        break;
    case 7:
    case 8:
    case 9:
        m.failing = false;
        world_fail(&m.r->w, 0, 0, false);
        break;
    case 10:
        m.r->idle = one_in(2) ? m.order[rnd(m.nr_live)] : RIG_NOBODY;
        break;
    case 11:
        pcpu_decay(&m.r->a);
        break;
    case 12:
        pcpu_decay_cpu(&m.r->a);
        break;
    default:
        pcpu_idle_work(&m.r->a);
    }
}

/* Waves: more allocations than frees for a while, then the other way round. */
static void step(void)
{
    u32 grow = m.ops / 20000 % 2 ? 40 : 60;

    host_cpu_number = m.order[rnd(m.nr_live)];
    if (one_in(700))
        rare();
    else if (one_in(60))
        free_wrong();
    else if (rnd(100) < grow && m.n < MAX_OBJECTS && m.bytes < m.max_bytes)
        one_in(200) ? alloc_bulk() : alloc_one();
    else if (m.n)
        one_in(200) ? free_bulk() : free_one();
    m.ops++;
}

static void check(void)
{
    const char *bad = pcpu_verify(&m.r->a);
    struct percpu_stats st;

    if (bad)
        WRONG("after %llu operations: %s", (unsigned long long)m.ops, bad);
    pcpu_get_stats(&m.r->a, &st);
    EXPECT_EQ(st.nr_alloc - st.nr_free, m.n);
    EXPECT_EQ(st.bad_free, m.refused);
    EXPECT_LE(st.cached_bytes, st.cached_limit);
}

static void life(const struct world_shape *shape, u64 ops)
{
    m = (struct model){.r = rig_new(shape)};
    m.stride = 1 + m.r->a.nr_cpus / 8;
    m.max_bytes = 400 * SZ_1K;
    m.near = calloc(SHADOW_SLOTS, SZ_2M / 4);
    m.first = calloc(1, m.r->a.unit_size / 4);
    for (u32 cpu = 0; cpu < m.r->a.nr_cpus; cpu++)
        if (rig_is_live(m.r, cpu))
            m.order[m.nr_live++] = cpu;
    rng = 20260707;
    while (m.ops < ops && !m.wrong) {
        step();
        if (m.ops % VERIFY_EVERY == 0)
            check();
    }
    world_fail(&m.r->w, 0, 0, false);
    host_cpu_number = 0;
    while (m.n)
        free_one();
    check();
    EXPECT_TRUE(m.failures > 0 && m.refused > 0 && m.r->a.chunks_returned > 0);
    free(m.near);
    free(m.first);
    rig_end(m.r);
}

KTEST(percpu_alloc_model, one_cpu)
{
    life(&(struct world_shape){.nr_nodes = 1, .nr_cpus = 1, .reserved_size = 8192}, 600000);
}

KTEST(percpu_alloc_model, two_nodes)
{
    life(&(struct world_shape){.nr_nodes = 2, .nr_cpus = 4, .reserved_size = 8192}, 500000);
}

KTEST(percpu_alloc_model, sixteen_cpus)
{
    life(&(struct world_shape){.nr_nodes = 2, .nr_cpus = 16}, 250000);
}

KTEST(percpu_alloc_model, a_chunk_is_one_range)
{
    life(&(struct world_shape){.nr_nodes = 1, .nr_cpus = 32}, 150000);
}

KTEST(percpu_alloc_model, cpus_that_come_late)
{
    life(&(struct world_shape){.nr_nodes = 2, .nr_cpus = 12, .absent = {0xd5a}}, 300000);
}

KTEST(percpu_alloc_model, small_atoms)
{
    life(
        &(struct world_shape){
            .nr_nodes = 2, .nr_cpus = 6, .atom = 4096, .group_stride = 4096, .reserved_size = 4096},
        400000);
}

KTEST(percpu_alloc_model, one_group)
{
    life(&(struct world_shape){.nr_nodes = 2, .nr_cpus = 5, .one_group = true, .atom = 4096},
         400000);
}

KTEST(percpu_alloc_model, many_cpus)
{
    life(&(struct world_shape){.nr_nodes = 4, .nr_cpus = 96, .absent = {0, 0xf0}}, 80000);
}
