/*
 * The benchmarks of the dynamic per-CPU allocator (run=bench:percpu): what their parts share. Each
 * part prints "bench:" lines at column 0; the names, sizes, counts and the trace are those that
 * Linux was measured with, so that `perch bench percpu` can put both side by side. Under QEMU's
 * -icount a tick of the TSC is one guest instruction, of all CPUs together.
 *
 * Boot CPU, thread context, interrupts on, nobody else allocates.
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

/* What clearing costs (percpu/chunk/clear.h). */
#define BENCH_CLEAR_BYTES 8  /* bytes that one instruction clears */
#define BENCH_CLEAR_PAGE  20 /* instructions more for each page, */
#define BENCH_CLEAR_PIECE 16 /* for each piece of one unit, */
#define BENCH_CLEAR_ROW   3  /* and for each row of a long piece */
#define BENCH_CLEAR_WORDS 64 /* words of 8 bytes in a row; a piece of up to 128 has no rows */

/* What an operation did besides its own work: the difference of percpu_stats across it. */
enum bench_class { BENCH_NOPOP, BENCH_POPULATE, BENCH_NEWCHUNK, BENCH_CLASSES };

struct bench_op {
    u64 ticks;   /* less the cost of reading the counter */
    u64 net;     /* ticks less what clearing cost */
    u64 blocks;  /* pages per unit populated meanwhile */
    u64 cleared; /* bytes, all units */
    bool refill, drain;
    u64 batch; /* objects of this size that went into or out of the magazines */
    enum bench_class class;
};

/* One arena, reserved before the page allocator takes over the memory. */
struct bench {
    u64 sample[BENCH_SAMPLES], other[BENCH_SAMPLES], net[BENCH_SAMPLES];
    u64 scratch[BENCH_SAMPLES]; /* for sorting */
    u8 class[BENCH_SAMPLES];
    void *live[BENCH_OBJECTS];
    u16 size[BENCH_OBJECTS];

    const struct boot_state *state;
    u32 cpus;          /* online */
    u64 overhead;      /* of reading the counter twice */
    u64 settle_cost;   /* of bench_settle() with nothing to do */
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

/* "name n= min= med= p90= p99= max= mean= sum="; sorts v. */
void bench_print(u64 *v, u32 n, const char *name, ...) PRINTF(3, 4);

/* "accessor op= insns=", in thousandths. */
void bench_print_accessor(const char *op, u64 milli);

/* One allocation or free with the counts around it, outside of the measured span. */
void *bench_alloc(struct bench *b, size_t size, size_t align, u32 flags, struct bench_op *op);
void bench_free(struct bench *b, void *p, size_t size, struct bench_op *op);

/* "prefix class=NAME n= min= .." for each class in b->sample and b->class; then all. */
void bench_print_classes(struct bench *b, const char *prefix, u32 n);

/* For %llu, and thousandths for %llu.%03llu. */
#define BENCH_U(x)   ((ull)(x))
#define BENCH_FIX(x) BENCH_U(x) / 1000, BENCH_U(x) % 1000

static inline u64 bench_less(u64 a, u64 b)
{
    return a > b ? a - b : 0;
}

/* Returns when the deferred work of this CPU and of idle ones is done. */
void bench_settle(void);

/*
 * Between these two calls idle CPUs leave the work that this one defers. All CPUs share the
 * counter, so a sample would contain a part of theirs. bench_deferred() has the work done and
 * returns its cost.
 */
void bench_hold_work(void);
u64 bench_deferred(struct bench *b);

u64 bench_populated(void);
u64 bench_cleared(void);

/* ---- the parts ------------------------------------------------------------------------------- */

void bench_atomic(struct bench *b); /* before anything else: it wants a cold start */
void bench_sizes(struct bench *b);
void bench_trace(struct bench *b);
void bench_return(struct bench *b);
void bench_accessors(struct bench *b);
void bench_counter(struct bench *b);
void bench_par(struct bench *b);
void bench_wall(struct bench *b); /* without -icount */

/* ---- bench_step.c: instructions that lock, counted by the CPU's own single step -------------- */

struct bench_steps {
    u64 insns, prefix, xchg;
};

/* From here to bench_step_end() each instruction of this CPU is counted. Any context but NMI. */
void bench_step_begin(void);
/* Adds what was counted since then to *sum. */
void bench_step_end(struct bench_steps *sum);
void bench_step_enable(bool on);

/* ---- the entry ------------------------------------------------------------------------------- */

/* Takes the arena when run=bench asks for this benchmark; before the page allocator takes over. */
void bench_reserve(struct boot_state *s);

/* Runs the parts that glob names: "percpu" or "" all, "percpu.trace" one. */
void bench_percpu(struct boot_state *s, const char *glob);

#endif
