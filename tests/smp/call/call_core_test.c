/*
 * Cross-CPU calls between threads: each thread is a CPU, whose interrupt is a flag that it polls.
 * Also run under TSan.
 * SPDX-License-Identifier: MIT
 */
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <time.h>
#include "kernel/base/ktest.h"
#include "smp/call/call_core.h"

#define CPUS  4
#define CALLS 3000
#define FAR   (NR_CPUS - 1) /* a CPU whose word is not the first */

static struct call_cpu *cpus; /* NR_CPUS of them, most never touched */
static struct call_cpu storage[NR_CPUS];
static _Atomic bool irq[NR_CPUS], gone[NR_CPUS];
static _Atomic u32 nmis, kicks;
static __thread u32 self;
static struct call_ops ops;

static struct call_cpu *t_of(void *ctx, u32 cpu)
{
    (void)ctx;
    return &cpus[cpu];
}

static void t_kick(void *ctx, u32 cpu)
{
    (void)ctx;
    atomic_fetch_add(&kicks, 1);
    atomic_store(&irq[cpu], true);
}

static void t_nmi(void *ctx, u32 cpu)
{
    (void)ctx;
    (void)cpu;
    atomic_fetch_add(&nmis, 1);
}

/* More CPUs than the host has: who waits lets the others run. */
static u64 t_now(void *ctx)
{
    struct timespec t;

    (void)ctx;
    sched_yield();
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (u64)t.tv_sec * 1000000000 + (u64)t.tv_nsec;
}

static void t_serve(void *ctx)
{
    (void)ctx;
    call_serve(&ops, self);
}

static bool t_online(void *ctx, u32 cpu)
{
    (void)ctx;
    return !atomic_load(&gone[cpu]);
}

static void reset(u64 deadline_ns)
{
    cpus = storage;
    memset(storage, 0, sizeof(storage));
    for (u32 i = 0; i < NR_CPUS; i++)
        atomic_store(&irq[i], false), atomic_store(&gone[i], false);
    atomic_store(&nmis, 0);
    atomic_store(&kicks, 0);
    ops = (struct call_ops){.of = t_of,
                            .kick = t_kick,
                            .nmi = t_nmi,
                            .now = t_now,
                            .serve = t_serve,
                            .online = t_online,
                            .deadline = {.ticks = deadline_ns}};
    self = 0;
}

static void poll_irq(void)
{
    if (atomic_exchange(&irq[self], false))
        call_serve(&ops, self);
    else
        sched_yield();
}

static int call_one(u32 cpu, call_fn fn, void *arg, struct call_result *result)
{
    return call_run(&ops, self, &(struct call_targets){.cpu = cpu},
                    &(struct call_request){fn, arg, 0}, result);
}

static int copy_one(u32 cpu, call_fn fn, void *arg, u32 size, struct call_result *result)
{
    return call_run(&ops, self, &(struct call_targets){.cpu = cpu},
                    &(struct call_request){fn, arg, size}, result);
}

static void count(void *arg)
{
    atomic_fetch_add((_Atomic u32 *)arg, 1);
}

KTEST(call_core, self_is_a_target_like_any_other)
{
    struct call_result result;
    _Atomic u32 n = 0;

    reset(1000000000);
    EXPECT_EQ(call_one(0, count, (void *)&n, &result), 0);
    EXPECT_EQ(n, 1);
    EXPECT_EQ(kicks, 0);
}

KTEST(call_core, a_silent_target_gets_an_nmi_and_is_named)
{
    struct call_result result;
    _Atomic u32 n = 0;

    reset(2000000);
    EXPECT_EQ(call_one(FAR, count, (void *)&n, &result), -ETIMEDOUT);
    EXPECT_EQ(result.failed, 1);
    EXPECT_EQ(result.first_failed, FAR);
    EXPECT_FALSE(result.hangs);
    EXPECT_EQ(nmis, 1);
    /* it wakes up: the request of the caller that left is not run */
    self = FAR;
    EXPECT_EQ(call_serve(&ops, FAR), 0);
    EXPECT_EQ(n, 0);
    self = 0;
    EXPECT_EQ(call_one(0, count, (void *)&n, &result), 0); /* and the caller can call again */
}

