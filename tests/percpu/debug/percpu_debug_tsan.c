/*
 * The debug checks from several CPUs at once: objects made here and freed there, written up to both
 * ends, while one CPU looks at everything and brings a further one online. No damage is found, and
 * nothing is lost.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/debug/debug.h"
#include "tests/host/cpus.h"
#include "tests/percpu/alloc/alloc_rig.h"

#define WORKERS 4u
#define LATE    4u /* the CPU that comes, and that watches until then */
#define CPUS    5u
#define ROUNDS  3000u
#define SLOTS   16u

static struct alloc_rig *rig;
static struct pcpu_debug debug;
static void *_Atomic slot[SLOTS];
static _Atomic u32 working, wrong;

static u32 size_of(u32 seed)
{
    return 1 + seed * 7 % 150;
}

/* An object carries its size, as far as it has room for it, at both ends of this CPU's copy. */
static void worker(u32 self)
{
    for (u32 i = 0; i < ROUNDS; i++) {
        u32 size = size_of(i * WORKERS + self), flags = i % 3 ? 0 : PCPU_ATOMIC | PCPU_NOWARN;
        u8 *p = pcpu_debug_alloc(&debug, size, 4, flags, 0x1000 + self), *copy;

        if (p) {
            copy = rig_ptr(rig, p, self);
            if (copy[0] || copy[size - 1] || pcpu_debug_size(&debug, p) != size)
                atomic_fetch_add(&wrong, 1);
            copy[0] = copy[size - 1] = 0xff;
        }
        p = atomic_exchange(&slot[(i * 5 + self) % SLOTS], p);
        pcpu_debug_free(&debug, p, 0x2000 + self);
    }
    atomic_fetch_sub(&working, 1);
}

static void watcher(void)
{
    struct pcpu_debug_stats st;
    bool came = false;

    while (atomic_load(&working)) {
        wrong += pcpu_debug_check_all(&debug) != 0;
        pcpu_debug_get_stats(&debug, &st);
        if (!came && st.checks > WORKERS * ROUNDS) {
            came = true;
            wrong += pcpu_debug_cpu_first_online(&debug, LATE) != 0;
        }
        pcpu_debug_flush(&debug);
        cpu_relax();
    }
    if (!came)
        wrong += pcpu_debug_cpu_first_online(&debug, LATE) != 0;
}

static void one_cpu(void *arg)
{
    (void)arg;
    if (cpu_number() == LATE)
        watcher();
    else
        worker(cpu_number());
}

KTEST(percpu_debug, cpus_at_once)
{
    static const struct world_shape shape = {
        .nr_nodes = 2, .nr_cpus = CPUS, .absent = {1u << LATE}};
    const struct pcpu_debug_config config = {0};
    struct pcpu_debug_stats st;
    const char *bad;

    rig = rig_new(&shape);
    REQUIRE_EQ(pcpu_debug_init(&debug, &rig->a, &config), 0);
    working = WORKERS;
    host_cpus_init(CPUS, 64);
    host_cpus_run(CPUS, one_cpu, NULL);
    host_cpus_end();
    EXPECT_EQ(wrong, 0);
    for (u32 i = 0; i < SLOTS; i++)
        pcpu_debug_free(&debug, atomic_exchange(&slot[i], NULL), 1);
    pcpu_debug_get_stats(&debug, &st);
    EXPECT_EQ(st.damage, 0);
    EXPECT_EQ(st.refused, 0);
    EXPECT_EQ(st.live_objects, 0);
    bad = pcpu_debug_verify(&debug);
    EXPECT_STREQ(bad ? bad : "", "");
    pcpu_debug_destroy(&debug);
    for (u32 cpu = 0; cpu < CPUS; cpu++) {
        host_cpu_number = cpu; /* its magazines */
        pcpu_cpu_parking(&rig->a);
    }
    host_cpu_number = 0;
    rig_end(rig);
}
