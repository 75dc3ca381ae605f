/*
 * What must not work, one at a time: argv[1] names it. The process dies of it, or says so.
 * SPDX-License-Identifier: MIT
 */
#include <perch-percpu.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static int *p;

static void *no_cpu(void *arg)
{
    percpu_free(arg);
    return arg;
}

/* perch_host_shape that cannot be: all refused, and nothing is left of them. */
static int bad_shapes(void)
{
    const uint32_t node_2[1] = {2};
    const uint8_t self_11[4] = {10, 20, 20, 11}, self_0[4] = {0, 20, 20, 10};
    const struct perch_host_shape bad[] = {
        {.nr_nodes = 0, .nr_cpus = 1},
        {.nr_nodes = 1, .nr_cpus = 0},
        {.nr_nodes = PERCH_HOST_MAX_NODES + 1, .nr_cpus = 1},
        {.nr_nodes = 1, .nr_cpus = PERCH_NR_CPUS + 1},
        {.nr_nodes = 2, .nr_cpus = 1, .cpu_node = node_2},
        {.nr_nodes = 1, .nr_cpus = 1, .node_bytes = 4096},
        {.nr_nodes = 1, .nr_cpus = 1, .atom_size = 12345},
        {.nr_nodes = 1, .nr_cpus = 1, .atom_size = 2048},
        {.nr_nodes = 1, .nr_cpus = 1, .atom_size = (size_t)1 << 63},
        {.nr_nodes = 1, .nr_cpus = 1, .reserved_size = 6},
        {.nr_nodes = 1, .nr_cpus = 1, .reserved_size = SIZE_MAX - 3},
        {.nr_nodes = 1, .nr_cpus = 1, .static_size = SIZE_MAX},
        {.nr_nodes = 1, .nr_cpus = 1, .static_size = SIZE_MAX >> 1},
        {.nr_nodes = 1, .nr_cpus = 1, .dyn_size = SIZE_MAX},
        {.nr_nodes = 1, .nr_cpus = 1, .dyn_size = SIZE_MAX >> 1},
        {.nr_nodes = 2, .nr_cpus = 2, .distance = self_11},
        {.nr_nodes = 2, .nr_cpus = 2, .distance = self_0},
        {.nr_nodes = 1, .nr_cpus = 1, .static_mem = (const char *)node_2 + 1, .static_size = 1},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (perch_host_init(&bad[i]) != -EINVAL)
            return (int)i + 1;
    return 0;
}

int main(int argc, char **argv)
{
    const struct perch_host_shape shape = {.nr_nodes = 1, .nr_cpus = 2};
    const char *what = argc > 1 ? argv[1] : "";
    int bad = bad_shapes();
    pthread_t thread;

    if (bad || perch_host_init(&shape))
        return 100 + bad;
    p = alloc_percpu(int);
    if (!strcmp(what, "no-cpu")) {
        pthread_create(&thread, NULL, no_cpu, p);
        pthread_join(thread, NULL);
    } else if (!strcmp(what, "direct")) {
        *p = 1;
    } else if (!strcmp(what, "behind")) {
        /* The first object's unit ends where its memory ends. */
        percpu_trim();
        *(volatile char *)((char *)per_cpu_ptr(p, 0) + (512 << 10)) = 1;
    } else if (!strcmp(what, "interior")) {
        percpu_free((char *)p + 1);
        percpu_free((char *)perch_host_static() + 8);
        printf("size %zu\n", percpu_size((char *)p + 1));
    }
    percpu_free(p);
    return perch_host_done() != 0;
}