/* ---- a target that hangs in the request ------------------------------------------------------ */

static _Atomic bool release_it;

static void hang(void *arg)
{
    (void)arg;
    while (!atomic_load(&release_it))
        sched_yield();
}

static _Atomic bool stop;

static void *target_thread(void *arg)
{
    self = (u32)(uintptr_t)arg;
    while (!atomic_load(&stop))
        poll_irq();
    return NULL;
}

KTEST(call_core, a_target_that_hangs_keeps_the_caller_busy_until_it_returns)
{
    struct call_result result;
    _Atomic u32 n = 0;
    pthread_t thread;

    reset(30000000);
    atomic_store(&stop, false);
    atomic_store(&release_it, false);
    pthread_create(&thread, NULL, target_thread, (void *)2);
    EXPECT_EQ(call_one(2, hang, NULL, &result), -ETIMEDOUT);
    EXPECT_TRUE(result.hangs);
    EXPECT_EQ(result.first_failed, 2);
    EXPECT_EQ(call_one(2, count, (void *)&n, &result), -EBUSY);
    atomic_store(&release_it, true);
    while (call_one(2, count, (void *)&n, &result) == -EBUSY)
        sched_yield();
    EXPECT_EQ(n, 1);
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
}

/* ---- arguments that live shorter than the call ----------------------------------------------- */

struct short_lived {
    u64 in, out;
};

static void write_late(void *arg)
{
    struct short_lived *s = arg;

    hang(NULL);
    s->out = s->in + 1;
}

static void add_one(void *arg)
{
    struct short_lived *s = arg;

    s->out = s->in + 1;
}

KTEST(call_core, a_copied_argument_comes_back)
{
    struct short_lived s = {.in = 41};
    struct call_result result;

    reset(1000000000);
    EXPECT_EQ(copy_one(0, add_one, &s, sizeof(s), &result), 0);
    EXPECT_EQ(s.out, 42);
    EXPECT_EQ(s.in, 41);
}

/* The memory of the argument is poisoned after the call: the target, late, neither reads nor
 * writes it. */
KTEST(call_core, a_target_that_is_late_does_not_touch_a_copied_argument)
{
    struct short_lived s = {.in = 41, .out = 0}, *own;
    struct call_result result;
    _Atomic u32 n = 0;
    pthread_t thread;

    reset(30000000);
    atomic_store(&stop, false);
    atomic_store(&release_it, false);
    pthread_create(&thread, NULL, target_thread, (void *)2);
    EXPECT_EQ(copy_one(2, write_late, &s, sizeof(s), &result), -ETIMEDOUT);
    EXPECT_TRUE(result.hangs);
    EXPECT_EQ(s.out, 0);
    memset(&s, 0x5a, sizeof(s));
    EXPECT_EQ(copy_one(2, add_one, &s, sizeof(s), &result), -EBUSY);
    atomic_store(&release_it, true);
    while (call_one(2, count, (void *)&n, &result) == -EBUSY)
        sched_yield();
    EXPECT_EQ(s.in, 0x5a5a5a5a5a5a5a5aULL);
    EXPECT_EQ(s.out, 0x5a5a5a5a5a5a5a5aULL);
    own = (struct short_lived *)cpus[0].copy;
    EXPECT_EQ(own->out, 42);
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
}

/* A second caller, behind the one whose request hangs, can withdraw. */
static void *second_caller(void *arg)
{
    struct call_result result;

    self = 1;
    *(int *)arg = call_one(2, count, (void *)&nmis, &result);
    return NULL;
}

KTEST(call_core, who_waits_behind_a_hanging_request_withdraws)
{
    struct call_result result;
    pthread_t target, caller;
    int err = 0;

    reset(30000000);
    atomic_store(&stop, false);
    atomic_store(&release_it, false);
    pthread_create(&target, NULL, target_thread, (void *)2);
    EXPECT_EQ(call_one(2, hang, NULL, &result), -ETIMEDOUT);
    pthread_create(&caller, NULL, second_caller, &err);
    pthread_join(caller, NULL);
    EXPECT_EQ(err, -ETIMEDOUT);
    atomic_store(&release_it, true);
    atomic_store(&stop, true);
    pthread_join(target, NULL);
}

