/*
 * Memblock against a brute-force model: one record per 512-byte unit of a small physical memory,
 * random calls from fixed seeds, and after every call memblock_verify() and a comparison of both
 * lists, unit by unit. Every allocation is compared with the model's own search, which tries each
 * aligned address in turn. The static arrays have four slots, so arrays grow all the time, and one
 * growth in eight is made to fail.
 *
 * The model does not predict where an array goes; it checks that the place was free (and outside
 * the range being worked on), and takes it over.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/ktest.h"
#include "kernel/base/string.h"
#include "mm/memblock/memblock.h"
#include "tests/host/random.h"
#include "tests/host/shim.h"

#define UNIT   512ULL
#define UNITS  1024u /* 512 KiB */
#define NODES  5
#define FLOOR  (u32)(PAGE_SIZE / UNIT)
#define OPS    2500
#define SEEDS  20u
#define STATIC 4

struct unit {
    bool mem, res;
    s8 nid, rnid;
    u8 flags, rflags;
};

struct model {
    struct unit u[UNITS];
    struct memblock mb;
    struct memblock_region mem_static[STATIC], res_static[STATIC];
    struct memblock_ops ops;
    u64 rng;
    u32 growths, failed_growths, allocs, refused, nomem;
    u32 growths_before; /* the call in progress */
};

static u8 phys[UNITS * UNIT] ALIGNED(4096);

static u32 rnd(struct model *m, u32 below)
{
    return (u32)((random_xorshift(&m->rng) >> 20) % below);
}

static void *to_virt(void *ctx, u64 pa)
{
    (void)ctx;
    return pa < sizeof(phys) ? phys + pa : NULL;
}

static bool fail_growth(void *ctx)
{
    struct model *m = ctx;

    m->growths++;
    if (rnd(m, 8))
        return false;
    m->failed_growths++;
    return true;
}

static void model_init(struct model *m, u64 seed)
{
    memset(m, 0, sizeof(*m));
    m->rng = seed * 0x9e3779b97f4a7c15ULL + 1;
    m->ops = (struct memblock_ops){m, to_virt, fail_growth};
    memblock_init(&m->mb, m->mem_static, STATIC, m->res_static, STATIC, &m->ops);
    for (u32 i = 0; i < UNITS; i++)
        m->u[i].nid = m->u[i].rnid = NODE_NONE;
}

/* ---- comparison --------------------------------------------------------------------------- */

/* Both lists must say of each unit what the model says. */
static bool same_lists(const struct model *m)
{
    static struct unit seen[UNITS];
    const struct memblock_region *r;

    for (u32 i = 0; i < UNITS; i++)
        seen[i] = (struct unit){false, false, NODE_NONE, NODE_NONE, 0, 0};
    for_each_mem_region(r, &m->mb) for (u64 i = r->base / UNIT; i < (r->base + r->size) / UNIT; i++)
    {
        seen[i].mem = true;
        seen[i].nid = (s8)r->nid;
        seen[i].flags = (u8)r->flags;
    }
    for_each_region(r, &m->mb.reserved) for (u64 i = r->base / UNIT; i < (r->base + r->size) / UNIT;
                                             i++)
    {
        seen[i].res = true;
        seen[i].rnid = (s8)r->nid;
        seen[i].rflags = (u8)r->flags;
    }
    return memcmp(seen, m->u, sizeof(seen)) == 0;
}

static bool unit_free(const struct model *m, u32 i, u32 skip)
{
    return m->u[i].mem && !m->u[i].res && !(m->u[i].flags & skip);
}

/* Same memory region as the unit before? */
static bool joined(const struct model *m, u32 i)
{
    return i > 0 && m->u[i - 1].mem && m->u[i].mem && m->u[i - 1].nid == m->u[i].nid &&
           m->u[i - 1].flags == m->u[i].flags;
}

