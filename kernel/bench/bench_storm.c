/*
 * All CPUs at once, frees on another CPU in batches, and a machine without free memory.
 * Instructions are counted by single step (bench_step.c), each CPU its own, also those that it
 * spends waiting for a lock. The CPUs run inside one cross-CPU call, with interrupts off.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/cpu_local.h"
#include "kernel/base/print.h"
#include "kernel/base/string.h"
#include "kernel/bench/bench.h"

#define SLOTS      16   /* objects that a CPU may hold */
#define WARM       128  /* operations of each CPU before the counted ones */
#define COUNTED    64   /* most of them; fewer where all CPUs' would not fit into the samples */
#define STORM_CPUS 65   /* with more, all instructions of all CPUs by single step take too long */
#define POOL_FIRST 8192 /* of b->live: objects that populate memory; the slots are below */

static struct storm {
    struct bench *b;
    u32 low, high; /* sizes */
    u32 counted;   /* operations of each CPU */
    u32 ready, failed;
} storm;

static void *any_object(const struct storm *s, u64 *x)
{
    u32 size = s->low + bench_next(x) % (s->high - s->low + 1);

    return percpu_alloc(size, 8, PCPU_ATOMIC | PCPU_NOWARN);
}

/* Frees the object of a random slot, or fills the slot. */
static u32 operation(const struct storm *s, void **slots, u64 *x)
{
    void **slot = &slots[bench_next(x) % SLOTS];

    if (*slot) {
        percpu_free(*slot);
        *slot = NULL;
        return 0;
    }
    *slot = any_object(s, x);
    return !*slot;
}

static void storm_work(void *arg)
{
    struct storm *s = arg;
    u32 cpu = cpu_number(), failed = 0;
    u64 x = BENCH_SEED + cpu;
    void **slots = &s->b->live[cpu * SLOTS];

    bench_wait_for_all(&s->ready, s->b->cpus);
    for (u32 i = 0; i < WARM; i++)
        failed += operation(s, slots, &x);
    for (u32 i = 0; i < s->counted; i++) {
        struct bench_steps one = {0};

        bench_step_begin();
        failed += operation(s, slots, &x);
        bench_step_end(&one);
        s->b->sample[cpu * s->counted + i] = one.insns;
        s->b->other[cpu * s->counted + i] = one.prefix + one.xchg;
    }
    for (u32 i = 0; i < SLOTS; i++) {
        percpu_free(slots[i]);
        slots[i] = NULL;
    }
    __atomic_fetch_add(&s->failed, failed, __ATOMIC_RELAXED);
}

/*
 * Four times as many objects as all CPUs may hold. Every other one is freed; those in `pool` keep
 * the pages populated. Returns how many.
 */
static u32 populate(struct storm *s)
{
    u32 n = MIN(4 * s->b->cpus * SLOTS, BENCH_OBJECTS - POOL_FIRST), kept = 0;
    void **pool = &s->b->live[POOL_FIRST];
    u64 x = BENCH_SEED;

    for (u32 i = 0; i < n; i++)
        pool[i] = percpu_alloc(s->low + bench_next(&x) % (s->high - s->low + 1), 8, 0);
    for (u32 i = 0; i < n; i++) {
        if (i % 2)
            percpu_free(pool[i]);
        else
            pool[kept++] = pool[i];
    }
    return kept;
}

static void one_storm(struct bench *b, u32 low, u32 high)
{
    u32 n, kept;
    int err;

    storm = (struct storm){.b = b, .low = low, .high = high};
    storm.counted = MIN((u32)COUNTED, BENCH_SAMPLES / b->cpus);
    n = storm.counted * b->cpus;
    memset(b->live, 0, (u64)b->cpus * SLOTS * sizeof(void *));
    kept = populate(&storm);
    bench_settle();
    bench_step_enable(true);
    err = bench_call_first(b->cpus, storm_work, &storm);
    bench_step_enable(false);
    while (kept)
        percpu_free(b->live[POOL_FIRST + --kept]);
    if (err) {
        log_raw("bench: failed storm size=%u: error %d", low, err);
        return;
    }
    bench_print(b->sample, n, "storm size=%u to=%u failed=%u", low, high, storm.failed);
    bench_print(b->other, n, "storm_locks size=%u", low);
    percpu_trim();
}

