/*
 * run=bench:percpu: the arena, the parts and their order, and one measured operation.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/bench/bench.h"
#include <stdarg.h>
#include "kernel/base/cpu_local.h"
#include "kernel/base/glob.h"
#include "kernel/base/print.h"
#include "kernel/base/printf.h"
#include "kernel/base/string.h"
#include "kernel/platform/percpu_platform.h"
#include "percpu/alloc/alloc.h"
#include "smp/start/cpus.h"

static const char *const bench_class_names[BENCH_CLASSES] = {"nopop", "populate", "newchunk"};

static struct bench *arena;

static const struct {
    const char *name;
    void (*run)(struct bench *b);
    bool always; /* runs when no part is named */
} parts[] = {
    {"percpu.atomic", bench_atomic, true},       {"percpu.sizes", bench_sizes, true},
    {"percpu.trace", bench_trace, true},         {"percpu.return", bench_return, true},
    {"percpu.waves", bench_waves, true},         {"percpu.idle", bench_idle, true},
    {"percpu.accessors", bench_accessors, true}, {"percpu.counter", bench_counter, true},
    {"percpu.latency", bench_latency, true},     {"percpu.par", bench_par, true},
    {"percpu.ring", bench_ring, true},           {"percpu.storm", bench_storm, true},
    {"percpu.remote", bench_remote, true},       {"percpu.sweep", bench_sweep, false},
    {"percpu.full", bench_full, false},          {"percpu.wall", bench_wall, false},
};

/* Is this part in the list of globs? "percpu", and an empty list, name what always runs. */
static bool wanted(const char *globs, u32 part)
{
    if (parts[part].always && glob_list_match(globs, "percpu"))
        return true;
    return globs[0] && glob_list_match(globs, parts[part].name);
}

static bool any_wanted(const char *globs)
{
    for (u32 i = 0; i < ARRAY_SIZE(parts); i++)
        if (wanted(globs, i))
            return true;
    return false;
}

void bench_reserve(struct boot_state *s)
{
    char globs[OPT_RUN_MAX];

    if (!kernel_options_run(&s->opt, "bench", globs) || !any_wanted(globs))
        return;
    arena = small_alloc(&s->small, NODE_NONE, sizeof(*arena));
    if (arena)
        memset(arena, 0, sizeof(*arena));
    else
        pr_warn("bench: no memory for %zu bytes of samples", sizeof(*arena));
}

/* ---- shared by the parts --------------------------------------------------------------------- */

void bench_print(u64 *v, u32 n, const char *name, ...)
{
    struct bench_summary s;
    char text[96];
    va_list ap;

    va_start(ap, name);
    kvsnprintf(text, sizeof(text), name, ap);
    va_end(ap);

    bench_summarise(v, n, &s);
    log_raw("bench: %s n=%u min=%llu med=%llu p90=%llu p99=%llu max=%llu mean=%llu sum=%llu", text,
            s.n, (ull)s.min, (ull)s.med, (ull)s.p90, (ull)s.p99, (ull)s.max, (ull)s.mean,
            (ull)s.sum);
}

void bench_print_accessor(const char *op, u64 milli)
{
    log_raw("bench: accessor op=%s insns=%llu.%03llu", op, BENCH_FIX(milli));
}

void bench_print_classes(struct bench *b, const char *prefix, u32 n)
{
    for (u32 class = 0; class < BENCH_CLASSES; class ++) {
        u32 k = 0;

        for (u32 i = 0; i < n; i++)
            if (b->class[i] == class)
                b->scratch[k++] = b->sample[i];
        if (k)
            bench_print(b->scratch, k, "%s class=%s", prefix, bench_class_names[class]);
    }
    bench_print(b->sample, n, "%s", prefix);
}

u64 bench_populated(void)
{
    struct percpu_stats st;

    percpu_get_stats(&st);
    return st.populated_blocks;
}

u64 bench_cleared(void)
{
    struct percpu_stats st;

    percpu_get_stats(&st);
    return st.cleared_bytes;
}

/* PAUSE lets the other CPUs run, also when one host thread runs all of them. */
static void let_others_work(void)
{
    for (u32 i = 0; i < 128; i++)
        cpu_relax();
}

/* Returns after a round in which no CPU populated, returned or finished deferred work. */
static void let_others_finish(void)
{
    struct percpu_stats x, y;

    percpu_get_stats(&y);
    do {
        x = y;
        let_others_work();
        percpu_get_stats(&y);
    } while (x.populated_blocks != y.populated_blocks || x.background != y.background);
}

/* Only one balance: each lowers the reserve by a step. It does nothing while another one runs. */
void bench_settle(void)
{
    let_others_finish();
    percpu_balance();
    let_others_finish();
}

