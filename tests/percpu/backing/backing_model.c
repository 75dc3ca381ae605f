/*
 * The memory behind two chunks under random population, return, promotion, pressure, CPUs that come
 * for the first time, nodes that run dry, and failures of every kind at any call, against a plain
 * table of what each page of each unit must be. Each real page carries its owner's stamp, so that a
 * page that two share, or that was cleared or lost, is seen; every page of memory is accounted for
 * after each operation. All from fixed seeds.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include <string.h>

#include "kernel/base/ktest.h"
#include "percpu/backing/backing_internal.h"
#include "tests/host/percpu_world.h"
#include "tests/host/random.h"
#include "tests/host/shim.h"

#define CHUNKS     2
#define MAX_CPUS   16
#define MAX_BLOCKS 1024

struct chunk {
    bool live;
    struct pcpu_backing b;
    bool populated[MAX_BLOCKS];
    bool served[MAX_CPUS];
    bool partly[MAX_CPUS];           /* a failed first time: zero page or real */
    u64 stamp[MAX_CPUS][MAX_BLOCKS]; /* 0: no real page */
};

struct model {
    struct world w;
    struct chunk chunks[CHUNKS];
    u64 seed, next_stamp;
    u32 blocks; /* of a unit */
    bool broken;
    u64 done, refused, promoted, lost, unflushed;
};

static struct model m;

static u32 rnd(u32 below)
{
    return (u32)(random_xorshift(&m.seed) % below);
}

/* ---- the table against the memory ------------------------------------------------------------ */

static u64 *memory_of(u64 page)
{
    return m.w.page_ops.map(&m.w, page);
}

static bool is_zero(const u64 *p)
{
    for (u32 i = 0; i < PAGE_SIZE / 8; i++) {
        if (p[i])
            return false;
    }
    return true;
}

static void stamp_page(u64 *p, u64 stamp)
{
    p[0] = p[255] = p[511] = stamp;
}

/* A page that became real is zero, and gets its stamp; one that was real has it still. */
static bool check_real(struct chunk *c, u32 cpu, u32 block, u64 page)
{
    u64 *p = memory_of(page), *stamp = &c->stamp[cpu][block];

    if (!*stamp) {
        if (!is_zero(p))
            return false;
        *stamp = ++m.next_stamp;
        stamp_page(p, *stamp);
    }
    return p[0] == *stamp && p[255] == *stamp && p[511] == *stamp;
}

static bool check_page(struct chunk *c, u32 cpu, u32 block)
{
    u64 page, off = block * PAGE_SIZE;
    int err = pcpu_backing_lookup(&c->b, cpu, off, &page);
    u64 entry = err ? world_entry(&m.w, c->b.base + m.w.fc.unit_off[cpu] + off) : page;

    if (!c->populated[block]) {
        c->stamp[cpu][block] = 0;
        return entry == PCPU_GET_NONE;
    }
    if (!err && (c->served[cpu] || c->partly[cpu]))
        return check_real(c, cpu, block, page);
    return entry == PCPU_GET_ZERO && !c->served[cpu] && !c->stamp[cpu][block];
}

static void check_chunk(struct chunk *c)
{
    for (u32 cpu = 0; cpu < m.w.shape.nr_cpus; cpu++) {
        for (u32 block = 0; block < m.blocks; block++) {
            if (check_page(c, cpu, block) || m.broken)
                continue;
            m.broken = true; /* one such line is enough */
            ktest_fail(__FILE__, __LINE__, "CPU %u block %u, operation %llu", cpu, block,
                       (unsigned long long)m.done);
        }
    }
    EXPECT_STREQ(pcpu_backing_verify(&c->b) ?: "ok", "ok");
}