/* The walk, and the counters of one node. */
static void check_walk(struct model *m, s32 nid, u32 skip)
{
    static bool seen[UNITS];
    struct memblock_cursor c;
    struct memblock_free_range f;
    u64 bytes = 0, last = 0;

    memset(seen, 0, sizeof(seen));
    for_each_free_range(&f, &m->mb, nid, skip, &c)
    {
        EXPECT_TRUE(f.start >= last && f.end > f.start);
        last = f.end;
        for (u64 i = f.start / UNIT; i < f.end / UNIT; i++)
            seen[i] = true;
    }
    for (u32 i = 0; i < UNITS; i++) {
        bool want = unit_free(m, i, skip) && (nid == MEMBLOCK_NODE_ANY || m->u[i].nid == nid);
        if (seen[i] != want) {
            ktest_fail(__FILE__, __LINE__, "walk: unit %u", i);
            return;
        }
        bytes += want ? UNIT : 0;
    }
    if (skip == MEMBLOCK_NOMAP)
        EXPECT_EQ(memblock_node_free(&m->mb, nid), bytes);
    if (skip == 0)
        EXPECT_EQ(memblock_node_size(&m->mb, nid) - memblock_node_reserved(&m->mb, nid), bytes);
}

static void check_queries(struct model *m)
{
    u32 a = rnd(m, UNITS), n = 1 + rnd(m, 32);
    bool all = true, some = false;

    for (u32 i = a; i < a + n; i++) {
        all = all && i < UNITS && m->u[i].mem;
        some = some || (i < UNITS && m->u[i].res);
    }
    EXPECT_EQ(memblock_is_region_memory(&m->mb, a * UNIT, n * UNIT), all);
    EXPECT_EQ(memblock_is_region_reserved(&m->mb, a * UNIT, n * UNIT), some);
    EXPECT_EQ(memblock_is_memory(&m->mb, a * UNIT + 1), m->u[a].mem);
    EXPECT_EQ(memblock_is_reserved(&m->mb, a * UNIT + UNIT - 1), m->u[a].res);
    EXPECT_EQ(memblock_addr_nid(&m->mb, a * UNIT), m->u[a].mem ? m->u[a].nid : NODE_NONE);
    check_walk(m, (s32)rnd(m, NODES + 2) - 2, rnd(m, 3) * 4 % 9);
}

/* ---- arrays ------------------------------------------------------------------------------- */

struct own {
    u64 pa, size;
    bool pinned;
};

static struct own own_of(const struct memblock_type *t)
{
    return (struct own){t->array_pa, t->array_size, t->pinned};
}

static bool inside(struct own o, u32 unit)
{
    return unit * UNIT >= o.pa && unit * UNIT < o.pa + o.size;
}

/*
 * Takes over what a growth did to the arrays between `was` and now; [lo, hi) are the units the call
 * worked on. First the old arrays go, then the new ones come.
 */
static void follow_arrays(struct model *m, const struct own was[2], u32 lo, u32 hi)
{
    struct own now[2] = {own_of(&m->mb.memory), own_of(&m->mb.reserved)};

    for (u32 t = 0; t < 2; t++)
        for (u32 i = 0; i < UNITS && now[t].pa != was[t].pa; i++)
            if (inside(was[t], i) && !was[t].pinned) {
                m->u[i].res = false;
                m->u[i].rnid = NODE_NONE;
                m->u[i].rflags = 0;
            }
    for (u32 t = 0; t < 2; t++)
        for (u32 i = 0; i < UNITS && now[t].pa != was[t].pa; i++)
            if (inside(now[t], i)) {
                if (!unit_free(m, i, MEMBLOCK_NOMAP) || i < FLOOR || (i >= lo && i < hi))
                    ktest_fail(__FILE__, __LINE__, "array in unit %u, which was not free", i);
                m->u[i].res = true;
            }
}