/* ---- targets that go off-line ---------------------------------------------------------------- */

KTEST(call_core, a_target_that_has_left_is_not_waited_for_and_runs_nothing)
{
    struct call_result result;
    _Atomic u32 n = 0;

    reset(1000000000);
    atomic_store(&gone[FAR], true);
    EXPECT_EQ(call_one(FAR, count, (void *)&n, &result), 0);
    EXPECT_EQ(result.refused, 1);
    atomic_store(&gone[FAR], false);
    EXPECT_EQ(call_serve(&ops, FAR), 0);
    EXPECT_EQ(n, 0);
    EXPECT_EQ(nmis, 0);
}

/* It leaves after the caller looked: the request stands in its set, and it says no. */
static void refuse_all(void *ctx, u32 cpu)
{
    (void)ctx;
    call_refuse(&ops, cpu, NR_CPUS);
}

KTEST(call_core, a_target_that_leaves_refuses_who_waits)
{
    struct call_result result;
    _Atomic u32 n = 0;

    reset(1000000000);
    ops.kick = refuse_all;
    EXPECT_EQ(call_one(FAR, count, (void *)&n, &result), 0);
    EXPECT_EQ(result.refused, 1);
    ops.kick = t_kick;
    EXPECT_EQ(call_serve(&ops, FAR), 0);
    EXPECT_EQ(n, 0);
}

/* The interrupted handler has the summary already; the NMI must find the request all the same. */
static void nmi_serves(void *ctx, u32 cpu)
{
    (void)ctx;
    atomic_fetch_add(&nmis, 1);
    EXPECT_EQ(call_serve_nmi(&ops, cpu, NR_CPUS), 1);
}

KTEST(call_core, an_nmi_serves_without_the_summary)
{
    struct call_result result;
    _Atomic u32 n = 0;

    reset(2000000);
    ops.nmi = nmi_serves;
    atomic_store(&cpus[FAR].summary, 1); /* set by somebody else: no kick */
    EXPECT_EQ(call_one(FAR, count, (void *)&n, &result), 0);
    EXPECT_EQ(nmis, 1);
    EXPECT_EQ(kicks, 0);
    EXPECT_EQ(n, 1);
}

/* ---- everybody calls everybody --------------------------------------------------------------- */

static _Atomic u32 hits[CPUS], failures, done;
static u64 all_set[CALL_WORDS];

static void hit(void *arg)
{
    (void)arg;
    atomic_fetch_add(&hits[self], 1);
}

static void *storm(void *arg)
{
    const struct call_targets all = {.words = all_set, .nr = CPUS};
    struct call_result result;

    self = (u32)(uintptr_t)arg;
    for (u32 i = 0; i < CALLS; i++) {
        int err;

        if (i % 4 == 0)
            err = call_run(&ops, self, &all, &(struct call_request){hit, NULL, 0}, &result);
        else
            err = call_one((self + i) % CPUS, hit, NULL, &result);
        if (err)
            atomic_fetch_add(&failures, 1);
    }
    atomic_fetch_add(&done, 1);
    while (atomic_load(&done) != CPUS)
        poll_irq();
    return NULL;
}

KTEST(call_core, callers_that_call_each_other_all_finish)
{
    pthread_t threads[CPUS];
    u32 sum = 0;

    reset(20000000000ULL);
    atomic_store(&failures, 0);
    atomic_store(&done, 0);
    memset(all_set, 0, sizeof(all_set));
    bitmap_set_bit(all_set, 0), bitmap_set_bit(all_set, 1);
    bitmap_set_bit(all_set, 2), bitmap_set_bit(all_set, 3);
    for (u32 i = 0; i < CPUS; i++)
        atomic_store(&hits[i], 0);
    for (uintptr_t i = 0; i < CPUS; i++)
        pthread_create(&threads[i], NULL, storm, (void *)i);
    for (u32 i = 0; i < CPUS; i++)
        pthread_join(threads[i], NULL);
    for (u32 i = 0; i < CPUS; i++)
        sum += hits[i];
    EXPECT_EQ(failures, 0);
    EXPECT_EQ(nmis, 0);
    EXPECT_EQ(sum, CPUS * (CALLS / 4 * CPUS + CALLS / 4 * 3));
}
