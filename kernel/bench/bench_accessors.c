/*
 * The cost of operations on per-CPU variables, without the cost of the loop.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/cpu_local.h"
#include "kernel/base/print.h"
#include "kernel/bench/bench.h"
#include "smp/start/cpus.h"

#define LOOPS 1024

static DEFINE_PER_CPU(u64, bench_word);
static u64 sink;

/* Ticks of LOOPS rounds of the statement. The asm keeps the counter in a register. */
#define ROUNDS(...)                                                                                \
    ({                                                                                             \
        u64 t0_ = rdtsc();                                                                         \
        for (u32 i_ = 0; i_ < LOOPS; i_++) {                                                       \
            __asm__ volatile("" : "+r"(i_));                                                       \
            __VA_ARGS__;                                                                           \
        }                                                                                          \
        rdtsc() - t0_;                                                                             \
    })

static u64 empty_cost;

static void print_op(const char *op, u64 ticks)
{
    bench_print_accessor(op, bench_milli(bench_less(ticks, empty_cost), LOOPS));
}

static void variables(void *dynamic)
{
    u64 *dyn = dynamic;
    u32 cpu = 0;

    empty_cost = ROUNDS();
    print_op("this_cpu_inc", ROUNDS(this_cpu_inc(bench_word)));
    print_op("this_cpu_inc_dynamic", ROUNDS(this_cpu_inc(*dyn)));
    print_op("this_cpu_read", ROUNDS(*(volatile u64 *)&sink = this_cpu_read(bench_word)));
    print_op("this_cpu_add_return",
             ROUNDS(*(volatile u64 *)&sink = this_cpu_add_return(bench_word, 3)));
    print_op("this_cpu_cmpxchg", ROUNDS((void)this_cpu_cmpxchg(bench_word, 1, 2)));
    print_op("this_cpu_ptr", ROUNDS(*(u64 *volatile *)&sink = this_cpu_ptr(&bench_word)));
    print_op("per_cpu_ptr_constant", ROUNDS(*(u64 *volatile *)&sink = per_cpu_ptr(&bench_word, 0)));
    print_op("per_cpu_ptr_variable", ROUNDS(__asm__ volatile(""
                                                             : "+r"(cpu));
                                            *(u64 *volatile *)&sink = per_cpu_ptr(dyn, cpu)));
}

/* One sum over all possible CPUs, written by hand. */
static void sum_of_possible(void)
{
    u64 t0 = rdtsc(), sum = 0;
    u32 cpu;

    for_each_possible_cpu(cpu) sum += per_cpu(bench_word, cpu);
    u64 t1 = rdtsc();
    *(volatile u64 *)&sink = sum;
    bench_print_accessor("for_each_possible_sum", (t1 - t0) * 1000);
}

void bench_accessors(struct bench *b)
{
    void *dynamic = percpu_alloc(8, 8, 0);

    if (!dynamic) {
        log_raw("bench: failed accessors: no memory");
        return;
    }
    bench_settle();
    variables(dynamic);
    sum_of_possible();
    percpu_free(dynamic);
    (void)b;
}
