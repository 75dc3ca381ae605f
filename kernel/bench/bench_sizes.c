/*
 * Allocation and free by size: growth from a trimmed state, frees in order of age, and pairs in the
 * steady state. The same operations give the cost of the slow path, of populating a page and of
 * making a chunk.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/print.h"
#include "kernel/base/printf.h"
#include "kernel/bench/bench.h"
#include "kernel/platform/percpu_platform.h"

#define OPS       2000
#define GROW_MAX  (256 * SZ_1M)  /* bytes of all units that one size may populate */
#define CLEAR_MAX (1024 * SZ_1M) /* bytes of all units that the pairs of one size may clear */
#define SLOW_SIZE 1024           /* collects slow paths of sizes up to this one */
#define POP_SIZE  4096           /* collects populations of sizes from this one on */

static const u32 sizes[] = {4, 8, 16, 64, 256, 1024, 4096, 16384, 32768};

/* Shapes beside these: alignments above 8, odd sizes, either side of where the classes change. */
static const struct shape {
    u32 size, align;
} shapes[] = {{24, 16},  {40, 64},   {192, 64}, {64, 64},   {288, 8},   {512, 8},
              {513, 8},  {640, 32},  {1000, 8}, {1024, 64}, {1032, 64}, {1536, 8},
              {3000, 8}, {4096, 64}, {4104, 8}, {64, 128}};

static u32 align_of(u32 size)
{
    return size < 8 ? size : 8;
}

static u32 ops_within(const struct bench *b, u32 size, u64 bytes)
{
    return (u32)MIN((u64)OPS, bytes / ((u64)size * b->cpus));
}

static void note_slow(struct bench_slow *slow, const struct bench_op *op)
{
    if (slow->n == BENCH_SAMPLES)
        return;
    slow->net[slow->n] = op->net;
    slow->batch[slow->n++] = op->batch;
}

static void note_alloc(struct bench *b, u32 size, const struct bench_op *op)
{
    if (op->class == BENCH_NOPOP && op->refill && size <= SLOW_SIZE)
        note_slow(&b->refill, op);
    if (op->class == BENCH_POPULATE && size >= POP_SIZE) {
        b->pop_gross += op->ticks;
        b->pop_net += op->net;
        b->pop_pages += op->blocks * b->cpus;
        b->pop_n++;
    }
    if (op->class == BENCH_NEWCHUNK && b->chunk_n < ARRAY_SIZE(b->chunk_net)) {
        b->chunk_gross[b->chunk_n] = op->ticks;
        b->chunk_net[b->chunk_n++] = op->net;
        b->chunk_blocks += op->blocks;
    }
}

/* First-time allocations, then frees in order of age. Returns the number of objects. */
static u32 grow_calls(struct bench *b, u32 size, u32 target)
{
    struct bench_op op;
    u32 n;

    for (n = 0; n < target; n++) {
        b->live[n] = bench_alloc(b, size, align_of(size), 0, &op);
        if (!b->live[n])
            break;
        b->sample[n] = op.ticks;
        b->class[n] = (u8)op.class;
        note_alloc(b, size, &op);
    }
    for (u32 i = 0; i < n; i++) {
        bench_free(b, b->live[i], size, &op);
        b->other[i] = op.ticks;
        if (op.drain && size <= SLOW_SIZE)
            note_slow(&b->drain, &op);
    }
    return n;
}

static void growth(struct bench *b, u32 size)
{
    u32 target = ops_within(b, size, GROW_MAX), n;
    char name[64];
    u64 deferred;

    percpu_trim();
    bench_settle();
    percpu_hold_work(true);
    n = grow_calls(b, size, target);
    deferred = bench_deferred(b);
    b->deferred += deferred;
    kscnprintf(name, sizeof(name), "percpu size=%u op=alloc_grow", size);
    bench_print_classes(b, name, n);
    bench_print(b->other, n, "percpu size=%u op=free_fifo", size);
    log_raw("bench: percpu size=%u op=grow_deferred n=%u insns=%llu", size, n, (ull)deferred);
    if (n != target)
        log_raw("bench: failed size=%u op=alloc_grow at=%u", size, n);
}

/* Pairs. dry: the loop without its two calls, to measure its own cost. */
static NOINLINE u64 pairs(struct bench *b, struct shape s, u32 n, bool dry, u32 *failed)
{
    u64 start = rdtsc();

    for (u32 i = 0; i < n; i++) {
        void *p = NULL;
        u64 t0 = rdtsc();
        if (!dry)
            p = percpu_alloc(s.size, s.align, 0);
        u64 t1 = rdtsc();
        if (!dry)
            percpu_free(p);
        u64 t2 = rdtsc();

        *failed += !dry && !p;
        b->sample[i] = t1 - t0;
        b->other[i] = t2 - t1;
    }
    return rdtsc() - start;
}

