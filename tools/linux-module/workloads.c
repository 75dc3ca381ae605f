/*
 * The workloads: pairs, the trace, fork and exit, storms on all CPUs, remote frees. Both sides run
 * the same code, through the same calls by pointer. Calls are measured in ticks of the TSC, which
 * under -icount are guest instructions; storms in nanoseconds.
 *
 * Each result is one line "compare: op=... side=... key=value ...".
 * SPDX-License-Identifier: MIT
 */
#include "tools/linux-module/workloads.h"

#include "kernel/base/cpu_local.h"
#include "kernel/base/errno.h"
#include "kernel/base/string.h"
#include "tools/linux-module/linux_side.h"
#include "tools/linux-module/port.h"

#define SAMPLES 20000u
#define HELD    64u /* of each thread of a storm */
#define BATCH   64u

static u32 *alloc_ticks, *free_ticks; /* [SAMPLES] */
static u32 overhead;

/* ---- one CPU --------------------------------------------------------------------------------- */

struct timer {
    unsigned interrupts;
    u64 start;
};

static struct timer timer_start(void)
{
    struct timer t = {linux_interrupts(), 0};

    t.start = cpu_ticks();
    return t;
}

/* A call in which an interrupt came is no sample. */
static u32 timer_stop(struct timer t)
{
    u64 ticks = cpu_ticks() - t.start;

    if (linux_interrupts() != t.interrupts || ticks >= DISTURBED)
        return DISTURBED;
    return (u32)(ticks - MIN(ticks, overhead));
}

static void *timed_alloc(const struct side *s, size_t size, size_t align, u32 *ticks)
{
    struct timer t = timer_start();
    void *p = s->alloc(size, align);

    *ticks = timer_stop(t);
    return p;
}

static void timed_free(const struct side *s, void *p, u32 *ticks)
{
    struct timer t = timer_start();

    s->free(p);
    *ticks = timer_stop(t);
}

static void measure_overhead(void)
{
    u32 least = ~0u;

    for (u32 i = 0; i < 1000; i++) {
        u64 t = cpu_ticks();

        t = cpu_ticks() - t;
        least = MIN(least, (u32)t);
    }
    overhead = least;
}

static void row(const char *op, const struct side *s, u32 size, u32 na, u32 nf)
{
    struct summary a = summary_of(alloc_ticks, na), f = summary_of(free_ticks, nf);

    say("compare: op=%s side=%s size=%u alloc=%u free=%u alloc_p99=%u free_p99=%u alloc_max=%u "
        "free_max=%u alloc_mean=%u free_mean=%u left_out=%u",
        op, s->name, size, a.median, f.median, a.p99, f.p99, a.max, f.max, a.mean, f.mean,
        na + nf - a.n - f.n);
}

static int pairs_of(const struct side *s, u32 size, u32 align, u32 n)
{
    for (u32 i = 0; i < n; i++) {
        void *p = timed_alloc(s, size, align, &alloc_ticks[i]);

        if (!p)
            return -ENOMEM;
        timed_free(s, p, &free_ticks[i]);
    }
    row("pair", s, size, n, n);
    return 0;
}

static int run_pairs(const struct side *s, u32 n)
{
    static const u16 shapes[][2] = {{8, 8}, {40, 64}, {64, 64}, {256, 8}, {1024, 8}, {4096, 8}};
    int err = 0;

    for (u32 i = 0; i < ARRAY_SIZE(shapes) && !err; i++)
        err = pairs_of(s, shapes[i][0], shapes[i][1], n);
    return err;
}

static int trace_allocs(const struct side *s, void **live, u32 *n, u32 *nf, u64 *x)
{
    for (u32 i = 0; i < TRACE_ALLOCS; i++) {
        live[*n] = timed_alloc(s, 8 + trace_next(x) % 505, 8, &alloc_ticks[i]);
        if (!live[*n])
            return -ENOMEM;
        ++*n;
        if (trace_next(x) % 100 < 40) {
            u32 j = trace_next(x) % *n;

            timed_free(s, live[j], &free_ticks[(*nf)++]);
            live[j] = live[--*n];
        }
    }
    return 0;
}

