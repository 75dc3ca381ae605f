/*
 * Threads as CPUs; see cpus.h.
 * SPDX-License-Identifier: MIT
 */
#include "tests/host/cpus.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "kernel/base/print.h"

static struct host_cpu states[HOST_MAX_CPUS];
static u8 *units;
static size_t unit_bytes, used;
static u32 nr_cpus, objects;

void host_cpu_become(u32 cpu)
{
    host_cpu_number = cpu;
    host_cpu_offset = __per_cpu_offset[cpu];
    host_cpu_state = &states[cpu];
    host_irqs_off = false;
}

void host_cpus_init(u32 n, size_t unit_size)
{
    ASSERT(n >= 1 && n <= HOST_MAX_CPUS && !units);
    unit_bytes = align_up(unit_size, 64);
    units = aligned_alloc(64, n * unit_bytes);
    ASSERT(units);
    memset(units, 0, n * unit_bytes);
    memset((void *)states, 0, sizeof(states));
    nr_cpus = n;
    used = objects = 0;
    for (u32 cpu = 0; cpu < n; cpu++)
        __per_cpu_offset[cpu] = cpu * unit_bytes;
    host_cpu_become(0);
}

void host_cpus_end(void)
{
    host_cpu_offset = 0;
    host_cpu_state = NULL;
    free(units);
    units = NULL;
}

struct start {
    pthread_t thread;
    pthread_barrier_t *barrier;
    void (*fn)(void *arg);
    void *arg;
    u32 cpu;
};

static void *cpu_main(void *arg)
{
    struct start *s = arg;

    host_cpu_become(s->cpu);
    pthread_barrier_wait(s->barrier);
    s->fn(s->arg);
    return NULL;
}

void host_cpus_run(u32 n, void (*fn)(void *arg), void *arg)
{
    struct start starts[HOST_MAX_CPUS];
    pthread_barrier_t barrier;

    ASSERT(n <= nr_cpus && pthread_barrier_init(&barrier, NULL, n) == 0);
    for (u32 cpu = 0; cpu < n; cpu++) {
        starts[cpu] = (struct start){.barrier = &barrier, .fn = fn, .arg = arg, .cpu = cpu};
        ASSERT(pthread_create(&starts[cpu].thread, NULL, cpu_main, &starts[cpu]) == 0);
    }
    for (u32 cpu = 0; cpu < n; cpu++)
        pthread_join(starts[cpu].thread, NULL);
    pthread_barrier_destroy(&barrier);
}

void *host_percpu_alloc(size_t size, size_t align)
{
    size_t at = align_up(used, align);

    if (at + size > unit_bytes)
        return NULL;
    used = at + size;
    objects++;
    return units + at;
}

void host_percpu_free(void *ptr)
{
    size_t at = (size_t)((u8 *)ptr - units);

    ASSERT(at < used && objects);
    objects--;
    for (u32 cpu = 0; cpu < nr_cpus; cpu++)
        memset(units + cpu * unit_bytes + at, 0, used - at);
    used = at;
}

u32 host_percpu_objects(void)
{
    return objects;
}

int host_quiesce(void *ctx)
{
    (void)ctx;
    ASSERT(!host_irqs_off);
    for (u32 cpu = 0; cpu < nr_cpus; cpu++) {
        /* An addition of nothing, so that the CPU's next window is ordered behind this look. */
        while (atomic_fetch_add_explicit(&states[cpu].irqs_off, 0, memory_order_acq_rel) ||
               atomic_fetch_add_explicit(&states[cpu].guard, 0, memory_order_acq_rel))
            cpu_relax();
    }
    return 0;
}
