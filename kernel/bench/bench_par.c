/*
 * Several CPUs at once. Counts instructions that lock and acquisitions of shared locks per pair, by
 * single step (bench_step.c), while 2, 4, 8 and 16 CPUs allocate and free. Also compares the wall
 * time of one CPU with two. The CPUs run inside one cross-CPU call with interrupts off, so they
 * allocate with PCPU_ATOMIC, from memory that is populated before.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/cpu_local.h"
#include "kernel/base/deadline.h"
#include "kernel/base/print.h"
#include "kernel/base/spinlock.h"
#include "kernel/base/string.h"
#include "kernel/bench/bench.h"
#include "smp/call/call.h"
#include "smp/start/cpus.h"

#define SIZE       8
#define MAX_CPUS   16
#define ROUNDS     4
#define HELD       256 /* objects that a CPU holds at once in pattern "batch" */
#define WALL_PAIRS 1000000
#define LONG_TIME  (60 * 1000000ULL) /* us; the deadline of these calls, which are long */

enum pattern { PATTERN_PAIR, PATTERN_BATCH, PATTERN_REMOTE, PATTERNS };
static const char *const pattern_names[PATTERNS] = {"pair", "batch", "remote"};

/* The state of one CPU. */
struct worker {
    struct bench_steps steps;
    u32 failed;
    u32 put;                   /* objects in ring; stored after them */
    void *ring[ROUNDS * HELD]; /* pattern "remote": its partner frees them */
} ALIGNED(64);

struct par {
    enum pattern pattern;
    u32 cpus;
    u32 ready; /* CPUs in bench_wait_for_all() */
    struct worker *worker;
};

static void *atomic_alloc(struct worker *w)
{
    void *p = percpu_alloc(SIZE, SIZE, PCPU_ATOMIC | PCPU_NOWARN);

    w->failed += !p;
    return p;
}

static void run_pairs(struct worker *w)
{
    for (u32 i = 0; i < ROUNDS * HELD; i++)
        percpu_free(atomic_alloc(w));
}

static void run_batches(struct worker *w)
{
    for (u32 r = 0; r < ROUNDS; r++) {
        for (u32 i = 0; i < HELD; i++)
            w->ring[i] = atomic_alloc(w);
        for (u32 i = 0; i < HELD; i++)
            percpu_free(w->ring[i]);
    }
}

/*
 * Objects go from one CPU to the next in `ring`, `put` of them so far.
 *  - who writes: the worker: the entry, then `put`;
 *  - who reads: its neighbour: `put`, then the entries below it;
 *  - which order: released and acquired. Both are plain moves on x86, so the benchmark itself locks
 *    nothing.
 */
static void produce(struct worker *w)
{
    for (u32 i = 0; i < ROUNDS * HELD; i++) {
        w->ring[i] = atomic_alloc(w);
        __atomic_store_n(&w->put, i + 1, __ATOMIC_RELEASE);
    }
}

static void consume(struct worker *from)
{
    for (u32 i = 0; i < ROUNDS * HELD; i++) {
        while (__atomic_load_n(&from->put, __ATOMIC_ACQUIRE) <= i)
            cpu_relax();
        percpu_free(from->ring[i]);
    }
}

void bench_wait_for_all(u32 *ready, u32 cpus)
{
    struct spin spin = {0};

    __atomic_fetch_add(ready, 1, __ATOMIC_ACQ_REL);
    while (__atomic_load_n(ready, __ATOMIC_ACQUIRE) < cpus)
        spin_wait(&spin, ready);
}

static void step_work(void *arg)
{
    struct par *p = arg;
    u32 cpu = cpu_number();
    struct worker *w = &p->worker[cpu];

    bench_wait_for_all(&p->ready, p->cpus);
    bench_step_begin();
    switch (p->pattern) {
    case PATTERN_PAIR:
        run_pairs(w);
        break;
    case PATTERN_BATCH:
        run_batches(w);
        break;
    default:
        if (cpu % 2 == 0)
            produce(w);
        else
            consume(&p->worker[cpu - 1]);
    }
    bench_step_end(&w->steps);
}

int bench_call_first(u32 cpus, void (*fn)(void *arg), void *arg)
{
    u64 words[CPUMAP_WORDS] = {0};
    struct call_deadline before, longer = {LONG_TIME * (tsc_khz_now() / 1000), NULL};

    for (u32 cpu = 0; cpu < cpus; cpu++)
        if (!cpu_is_online(cpu)) /* the others would wait for it in bench_wait_for_all() */
            return -ENODEV;
    before = call_kind_set_deadline(&smp_calls, longer);
    for (u32 cpu = 0; cpu < cpus; cpu++)
        words[cpu / 64] |= 1ULL << cpu % 64;
    int err = smp_call_set(words, fn, arg);
    call_kind_set_deadline(&smp_calls, before);
    return err;
}