static bool arrays_overlap(const struct model *m, u32 lo, u32 hi)
{
    for (u32 i = lo; i < hi; i++)
        if (inside(own_of(&m->mb.memory), i) || inside(own_of(&m->mb.reserved), i))
            return true;
    return false;
}

/* ---- the model's own allocation ------------------------------------------------------------- */

struct pick {
    u32 all, none, some;
};

static bool fits(const struct model *m, u32 at, u32 n, s32 nid, struct pick p)
{
    u32 flags = m->u[at].flags;

    if (nid != MEMBLOCK_NODE_ANY && m->u[at].nid != nid)
        return false;
    if ((flags & p.all) != p.all || (flags & p.none) || (p.some && !(flags & p.some)))
        return false;
    for (u32 i = at; i < at + n; i++)
        if (!unit_free(m, i, MEMBLOCK_NOMAP) || (i > at && !joined(m, i)))
            return false;
    return true;
}

/* Every aligned place of [lo, hi) in the order of the direction; UNITS when none fits. */
static u32 search(const struct model *m, const struct memblock_request *req, u64 lo, u64 hi,
                  s32 nid, struct pick p)
{
    u32 n = (u32)(req->size / UNIT);

    for (u32 i = FLOOR; i + n <= UNITS; i++) {
        u32 at = m->mb.bottom_up ? i : UNITS - n - (i - FLOOR);
        if (at * UNIT < lo || at * UNIT + req->size > hi || at * UNIT % req->align)
            continue;
        if (fits(m, at, n, nid, p))
            return at;
    }
    return UNITS;
}

static u32 search_nodes(const struct model *m, const struct memblock_request *req, struct pick p)
{
    u64 hi = req->max_addr ? MIN(req->max_addr, m->mb.current_limit) : m->mb.current_limit;

    for (u32 i = 0; i <= req->nr_nodes; i++) {
        bool any = i == req->nr_nodes;
        s32 nid = any ? MEMBLOCK_NODE_ANY : req->nodes[i];
        u32 at;

        if (any && req->exact && req->nr_nodes)
            break;
        at = search(m, req, req->min_addr, hi, nid, p);
        if (at == UNITS)
            at = search(m, req, 0, hi, nid, p);
        if (at != UNITS)
            return at;
    }
    return UNITS;
}

static u32 model_find(const struct model *m, const struct memblock_request *req)
{
    u32 at = UNITS;

    if (req->flags & MEMBLOCK_MIRROR)
        at = search_nodes(m, req, (struct pick){MEMBLOCK_MIRROR, MEMBLOCK_LAST, 0});
    if (at == UNITS)
        at = search_nodes(m, req, (struct pick){0, MEMBLOCK_LAST, 0});
    if (at == UNITS)
        at = search_nodes(m, req, (struct pick){0, 0, MEMBLOCK_LAST});
    return at;
}

/* ---- one random call each ------------------------------------------------------------------- */

/* Only a growth that could not be had makes a call fail. */
static void check_failed(struct model *m, int rc)
{
    if (rc == 0)
        return;
    EXPECT_EQ(rc, -ENOMEM);
    EXPECT_TRUE(m->growths != m->growths_before);
    m->nomem++;
}

static u32 random_flag(struct model *m)
{
    return 1u << rnd(m, 7);
}

