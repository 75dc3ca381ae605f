/*
 * local_t: every operation's value and result, and wrapping; under TSan, with readers
 * on other CPUs.
 * Also run under TSan.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/ktest.h"
#include "percpu/sync/local.h"
#include "tests/host/cpus.h"

static void expect(local_t *l, s64 want)
{
    EXPECT_EQ(local_read(l), want);
}

KTEST(local, changes)
{
    local_t l = LOCAL_INIT(5);

    expect(&l, 5);
    local_set(&l, -1);
    local_inc(&l);
    expect(&l, 0);
    local_dec(&l);
    expect(&l, -1);
    local_add(&l, 1LL << 40);
    expect(&l, (1LL << 40) - 1);
    local_sub(&l, 1LL << 40);
    expect(&l, -1);
    local_set(&l, INT64_MAX);
    local_inc(&l);
    expect(&l, INT64_MIN);
    local_dec(&l);
    expect(&l, INT64_MAX);
    local_sub(&l, INT64_MIN);
    expect(&l, -1);
}

KTEST(local, tests)
{
    local_t l = LOCAL_INIT(3);

    EXPECT_FALSE(local_sub_and_test(&l, 1));
    EXPECT_TRUE(local_sub_and_test(&l, 2));
    EXPECT_FALSE(local_dec_and_test(&l));
    expect(&l, -1);
    EXPECT_TRUE(local_inc_and_test(&l));
    EXPECT_FALSE(local_inc_and_test(&l));
    EXPECT_TRUE(local_dec_and_test(&l));
    EXPECT_FALSE(local_add_negative(&l, 0));
    EXPECT_TRUE(local_add_negative(&l, -1));
    EXPECT_FALSE(local_add_negative(&l, 1));
    expect(&l, 0);
    EXPECT_FALSE(local_sub_and_test(&l, 1LL << 32)); /* all 64 bits are looked at */
    expect(&l, -(1LL << 32));
}

KTEST(local, returns)
{
    local_t l = LOCAL_INIT(10);
    s64 old;

    EXPECT_EQ(local_add_return(&l, 5), 15);
    EXPECT_EQ(local_sub_return(&l, 20), -5);
    EXPECT_EQ(local_inc_return(&l), -4);
    EXPECT_EQ(local_dec_return(&l), -5);
    EXPECT_EQ(local_xchg(&l, 7), -5);
    EXPECT_EQ(local_cmpxchg(&l, 8, 1), 7);
    expect(&l, 7);
    EXPECT_EQ(local_cmpxchg(&l, 7, 1), 7);
    expect(&l, 1);
    old = 2;
    EXPECT_FALSE(local_try_cmpxchg(&l, &old, 9));
    EXPECT_EQ(old, 1);
    EXPECT_TRUE(local_try_cmpxchg(&l, &old, 9));
    EXPECT_EQ(old, 1);
    expect(&l, 9);
    EXPECT_FALSE(local_add_unless(&l, 3, 9));
    expect(&l, 9);
    EXPECT_TRUE(local_add_unless(&l, 3, 8));
    expect(&l, 12);
    EXPECT_TRUE(local_inc_not_zero(&l));
    expect(&l, 13);
    local_set(&l, 0);
    EXPECT_FALSE(local_inc_not_zero(&l));
    expect(&l, 0);
}

#define CPUS 4
#define ADDS 20000

struct shared {
    local_t *l;
    _Atomic u32 bad;
};

/* Each CPU counts on its own copy and reads its neighbour's, which only grows. */
static void count_and_look(void *arg)
{
    struct shared *s = arg;
    local_t *own = this_cpu_ptr(s->l), *other = per_cpu_ptr(s->l, (cpu_number() + 1) % CPUS);
    s64 seen = 0;

    for (u32 i = 0; i < ADDS; i++) {
        s64 now = local_read(other);

        if (now < seen || now > 2 * ADDS)
            s->bad++;
        seen = now;
        local_inc(own);
        if (local_add_return(own, 1) != 2 * (s64)i + 2)
            s->bad++;
    }
}

KTEST(local, threads_read_each_others)
{
    struct shared s = {0};
    s64 sum = 0;

    host_cpus_init(CPUS, 4096);
    s.l = host_percpu_alloc(sizeof(local_t), 8);
    host_cpus_run(CPUS, count_and_look, &s);
    for (u32 cpu = 0; cpu < CPUS; cpu++)
        sum += local_read(per_cpu_ptr(s.l, cpu));
    EXPECT_EQ(sum, 2 * CPUS * ADDS);
    EXPECT_EQ(s.bad, 0);
    host_cpus_end();
}
