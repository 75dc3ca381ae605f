/*
 * The counter's bound, proved for small batches: every state that the parts of 3 CPUs on 2 nodes
 * can be in is reached, and every operation is done in each of them. What read is off by depends on
 * the parts alone, so this is all there is. The sum must be exact, the bound held, and reached on
 * both sides; a limited add must decide as a plain comparison of the sum does.
 * SPDX-License-Identifier: MIT
 */
#include <string.h>
#include "kernel/base/ktest.h"
#include "percpu/sync/counter_internal.h"
#include "tests/percpu/sync/sync_rig.h"

#define CPUS   3
#define NODES  2
#define PARTS  (CPUS + NODES)
#define STATES 30000

static const struct percpu_counter_geometry geo = {
    .parts = NODES, .batch = 3, .node_batch = 5, .bound = CPUS * 3 + NODES * 4};

struct state {
    s8 part[PARTS];
};

static struct sync_rig rig;
static struct percpu_counter c;
static struct state queue[STATES];
static u32 known;
static u64 seen[1 << 20]; /* bits by state number */
static u64 done, furthest_up, furthest_down;

static s64 *cpu_part(u32 cpu)
{
    return per_cpu_ptr(c.local, cpu);
}

static s64 *node_part(u32 node)
{
    return &((struct percpu_counter_group *)c.global->group)->part[node][0].count;
}

static void put(const struct state *s, s64 global)
{
    for (u32 i = 0; i < CPUS; i++)
        *cpu_part(i) = s->part[i];
    for (u32 i = 0; i < NODES; i++)
        *node_part(i) = s->part[CPUS + i];
    atomic_store(&c.global->count, global);
}

/* A new state joins the queue. */
static void note(void)
{
    struct state s;
    u32 number = 0;

    for (u32 i = 0; i < PARTS; i++) {
        s.part[i] = (s8)(i < CPUS ? *cpu_part(i) : *node_part(i - CPUS));
        number = number * 16 + (u32)(s.part[i] + 8);
    }
    if (seen[number / 64] >> number % 64 & 1)
        return;
    seen[number / 64] |= 1ULL << number % 64;
    if (known < STATES)
        queue[known++] = s;
}

static void check(s64 want)
{
    s64 off = want - percpu_counter_read(&c);
    const char *why = percpu_counter_verify(&c);

    EXPECT_EQ(percpu_counter_sum(&c), want);
    EXPECT_STREQ(why ? why : "", "");
    EXPECT_EQ(percpu_counter_compare(&c, want), 0);
    EXPECT_EQ(percpu_counter_compare(&c, want - 1), 1);
    EXPECT_EQ(percpu_counter_compare(&c, want + 1), -1);
    furthest_up = MAX(furthest_up, off > 0 ? (u64)off : 0);
    furthest_down = MAX(furthest_down, off < 0 ? (u64)-off : 0);
    note();
    done++;
}

/* Each operation of one CPU from state s, whose sum is `sum` with a global part of 1000. */
static void operations(const struct state *s, u32 cpu)
{
    s64 sum;

    host_cpu_become(cpu);
    put(s, 1000);
    sum = percpu_counter_sum(&c);
    for (s64 amount = -9; amount <= 9; amount++) {
        put(s, 1000);
        percpu_counter_add(&c, amount);
        check(sum + amount);
        for (s64 limit = sum - 10; amount && limit <= sum + 10; limit++) {
            bool fits = amount > 0 ? sum + amount <= limit : sum + amount >= limit;

            put(s, 1000);
            EXPECT_EQ(percpu_counter_limited_add(&c, limit, amount), fits);
            check(sum + (fits ? amount : 0));
        }
        put(s, 1000);
        EXPECT_TRUE(percpu_counter_limited_add(&c, amount > 0 ? 2000 : -2000, amount));
        check(sum + amount);
    }
    put(s, 1000);
    percpu_counter_sync(&c);
    check(sum);
    EXPECT_EQ(*cpu_part(cpu), 0);
    put(s, 1000);
    percpu_counter_cpu_dead(&c, (cpu + 1) % CPUS);
    check(sum);
    put(s, 1000);
    percpu_counter_set(&c, -5);
    check(-5);
}

KTEST(percpu_counter_model, every_state_and_operation)
{
    static const struct state zero;

    rig_init(&rig, CPUS, 2);
    REQUIRE_EQ(rig.lib.nr_parts, NODES);
    REQUIRE_EQ(percpu_counter_init_geometry(&rig.lib, &c, 1, 0, &geo), 0);
    put(&zero, 1000);
    note();
    for (u32 i = 0; i < known; i++)
        for (u32 cpu = 0; cpu < CPUS; cpu++)
            operations(&queue[i], cpu);
    ktest_note("%u states, %llu operations", known, (unsigned long long)done);
    EXPECT_EQ(known, 7 * 7 * 7 * 9 * 9); /* each part takes each value it may */
    EXPECT_EQ(furthest_up, geo.bound);
    EXPECT_EQ(furthest_down, geo.bound);
    host_cpu_become(0);
    percpu_counter_destroy(&c);
    rig_end(&rig);
}
