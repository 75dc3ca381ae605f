/*
 * The dynamic allocator and CPUs that park and wake while others allocate and free: a parked
 * CPU's magazines are drained, its copies stay. Suite first_online: CPUs that start for the first
 * time. It runs before the suite `park`, which starts all others.
 * SPDX-License-Identifier: MIT
 */
#include "smp/run/park.h"
#include "kernel/base/safe.h"
#include "kernel/platform/percpu_platform.h"
#include "smp/start/bringup.h"
#include "tests/suite/come_back.h"
#include "tests/suite/on_idle.h"
#include "tests/suite/speed.h"
#include "tests/percpu/alloc/percpu_dyn.h"

#define KEPT 24u

/* Objects whose every copy is written and stays. */
static struct kept {
    void *p[KEPT];
    u32 bytes[KEPT];
    u32 n;
} kept;

/* Small ones and, every fourth, some pages: beyond what the first chunk has. */
static bool take_kept(struct kept *k)
{
    *k = (struct kept){.n = 0};
    while (k->n < KEPT) {
        void *p = percpu_alloc(k->n % 4 ? 8 + 100 * k->n : 2 * PAGE_SIZE, 8, 0);

        if (!p) {
            ktest_fail(__FILE__, __LINE__, "no memory");
            return false;
        }
        k->p[k->n] = p;
        k->bytes[k->n++] = (u32)percpu_size(p);
    }
    return true;
}

static void give_kept(struct kept *k)
{
    percpu_free_bulk(k->n, k->p);
    k->n = 0;
}

static void fill_copies(const struct kept *k, u32 cpu)
{
    for (u32 i = 0; i < k->n; i++)
        dyn_fill(per_cpu_ptr(k->p[i], cpu), k->bytes[i], cpu, i);
}

static u32 wrong_copies(const struct kept *k, u32 cpu)
{
    u32 n = 0;

    for (u32 i = 0; i < k->n; i++)
        n += dyn_wrong(per_cpu_ptr(k->p[i], cpu), k->bytes[i], cpu, i);
    return n;
}

static u32 wrong_in_all(const struct kept *k)
{
    u32 cpu, n = 0;

    for_each_looked_cpu(cpu) n += wrong_copies(k, cpu);
    return n;
}

static void fill_all(const struct kept *k)
{
    u32 cpu;

    for_each_possible_cpu(cpu) if (dyn_backed(cpu)) fill_copies(k, cpu);
}

/* ---- parking --------------------------------------------------------------------------------- */

static void some_in_magazines(void *arg)
{
    void *p[8];

    (void)arg;
    for (u32 i = 0; i < ARRAY_SIZE(p); i++)
        p[i] = percpu_alloc(64 + 8 * i, 8, PCPU_ATOMIC | PCPU_NOWARN);
    for (u32 i = 0; i < ARRAY_SIZE(p); i++)
        percpu_free(p[i]);
}

static u64 cached_by(u32 cpu)
{
    const struct pcpu_mags *m = percpu_allocator()->mags[cpu];

    return (u64)(m->quota - m->headroom);
}

/*
 * What a CPU has in its magazines goes back when it parks; its copies stay, and are as they were.
 */
KTEST(percpu_park, magazines_go_contents_stay)
{
    u32 cpu = cpumap_next(&cpu_map, CPU_ONLINE, 1);
    struct percpu_stats before, after;
    struct dyn_state s;

    if (cpu >= cpu_map.nr_ids) {
        ktest_skip("needs 2 CPUs");
        return;
    }
    dyn_begin(&s);
    if (take_kept(&kept)) {
        fill_all(&kept);
        EXPECT_EQ(smp_call_on(cpu, some_in_magazines, NULL), 0);
        EXPECT_NE(cached_by(cpu), 0);
        percpu_get_stats(&before);
        EXPECT_EQ(cpu_park_request(cpu), 0);
        percpu_get_stats(&after);
        EXPECT_EQ(cached_by(cpu), 0);
        EXPECT_LT(after.cached_bytes, before.cached_bytes);
        EXPECT_EQ(after.nr_free, before.nr_free);
        EXPECT_EQ(wrong_in_all(&kept), 0);
        /* Whoever stays may clear and write them all the same. */
        for (u32 i = 0; i < 4; i++)
            some_in_magazines(NULL);
        percpu_trim();
        fill_copies(&kept, cpu);
        EXPECT_EQ(cpu_wake(cpu), 0);
        EXPECT_EQ(wrong_in_all(&kept), 0);
        EXPECT_EQ(smp_call_on(cpu, some_in_magazines, NULL), 0);
    }
    give_kept(&kept);
    dyn_end(&s);
}

