/*
 * An allocator over a hosted machine (percpu_world.h), for tests: one line to make it, helpers to
 * write and read a CPU's copy. Every thread that uses it is a CPU (host_cpu_number).
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TESTS_PERCPU_ALLOC_ALLOC_RIG_H
#define PERCH_TESTS_PERCPU_ALLOC_ALLOC_RIG_H

#include <stdlib.h>
#include "kernel/base/ktest.h"
#include "percpu/alloc/alloc.h"
#include "tests/host/percpu_world.h"
#include "tests/host/shim.h"

/* The CPUs that call_all reaches are those live and not parked; this thread is each of them. */
struct alloc_rig {
    struct world w;
    struct pcpu_alloc_ops ops;
    struct pcpu_allocator a;
    u64 parked[BITMAP_WORDS(WORLD_MAX_CPUS)];
    u32 idle; /* the CPU that pick_idle() names; RIG_NOBODY: none is idle */
    u32 wakes;
    int call_error; /* what call_all() returns */
};

#define RIG_NOBODY ~0u

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

/* Has this CPU been online once, so that its units are backed? */
static inline bool rig_is_live(const struct alloc_rig *r, u32 cpu)
{
    return bitmap_test_bit(r->a.live_map, cpu);
}

static inline int rig_call_all(void *ctx, void (*fn)(void *arg), void *arg)
{
    struct alloc_rig *r = ctx;
    u32 self = host_cpu_number;

    if (host_irqs_off)
        ktest_fail(__FILE__, __LINE__, "a call of all CPUs with interrupts off");
    if (r->call_error)
        return r->call_error;
    for (u32 cpu = 0; cpu < r->a.nr_cpus; cpu++) {
        if (!rig_is_live(r, cpu) || bitmap_test_bit(r->parked, cpu))
            continue;
        host_cpu_number = cpu;
        fn(arg);
    }
    host_cpu_number = self;
    return 0;
}

static inline bool rig_pick_idle(void *ctx, u32 *cpu)
{
    struct alloc_rig *r = ctx;

    *cpu = r->idle; /* as in the kernel, of no use when nobody is idle */
    return r->idle != RIG_NOBODY;
}

static inline void rig_wake(void *ctx, u32 cpu)
{
    struct alloc_rig *r = ctx;

    (void)cpu;
    r->wakes++;
}

/* The first chunk's memory is the host's: a physical address that only this makes. */
#define RIG_PHYS (1ULL << 45)
static inline u64 rig_phys(void *ctx, u64 va)
{
    struct alloc_rig *r = ctx;

    return va - (u64)(uintptr_t)r->w.first_memory + RIG_PHYS;
}

static inline struct alloc_rig *rig_new(const struct world_shape *shape)
{
    struct alloc_rig *r = calloc(1, sizeof(*r));
    struct pcpu_alloc_config config;

    shim_log_reset();
    world_init(&r->w, shape);
    config = rig_config(r);
    r->idle = RIG_NOBODY;
    r->ops = (struct pcpu_alloc_ops){r, rig_pick_idle, rig_wake, rig_call_all, rig_phys};
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

/* A byte of its own for each object, CPU and place, in every copy that is backed. */
static inline u8 rig_byte(u64 seed, u32 cpu, size_t i)
{
    return (u8)((seed * 31 + cpu * 7 + i) | 1);
}

static inline void rig_fill(const struct alloc_rig *r, const void *ptr, size_t size, u64 seed)
{
    for (u32 cpu = 0; cpu < r->a.nr_cpus; cpu++) {
        u8 *p = rig_ptr(r, ptr, cpu);

        for (size_t i = 0; rig_is_live(r, cpu) && i < size; i++)
            p[i] = rig_byte(seed, cpu, i);
    }
}

static inline bool rig_holds(const struct alloc_rig *r, const void *ptr, size_t size, u64 seed)
{
    for (u32 cpu = 0; cpu < r->a.nr_cpus; cpu++) {
        const u8 *p = rig_ptr(r, ptr, cpu);

        for (size_t i = 0; i < size; i++)
            if (p[i] != (rig_is_live(r, cpu) ? rig_byte(seed, cpu, i) : 0))
                return false;
    }
    return true;
}

/* Bytes in this CPU's magazines. */
static inline u32 rig_cached(const struct alloc_rig *r, u32 cpu)
{
    return (u32)(r->a.mags[cpu]->quota - r->a.mags[cpu]->headroom);
}

#define EXPECT_VALID(r)                                                                            \
    do {                                                                                           \
        const char *bad_ = pcpu_verify(&(r)->a);                                                   \
        if (bad_)                                                                                  \
            ktest_fail(__FILE__, __LINE__, "%s", bad_);                                            \
    } while (0)

#endif
