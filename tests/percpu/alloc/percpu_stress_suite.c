/*
 * The dynamic allocator from all CPUs at once: threads allocate, write, look, pass objects on to
 * other CPUs and free, while timer interrupts do the same with PCPU_ATOMIC on the same CPUs and the
 * idle loops do the deferred work.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/debug/debug.h"
#include "tests/percpu/alloc/percpu_dyn.h"
#include "smp/run/lapic_timer.h"
#include "tests/suite/on_idle.h"
#include "tests/suite/speed.h"

#define OWN_SLOTS    24u
#define IRQ_SLOTS    8u
#define PASSED_SLOTS 64u
#define TICK_NS      150000ULL

/* One object and what was written into it; handed over whole. */
struct held {
    u32 *p;
    u32 bytes, key;
};

/* A place where one CPU leaves an object for another. */
static struct passed {
    _Atomic u32 lock;
    struct held h;
} passed[PASSED_SLOTS];

static struct stress_rig {
    struct tally t;
    u32 rounds;
    _Atomic u64 allocs, frees, failed, ticks;
    _Atomic u32 keys;
} rig;

static DEFINE_PER_CPU(struct held, own[OWN_SLOTS]);
static DEFINE_PER_CPU(struct held, in_irq[IRQ_SLOTS]);
static DEFINE_PER_CPU(bool, ticking);
static DEFINE_PER_CPU(u64, tick_random);
static DEFINE_PER_CPU(u32, ticked);

/* The two copies of an object that are written and looked at: fixed by its key. */
static u32 first_cpu(u32 key)
{
    return key % cpu_map.nr_ids;
}

static u32 second_cpu(u32 key)
{
    u32 cpu = (key * 7 + 1) % cpu_map.nr_ids;

    return dyn_backed(cpu) ? cpu : 0;
}

/* ---- one object ------------------------------------------------------------------------------ */

/* Most are small; some are whole pages and more. */
static size_t some_size(u64 random)
{
    if (random % 64 == 0)
        return 4096 + random / 64 % 3000;
    return random % 8 ? 1 + random / 8 % 256 : 1 + random / 8 % 2000;
}

static void obtain(struct held *h, u64 random, u32 flags)
{
    u32 a, b;

    h->p = percpu_alloc(some_size(random), 4, flags | PCPU_NOWARN);
    if (!h->p) {
        atomic_fetch_add(&rig.failed, 1);
        CHECK(&rig.t, flags & PCPU_ATOMIC);
        return;
    }
    atomic_fetch_add(&rig.allocs, 1);
    h->bytes = (u32)percpu_size(h->p);
    h->key = atomic_fetch_add(&rig.keys, 1);
    a = dyn_backed(first_cpu(h->key)) ? first_cpu(h->key) : 0;
    b = second_cpu(h->key);
    CHECK(&rig.t, h->bytes != 0);
    CHECK(&rig.t, dyn_not_zero(per_cpu_ptr(h->p, a), h->bytes) == 0);
    CHECK(&rig.t, dyn_not_zero(per_cpu_ptr(h->p, b), h->bytes) == 0);
    CHECK(&rig.t, dyn_not_zero(this_cpu_ptr(h->p), h->bytes) == 0);
    dyn_fill(per_cpu_ptr(h->p, a), h->bytes, a, h->key);
    dyn_fill(per_cpu_ptr(h->p, b), h->bytes, b, h->key);
}

/* What was written is still there, wherever it was written. */
static void release(struct held *h)
{
    u32 a = dyn_backed(first_cpu(h->key)) ? first_cpu(h->key) : 0, b = second_cpu(h->key);

    if (!h->p)
        return;
    if (a != b)
        CHECK(&rig.t, dyn_wrong(per_cpu_ptr(h->p, a), h->bytes, a, h->key) == 0);
    CHECK(&rig.t, dyn_wrong(per_cpu_ptr(h->p, b), h->bytes, b, h->key) == 0);
    CHECK(&rig.t, percpu_size(h->p) == h->bytes);
    percpu_free(h->p);
    atomic_fetch_add(&rig.frees, 1);
    h->p = NULL;
}

/* Leaves *h in a place and takes what was there: another CPU's, most often. False: not now. */
static bool exchange(struct held *h, u32 place)
{
    struct passed *s = &passed[place % PASSED_SLOTS];
    struct held out;

    if (atomic_exchange(&s->lock, 1))
        return false;
    out = s->h;
    s->h = *h;
    *h = out;
    atomic_store(&s->lock, 0);
    return true;
}

/* ---- who does it ----------------------------------------------------------------------------- */

static void irq_step(u64 *random)
{
    u64 r = dyn_random(random);
    struct held *h = &(*this_cpu_ptr(&in_irq))[r % IRQ_SLOTS];

    if (h->p && r % 4 == 1)
        exchange(h, (u32)(r >> 32));
    if (h->p)
        release(h);
    else
        obtain(h, r >> 8, PCPU_ATOMIC);
}

