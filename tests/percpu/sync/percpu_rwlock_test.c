/*
 * The per-CPU reader-writer lock: exclusion, the queue, errors, and threads. TSan sees a
 * reader and a writer that the lock does not order.
 * Also run under TSan.
 * SPDX-License-Identifier: MIT
 */
#include <pthread.h>
#include "kernel/base/ktest.h"
#include "percpu/sync/rwlock.h"
#include "tests/host/shim.h"
#include "tests/percpu/sync/sync_rig.h"

#define CPUS    4
#define WRITES  200
#define FINE(l) EXPECT_STREQ(percpu_rwlock_verify(l) ?: "", "")

static struct sync_rig rig;
static struct percpu_rwlock lock;

static void begin(void)
{
    rig_init(&rig, CPUS, 2);
    EXPECT_EQ(percpu_rwlock_init(&rig.lib, &lock), 0);
}

static void end(void)
{
    host_cpu_become(0);
    FINE(&lock);
    percpu_rwlock_destroy(&lock);
    EXPECT_EQ(host_percpu_objects(), 0);
    rig_end(&rig);
}

KTEST(percpu_rwlock, readers_share_and_a_writer_excludes)
{
    begin();
    percpu_down_read(&lock);
    host_cpu_become(1);
    EXPECT_TRUE(percpu_down_read_trylock(&lock));
    EXPECT_TRUE(percpu_rwlock_is_read_locked(&lock));
    EXPECT_STREQ(percpu_rwlock_verify(&lock), "the readers' words do not sum to 0");
    percpu_up_read(&lock);
    percpu_up_read(&lock); /* CPU 0's, from CPU 1 */
    EXPECT_FALSE(percpu_rwlock_is_read_locked(&lock));
    EXPECT_EQ(percpu_down_write(&lock), 0);
    EXPECT_EQ(rig.quiesced, 1);
    EXPECT_TRUE(percpu_rwlock_is_write_locked(&lock));
    EXPECT_FALSE(percpu_down_read_trylock(&lock));
    EXPECT_STREQ(percpu_rwlock_verify(&lock), "the gate is closed");
    percpu_up_write(&lock);
    EXPECT_FALSE(percpu_rwlock_is_write_locked(&lock));
    EXPECT_TRUE(percpu_down_read_trylock(&lock));
    percpu_up_read(&lock);
    EXPECT_TRUE(SHIM_PANICS(percpu_up_write(&lock)));
    end();
}

KTEST(percpu_rwlock, errors)
{
    rig_init(&rig, CPUS, 2);
    rig.fail_at = 1;
    EXPECT_EQ(percpu_rwlock_init(&rig.lib, &lock), -ENOMEM);
    rig_end(&rig);

    begin();
    rig.quiesce_err = -ETIMEDOUT;
    EXPECT_EQ(percpu_down_write(&lock), -ETIMEDOUT);
    FINE(&lock);
    EXPECT_TRUE(percpu_down_read_trylock(&lock));
    percpu_up_read(&lock);
    rig.quiesce_err = 0;
    EXPECT_EQ(percpu_down_write(&lock), 0);
    percpu_up_write(&lock);
    end();
}

/* A queue of known order: who came first is served first, readers between writers too. */
static char order[8];
static _Atomic u32 order_len;

static void note(char c)
{
    order[order_len++] = c;
}

static void *queued(void *arg)
{
    u32 cpu = (u32)(uintptr_t)arg;

    host_cpu_become(cpu);
    if (cpu == 2) {
        percpu_down_read(&lock);
        note('r');
        percpu_up_read(&lock);
    } else {
        if (percpu_down_write(&lock))
            return NULL;
        note((char)('0' + cpu));
        percpu_up_write(&lock);
    }
    return NULL;
}

KTEST(percpu_rwlock, first_come_first_served)
{
    pthread_t threads[CPUS];

    begin();
    order_len = 0;
    REQUIRE_EQ(percpu_down_write(&lock), 0);
    for (uintptr_t cpu = 1; cpu < CPUS; cpu++) {
        pthread_create(&threads[cpu], NULL, queued, (void *)cpu);
        while (atomic_load(&lock.next) != cpu + 1)
            cpu_relax();
    }
    percpu_up_write(&lock);
    for (u32 cpu = 1; cpu < CPUS; cpu++)
        pthread_join(threads[cpu], NULL);
    EXPECT_EQ(order_len, 3);
    EXPECT_EQ(order[0], '1');
    EXPECT_EQ(order[1], 'r');
    EXPECT_EQ(order[2], '3');
    end();
}

/* ---- threads --------------------------------------------------------------------------------- */

/* Plain memory: TSan says when the lock does not order it. */
static u64 left, right;
static _Atomic u32 bad, reads, writers_left, inside;

static void read_once(bool by_try)
{
    if (by_try) {
        if (!percpu_down_read_trylock(&lock))
            return;
    } else {
        percpu_down_read(&lock);
    }
    if (left != right)
        bad++;
    percpu_up_read(&lock);
    reads++;
}

static void write_some(void)
{
    for (u32 i = 0; i < WRITES; i++) {
        if (percpu_down_write(&lock)) {
            bad++;
            continue;
        }
        if (atomic_fetch_add(&inside, 1) != 0)
            bad++;
        left++;
        if (i % 16 == 0)
            cpu_relax();
        right++;
        atomic_fetch_sub(&inside, 1);
        percpu_up_write(&lock);
    }
    writers_left--;
}

static void readers_and_writers(void *arg)
{
    (void)arg;
    if (cpu_number() < 2)
        write_some();
    for (u32 i = 0; writers_left; i++)
        read_once(i % 3 == 0);
}

KTEST(percpu_rwlock, threads_see_both_or_neither)
{
    begin();
    left = right = 0;
    bad = reads = inside = 0;
    writers_left = 2;
    host_cpus_run(CPUS, readers_and_writers, NULL);
    EXPECT_EQ(bad, 0);
    EXPECT_EQ(left, 2 * WRITES);
    EXPECT_EQ(right, 2 * WRITES);
    EXPECT_GE(reads, 1);
    end();
}