static int run_trace(const struct side *s)
{
    void **live = linux_mem_get(-1, TRACE_ALLOCS * sizeof(*live));
    u64 x = TRACE_SEED;
    u32 n = 0, nf = 0;
    int err = live ? trace_allocs(s, live, &n, &nf, &x) : -ENOMEM;

    if (!err)
        row("trace", s, 0, TRACE_ALLOCS, nf);
    nf = 0;
    while (n) {
        u32 j = trace_next(&x) % n;

        timed_free(s, live[j], &free_ticks[nf++]);
        live[j] = live[--n];
    }
    if (!err)
        row("drain", s, 0, 0, nf);
    linux_mem_put(live, TRACE_ALLOCS * sizeof(*live));
    return err;
}

/* Four objects made and destroyed, as a process does: each sample is four calls. */
static int run_fork(const struct side *s, u32 n)
{
    static const u8 sizes[4] = {16, 40, 8, 24};

    for (u32 i = 0; i < n; i++) {
        void *p[4] = {0};
        u32 made = 0;
        struct timer t = timer_start();

        while (made < 4 && (p[made] = s->alloc(sizes[made], 8)))
            made++;
        alloc_ticks[i] = timer_stop(t);
        t = timer_start();
        for (u32 k = 0; k < made; k++)
            s->free(p[k]);
        free_ticks[i] = timer_stop(t);
        if (made < 4)
            return -ENOMEM;
    }
    row("fork", s, 0, n, n);
    return 0;
}

/* ---- all CPUs at once ------------------------------------------------------------------------ */

struct storm {
    const struct side *side;
    u32 cpus, n;
    u32 ready; /* threads at the start */
    int err;
    void *(*box)[BATCH]; /* [cpus], of run_remote */
    u32 *full;           /* [cpus], batch in box[i] */
    u64 begin, end;      /* the first start, the last end */
};

