/*
 * One allocator's row of `make bench-library`: thread CPU time of pairs, of waves of 1,000 objects
 * and of the allocation trace of `perch bench percpu`. An object is one piece of `size` bytes for
 * each of `cpus` CPUs, all zero, and the first CPU's piece is written, as its user would.
 *
 *     bench_library perch CPUS SHARE     the library of docs/porting.md
 *     bench_library calloc CPUS SHARE    calloc(CPUS * size): glibc's, or LD_PRELOAD's
 *
 * SHARE: 1/SHARE of the rounds. Prints `NAME NANOSECONDS` a line.
 * SPDX-License-Identifier: MIT
 */
#include <perch-percpu.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HELD        1000
#define OPS         10000
#define SEED        0x2545f4914f6cdd1dULL
#define PAIRS       200000
#define WAVES       40
#define TRACES      5
#define WARM_WAVES  3
#define NODES(cpus) ((cpus) > 4 ? 4U : 1U)

static int use_perch;
static size_t cpus;
static int share;

static void *make(size_t size)
{
    void *p = use_perch ? percpu_alloc(size, 8, 0) : calloc(cpus, size);

    if (!p) {
        fputs("bench_library: no memory\n", stderr);
        exit(1);
    }
    memset(use_perch ? per_cpu_ptr(p, 0) : p, 0x5a, size);
    return p;
}

static void drop(void *p)
{
    if (use_perch)
        percpu_free(p);
    else
        free(p);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double pair(size_t size)
{
    double start = now();

    for (int i = 0; i < PAIRS / share; i++)
        drop(make(size));
    return (now() - start) / (PAIRS / share);
}

static double waves(size_t size)
{
    static void *held[HELD];
    double start = 0;
    int nr_waves = WAVES / share;

    for (int wave = -WARM_WAVES; wave < nr_waves; wave++) {
        if (!wave)
            start = now();
        for (int i = 0; i < HELD; i++)
            held[i] = make(size);
        for (int i = 0; i < HELD; i++)
            drop(held[i]);
    }
    return (now() - start) / nr_waves / HELD;
}

static uint64_t next(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

/* Sizes of 8 to 512 bytes; after 40 of 100 allocations a random object is freed; all at the end. */
static double trace(void)
{
    static void *live[OPS];
    double start = now();
    size_t ops = 0;

    for (int round = 0; round < TRACES / share; round++) {
        uint64_t x = SEED;
        size_t n = 0;

        for (int i = 0; i < OPS; i++) {
            live[n++] = make(8 + next(&x) % 505);
            if (next(&x) % 100 < 40) {
                size_t j = next(&x) % n;

                drop(live[j]);
                live[j] = live[--n];
            }
        }
        while (n)
            drop(live[--n]);
        ops += 2 * OPS;
    }
    return (now() - start) / (double)ops;
}

int main(int argc, char **argv)
{
    static const size_t sizes[] = {8, 64, 256};
    struct perch_host_shape machine = {.node_bytes = 1ULL << 30};

    if (argc != 4 || (cpus = strtoul(argv[2], NULL, 10)) == 0)
        return 2;
    share = atoi(argv[3]);
    if (share < 1 || share > TRACES)
        return 2;
    use_perch = strcmp(argv[1], "perch") == 0;
    machine.nr_cpus = (uint32_t)cpus;
    machine.nr_nodes = NODES(cpus);
    if (use_perch && perch_host_init(&machine))
        return 1;
    for (int i = 0; i < 3; i++)
        printf("pair-%zu %.1f\n", sizes[i], pair(sizes[i]));
    for (int i = 0; i < 3; i++)
        printf("wave-%zu %.1f\n", sizes[i], waves(sizes[i]));
    printf("trace %.1f\n", trace());
    return use_perch && perch_host_done() ? 1 : 0;
}