void bench_storm(struct bench *b)
{
    static_assert(STORM_CPUS * SLOTS <= POOL_FIRST, "the slots have room");
    if (b->cpus > STORM_CPUS)
        return;
    one_storm(b, 8, 8);
    one_storm(b, 64, 512);
}

/* ---- remote frees ---------------------------------------------------------------------------- */

#define BATCH  64
#define ROUNDS 16

struct remote {
    struct bench *b;
    u32 round;
};

static void free_batch(void *arg)
{
    struct remote *r = arg;

    if (cpu_number() == 0)
        return;
    for (u32 i = 0; i < BATCH; i++) {
        struct bench_steps one = {0};

        bench_step_begin();
        percpu_free(r->b->live[i]);
        bench_step_end(&one);
        r->b->other[r->round * BATCH + i] = one.insns;
    }
}

/* CPU 0 allocates a batch, CPU 1 frees it. Both sides count. */
static void remote(struct bench *b, u32 size)
{
    static struct remote r; /* other CPUs read it: not on the stack */
    int err = 0;

    r = (struct remote){.b = b};
    bench_step_enable(true);
    for (r.round = 0; r.round < ROUNDS && !err; r.round++) {
        for (u32 i = 0; i < BATCH; i++) {
            struct bench_steps one = {0};

            bench_step_begin();
            b->live[i] = percpu_alloc(size, 8, 0);
            bench_step_end(&one);
            b->sample[r.round * BATCH + i] = one.insns;
        }
        err = bench_call_first(2, free_batch, &r);
    }
    bench_step_enable(false);
    if (err) {
        log_raw("bench: failed remote size=%u: error %d", size, err);
        return;
    }
    bench_print(b->sample, ROUNDS * BATCH, "remote size=%u op=alloc", size);
    bench_print(b->other, ROUNDS * BATCH, "remote size=%u op=free", size);
}

void bench_remote(struct bench *b)
{
    static const u32 sizes[] = {8, 64, 512};

    for (u32 i = 0; i < ARRAY_SIZE(sizes) && b->cpus > 1; i++) {
        remote(b, sizes[i]);
        percpu_trim();
        bench_settle();
    }
}

/* ---- a machine without free memory ----------------------------------------------------------- */

#define FULL_SIZE  1024
#define FULL_CALLS 1000

/* The memory is taken until a call fails; then calls at this limit, and frees and allocations. */
void bench_full(struct bench *b)
{
    struct bench_op freed, got;
    u64 x = BENCH_SEED;
    u32 n = 0, failed = 0;

    while (n < BENCH_OBJECTS && (b->live[n] = percpu_alloc(FULL_SIZE, 8, PCPU_NOWARN)))
        n++;
    if (n == BENCH_OBJECTS) {
        log_raw("bench: skipped: full: the machine has memory for more than %u objects", n);
        goto out;
    }
    for (u32 i = 0; i < FULL_CALLS; i++) {
        void *p = bench_alloc(b, FULL_SIZE, 8, PCPU_NOWARN, &got);

        b->sample[i] = got.ticks;
        failed += !p;
        percpu_free(p);
    }
    bench_print(b->sample, FULL_CALLS, "full op=at_limit objects=%u failed=%u", n, failed);
    failed = 0;
    for (u32 i = 0; i < FULL_CALLS; i++) {
        u32 j = bench_next(&x) % n;

        bench_free(b, b->live[j], FULL_SIZE, &freed);
        b->live[j] = bench_alloc(b, FULL_SIZE, 8, PCPU_NOWARN, &got);
        b->sample[i] = freed.net + got.net;
        if (!b->live[j]) { /* it must be there: one was freed */
            failed++;
            b->live[j] = b->live[--n];
        }
    }
    bench_print(b->sample, FULL_CALLS, "full op=pair");
    log_raw("bench: full op=pair failed=%u", failed);
out:
    for (u32 i = 0; i < n; i++)
        percpu_free(b->live[i]);
    percpu_trim();
    log_raw("bench: full left_pages_per_unit=%llu", (ull)bench_populated());
}