/* Two chunks come and go: the flush that takes their tables also frees those that were kept. */
static void two_chunks_come_and_go(u32 size)
{
    void *p[2];

    for (u32 i = 0; i < ARRAY_SIZE(p); i++)
        p[i] = percpu_alloc(size, 8, PCPU_NOZERO | PCPU_NOWARN);
    for (u32 i = 0; i < ARRAY_SIZE(p); i++)
        percpu_free(p[i]);
    dyn_quiet();
    percpu_trim();
}

/*
 * Tables of a chunk that goes while a CPU is parked stay until it has flushed: a walk through an
 * entry that it still has in its paging-structure caches would write to them.
 */
KTEST(percpu_park, tables_stay_for_a_parked_cpu)
{
    u32 cpu = cpumap_next(&cpu_map, CPU_ONLINE, 1), unit = percpu_allocator()->unit_size;
    struct percpu_stats before, after;
    struct dyn_state s;
    void *p[2];
    bool others;

    if (cpu >= cpu_map.nr_ids) {
        ktest_skip("needs 2 CPUs");
        return;
    }
    dyn_begin(&s);
    all_come_back();
    two_chunks_come_and_go(unit / 4 * 3); /* a case before may have left tables kept */
    others = cpus_unflushed();            /* a case before started and parked a CPU of maxcpus= */
    EXPECT_TRUE(others || percpu_tables_kept() == 0);
    for (u32 i = 0; i < ARRAY_SIZE(p); i++) /* a chunk each */
        p[i] = percpu_alloc(unit / 4 * 3, 8, PCPU_NOZERO | PCPU_NOWARN);
    REQUIRE_EQ(cpu_park_request(cpu), 0);
    percpu_get_stats(&before);
    for (u32 i = 0; i < ARRAY_SIZE(p); i++)
        percpu_free(p[i]);
    dyn_quiet();
    percpu_trim();
    percpu_get_stats(&after);
    if (after.chunks_returned > before.chunks_returned)
        EXPECT_GE(percpu_tables_kept(), 1);
    else
        ktest_note("no chunk went");
    REQUIRE_EQ(cpu_wake(cpu), 0);
    two_chunks_come_and_go(unit / 4 * 3);
    dyn_end(&s);
    EXPECT_TRUE(others || percpu_tables_kept() == 0);
}

/* What an interrupt frees between the drain and the halt does not stay with a parked CPU. */
static void *late_objects[8];
static u32 late_cpu;

static void free_late(void *ctx, u32 cpu)
{
    (void)ctx;
    for (u32 i = 0; cpu == late_cpu && i < ARRAY_SIZE(late_objects); i++)
        percpu_free(late_objects[i]);
}

KTEST(percpu_park, what_interrupts_free_goes_too)
{
    static const struct cpu_hooks hooks = {.parked = free_late}; /* before the allocator's own */
    u32 cpu = cpumap_next(&cpu_map, CPU_ONLINE, 1);
    struct dyn_state s;

    if (cpu >= cpu_map.nr_ids) {
        ktest_skip("needs 2 CPUs");
        return;
    }
    dyn_begin(&s);
    all_come_back();
    late_cpu = cpu;
    for (u32 i = 0; i < ARRAY_SIZE(late_objects); i++)
        late_objects[i] = percpu_alloc(64, 8, 0);
    REQUIRE_EQ(cpu_hooks_add(&hooks), 0);
    EXPECT_EQ(cpu_park_request(cpu), 0);
    EXPECT_EQ(cached_by(cpu), 0);
    EXPECT_EQ(cpu_wake(cpu), 0);
    EXPECT_EQ(cpu_hooks_remove(&hooks), 0);
    dyn_end(&s);
}

