/*
 * An allocator over a hosted machine (percpu_world.h), for tests: one line to make it, helpers to
 * write and read a CPU's copy. Every thread that uses it is a CPU (host_cpu_number).
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TESTS_HOST_ALLOC_RIG_H
#define PERCH_TESTS_HOST_ALLOC_RIG_H

#include "kernel/app/ktest.h"
#include "percpu/alloc.h"
#include "tests/host/percpu_world.h"
#include "tests/host/shim.h"

struct alloc_rig {
    struct world w;
    struct pcpu_alloc_ops ops;
    struct pcpu_allocator a;
};

#define RIG_STATIC_START 0xffffffff80210000ULL /* where the kernel's template is linked */

static inline struct pcpu_alloc_config rig_config(struct alloc_rig *r)
{
    return (struct pcpu_alloc_config){
        .fc = &r->w.fc,
        .static_start = RIG_STATIC_START,
        .window_base = (u64)(uintptr_t)r->w.window,
        .window_size = r->w.shape.window_bytes,
        .env = &r->w.env,
        .ops = &r->ops,
    };
}

static inline struct alloc_rig *rig_new(const struct world_shape *shape)
{
    struct alloc_rig *r = calloc(1, sizeof(*r));
    struct pcpu_alloc_config config;

    shim_log_reset();
    world_init(&r->w, shape);
    config = rig_config(r);
    if (pcpu_init(&r->a, &config))
        ktest_fail(__FILE__, __LINE__, "pcpu_init");
    return r;
}

/* Everything was freed: nothing may be left. */
static inline void rig_end(struct alloc_rig *r)
{
    const char *bad;

    pcpu_trim(&r->a);
    bad = pcpu_verify(&r->a);
    if (bad)
        ktest_fail(__FILE__, __LINE__, "%s", bad);
    pcpu_destroy(&r->a);
    world_done(&r->w);
    free(r);
}

/* CPU cpu's copy. */
static inline void *rig_ptr(const struct alloc_rig *r, const void *ptr, u32 cpu)
{
    return (void *)(uintptr_t)((u64)(uintptr_t)ptr + r->a.delta + r->w.fc.unit_off[cpu]);
}

static inline bool rig_all_zero(const struct alloc_rig *r, const void *ptr, size_t size)
{
    for (u32 cpu = 0; cpu < r->a.nr_cpus; cpu++) {
        const u8 *p = rig_ptr(r, ptr, cpu);

        for (size_t i = 0; i < size; i++)
            if (p[i])
                return false;
    }
    return true;
}

/* A byte of its own for each object, CPU and place, in every backed copy. */
static inline u8 rig_byte(u64 seed, u32 cpu, size_t i)
{
    return (u8)((seed * 31 + cpu * 7 + i) | 1);
}

static inline void rig_fill(const struct alloc_rig *r, const void *ptr, size_t size, u64 seed)
{
    for (u32 cpu = 0; cpu < r->a.nr_cpus; cpu++) {
        u8 *p = rig_ptr(r, ptr, cpu);

        for (size_t i = 0; world_is_backed(&r->w, cpu) && i < size; i++)
            p[i] = rig_byte(seed, cpu, i);
    }
}

static inline bool rig_holds(const struct alloc_rig *r, const void *ptr, size_t size, u64 seed)
{
    for (u32 cpu = 0; cpu < r->a.nr_cpus; cpu++) {
        const u8 *p = rig_ptr(r, ptr, cpu);

        for (size_t i = 0; i < size; i++)
            if (p[i] != (world_is_backed(&r->w, cpu) ? rig_byte(seed, cpu, i) : 0))
                return false;
    }
    return true;
}

#define EXPECT_VALID(r)                                                                            \
    do {                                                                                           \
        const char *bad_ = pcpu_verify(&(r)->a);                                                   \
        if (bad_)                                                                                  \
            ktest_fail(__FILE__, __LINE__, "%s", bad_);                                            \
    } while (0)

#endif
