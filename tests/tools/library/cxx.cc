// The allocator in C++: objects of a class, accessors in a template, a counter on top.
// SPDX-License-Identifier: MIT
#include "perch-percpu.h"

#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

static const uint32_t cpus = 4;

struct item {
    long value;
    char name[24];
};

template <typename T> static T sum_of(T *p)
{
    T sum = 0;

    for (uint32_t cpu = 0; cpu < cpus; cpu++)
        sum += *per_cpu_ptr(p, cpu);
    return sum;
}

static void work(uint32_t cpu, long *hits, percpu_counter *counter)
{
    if (perch_host_enter(cpu))
        std::abort();
    for (int i = 0; i < 1000; i++) {
        item *p = alloc_percpu(item);

        if (!p || this_cpu_ptr(p)->value)
            std::abort();
        this_cpu_add(p->value, 1);
        this_cpu_inc(*hits);
        percpu_counter_add(counter, 2);
        percpu_free(p);
    }
    perch_host_leave();
}

int main()
{
    perch_host_shape shape = {};
    percpu_counter counter;
    std::vector<std::thread> threads;
    long *hits;

    shape.nr_nodes = 2;
    shape.nr_cpus = cpus;
    if (perch_host_init(&shape) || percpu_counter_init(perch_host_lib(), &counter, 0))
        return 1;
    hits = alloc_percpu(long);
    if (!hits)
        return 1;
    for (uint32_t cpu = 1; cpu < cpus; cpu++)
        threads.emplace_back(work, cpu, hits, &counter);
    for (std::thread &thread : threads)
        thread.join();
    std::printf("hits %ld counter %ld\n", sum_of(hits), (long)percpu_counter_sum(&counter));
    percpu_counter_destroy(&counter);
    percpu_free(hits);
    return perch_host_done() != 0;
}