/* ---- under load ------------------------------------------------------------------------------ */

static struct load {
    struct tally t;
    _Atomic u64 objects;
} load;

static void write_copies(void *p, u32 key, const bool *use)
{
    size_t bytes = percpu_size(p);
    u32 cpu;

    for_each_possible_cpu(cpu)
    {
        if (!use[cpu])
            continue;
        CHECK(&load.t, dyn_not_zero(per_cpu_ptr(p, cpu), bytes) == 0);
        dyn_fill(per_cpu_ptr(p, cpu), bytes, cpu, key);
    }
}

static void look_and_free(void *p, u32 key, const bool *use)
{
    size_t bytes = percpu_size(p);
    u32 cpu;

    for_each_possible_cpu(cpu)
        CHECK(&load.t, !use[cpu] || !dyn_wrong(per_cpu_ptr(p, cpu), bytes, cpu, key));
    percpu_free(p);
}

/* Writes all copies that have memory now, looks, and frees all it took. */
static void load_round(void *arg)
{
    static _Atomic u32 keys;
    u32 cpu, key = atomic_fetch_add(&keys, 1);
    u64 random = dyn_seed(key);
    bool use[NR_CPUS];
    void *p[16];

    (void)arg;
    for_each_possible_cpu(cpu) use[cpu] = dyn_backed(cpu) && cpu % cpu_stride() == 0;
    for (u32 i = 0; i < ARRAY_SIZE(p); i++) {
        p[i] = percpu_alloc(1 + dyn_random(&random) % 700, 4, 0);
        CHECK(&load.t, p[i] != NULL);
        if (p[i])
            write_copies(p[i], key, use);
    }
    for (u32 i = 0; i < ARRAY_SIZE(p); i++)
        if (p[i])
            look_and_free(p[i], key, use);
    atomic_fetch_add(&load.objects, ARRAY_SIZE(p));
}

/*
 * Two CPUs allocate and free; the others park and wake, one after the other, and their copies of
 * what stays are as they were.
 */
KTEST(percpu_park, under_load)
{
    static struct on_idle o;
    u32 online = cpus_online(), rounds = suite_rounds(online <= 16 ? 24 : 6, 6), cpu, loaded = 0,
        target = 0;
    struct dyn_state s;

    if (online < 3) {
        ktest_skip("needs 3 CPUs");
        return;
    }
    dyn_begin(&s);
    load = (struct load){.objects = 0};
    REQUIRE_TRUE(take_kept(&kept));
    fill_all(&kept);
    all_come_back();
    on_idle_begin(&o, load_round, NULL, true);
    for_each_online_cpu(cpu) if (cpu && loaded < 2 && loaded + 2 < online)
    {
        on_idle_add(&o, cpu);
        loaded++;
    }
    for (u32 i = 0; i < rounds; i++) {
        target = cpumap_next(&cpu_map, CPU_ONLINE, target + 1);
        if (target >= cpu_map.nr_ids)
            target = cpumap_next(&cpu_map, CPU_ONLINE, 1);
        EXPECT_EQ(smp_call_on(target, some_in_magazines, NULL), 0);
        REQUIRE_EQ(cpu_park_request(target), 0);
        load_round(NULL);
        if (i % 8 == 0)
            percpu_trim();
        REQUIRE_EQ(cpu_wake(target), 0);
        EXPECT_EQ(wrong_copies(&kept, target), 0);
    }
    on_idle_end(&o, loaded);
    EXPECT_TALLY(&load.t, 0);
    EXPECT_EQ(wrong_in_all(&kept), 0);
    ktest_note("%u times parked and woken, %llu objects meanwhile", rounds,
               (unsigned long long)load.objects);
    give_kept(&kept);
    dyn_end(&s);
}

/* ---- for the first time ---------------------------------------------------------------------- */

static bool in_dynamic_chunk(const void *copy)
{
    struct percpu_location loc;

    return percpu_decode(copy, &loc) == 0 && loc.where == PERCPU_IN_CHUNK;
}