static void check_all(void)
{
    struct pcpu_backing *live[CHUNKS];
    u64 taken = 0, known = 0;
    u32 n = 0;

    for (u32 i = 0; i < CHUNKS; i++) {
        if (!m.chunks[i].live)
            continue;
        check_chunk(&m.chunks[i]);
        live[n++] = &m.chunks[i].b;
    }
    EXPECT_STREQ(world_check_counts(&m.w, live, n) ?: "ok", "ok");
    for (u32 i = 0; i < m.w.shape.nr_nodes * m.w.node_pages; i++)
        taken += m.w.pages[i].state == WORLD_TAKEN;
    for (u32 node = 0; node < m.w.shape.nr_nodes; node++)
        known += m.w.count[node].populated + m.w.count[node].reserved + m.w.count[node].quarantined;
    EXPECT_EQ(taken, known);
}

/* ---- operations ------------------------------------------------------------------------------ */

static void maybe_fail(void)
{
    static const u32 kinds[] = {WORLD_PAGE,   WORLD_BLOCK, WORLD_PAGE | WORLD_BLOCK,
                                WORLD_META,   WORLD_SLOT,  WORLD_PROMOTE,
                                WORLD_DEMOTE, WORLD_MEMORY};

    if (rnd(3) == 0)
        world_fail(&m.w, kinds[rnd(8)], 1 + rnd(rnd(2) ? 8 : 200), rnd(2));
    else if (rnd(60) == 0)
        world_fail(&m.w, WORLD_FLUSH, 1 + rnd(2), rnd(2));
    else
        world_fail(&m.w, 0, 0, false);
}

static u32 pick_blocks(const struct chunk *c, bool populated, u32 *blocks)
{
    u32 chance = 1 + rnd(rnd(3) ? 100 : 2), n = 0;

    for (u32 block = 0; block < m.blocks; block++) {
        if (c->populated[block] == populated && rnd(chance) == 0)
            blocks[n++] = block;
    }
    return n;
}

static void do_populate(struct chunk *c)
{
    u64 before[WORLD_MAX_NODES] = {0};
    u32 blocks[MAX_BLOCKS], n = pick_blocks(c, false, blocks);
    int err;

    for (u32 node = 0; node < m.w.shape.nr_nodes; node++)
        before[node] = world_free_pages(&m.w, node);
    err = pcpu_backing_populate(&c->b, blocks, n);
    for (u32 i = 0; !err && i < n; i++)
        c->populated[blocks[i]] = true;
    m.refused += err != 0;
    for (u32 node = 0; err && node < m.w.shape.nr_nodes; node++)
        EXPECT_EQ(world_free_pages(&m.w, node), before[node]);
}

/* Fails at every k-th page until it does not: each time nothing may have changed. */
static void do_populate_every_k(struct chunk *c)
{
    u32 first = rnd(m.blocks), blocks[3], n = 0;
    u64 k = 0;

    for (u32 block = first; block < m.blocks && n < 3; block++) {
        if (!c->populated[block])
            blocks[n++] = block;
    }
    do {
        world_fail(&m.w, WORLD_PAGE, ++k, true);
        if (k % 8 == 0)
            check_all();
    } while (pcpu_backing_populate(&c->b, blocks, n) && k < 200);
    world_fail(&m.w, 0, 0, false);
    for (u32 i = 0; k < 200 && i < n; i++)
        c->populated[blocks[i]] = true;
}

/*
 * All of it, in the end with an absent CPU's pages replaced but not flushed, and then at once what
 * an idle CPU would do: a full range that is stale is not to be promoted.
 */
static void do_fill_and_online(struct chunk *c)
{
    u32 blocks[MAX_BLOCKS], n = 0, cpu = rnd(m.w.shape.nr_cpus);
    int err;

    world_fail(&m.w, 0, 0, false);
    for (u32 block = 0; block < m.blocks; block++) {
        if (!c->populated[block])
            blocks[n++] = block;
    }
    if (n && pcpu_backing_populate(&c->b, blocks, n))
        return;
    for (u32 i = 0; i < n; i++)
        c->populated[blocks[i]] = true;
    world_set_backed(&m.w, cpu);
    c->partly[cpu] = true;
    world_fail(&m.w, WORLD_FLUSH, 1, rnd(2));
    err = pcpu_backing_cpu_online(&c->b, cpu);
    c->served[cpu] |= !err;
    m.unflushed += err == -ETIMEDOUT;
    world_fail(&m.w, 0, 0, false);
    m.promoted += pcpu_backing_promote(&c->b);
}