static void op_alloc(struct model *m, const struct own was[2])
{
    s32 nodes[4];
    struct memblock_request req = {
        .size = (1 + rnd(m, rnd(m, 4) ? 8 : 80)) * UNIT,
        .align = UNIT << rnd(m, rnd(m, 3) ? 3 : 7),
        .min_addr = rnd(m, 2) ? rnd(m, UNITS) * UNIT : 0,
        .max_addr = rnd(m, 2) ? (1 + rnd(m, UNITS)) * UNIT : 0,
        .nodes = nodes,
        .nr_nodes = rnd(m, 5),
        .exact = rnd(m, 2),
        .flags = rnd(m, 8) ? 0 : MEMBLOCK_MIRROR,
    };
    struct memblock_result got = {1, 99};
    u32 n = (u32)(req.size / UNIT), at;
    int rc;

    for (u32 i = 0; i < req.nr_nodes; i++)
        nodes[i] = (s32)rnd(m, NODES + 1) - 1;
    at = model_find(m, &req);
    rc = memblock_alloc(&m->mb, &req, &got);
    m->allocs++;
    if (rc) {
        if (at != UNITS)
            check_failed(m, rc);
        EXPECT_EQ(rc, -ENOMEM);
        EXPECT_TRUE(got.base == 1 && got.nid == 99);
        m->refused += at == UNITS;
        follow_arrays(m, was, 0, 0);
        return;
    }
    EXPECT_EQ(got.base, at * UNIT);
    if (at == UNITS)
        return;
    EXPECT_EQ(got.nid, m->u[at].nid);
    follow_arrays(m, was, at, at + n);
    for (u32 i = at; i < at + n; i++)
        m->u[i].res = true;
}

static void op_memory(struct model *m, const struct own was[2], u32 lo, u32 hi)
{
    s8 nid = (s8)((s32)rnd(m, NODES + 1) - 1);
    u32 flags = rnd(m, 3) ? 0 : random_flag(m);
    bool add = rnd(m, 5) < 4;
    int rc = add ? memblock_add_node(&m->mb, lo * UNIT, (hi - lo) * UNIT, nid, flags)
                 : memblock_remove(&m->mb, lo * UNIT, (hi - lo) * UNIT);

    follow_arrays(m, was, lo, hi);
    check_failed(m, rc);
    for (u32 i = lo; i < hi && rc == 0; i++) {
        struct unit *u = &m->u[i];
        if (add == u->mem)
            continue;
        u->mem = add;
        u->nid = add ? nid : NODE_NONE;
        u->flags = add ? (u8)flags : 0;
    }
}

static void op_reserve(struct model *m, const struct own was[2], u32 lo, u32 hi)
{
    s8 nid = rnd(m, 4) ? NODE_NONE : (s8)rnd(m, NODES);
    u8 flags = rnd(m, 8) ? 0 : MEMBLOCK_MIRROR;
    int rc = memblock_reserve_node(&m->mb, lo * UNIT, (hi - lo) * UNIT, nid, flags);

    follow_arrays(m, was, lo, hi);
    check_failed(m, rc);
    for (u32 i = lo; i < hi && rc == 0; i++)
        if (!m->u[i].res) {
            m->u[i].res = true;
            m->u[i].rnid = nid;
            m->u[i].rflags = flags;
        }
}

static void op_free(struct model *m, const struct own was[2], u32 lo, u32 hi)
{
    bool busy = arrays_overlap(m, lo, hi);
    int rc = memblock_phys_free(&m->mb, lo * UNIT, (hi - lo) * UNIT);

    if (busy)
        EXPECT_EQ(rc, -EBUSY);
    follow_arrays(m, was, lo, hi);
    if (!busy)
        check_failed(m, rc);
    for (u32 i = lo; i < hi && rc == 0; i++) {
        m->u[i].res = false;
        m->u[i].rnid = NODE_NONE;
        m->u[i].rflags = 0;
    }
}

static void op_change(struct model *m, const struct own was[2], u32 lo, u32 hi)
{
    u32 kind = rnd(m, 2), flag = random_flag(m);
    s8 nid = (s8)((s32)rnd(m, NODES + 1) - 1);
    u64 base = lo * UNIT, size = (hi - lo) * UNIT;
    int rc = kind == 0 ? memblock_set_node(&m->mb, base, size, nid)
                       : memblock_mark(&m->mb, base, size, flag);

    follow_arrays(m, was, lo, hi);
    check_failed(m, rc);
    for (u32 i = lo; i < hi && rc == 0; i++) {
        struct unit *u = &m->u[i];
        if (kind == 0 && u->mem)
            u->nid = nid;
        if (kind == 1 && u->mem)
            u->flags |= (u8)flag;
    }
}