/* Copies of a CPU that never ran: zero, and in a dynamic chunk nobody can write them. */
static void expect_unbacked(u32 cpu)
{
    u32 unbacked = 0, wrong = 0;

    for (u32 i = 0; i < kept.n; i++) {
        u8 *copy = per_cpu_ptr((u8 *)kept.p[i], cpu);
        u64 val;

        for (u32 off = 0; off < kept.bytes[i] / 8 * 8; off += 8)
            wrong += probe_read((u64)copy + off, 8, &val) || val;
        if (!in_dynamic_chunk(copy))
            continue;
        unbacked++;
        wrong += probe_write((u64)copy, 4, 1) != -EFAULT;
        wrong += per_cpu_ptr_to_phys(copy) != ~0ULL;
    }
    EXPECT_EQ(wrong, 0);
    EXPECT_GE(unbacked, 4);
}

static void use_own(void *arg)
{
    struct tally *t = arg;

    for (u32 i = 0; i < kept.n; i++) {
        void *own = this_cpu_ptr((u8 *)kept.p[i]);

        CHECK(t, dyn_not_zero(own, kept.bytes[i]) == 0);
        dyn_fill(own, kept.bytes[i], cpu_number(), i);
    }
    some_in_magazines(NULL);
    tally_ran(t);
}

/* It has memory of its own, on its node or the nearest, before it does anything. */
static void expect_backed(u32 cpu)
{
    s32 home = boot_state_get()->topo.cpus[cpu].node, node;
    u32 wrong = 0;

    for (u32 i = 0; i < kept.n; i++) {
        u8 *copy = per_cpu_ptr((u8 *)kept.p[i], cpu);
        u64 pa = per_cpu_ptr_to_phys(copy);

        node = pa == ~0ULL ? NODE_NONE : buddy_node_of(&boot_state_get()->pages, pa);
        if (in_dynamic_chunk(copy))
            wrong += node != home && (node == NODE_NONE || !node_may_serve(home, node, 0));
    }
    EXPECT_EQ(wrong, 0);
}

static void come_first(u32 cpu)
{
    struct tally t = {0};

    expect_unbacked(cpu);
    dyn_soil_memory();
    REQUIRE_EQ(cpu_wake(cpu), 0);
    expect_backed(cpu);
    EXPECT_EQ(smp_call_on_copy(cpu, use_own, &t), 0);
    EXPECT_TALLY(&t, 1);
    EXPECT_EQ(wrong_in_all(&kept), 0);
    percpu_trim();
    EXPECT_EQ(cpu_park_request(cpu), 0); /* the machine is left as it was found */
    EXPECT_EQ(wrong_copies(&kept, cpu), 0);
}

/*
 * Every second CPU that maxcpus= left out, while others allocate and free: all that is allocated
 * gets memory for it, zero. The suite `park` starts the rest.
 */
KTEST(first_online, gets_memory_of_its_own)
{
    static struct on_idle o;
    u32 cpu, never = 0, helper = cpumap_next(&cpu_map, CPU_ONLINE, 1), loaded = 0;
    bool broken = boot_state_get()->opt.fail[0];
    struct dyn_state s;

    for_each_possible_cpu(cpu) never += !dyn_backed(cpu) && smp_can_start(cpu);
    if (never < 2 || broken) {
        ktest_skip("fewer than 2 CPUs that were never online");
        return;
    }
    dyn_begin(&s);
    load = (struct load){.objects = 0};
    REQUIRE_TRUE(take_kept(&kept));
    fill_all(&kept);
    on_idle_begin(&o, load_round, NULL, true);
    if (helper < cpu_map.nr_ids) {
        on_idle_add(&o, helper);
        loaded = 1;
    }
    never = 0;
    for_each_possible_cpu(cpu) if (!dyn_backed(cpu) && smp_can_start(cpu) && never++ % 2 == 0)
        come_first(cpu);
    on_idle_end(&o, loaded);
    EXPECT_TALLY(&load.t, 0);
    ktest_note("%u CPUs came for the first time, %llu objects meanwhile", (never + 1) / 2,
               (unsigned long long)load.objects);
    give_kept(&kept);
    dyn_end(&s);
}