static void do_return(struct chunk *c)
{
    u32 blocks[MAX_BLOCKS], n = pick_blocks(c, true, blocks), returned;
    int err;

    for (u32 i = n; rnd(2) && i > 1; i--) {
        u32 j = rnd(i), t = blocks[j];

        blocks[j] = blocks[i - 1];
        blocks[i - 1] = t;
    }
    err = pcpu_backing_return(&c->b, blocks, n, &returned);
    EXPECT_TRUE(returned == n || err);
    EXPECT_TRUE(returned <= n);
    for (u32 i = 0; i < returned; i++)
        c->populated[blocks[i]] = false;
}

/* All absent CPUs' bits are known to chunks that come later; this one is told now. */
static void do_online(void)
{
    u32 cpu = rnd(m.w.shape.nr_cpus);

    if (rnd(4))
        return;
    world_set_backed(&m.w, cpu);
    for (u32 i = 0; i < CHUNKS; i++) {
        struct chunk *c = &m.chunks[i];

        if (!c->live)
            continue;
        c->partly[cpu] = true;
        if (pcpu_backing_cpu_online(&c->b, cpu) == 0)
            c->served[cpu] = true;
    }
}

static void do_create(struct chunk *c)
{
    memset(c, 0, sizeof(*c));
    if (pcpu_backing_create(&m.w.env, &c->b))
        return;
    c->live = true;
    for (u32 cpu = 0; cpu < m.w.shape.nr_cpus; cpu++)
        c->served[cpu] = m.w.backed[cpu / 64] >> (cpu % 64) & 1;
}

static void do_empty(struct chunk *c)
{
    u32 blocks[MAX_BLOCKS], n = 0, returned;

    world_fail(&m.w, 0, 0, false);
    for (u32 block = 0; block < m.blocks; block++) {
        if (c->populated[block])
            blocks[n++] = block;
        c->populated[block] = false;
    }
    EXPECT_EQ(pcpu_backing_return(&c->b, blocks, n, &returned), 0);
}

static void do_destroy(struct chunk *c)
{
    do_empty(c);
    pcpu_backing_destroy(&c->b);
    c->live = false;
}

static void do_node(void)
{
    u32 node = rnd(m.w.shape.nr_nodes);

    switch (rnd(4)) {
    case 0:
        world_fragment(&m.w, node);
        break;
    case 1:
        world_exhaust(&m.w, node, rnd(2000));
        break;
    default:
        world_refill(&m.w, node);
    }
}

static void do_one(void)
{
    struct chunk *c = &m.chunks[rnd(CHUNKS)];
    u32 op = rnd(100);

    maybe_fail();
    if (!c->live)
        do_create(c);
    else if (op < 35)
        do_populate(c);
    else if (op < 40)
        do_populate_every_k(c);
    else if (op < 70)
        do_return(c);
    else if (op < 80)
        m.promoted += pcpu_backing_promote(&c->b);
    else if (op < 85)
        pcpu_backing_break_reservations(&c->b);
    else if (op < 89)
        do_online();
    else if (op < 90)
        do_fill_and_online(c);
    else if (op < 98)
        do_node();
    else
        do_destroy(c);
    world_fail(&m.w, 0, 0, false);
    m.done++;
}

