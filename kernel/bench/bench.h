/*
 * The benchmarks of the dynamic per-CPU allocator (run=bench:percpu), and their shared helpers.
 * Each part prints "bench:" lines at column 0. Names, sizes, counts and the trace are those of the
 * measurements of Linux, so that `perch bench percpu` can compare both. Under QEMU's -icount a tick
 * of the TSC is one guest instruction, of all CPUs together.
 *
 * Boot CPU, thread context, interrupts on, while no other code allocates.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BENCH_BENCH_H
#define PERCH_BENCH_BENCH_H

#include "kernel/base/cpu.h"
#include "kernel/bench/bench_stat.h"
#include "kernel/stages/boot_state.h"
#include "percpu/percpu.h"

#define BENCH_SAMPLES 10000
#define BENCH_OBJECTS 100000

/* The cost of clearing, in instructions (percpu/chunk/clear.h). */
#define BENCH_CLEAR_BYTES 8  /* bytes that one instruction clears */
#define BENCH_CLEAR_PAGE  20 /* overhead of each page */
#define BENCH_CLEAR_PIECE 16 /* overhead of each piece of a unit */
#define BENCH_CLEAR_ROW   3  /* overhead of each row of a long piece */
#define BENCH_CLEAR_WORDS 64 /* words of 8 bytes in a row; a piece of up to 128 has no rows */

/* The most that an operation did, by the difference of percpu_stats across it. */
enum bench_class { BENCH_NOPOP, BENCH_POPULATE, BENCH_NEWCHUNK, BENCH_CLASSES };

struct bench_op {
    u64 ticks;   /* without the cost of reading the counter */
    u64 net;     /* ticks without the cost of clearing */
    u64 blocks;  /* pages per unit that it populated */
    u64 cleared; /* bytes, all units */
    bool refill, drain;
    u64 batch; /* objects of this size moved into or out of the magazines */
    enum bench_class class;
};

/* The arena: all that the benchmarks keep, allocated once by bench_reserve(). */
struct bench {
    u64 sample[BENCH_SAMPLES], other[BENCH_SAMPLES], net[BENCH_SAMPLES];
    u64 scratch[BENCH_SAMPLES]; /* for sorting */
    u8 class[BENCH_SAMPLES];
    void *live[BENCH_OBJECTS];
    u16 size[BENCH_OBJECTS];

    const struct boot_state *state;
    u32 cpus;          /* online */
    u64 overhead;      /* of reading the counter twice */
    u64 settle_cost;   /* of bench_settle() without deferred work */
    u64 background[2]; /* thousandths of an instruction: per pair of 8 bytes, per trace operation */
    u64 cleared[2];    /* bytes: per pair, per trace operation */

    /* Refills and drains of all sizes: bench_sizes.c. */
    struct bench_slow {
        u32 n;
        u64 net[BENCH_SAMPLES], batch[BENCH_SAMPLES];
    } refill, drain;
    u64 pop_gross, pop_net, pop_pages, pop_n;
    u64 deferred; /* by bench_deferred() */
    u64 chunk_gross[256], chunk_net[256], chunk_blocks;
    u32 chunk_n;
};

/* Prints "name n= min= med= p90= p99= max= mean= sum="; sorts v. */
void bench_print(u64 *v, u32 n, const char *name, ...) PRINTF(3, 4);

/* Prints "accessor op= insns="; milli is in thousandths. */
void bench_print_accessor(const char *op, u64 milli);

/* One allocation or free. Reads the statistics before and after the measured span. */
void *bench_alloc(struct bench *b, size_t size, size_t align, u32 flags, struct bench_op *op);
void bench_free(struct bench *b, void *p, size_t size, struct bench_op *op);

/*
 * Prints "prefix class=NAME n= min= .." for each class in b->sample and b->class; then all samples.
 */
void bench_print_classes(struct bench *b, const char *prefix, u32 n);

/* Thousandths, as the arguments of %llu.%03llu. */
#define BENCH_FIX(x) (ull)(x) / 1000, (ull)(x) % 1000

static inline u64 bench_less(u64 a, u64 b)
{
    return a > b ? a - b : 0;
}

/* Waits until this CPU and the idle ones have done their deferred work. */
void bench_settle(void);

/*
 * Ends percpu_hold_work(true), under which idle CPUs do not take this CPU's deferred work: all CPUs
 * share the counter, so samples would include it. Lets the work be done and returns its cost.
 */
u64 bench_deferred(struct bench *b);

/* Pages per unit that are populated; bytes that the allocator has cleared. */
u64 bench_populated(void);
u64 bench_cleared(void);

/*
 * Returns on all CPUs at once: each adds one to *ready, by acquire and release, and waits for all.
 */
void bench_wait_for_all(u32 *ready, u32 cpus);

/* Runs fn on the first so many CPUs, this one too, with interrupts off. -ENODEV: one is offline. */
int bench_call_first(u32 cpus, void (*fn)(void *arg), void *arg);

/* ---- the parts ------------------------------------------------------------------------------- */

void bench_atomic(struct bench *b); /* first: it needs a cold start */
void bench_sizes(struct bench *b);
void bench_trace(struct bench *b);
void bench_return(struct bench *b);
void bench_accessors(struct bench *b);
void bench_counter(struct bench *b);
void bench_latency(struct bench *b);
void bench_waves(struct bench *b);
void bench_idle(struct bench *b);
void bench_par(struct bench *b);
void bench_ring(struct bench *b);
void bench_storm(struct bench *b);
void bench_remote(struct bench *b);
void bench_sweep(struct bench *b); /* long: only when named */
void bench_full(struct bench *b);  /* only when named: a machine with little memory */
void bench_wall(struct bench *b);  /* only when named: without -icount */

/*
 * ---- bench_step.c: counts instructions that lock, by the CPU's single step --------------------
 */

struct bench_steps {
    u64 insns, prefix, xchg;
    u64 off, off_max; /* with interrupts off, on end: now, and the most */
    u64 off_at;       /* the address where off_max was reached */
};

/* Installs or removes the handler of all CPUs. */
void bench_step_enable(bool on);

/*
 * Counts each instruction of this CPU between the two calls; the second adds the counts to *sum.
 * Any context but an NMI.
 */
void bench_step_begin(void);
void bench_step_end(struct bench_steps *sum);

/* ---- the entry ------------------------------------------------------------------------------- */

/* Allocates the arena when run= names this benchmark. Without memory, a warning. */
void bench_reserve(struct boot_state *s);

/* Does this glob match a benchmark, the boot's included? */
bool bench_matches(const char *glob);

/* Runs the parts that a list of globs names: "percpu" or "" for all, "percpu.trace" for one. */
void bench_percpu(struct boot_state *s, const char *globs);

#endif