static void print_par(const struct par *p, const struct percpu_stats *x,
                      const struct percpu_stats *y)
{
    struct bench_steps sum = {0};
    u32 failed = 0;
    u64 pairs = (u64)ROUNDS * HELD * (p->pattern == PATTERN_REMOTE ? p->cpus / 2 : p->cpus);

    for (u32 cpu = 0; cpu < p->cpus; cpu++) {
        sum.insns += p->worker[cpu].steps.insns;
        sum.prefix += p->worker[cpu].steps.prefix;
        sum.xchg += p->worker[cpu].steps.xchg;
        failed += p->worker[cpu].failed;
    }
    log_raw("bench: par cpus=%u size=%u pattern=%s pairs=%llu locked=%llu.%03llu "
            "shared_locks=%llu.%03llu insns=%llu.%03llu refills=%llu drains=%llu failed=%u",
            p->cpus, SIZE, pattern_names[p->pattern], (ull)pairs,
            BENCH_FIX(bench_milli(sum.prefix + sum.xchg, pairs)),
            BENCH_FIX(bench_milli(sum.xchg, pairs)), BENCH_FIX(bench_milli(sum.insns, pairs)),
            (ull)(y->refills - x->refills), (ull)(y->drains - x->drains), failed);
}

/* Populates enough for all CPUs: allocated and freed, but not trimmed. */
static void populate(struct bench *b, u32 cpus)
{
    u32 n;

    for (n = 0; n < 2 * HELD * ROUNDS * cpus; n++)
        if (!(b->live[n] = percpu_alloc(SIZE, SIZE, 0)))
            break;
    for (u32 i = 0; i < n; i++)
        percpu_free(b->live[i]);
    bench_settle();
}

static void one_pattern(struct bench *b, struct par *p)
{
    struct percpu_stats before, after;

    memset(p->worker, 0, MAX_CPUS * sizeof(*p->worker));
    p->ready = 0;
    populate(b, p->cpus);
    percpu_get_stats(&before);
    bench_step_enable(true);
    int err = bench_call_first(p->cpus, step_work, p);
    bench_step_enable(false);
    percpu_get_stats(&after);
    if (err)
        log_raw("bench: failed par cpus=%u pattern=%s: error %d", p->cpus,
                pattern_names[p->pattern], err);
    else
        print_par(p, &before, &after);
}

/*
 * Single pairs from warm magazines. Those that neither moved nor cleared a batch are the fast path.
 */
static void fast_path(struct bench *b)
{
    struct bench_steps all = {0};
    u32 n = 0;

    percpu_free(percpu_alloc(SIZE, SIZE, 0));
    bench_step_enable(true);
    for (u32 i = 0; i < 256; i++) {
        struct percpu_stats x, y;
        struct bench_steps one = {0};

        percpu_get_stats(&x);
        bench_step_begin();
        percpu_free(percpu_alloc(SIZE, SIZE, 0));
        bench_step_end(&one);
        percpu_get_stats(&y);
        if (x.refills != y.refills || x.drains != y.drains || x.cleared_bytes != y.cleared_bytes)
            continue;
        b->sample[n++] = one.insns;
        all.prefix += one.prefix;
        all.xchg += one.xchg;
    }
    bench_step_enable(false);
    log_raw("bench: fast op=pair locked=%llu shared_locks=%llu", (ull)(all.prefix + all.xchg),
            (ull)all.xchg);
    bench_print(b->sample, n, "fast op=pair_steps");
}

void bench_par(struct bench *b)
{
    static struct par p;

    /* In the memory of the slow path's samples, which are already printed. */
    p = (struct par){.worker = (struct worker *)(void *)&b->refill};
    static_assert(MAX_CPUS * sizeof(struct worker) <= 2 * sizeof(struct bench_slow), "room");
    fast_path(b);
    for (p.cpus = 2; p.cpus <= MAX_CPUS && p.cpus <= b->cpus; p.cpus *= 2)
        for (p.pattern = 0; p.pattern < PATTERNS; p.pattern++)
            one_pattern(b, &p);
    percpu_trim();
}

/* ---- wall time ------------------------------------------------------------------------------- */

struct wall {
    u32 cpus, ready;
    u64 ticks[2];
};

static void wall_work(void *arg)
{
    struct wall *w = arg;

    bench_wait_for_all(&w->ready, w->cpus);
    u64 t0 = rdtsc();
    for (u32 i = 0; i < WALL_PAIRS; i++)
        percpu_free(percpu_alloc(SIZE, SIZE, PCPU_ATOMIC | PCPU_NOWARN));
    w->ticks[cpu_number()] = rdtsc() - t0;
}

/* The host's time: `perch bench percpu` prints it, but has no budget for it. */
void bench_wall(struct bench *b)
{
    populate(b, 2);
    for (u32 cpus = 1; cpus <= 2 && cpus <= b->cpus; cpus++) {
        static struct wall w;
        int err;

        w = (struct wall){.cpus = cpus};
        err = bench_call_first(cpus, wall_work, &w);
        if (err)
            log_raw("bench: failed wall cpus=%u: error %d", cpus, err);
        else
            log_raw("bench: wall cpus=%u pairs=%u us=%llu", cpus, cpus * WALL_PAIRS,
                    (ull)ticks_to_us(MAX(w.ticks[0], w.ticks[1])));
    }
}