static void run(const struct world_shape *shape, u64 seed, u32 operations)
{
    memset(&m, 0, sizeof(m));
    m.seed = seed;
    world_init(&m.w, shape);
    m.blocks = m.w.env.layout->nr_blocks;
    REQUIRE_TRUE(m.blocks <= MAX_BLOCKS && shape->nr_cpus <= MAX_CPUS);
    for (u32 i = 0; i < operations && !m.w.violations && !m.broken; i++) {
        do_one();
        check_all();
        if (i % 200 == 0)
            shim_log_reset();
    }
    for (u32 i = 0; i < CHUNKS; i++) {
        if (m.chunks[i].live)
            do_destroy(&m.chunks[i]);
    }
    for (u32 node = 0; node < shape->nr_nodes; node++)
        m.lost += m.w.count[node].quarantined;
    world_done(&m.w);
}

static void run_and_note(const struct world_shape *shape, u64 seed, u32 operations)
{
    run(shape, seed, operations);
    ktest_note("%llu operations: %llu population refused, %llu promotions, %llu pages lost",
               (unsigned long long)m.done, (unsigned long long)m.refused,
               (unsigned long long)m.promoted, (unsigned long long)m.lost);
}

KTEST(backing_model, usual)
{
    run_and_note(
        &(struct world_shape){
            .nr_nodes = 2, .nr_cpus = 8, .node_bytes = 8 * SZ_1M, .unmapped = true},
        0x1234567, 6000);
    EXPECT_TRUE(m.promoted > 10 && m.refused > 20 && m.lost > 0);
}

KTEST(backing_model, absent_cpus)
{
    run_and_note(&(struct world_shape){.nr_nodes = 4,
                                       .nr_cpus = 16,
                                       .absent = {0x8421},
                                       .node_bytes = 8 * SZ_1M,
                                       .unmapped = true},
                 0x89abcdef, 3500);
    EXPECT_TRUE(m.promoted > 0 && m.refused > 20);
}

KTEST(backing_model, large_units)
{
    run_and_note(&(struct world_shape){.nr_nodes = 2,
                                       .nr_cpus = 2,
                                       .static_size = 3 * SZ_1M,
                                       .node_bytes = 12 * SZ_1M,
                                       .unmapped = true},
                 0xfeed, 5000);
    EXPECT_TRUE(m.promoted > 20);
}

KTEST(backing_model, nobodys_units)
{
    run_and_note(
        &(struct world_shape){
            .nr_nodes = 2, .nr_cpus = 6, .node_bytes = 8 * SZ_1M, .unmapped = true},
        0xbeef, 4000);
    EXPECT_EQ(m.promoted, 0);
}

KTEST(backing_model, shared_ranges)
{
    run_and_note(&(struct world_shape){.nr_nodes = 3,
                                       .nr_cpus = 12,
                                       .atom = 64 * SZ_1K,
                                       .group_stride = 3 * 64 * SZ_1K,
                                       .absent = {0x30},
                                       .node_bytes = 4 * SZ_1M,
                                       .unmapped = true},
                 0xcafe, 4000);
}

KTEST(backing_model, mapped)
{
    run_and_note(&(struct world_shape){.nr_nodes = 2, .nr_cpus = 8, .node_bytes = 8 * SZ_1M}, 0x777,
                 300);
}

/* An absent CPU comes only once in a world, so there are many short ones. */
KTEST(backing_model, absent_cpus_whose_flush_fails)
{
    u64 unflushed = 0, promoted = 0;

    for (u64 seed = 1; seed <= 60; seed++) {
        run(&(struct world_shape){.nr_nodes = 2,
                                  .nr_cpus = 8,
                                  .absent = {0x88},
                                  .node_bytes = 8 * SZ_1M,
                                  .unmapped = true},
            seed, 80);
        unflushed += m.unflushed;
        promoted += m.promoted;
    }
    ktest_note("%llu CPUs without a flush, %llu promotions", (unsigned long long)unflushed,
               (unsigned long long)promoted);
    EXPECT_TRUE(unflushed > 10 && promoted > 0);
}
