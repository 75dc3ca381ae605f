/* A counter that four threads change at once, each its own copy. SPDX-License-Identifier: MIT */
#include <perch-percpu.h>
#include <pthread.h>
#include <stdio.h>

static uint64_t *hits; /* a per-CPU pointer: one uint64_t for each CPU */

static void *work(void *cpu)
{
    if (perch_host_enter((uint32_t)(uintptr_t)cpu) == 0) {
        for (int i = 0; i < 100000; i++)
            this_cpu_inc(*hits);
        perch_host_leave();
    }
    return NULL;
}

int main(void)
{
    struct perch_host_shape machine = {.nr_nodes = 2, .nr_cpus = 4};
    pthread_t thread[4];
    uint64_t sum = 0;

    if (perch_host_init(&machine) || !(hits = alloc_percpu(uint64_t)))
        return 1;
    for (uintptr_t cpu = 1; cpu < 4; cpu++) /* this thread is CPU 0 since init */
        pthread_create(&thread[cpu], NULL, work, (void *)cpu);
    this_cpu_add(*hits, 100000);
    for (uintptr_t cpu = 1; cpu < 4; cpu++)
        pthread_join(thread[cpu], NULL);
    for (uint32_t cpu = 0; cpu < 4; cpu++)
        sum += *per_cpu_ptr(hits, cpu);
    printf("sum %llu\n", (unsigned long long)sum);
    percpu_free(hits);
    percpu_dump();
    return perch_host_done() != 0;
}