static void tick(void *arg)
{
    u64 random = this_cpu_read(tick_random);

    if (!this_cpu_read(ticking))
        return;
    CHECK(&rig.t, !local_irqs_enabled());
    for (u32 i = 0; i < 6; i++)
        irq_step(&random);
    this_cpu_write(tick_random, random);
    this_cpu_inc(ticked);
    atomic_fetch_add(&rig.ticks, 1);
    CHECK(&rig.t, lapic_timer_again(TICK_NS, tick, arg) == 0);
}

static void ticks_on(void)
{
    u64 flags = local_irq_save();

    this_cpu_write(tick_random, dyn_seed(1000 + cpu_number()));
    this_cpu_write(ticked, 0);
    this_cpu_write(ticking, lapic_timer_hz() != 0);
    if (lapic_timer_hz())
        CHECK(&rig.t, lapic_timer_start(TICK_NS, tick, NULL) == 0);
    local_irq_restore(flags);
}

/* A busy host may be late with a timer: each CPU has at least two ticks. */
static void ticks_off(void)
{
    struct deadline d = deadline_start(500000);
    u64 flags;

    while (lapic_timer_hz() && this_cpu_read(ticked) < 2 && !deadline_passed(&d))
        cpu_relax();
    CHECK(&rig.t, !lapic_timer_hz() || this_cpu_read(ticked) >= 2);
    flags = local_irq_save();
    this_cpu_write(ticking, false);
    lapic_timer_cancel();
    local_irq_restore(flags);
}

static void thread_step(u64 *random)
{
    u64 r = dyn_random(random);
    struct held *h = &(*this_cpu_ptr(&own))[r % OWN_SLOTS], taken;

    if (h->p && r % 3 == 0) {
        taken = *h;
        if (exchange(&taken, (u32)(r >> 40)))
            *h = taken;
    }
    if (h->p && r % 5)
        release(h);
    else if (!h->p)
        obtain(h, r >> 8, r % 7 ? 0 : PCPU_ATOMIC);
    if (r >> 20 & 1)
        return;
    if ((r >> 21) % 512 == 0)
        percpu_balance();
}

/* In thread context, interrupts on. */
static void work(void *arg)
{
    u64 random = dyn_seed(cpu_number());

    (void)arg;
    CHECK(&rig.t, local_irqs_enabled());
    ticks_on();
    for (u32 i = 0; i < rig.rounds; i++) {
        thread_step(&random);
        if (cpu_number() == 0 && i % (rig.rounds / 3 + 1) == rig.rounds / 4)
            percpu_trim();
        if (cpu_number() == 0 && i % (rig.rounds / 3 + 1) == rig.rounds / 6)
            percpu_decay();
    }
    ticks_off();
    for (u32 i = 0; i < OWN_SLOTS; i++)
        release(&(*this_cpu_ptr(&own))[i]);
    for (u32 i = 0; i < IRQ_SLOTS; i++)
        release(&(*this_cpu_ptr(&in_irq))[i]);
    tally_ran(&rig.t);
}

/* ---- cases ----------------------------------------------------------------------------------- */

/* How many CPUs take part: on large machines some of each node. */
static bool takes_part(u32 cpu)
{
    u32 stride = cpu_map.nr_ids <= 32 ? 1 : cpu_map.nr_ids / 16;

    return cpu % stride == 0;
}

static u32 start_others(struct on_idle *o)
{
    u32 cpu, n = 0;

    for_each_online_cpu(cpu)
    {
        if (cpu == 0 || !takes_part(cpu))
            continue;
        on_idle_add(o, cpu);
        n++;
    }
    return n;
}

/*
 * Everybody at once, from threads and interrupts; objects are freed by whom they were passed to.
 * Nothing is handed out twice or dirty, nothing is lost, and the counts add up.
 */
KTEST(percpu_stress, all_at_once)
{
    static struct on_idle o;
    struct percpu_stats before, after;
    struct dyn_state s;
    u32 others;

    dyn_begin(&s);
    percpu_get_stats(&before);
    rig = (struct stress_rig){.rounds = suite_rounds(MAX(24000 / cpus_online(), 400u), 400)};
    on_idle_begin(&o, work, NULL, false);
    others = start_others(&o);
    work(NULL);
    on_idle_end(&o, others);
    for (u32 i = 0; i < PASSED_SLOTS; i++)
        release(&passed[i].h);
    EXPECT_TALLY(&rig.t, others + 1);
    EXPECT_EQ(rig.allocs, rig.frees);
    dyn_quiet();
    percpu_get_stats(&after);
    EXPECT_EQ(after.nr_alloc - before.nr_alloc, rig.allocs);
    EXPECT_EQ(after.nr_free - before.nr_free, rig.frees);
    /* The debug build tries again without red zones, when there is no memory with them. */
    EXPECT_GE(after.nr_failed_atomic - before.nr_failed_atomic, rig.failed);
    if (!percpu_is_debug())
        EXPECT_EQ(after.nr_failed - before.nr_failed, rig.failed);
    EXPECT_EQ(after.bad_free, before.bad_free);
    EXPECT_LE(after.cached_bytes, after.cached_limit);
    ktest_note("%u CPUs: %llu objects, %llu ticks, %llu times no memory at once", others + 1,
               (unsigned long long)rig.allocs, (unsigned long long)rig.ticks,
               (unsigned long long)rig.failed);
    dyn_end(&s);
}