static u32 load(const u32 *at)
{
    return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

static void store(u32 *at, u32 value)
{
    __atomic_store_n(at, value, __ATOMIC_RELEASE);
}

static void meet(struct storm *st)
{
    __atomic_add_fetch(&st->ready, 1, __ATOMIC_ACQ_REL);
    for (u32 times = 0; load(&st->ready) < st->cpus; times++)
        linux_nap(times);
    __atomic_store_n(&st->begin, linux_ns(), __ATOMIC_RELAXED);
}

static void leave(struct storm *st, int err)
{
    u64 now = linux_ns(), old = __atomic_load_n(&st->end, __ATOMIC_RELAXED);

    if (err)
        __atomic_store_n(&st->err, err, __ATOMIC_RELAXED);
    while (old < now && !__atomic_compare_exchange_n(&st->end, &old, now, false, __ATOMIC_RELAXED,
                                                     __ATOMIC_RELAXED))
        ;
}

/* A thread holds HELD objects of 8 to 512 bytes; each step replaces one at random. */
static void storm_thread(void *arg, unsigned index)
{
    struct storm *st = arg;
    u64 x = TRACE_SEED + index;
    void *held[HELD] = {0};
    int err = 0;

    meet(st);
    for (u32 i = 0; i < st->n && !err; i++) {
        u32 at = trace_next(&x) % HELD;

        if (held[at])
            st->side->free(held[at]);
        held[at] = st->side->alloc(8u << trace_next(&x) % 7, 8);
        if (!held[at])
            err = -ENOMEM;
        if (i % 64 == 0)
            linux_nap(0);
    }
    for (u32 i = 0; i < HELD; i++)
        if (held[i])
            st->side->free(held[i]);
    leave(st, err);
}

static void free_batch(const struct side *s, void **p)
{
    for (u32 i = 0; i < BATCH; i++)
        if (p[i])
            s->free(p[i]);
}

/* A thread fills its box; its neighbour frees what is in it. Boxes carry the batch's number. */
static void remote_thread(void *arg, unsigned index)
{
    struct storm *st = arg;
    u32 from = (index + 1) % st->cpus;
    int err = 0;

    meet(st);
    for (u32 batch = 1; batch <= st->n / BATCH; batch++) {
        for (u32 times = 0; load(&st->full[index]); times++)
            linux_nap(times);
        for (u32 i = 0; i < BATCH; i++) {
            st->box[index][i] = st->side->alloc(64, 8);
            if (!st->box[index][i])
                err = -ENOMEM;
        }
        store(&st->full[index], batch);
        for (u32 times = 0; !load(&st->full[from]); times++)
            linux_nap(times);
        free_batch(st->side, st->box[from]);
        store(&st->full[from], 0);
    }
    leave(st, err);
}

static int storm_once(struct storm *st, void (*thread)(void *arg, unsigned index), u64 *ns)
{
    int err;

    st->ready = 0;
    st->err = 0;
    st->begin = st->end = 0;
    memset(st->full, 0, st->cpus * sizeof(*st->full));
    err = linux_on_cpus(st->cpus, thread, st);
    *ns = st->end - st->begin;
    return err ? err : st->err;
}

/* In turn, so that what else the host does meets both: ns of each round. */
static int storm_rounds(const char *op, const struct side *sides, struct storm *st, u32 rounds,
                        void (*thread)(void *arg, unsigned index))
{
    for (u32 r = 0; r < rounds; r++)
        for (u32 i = 0; i < 2; i++) {
            u64 ns = 0;
            int err;

            st->side = &sides[i];
            err = storm_once(st, thread, &ns);
            if (err)
                return err;
            say("compare: op=%s side=%s cpus=%u n=%u ns=%llu", op, sides[i].name, st->cpus,
                st->cpus * st->n, (ull)ns);
        }
    return 0;
}

static int run_storms(const struct side *sides, u32 cpus, const char *ops, u32 pairs, u32 rounds)
{
    struct storm st = {.cpus = cpus, .n = MAX(pairs, BATCH)};
    size_t box = cpus * sizeof(*st.box), full = cpus * sizeof(*st.full);
    int err = 0;

    st.box = linux_mem_get(-1, box);
    st.full = linux_mem_get(-1, full);
    if (!st.box || !st.full)
        err = -ENOMEM;
    if (!err && list_has(ops, "storm"))
        err = storm_rounds("storm", sides, &st, rounds, storm_thread);
    if (!err && list_has(ops, "remote"))
        err = storm_rounds("remote", sides, &st, rounds, remote_thread);
    linux_mem_put(st.box, box);
    linux_mem_put(st.full, full);
    return err;
}

/* ---- what memory it is ----------------------------------------------------------------------- */

/* A new object is zero in every unit, and each unit has its own. */
static int check_copies(const struct side *s)
{
    u64 *p[32];
    int err = 0;

    for (u32 i = 0; i < ARRAY_SIZE(p); i++) {
        p[i] = s->alloc(64, 8);
        if (!p[i])
            return -ENOMEM;
        for (u32 cpu = 0; cpu < linux_nr_cpus(); cpu++) {
            u64 *copy = s->copy(p[i], cpu);

            for (u32 k = 0; k < 8; k++)
                err |= copy[k] != 0;
            copy[0] = copy[7] = (u64)i << 32 | (cpu + 1);
        }
    }
    for (u32 i = 0; i < ARRAY_SIZE(p); i++) {
        for (u32 cpu = 0; cpu < linux_nr_cpus(); cpu++)
            err |= *(u64 *)s->copy(p[i], cpu) != ((u64)i << 32 | (cpu + 1));
        s->free(p[i]);
    }
    say("compare: op=check side=%s result=%s", s->name, err ? "wrong" : "ok");
    return err ? -EINVAL : 0;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int run_side(const struct side *s, const char *ops, u32 pairs)
{
    int err = check_copies(s);

    if (!err && list_has(ops, "pair"))
        err = run_pairs(s, pairs);
    if (!err && list_has(ops, "trace"))
        err = run_trace(s);
    if (!err && list_has(ops, "fork"))
        err = run_fork(s, pairs);
    if (s->settle)
        s->settle();
    return err ? err : check_copies(s);
}

int workloads_run(const struct side *sides, u32 cpus, const char *ops, u32 pairs, u32 rounds)
{
    size_t bytes = SAMPLES * sizeof(u32);
    int err = 0;

    if (!cpus || cpus > linux_nr_online() || !pairs || pairs > SAMPLES)
        return -EINVAL;
    alloc_ticks = linux_mem_get(-1, bytes);
    free_ticks = linux_mem_get(-1, bytes);
    if (!alloc_ticks || !free_ticks)
        err = -ENOMEM;
    measure_overhead();
    for (u32 i = 0; i < 2 && !err; i++)
        err = run_side(&sides[i], ops, pairs);
    if (!err)
        err = run_storms(sides, cpus, ops, pairs, rounds);
    linux_mem_put(alloc_ticks, bytes);
    linux_mem_put(free_ticks, bytes);
    return err;
}
