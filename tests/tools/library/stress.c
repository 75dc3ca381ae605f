/*
 * Threads as CPUs allocate, write, check and free at random, from each other too, while others trim
 * and balance; on top a counter, a reference and a reader-writer lock. Ends with everything given
 * back: argv[1] rounds of each thread.
 * SPDX-License-Identifier: MIT
 */
#include <perch-percpu.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CPUS    8u
#define OBJECTS 400u

#define REQUIRE(cond)                                                                              \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            printf("failed: %s (line %d)\n", #cond, __LINE__);                                     \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static long rounds;
static struct percpu_counter counter;
static struct percpu_ref ref;
static struct percpu_rwlock rwlock;
static uint64_t guarded[2]; /* by rwlock: always equal */
static atomic_int released;
static uint8_t *_Atomic handed[CPUS]; /* allocated by one CPU, to be freed by another */

void perch_log(int level, const char *line)
{
    if (level <= 4)
        printf("log %d %s\n", level, line);
}

static void release(struct percpu_ref *r)
{
    (void)r;
    atomic_fetch_add(&released, 1);
}

struct object {
    uint8_t *p;
    size_t size;
};

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static size_t pick_size(uint64_t *state)
{
    uint64_t r = next(state);

    return r % 64 == 0 ? 1 + r / 64 % 60000 : 1 + r / 64 % 300;
}

/* A new one is zero in every unit; from now on this CPU's copy holds cpu + 1. */
static void fill(uint32_t cpu, const struct object *o)
{
    for (uint32_t i = 0; i < CPUS; i++)
        for (size_t k = 0; k < o->size; k += 13)
            REQUIRE(per_cpu_ptr(o->p, i)[k] == 0);
    memset(this_cpu_ptr(o->p), (int)cpu + 1, o->size);
}

static void drop(uint32_t cpu, struct object *o)
{
    for (size_t k = 0; k < o->size; k += 13)
        REQUIRE(this_cpu_ptr(o->p)[k] == cpu + 1);
    REQUIRE(percpu_size(o->p) >= o->size);
    percpu_free(o->p);
    o->p = NULL;
}

static void use_lock(uint32_t cpu, uint64_t r)
{
    if (r % 512 == cpu) {
        REQUIRE(percpu_down_write(&rwlock) == 0);
        guarded[0]++;
        guarded[1]++;
        percpu_up_write(&rwlock);
    } else {
        percpu_down_read(&rwlock);
        REQUIRE(guarded[0] == guarded[1]);
        percpu_up_read(&rwlock);
    }
}

static void one_round(uint32_t cpu, struct object *o, uint64_t *state)
{
    uint64_t r = next(state);

    if (o->p) {
        drop(cpu, o);
    } else {
        o->size = pick_size(state);
        o->p = percpu_alloc(o->size, 8u << r % 3, r % 7 ? 0 : PCPU_ATOMIC | PCPU_NOWARN);
        REQUIRE(o->p || r % 7 == 0);
        if (o->p)
            fill(cpu, o);
    }
    percpu_counter_add(&counter, 3);
    percpu_ref_get(&ref);
    percpu_ref_put(&ref);
    use_lock(cpu, r >> 8);
    percpu_free(atomic_exchange(&handed[(cpu + 1) % CPUS], percpu_alloc(24, 8, 0)));
    if (r % 1000 == 0)
        percpu_trim();
    if (r % 100 == 0)
        percpu_balance();
}

static void *work(void *arg)
{
    uint32_t cpu = (uint32_t)(uintptr_t)arg;
    uint64_t state = 0x9e3779b97f4a7c15u + cpu;
    struct object objects[OBJECTS] = {0};

    REQUIRE(perch_host_enter(cpu) == 0);
    REQUIRE(perch_host_enter(cpu) != 0);
    for (long i = 0; i < rounds; i++)
        one_round(cpu, &objects[next(&state) % OBJECTS], &state);
    for (uint32_t i = 0; i < OBJECTS; i++)
        if (objects[i].p)
            drop(cpu, &objects[i]);
    perch_host_leave();
    return NULL;
}

static void run_threads(void)
{
    pthread_t thread[CPUS];

    perch_host_leave();
    for (uintptr_t cpu = 0; cpu < CPUS; cpu++)
        REQUIRE(pthread_create(&thread[cpu], NULL, work, (void *)cpu) == 0);
    for (uint32_t cpu = 0; cpu < CPUS; cpu++)
        pthread_join(thread[cpu], NULL);
    REQUIRE(perch_host_enter(0) == 0);
}

int main(int argc, char **argv)
{
    const uint8_t distance[] = {10, 15, 30, 15, 10, 20, 30, 20, 10};
    const uint32_t cpu_node[CPUS] = {0, 0, 2, 2, 0, 1, 1, 0};
    struct perch_host_shape shape = {.nr_nodes = 3,
                                     .nr_cpus = CPUS,
                                     .node_bytes = 32u << 20,
                                     .cpu_node = cpu_node,
                                     .distance = distance};
    struct percpu_stats st;

    rounds = argc > 1 ? atol(argv[1]) : 1000;
    REQUIRE(perch_host_init(&shape) == 0);
    REQUIRE(percpu_counter_init(perch_host_lib(), &counter, 0) == 0);
    REQUIRE(percpu_ref_init(&ref, perch_host_lib(), "stress", release, 0) == 0);
    REQUIRE(percpu_rwlock_init(perch_host_lib(), &rwlock) == 0);
    run_threads();
    REQUIRE(percpu_counter_sum(&counter) == 3 * (int64_t)CPUS * rounds);
    REQUIRE(released == 0 && percpu_ref_kill(&ref) == 0 && released == 1);
    REQUIRE(percpu_rwlock_verify(&rwlock) == NULL && guarded[0] == guarded[1]);
    percpu_counter_destroy(&counter);
    percpu_ref_exit(&ref);
    percpu_rwlock_destroy(&rwlock);
    for (uint32_t i = 0; i < CPUS; i++)
        percpu_free(handed[i]);
    percpu_trim();
    REQUIRE(percpu_verify() == NULL);
    percpu_get_stats(&st);
    REQUIRE(st.nr_alloc == st.nr_free && st.cached_bytes == 0);
    printf("allocs %llu, chunks made %llu, writes %llu\n", (unsigned long long)st.nr_alloc,
           (unsigned long long)st.chunks_made, (unsigned long long)guarded[0]);
    REQUIRE(perch_host_done() == 0);
    /* And once more in the same process. */
    REQUIRE(perch_host_init(&shape) == 0 && perch_host_done() == 0);
    return 0;
}
