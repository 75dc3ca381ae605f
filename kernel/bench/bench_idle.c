/*
 * What an idle machine keeps: every CPU has freed 24 objects of every class, then nothing happens
 * for the ten periods of decay of ten seconds.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/print.h"
#include "kernel/bench/bench.h"
#include "kernel/platform/percpu_platform.h"
#include "percpu/alloc/alloc.h"
#include "smp/call/call.h"
#include "smp/start/cpus.h"

#define EACH    24u
#define PERIODS 10u

struct of_class {
    void *ptr[EACH];
};

static void free_here(void *arg)
{
    struct of_class *o = arg;

    percpu_free_bulk(EACH, o->ptr);
}

/* Objects go to the magazines of the CPU that frees them. */
static u32 use_on(u32 cpu)
{
    static struct of_class o;
    u32 failed = 0;

    for (u32 class = PCPU_CLASS_4; class < PCPU_CLASSES; class ++) {
        for (u32 i = 0; i < EACH; i++) {
            o.ptr[i] = percpu_alloc(pcpu_class_size(class), pcpu_class_align(class), 0);
            failed += !o.ptr[i];
        }
        if (cpu == cpu_number())
            free_here(&o);
        else
            failed += smp_call_on(cpu, free_here, &o) != 0;
    }
    return failed;
}

void bench_idle(struct bench *b)
{
    u64 start, freed;
    u32 cpu, failed = 0;

    percpu_trim();
    bench_settle();
    start = bench_populated();
    percpu_hold_work(true);
    for_each_online_cpu(cpu) failed += use_on(cpu);
    freed = bench_populated();
    percpu_hold_work(false);
    for (u32 i = 0; i < PERIODS; i++)
        percpu_decay();
    log_raw("bench: idle size=all start_pages=%llu freed_pages=%llu left_pages=%llu left_kib=%llu "
            "failed=%u",
            (ull)start, (ull)freed, (ull)bench_populated(),
            (ull)(bench_populated() * b->cpus * PAGE_SIZE / 1024), failed);
    percpu_trim();
}