/* One CPU allocates, the others free: nothing stays behind with those who only free. */
static struct held relay[256];
static _Atomic u32 relay_next;

static void free_from_relay(void *arg)
{
    (void)arg;
    for (u32 i; (i = atomic_fetch_add(&relay_next, 1)) < ARRAY_SIZE(relay);) {
        CHECK(&rig.t, cpus_online() == 1 || relay[i].p);
        release(&relay[i]);
    }
    tally_ran(&rig.t);
}

KTEST(percpu_stress, freed_elsewhere)
{
    u64 random = dyn_seed(7);
    struct percpu_stats st;
    struct dyn_state s;
    u32 calls = 0;

    dyn_begin(&s);
    rig = (struct stress_rig){.rounds = 1};
    for (u32 round = 0; round < 4; round++) {
        for (u32 i = 0; i < ARRAY_SIZE(relay); i++)
            obtain(&relay[i], dyn_random(&random) | 1, 0);
        atomic_store(&relay_next, 0);
        EXPECT_EQ(smp_call_all(free_from_relay, NULL), 0); /* in interrupts, but for this CPU */
        calls += cpus_online();
        percpu_get_stats(&st);
        EXPECT_LE(st.cached_bytes, st.cached_limit);
    }
    EXPECT_TALLY(&rig.t, calls);
    EXPECT_EQ(rig.frees, 4 * ARRAY_SIZE(relay));
    dyn_end(&s);
}

/* More than a magazine takes: the idle CPU that did this gives it all back by itself. */
static void overflow(void *arg)
{
    void *p[100];

    (void)arg;
    for (u32 i = 0; i < ARRAY_SIZE(p); i++)
        p[i] = percpu_alloc(64, 8, PCPU_ATOMIC | PCPU_NOWARN);
    for (u32 i = 0; i < ARRAY_SIZE(p); i++)
        percpu_free(p[i]);
}

/* What an idle CPU was just giving back when the trim came is back when the trim returns. */
KTEST(percpu_stress, trim_beside_idle_cpus)
{
    u64 end = uptime_us() + 400000; /* some slices of the host */
    u32 trims = 0, missing = 0;
    struct percpu_stats st;
    struct dyn_state s;

    dyn_begin(&s);
    do {
        EXPECT_EQ(smp_call_all(overflow, NULL), 0);
        percpu_trim();
        percpu_get_stats(&st);
        missing += st.free_bytes != s.st.free_bytes || st.cached_bytes;
        trims++;
    } while (uptime_us() < end);
    EXPECT_EQ(missing, 0);
    ktest_note("%u trims", trims);
    dyn_end(&s);
}

/*
 * An interrupt handler may ask for much at once; what it cannot have now is there after a balance.
 */
static struct burst {
    void *p[600];
    u32 n;
} burst;

static void burst_in_interrupt(void *arg)
{
    struct burst *b = arg;
    u64 flags = local_irq_save();

    while (b->n < ARRAY_SIZE(b->p)) {
        b->p[b->n] = percpu_alloc(64, 8, PCPU_ATOMIC | PCPU_NOWARN);
        if (!b->p[b->n])
            break;
        b->n++;
    }
    local_irq_restore(flags);
}

KTEST(percpu_stress, atomic_in_a_row)
{
    u32 cpu = cpumap_next(&cpu_map, CPU_ONLINE, 1);
    struct dyn_state s;

    dyn_begin(&s);
    cpu = cpu < cpu_map.nr_ids ? cpu : 0;
    for (u32 round = 0; round < 2; round++) {
        burst.n = 0;
        EXPECT_EQ(smp_call_on(cpu, burst_in_interrupt, &burst), 0);
        /* Red zones take their part. */
        if (percpu_is_debug())
            EXPECT_GE(burst.n, 300);
        else
            EXPECT_GE(burst.n, round ? ARRAY_SIZE(burst.p) : 512);
        percpu_free_bulk(burst.n, burst.p);
        percpu_balance();
    }
    dyn_end(&s);
}