/*
 * The least cost of this clearing (percpu/chunk/clear.h): the stores, and the overhead of each
 * page, or of one piece in each unit. The number of pieces is not known. Another piece would add
 * more overhead than the row that it may save, so the result is never too high.
 */
static u64 clearing(const struct bench *b, const struct bench_op *op)
{
    u64 stores = op->cleared / BENCH_CLEAR_BYTES;

    if (op->blocks)
        return stores + MIN(op->blocks * b->cpus, op->cleared / PAGE_SIZE) * BENCH_CLEAR_PAGE;
    if (!op->cleared)
        return 0;
    u64 rows = bench_less(stores / b->cpus, BENCH_CLEAR_WORDS + 1) / BENCH_CLEAR_WORDS;
    return stores + b->cpus * (BENCH_CLEAR_PIECE + rows * BENCH_CLEAR_ROW);
}

u64 bench_deferred(struct bench *b)
{
    u64 t0 = rdtsc();

    percpu_hold_work(false);
    bench_settle();
    return bench_less(rdtsc() - t0, b->settle_cost);
}

/* Fills *op for an operation that took these ticks; x: the statistics before it. */
static void fill_op(struct bench *b, struct bench_op *op, u64 ticks, size_t size,
                    const struct percpu_stats *x)
{
    struct percpu_stats y;

    percpu_get_stats(&y);
    u64 moved = MAX(y.cached_bytes, x->cached_bytes) - MIN(y.cached_bytes, x->cached_bytes);

    op->ticks = bench_less(ticks, b->overhead);
    op->blocks = bench_less(y.populated_blocks, x->populated_blocks);
    op->cleared = y.cleared_bytes - x->cleared_bytes;
    op->net = bench_less(op->ticks, clearing(b, op));
    op->refill = y.refills != x->refills;
    op->drain = y.drains != x->drains;
    op->batch = MIN(moved / size, PCPU_BATCH_MAX); /* a bump region counts as a batch */
    op->class = y.chunks_made != x->chunks_made ? BENCH_NEWCHUNK
                : op->blocks                    ? BENCH_POPULATE
                                                : BENCH_NOPOP;
}

void *bench_alloc(struct bench *b, size_t size, size_t align, u32 flags, struct bench_op *op)
{
    struct percpu_stats before;

    percpu_get_stats(&before);
    u64 t0 = rdtsc();
    void *p = percpu_alloc(size, align, flags);
    u64 t1 = rdtsc();
    fill_op(b, op, t1 - t0, size, &before);
    return p;
}

void bench_free(struct bench *b, void *p, size_t size, struct bench_op *op)
{
    struct percpu_stats before;

    percpu_get_stats(&before);
    u64 t0 = rdtsc();
    percpu_free(p);
    u64 t1 = rdtsc();
    fill_op(b, op, t1 - t0, size, &before);
}

static void measure_overhead(struct bench *b)
{
    b->overhead = ~0ULL;
    for (u32 i = 0; i < 64; i++) {
        u64 t0 = rdtsc(), t1 = rdtsc();

        b->overhead = MIN(b->overhead, t1 - t0);
    }
    log_raw("bench: overhead rdtsc=%llu", (ull)b->overhead);
}

static void measure_settle(struct bench *b)
{
    bench_settle();
    b->settle_cost = ~0ULL;
    for (u32 i = 0; i < 4; i++) {
        u64 t0 = rdtsc();

        bench_settle();
        b->settle_cost = MIN(b->settle_cost, rdtsc() - t0);
    }
    log_raw("bench: overhead settle=%llu", (ull)b->settle_cost);
}

bool bench_matches(const char *glob)
{
    return any_wanted(glob) || glob_match(glob, "boot");
}

void bench_percpu(struct boot_state *s, const char *globs)
{
    struct bench *b = arena;

    if (!any_wanted(globs))
        return;
    if (!b) {
        log_raw("bench: skipped: no memory for the samples");
        return;
    }
    b->state = s;
    b->cpus = cpus_online();
    log_raw(
        "bench: machine cpus=%u nodes=%u unit=%zu units=%u static=%zu start_pages_per_unit=%llu",
        b->cpus, s->topo.node_count, s->first_chunk.unit_size, s->first_chunk.nr_units,
        s->first_chunk.static_area.end - s->first_chunk.static_area.start, (ull)bench_populated());
    measure_overhead(b);
    percpu_decay_period(0); /* no sample holds a decay of an idle CPU */
    for (u32 i = 0; i < ARRAY_SIZE(parts); i++) {
        if (wanted(globs, i))
            parts[i].run(b);
        if (i == 0) /* the first part needs a cold start */
            measure_settle(b);
        bench_settle(); /* no part pays for deferred work of the part before */
    }
    const char *broken = percpu_verify();
    log_raw("bench: verify %s", broken ? broken : "ok=1");
}
