/*
 * Functions that run on other CPUs in thread context, interrupts on, from their idle loops: what
 * a cross-call cannot test. The idle loops keep the work that they had before. When a case leaves
 * between begin and end, by a REQUIRE that failed, the work ends all the same.
 * Header only; boot CPU.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TESTS_SUITE_ON_IDLE_H
#define PERCH_TESTS_SUITE_ON_IDLE_H

#include <stdatomic.h>
#include "smp/run/idle.h"
#include "smp/run/idle_set.h"
#include "tests/suite/kutil.h"

struct on_idle {
    void (*fn)(void *arg); /* true of `again`: called again and again */
    void *arg;
    _Atomic u64 todo[CPUMAP_WORDS];
    atomic_bool again;
    _Atomic u32 runs, at_work;
    struct cpu_idle_ops ops;
    const struct cpu_idle_ops *_Atomic before;
    bool begun;
};

static inline bool on_idle_asked(struct on_idle *o)
{
    return atomic_load(&o->todo[cpu_number() / 64]) >> cpu_number() % 64 & 1;
}

/* What the idle loops did before, when it has work for this CPU. */
static inline const struct cpu_idle_ops *on_idle_others(struct on_idle *o)
{
    const struct cpu_idle_ops *before = atomic_load(&o->before);

    return before && before->pending(before->ctx) ? before : NULL;
}

static inline bool on_idle_pending(void *ctx)
{
    struct on_idle *o = ctx;

    return on_idle_asked(o) || on_idle_others(o) != NULL;
}

static inline void on_idle_work(void *ctx)
{
    struct on_idle *o = ctx;
    const struct cpu_idle_ops *others = on_idle_others(o);

    if (others)
        others->work(others->ctx);
    atomic_fetch_add(&o->at_work, 1);
    if (!on_idle_asked(o)) {
        atomic_fetch_sub(&o->at_work, 1);
        return;
    }
    if (!atomic_load(&o->again))
        atomic_fetch_and(&o->todo[cpu_number() / 64], ~(1ULL << cpu_number() % 64));
    o->fn(o->arg);
    atomic_fetch_add(&o->runs, 1);
    atomic_fetch_sub(&o->at_work, 1);
}

/* Use on_idle_begin(). */
static inline struct on_idle *on_idle_start(struct on_idle *o, void (*fn)(void *arg), void *arg,
                                            bool again)
{
    EXPECT_TRUE((u64)(uintptr_t)o - VAREA_BASE >= VAREA_SIZE); /* on no stack */
    EXPECT_TRUE((u64)(uintptr_t)arg - VAREA_BASE >= VAREA_SIZE);
    for (u32 i = 0; i < CPUMAP_WORDS; i++)
        atomic_store(&o->todo[i], 0);
    o->fn = fn;
    o->arg = arg;
    atomic_store(&o->again, again);
    atomic_store(&o->runs, 0);
    o->ops = (struct cpu_idle_ops){.pending = on_idle_pending, .work = on_idle_work, .ctx = o};
    atomic_store(&o->before, NULL);
    atomic_store(&o->before, cpu_idle_set_ops(&o->ops));
    o->begun = true;
    return o;
}

static inline void on_idle_add(struct on_idle *o, u32 cpu)
{
    atomic_fetch_or(&o->todo[cpu / 64], 1ULL << cpu % 64);
    cpu_kick(cpu);
}

/*
 * Waits until fn has run `runs` times in all and no CPU is in it; then restores the idle loops.
 * It is enough to see at_work 0 once: a CPU that enters later finds no bit of its own in todo.
 */
static inline void on_idle_end(struct on_idle *o, u32 runs)
{
    struct deadline d = deadline_start(10 * 1000000);
    bool at_work;

    while (atomic_load(&o->runs) < runs && !deadline_passed(&d))
        ;
    atomic_store(&o->again, false);
    for (u32 i = 0; i < CPUMAP_WORDS; i++)
        atomic_store(&o->todo[i], 0);
    while ((at_work = atomic_load(&o->at_work) != 0) && !deadline_passed(&d))
        ;
    cpu_idle_set_ops(o->before);
    o->begun = false;
    EXPECT_GE(o->runs, runs);
    EXPECT_FALSE(at_work);
}

static inline void on_idle_leave(struct on_idle **o)
{
    if ((*o)->begun)
        on_idle_end(*o, 0);
}

/*
 * No CPU runs fn yet. o and arg are static: a CPU may use them a moment after the end. A statement
 * of the block that ends the work too; the block's end does it otherwise.
 */
#define on_idle_begin(o, fn, arg, again)                                                           \
    __attribute__((cleanup(on_idle_leave), unused)) struct on_idle *on_idle_begun =                \
        on_idle_start(o, fn, arg, again)

#endif