/*
 * The whole cost of the pairs, with the deferred work that they cause on any CPU: the time of the
 * loop and of bench_settle(), without the cost of both alone.
 */
static void steady(struct bench *b, struct shape s, const char *name)
{
    u32 n = ops_within(b, s.size, CLEAR_MAX), failed = 0;
    u64 dry, total, cleared, calls = 0;

    pairs(b, s, MIN(n, 100u), false, &failed); /* warm */
    bench_settle();
    dry = pairs(b, s, n, true, &failed) + b->settle_cost;
    cleared = bench_cleared();
    u64 t0 = rdtsc();
    pairs(b, s, n, false, &failed);
    bench_settle();
    total = bench_less(rdtsc() - t0, dry);
    cleared = bench_cleared() - cleared;

    for (u32 i = 0; i < n; i++) {
        b->sample[i] = bench_less(b->sample[i], b->overhead);
        b->other[i] = bench_less(b->other[i], b->overhead);
        calls += b->sample[i] + b->other[i];
    }
    bench_print(b->sample, n, "%s op=alloc_steady", name);
    bench_print(b->other, n, "%s op=free_steady", name);
    if (s.size == 8) {
        log_raw("bench: fast op=alloc min=%llu med=%llu", (ull)b->sample[0], (ull)b->sample[n / 2]);
        log_raw("bench: fast op=free min=%llu med=%llu", (ull)b->other[0], (ull)b->other[n / 2]);
        b->background[0] = bench_milli(bench_less(total, calls), n);
        b->cleared[0] = bench_milli(cleared, n);
    }
    u64 net = bench_less(total, cleared / BENCH_CLEAR_BYTES);
    log_raw("bench: %s op=pair_steady n=%u gross=%llu.%03llu net=%llu.%03llu "
            "background=%llu.%03llu cleared=%llu.%03llu failed=%u",
            name, n, BENCH_FIX(bench_milli(total, n)), BENCH_FIX(bench_milli(net, n)),
            BENCH_FIX(bench_milli(bench_less(total, calls), n)), BENCH_FIX(bench_milli(cleared, n)),
            failed);
}

/* ---- results of all sizes together ----------------------------------------------------------- */

/* less_batch: the cost without 40 instructions for each object of the batch. */
static void print_slow(struct bench *b, const char *name, struct bench_slow *slow)
{
    u64 batch_max = 0;

    for (u32 i = 0; i < slow->n; i++) {
        b->scratch[i] = bench_less(slow->net[i], 40 * slow->batch[i]);
        batch_max = MAX(batch_max, slow->batch[i]);
    }
    bench_print(slow->net, slow->n, "slow op=%s batch_max=%llu part=net", name, (ull)batch_max);
    bench_print(b->scratch, slow->n, "slow op=%s limit=%llu part=less_batch", name,
                2000 + 200 * (ull)bench_log2(b->state->first_chunk.unit_size / PAGE_SIZE));
}

void bench_sizes(struct bench *b)
{
    char name[64];

    for (u32 i = 0; i < ARRAY_SIZE(sizes); i++) {
        growth(b, sizes[i]);
        kscnprintf(name, sizeof(name), "percpu size=%u", sizes[i]);
        steady(b, (struct shape){sizes[i], align_of(sizes[i])}, name);
    }
    for (u32 i = 0; i < ARRAY_SIZE(shapes); i++) {
        kscnprintf(name, sizeof(name), "percpu size=%u align=%u", shapes[i].size, shapes[i].align);
        steady(b, shapes[i], name);
    }
    print_slow(b, "refill", &b->refill);
    print_slow(b, "drain", &b->drain);
    log_raw("bench: slow deferred=%llu", (ull)b->deferred);
    log_raw("bench: populate n=%llu pages=%llu per_page_unit_net=%llu per_page_unit_gross=%llu",
            (ull)b->pop_n, (ull)b->pop_pages, (ull)(b->pop_pages ? b->pop_net / b->pop_pages : 0),
            (ull)(b->pop_pages ? b->pop_gross / b->pop_pages : 0));
    bench_print(b->chunk_net, b->chunk_n, "newchunk part=net");
    bench_print(b->chunk_gross, b->chunk_n, "newchunk part=gross");
    log_raw("bench: newchunk populated_per_unit=%llu",
            (ull)(b->chunk_n ? b->chunk_blocks / b->chunk_n : 0));
}
