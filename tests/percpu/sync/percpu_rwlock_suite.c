/*
 * The per-CPU reader-writer lock on real CPUs: readers on all of them, in threads and by trylock in
 * timer interrupts, see a pair of values that writers change one after the other.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/platform/kernel_percpu_lib.h"
#include "percpu/sync/rwlock.h"
#include "tests/suite/speed.h"
#include "tests/suite/stress.h"

static struct percpu_rwlock lock;
static struct stress stress;
static u64 left, right;
static _Atomic u32 writing;
static DEFINE_PER_CPU(u64, reads);

static void compare(void)
{
    u64 a = *(volatile u64 *)&left, b = *(volatile u64 *)&right;

    CHECK(&stress.t, a == b && !writing);
    this_cpu_inc(reads);
}

static void read_in_interrupt(void *arg)
{
    (void)arg;
    for (u32 i = 0; i < 10; i++) {
        if (!percpu_down_read_trylock(&lock))
            continue;
        compare();
        percpu_up_read(&lock);
    }
}

static u32 writes(void)
{
    return suite_rounds(stress_cpus() < cpus_online() ? 4 : 40, 4);
}

static void write_once(void)
{
    bool locked = percpu_down_write(&lock) == 0;

    CHECK(&stress.t, locked);
    if (!locked)
        return;
    CHECK(&stress.t, percpu_rwlock_is_write_locked(&lock));
    CHECK(&stress.t, writing++ == 0);
    left++;
    for (u32 i = 0; i < 100; i++)
        cpu_relax();
    right++;
    writing--;
    percpu_up_write(&lock);
}

/* Two CPUs write now and then, all read. */
static void read_and_write(void *arg)
{
    u32 n = writes(), stride = stress_stride();

    (void)arg;
    for (u32 i = 0; i < n; i++) {
        if (cpu_number() <= stride)
            write_once();
        for (u32 k = 0; k < 500; k++) {
            percpu_down_read(&lock);
            compare();
            percpu_up_read(&lock);
        }
    }
}

KTEST(percpu_rwlock, readers_see_both_values_or_neither)
{
    u32 cpu, writers = stress_cpus() > 1 ? 2 : 1;
    const char *why;

    left = right = 0;
    writing = 0;
    for_each_possible_cpu(cpu) per_cpu(reads, cpu) = 0;
    REQUIRE_EQ(percpu_rwlock_init(kernel_percpu_lib(), &lock), 0);
    stress = (struct stress){.work = read_and_write, .tick = read_in_interrupt};
    if (!stress_run(&stress))
        return;
    EXPECT_EQ(left, writers * writes());
    EXPECT_EQ(right, left);
    for_each_online_cpu(cpu) if (stress_takes_part(cpu))
        EXPECT_GE(per_cpu(reads, cpu), writes() * 500);
    why = percpu_rwlock_verify(&lock);
    EXPECT_STREQ(why ? why : "", "");
    percpu_rwlock_destroy(&lock);
}

/* Locked here, unlocked on every other CPU in turn; a writer's gate is seen everywhere. */
static void unlock_there(void *arg)
{
    percpu_up_read(&lock);
    tally_ran(arg);
}

static void must_fail(void *arg)
{
    CHECK(arg, !percpu_down_read_trylock(&lock));
    CHECK(arg, percpu_rwlock_is_write_locked(&lock));
    tally_ran(arg);
}

KTEST(percpu_rwlock, across_cpus)
{
    struct tally t = {0};
    u32 cpu, n = 0;

    REQUIRE_EQ(percpu_rwlock_init(kernel_percpu_lib(), &lock), 0);
    for_each_online_cpu(cpu)
    {
        if (!stress_takes_part(cpu))
            continue;
        percpu_down_read(&lock);
        EXPECT_TRUE(percpu_rwlock_is_read_locked(&lock));
        EXPECT_EQ(smp_call_on_copy(cpu, unlock_there, &t), 0);
        EXPECT_FALSE(percpu_rwlock_is_read_locked(&lock));
        n++;
    }
    EXPECT_TALLY(&t, n);
    t = (struct tally){0};
    REQUIRE_EQ(percpu_down_write(&lock), 0);
    EXPECT_EQ(smp_call_all_copy(must_fail, &t), 0);
    percpu_up_write(&lock);
    EXPECT_TALLY(&t, cpus_online());
    EXPECT_TRUE(percpu_down_read_trylock(&lock));
    percpu_up_read(&lock);
    EXPECT_TRUE(percpu_rwlock_verify(&lock) == NULL);
    percpu_rwlock_destroy(&lock);
}