static void drop_memory(struct model *m, u32 i)
{
    m->u[i].mem = false;
    m->u[i].nid = NODE_NONE;
    m->u[i].flags = 0;
}

/* Whole units of `align` of each region stay. */
static void model_trim(struct model *m, u32 align)
{
    u32 start, end;

    for (start = 0; start < UNITS; start = end) {
        end = start + 1;
        if (!m->u[start].mem)
            continue;
        while (end < UNITS && joined(m, end))
            end++;
        u32 from = (start + align - 1) / align * align, to = end / align * align;
        for (u32 i = start; i < end; i++)
            if (i < from || i >= to)
                m->u[i].flags |= 0x80; /* marked first, so that joined() sees the old regions */
    }
    for (u32 i = 0; i < UNITS; i++)
        if (m->u[i].flags & 0x80)
            drop_memory(m, i);
}

/* Rare: trimming, and the limit. Neither can fail. */
static void op_limits(struct model *m)
{
    u32 keep = UNITS / 2 + rnd(m, UNITS / 2);

    if (rnd(m, 2)) {
        memblock_trim_memory(&m->mb, 4 * UNIT);
        model_trim(m, 4);
    } else {
        bool none = rnd(m, 2);
        memblock_set_current_limit(&m->mb, none ? MEMBLOCK_NO_LIMIT : (UNITS / 2 + keep) * UNIT);
    }
}

static void one_call(struct model *m)
{
    const struct own was[2] = {own_of(&m->mb.memory), own_of(&m->mb.reserved)};
    u32 lo = rnd(m, UNITS), len = 1 + rnd(m, rnd(m, 4) ? 16 : 200);
    u32 hi = MIN(lo + len, UNITS), what = rnd(m, 100);

    m->growths_before = m->growths;
    if (what < 36)
        op_alloc(m, was);
    else if (what < 48)
        op_reserve(m, was, lo, hi);
    else if (what < 68)
        op_free(m, was, lo, hi);
    else if (what < 84)
        op_memory(m, was, lo, hi);
    else if (what < 97)
        op_change(m, was, lo, hi);
    else if (what < 98)
        op_limits(m);
    else
        memblock_set_bottom_up(&m->mb, rnd(m, 2));
}

static bool run_seed(struct model *m, u64 seed)
{
    model_init(m, seed);
    for (u32 op = 0; op < OPS; op++) {
        one_call(m);
        if (memblock_verify(&m->mb) || !same_lists(m)) {
            ktest_fail(__FILE__, __LINE__, "seed %llu: wrong after call %u",
                       (unsigned long long)seed, op);
            return false;
        }
        check_queries(m);
    }
    return true;
}

KTEST(memblock_model, random_calls)
{
    static struct model m;
    u32 grown = 0, failed = 0, refused = 0, allocs = 0, nomem = 0, regions = 0;

    for (u64 seed = 1; seed <= SEEDS; seed++) {
        if (!run_seed(&m, seed))
            return;
        grown += m.mb.memory.grown + m.mb.reserved.grown;
        failed += m.failed_growths;
        allocs += m.allocs;
        refused += m.refused;
        nomem += m.nomem;
        regions = MAX(regions, m.mb.memory.cnt + m.mb.reserved.cnt);
    }
    ktest_note("%u calls, %u allocations (%u refused), %u growths, %u failed, up to %u regions",
               SEEDS * OPS, allocs, refused, grown, failed, regions);
    /* The walk must have been where it hurts. */
    EXPECT_GE(grown, SEEDS * 4);
    EXPECT_GE(failed, SEEDS);
    EXPECT_GE(nomem, SEEDS / 2);
    EXPECT_GE(allocs - refused, SEEDS * OPS / 8);
    EXPECT_GE(refused, SEEDS * 4);
}
