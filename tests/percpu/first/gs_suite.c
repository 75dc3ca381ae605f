/*
 * GS: every CPU reaches its own copies by one instruction, whatever the size, sign and operand, and
 * an interrupt on the same CPU cannot tear an update.
 * SPDX-License-Identifier: MIT
 */
#include "smp/run/lapic_timer.h"
#include "tests/suite/kutil.h"

static const u64 samples[] = {0,     1,          2,          0x7f,       0x80,
                              0xff,  0x7fff,     0x8000,     0xffff,     0x7fffffff,
                              ~0ULL, 0x80000000, 0xffffffff, 1ULL << 63, 0x123456789abcdef0};

/*
 * One type: all operations against plain arithmetic. In u64, cut to the type: wraps where the
 * hardware wraps. Results are compared as s64, so that a lost sign extension shows up.
 */
#define TYPE_CASES(T)                                                                              \
    static DEFINE_PER_CPU(T, gs_##T);                                                              \
                                                                                                   \
    static NOINLINE void store_##T(struct tally *t, T a, T b)                                      \
    {                                                                                              \
        this_cpu_write(gs_##T, a);                                                                 \
        CHECK(t, (s64)this_cpu_read(gs_##T) == (s64)a);                                            \
        CHECK(t, *this_cpu_ptr(&gs_##T) == a);                                                     \
        this_cpu_add(gs_##T, b);                                                                   \
        CHECK(t, *this_cpu_ptr(&gs_##T) == (T)((u64)a + (u64)b));                                  \
        this_cpu_write(gs_##T, a);                                                                 \
        this_cpu_sub(gs_##T, b);                                                                   \
        CHECK(t, *this_cpu_ptr(&gs_##T) == (T)((u64)a - (u64)b));                                  \
        this_cpu_write(gs_##T, a);                                                                 \
        this_cpu_sub(gs_##T, (T)(0 - (u64)b));                                                     \
        CHECK(t, *this_cpu_ptr(&gs_##T) == (T)((u64)a + (u64)b));                                  \
        this_cpu_write(gs_##T, a);                                                                 \
        this_cpu_and(gs_##T, b);                                                                   \
        CHECK(t, *this_cpu_ptr(&gs_##T) == (T)(a & b));                                            \
        this_cpu_or(gs_##T, a);                                                                    \
        CHECK(t, *this_cpu_ptr(&gs_##T) == a);                                                     \
    }                                                                                              \
                                                                                                   \
    static NOINLINE void constants_##T(struct tally *t, T a)                                       \
    {                                                                                              \
        this_cpu_write(gs_##T, a);                                                                 \
        this_cpu_inc(gs_##T);                                                                      \
        CHECK(t, *this_cpu_ptr(&gs_##T) == (T)((u64)a + 1));                                       \
        this_cpu_dec(gs_##T);                                                                      \
        this_cpu_dec(gs_##T);                                                                      \
        CHECK(t, *this_cpu_ptr(&gs_##T) == (T)((u64)a - 1));                                       \
        this_cpu_add(gs_##T, -1);                                                                  \
        CHECK(t, *this_cpu_ptr(&gs_##T) == (T)((u64)a - 2));                                       \
        this_cpu_sub(gs_##T, -128);                                                                \
        CHECK(t, *this_cpu_ptr(&gs_##T) == (T)((u64)a + 126));                                     \
        this_cpu_sub(gs_##T, 1U);                                                                  \
        CHECK(t, *this_cpu_ptr(&gs_##T) == (T)((u64)a + 125));                                     \
        this_cpu_add(gs_##T, 0x7f);                                                                \
        CHECK(t, *this_cpu_ptr(&gs_##T) == (T)((u64)a + 252));                                     \
        this_cpu_write(gs_##T, -2);                                                                \
        this_cpu_and(gs_##T, 0x73);                                                                \
        this_cpu_or(gs_##T, 0x04);                                                                 \
        CHECK(t, *this_cpu_ptr(&gs_##T) == 0x76);                                                  \
        this_cpu_write(gs_##T, 0x123456789abcdef0ULL);                                             \
        CHECK(t, *this_cpu_ptr(&gs_##T) == (T)0x123456789abcdef0ULL);                              \
    }                                                                                              \
                                                                                                   \
    static NOINLINE void exchange_##T(struct tally *t, T a, T b)                                   \
    {                                                                                              \
        T old = b, other = (T)(a ^ 1);                                                             \
                                                                                                   \
        this_cpu_write(gs_##T, a);                                                                 \
        CHECK(t, (s64)this_cpu_xchg(gs_##T, b) == (s64)a);                                         \
        CHECK(t, (s64)this_cpu_add_return(gs_##T, a) == (s64)(T)((u64)a + (u64)b));                \
        this_cpu_write(gs_##T, a);                                                                 \
        CHECK(t, (s64)this_cpu_cmpxchg(gs_##T, other, b) == (s64)a);                               \
        CHECK(t, *this_cpu_ptr(&gs_##T) == a);                                                     \
        CHECK(t, (s64)this_cpu_cmpxchg(gs_##T, a, b) == (s64)a);                                   \
        CHECK(t, *this_cpu_ptr(&gs_##T) == b);                                                     \
        CHECK(t, this_cpu_try_cmpxchg(gs_##T, &old, a) && old == b);                               \
        CHECK(t, !this_cpu_try_cmpxchg(gs_##T, &other, b) && other == a);                          \
        CHECK(t, *this_cpu_ptr(&gs_##T) == a);                                                     \
    }                                                                                              \
                                                                                                   \
    static void all_##T(void *arg)                                                                 \
    {                                                                                              \
        for (u32 i = 0; i < ARRAY_SIZE(samples); i++) {                                            \
            for (u32 j = 0; j < ARRAY_SIZE(samples); j++) {                                        \
                store_##T(arg, (T)samples[i], (T)samples[j]);                                      \
                exchange_##T(arg, (T)samples[i], (T)samples[j]);                                   \
            }                                                                                      \
            constants_##T(arg, (T)samples[i]);                                                     \
        }                                                                                          \
        tally_ran(arg);                                                                            \
    }                                                                                              \
                                                                                                   \
    KTEST(gs, operations_##T)                                                                      \
    {                                                                                              \
        struct tally t = {0};                                                                      \
                                                                                                   \
        EXPECT_EQ(smp_call_all_copy(all_##T, &t), 0);                                              \
        EXPECT_TALLY(&t, cpus_online());                                                           \
    }

TYPE_CASES(u8)
TYPE_CASES(s8)
TYPE_CASES(u16)
TYPE_CASES(s16)
TYPE_CASES(u32)
TYPE_CASES(s32)
TYPE_CASES(u64)
TYPE_CASES(s64)

static DEFINE_PER_CPU(void *, gs_pointer);

static void pointer_ops(void *arg)
{
    this_cpu_write(gs_pointer, arg);
    CHECK(arg, this_cpu_read(gs_pointer) == arg);
    CHECK(arg, this_cpu_xchg(gs_pointer, NULL) == arg);
    CHECK(arg, this_cpu_read(gs_pointer) == NULL);
    tally_ran(arg);
}

/* A variable may be a pointer. */
KTEST(gs, operations_pointer)
{
    struct tally t = {0};

    EXPECT_EQ(smp_call_all_copy(pointer_ops, &t), 0);
    EXPECT_TALLY(&t, cpus_online());
}

struct numbers {
    struct tally t;
    u64 seen[NR_CPUS / 64];
};

static void check_base(void *arg)
{
    struct numbers *n = arg;
    u32 cpu = cpu_number();

    CHECK(&n->t, cpu < cpu_map.nr_ids);
    CHECK(&n->t, rdmsr(MSR_GS_BASE) == __per_cpu_offset[cpu]);
    CHECK(&n->t, this_cpu_read(this_cpu_off) == __per_cpu_offset[cpu]);
    CHECK(&n->t, this_cpu_ptr(&gs_u64) == per_cpu_ptr(&gs_u64, cpu));
    u64 old = __atomic_fetch_or(&n->seen[cpu / 64], 1ULL << cpu % 64, __ATOMIC_RELAXED);
    CHECK(&n->t, !(old >> cpu % 64 & 1)); /* nobody else has this number */
    tally_ran(&n->t);
}

/* GS base, this_cpu_off and __per_cpu_offset agree on every CPU, and no two share a number. */
KTEST(gs, base_and_number)
{
    static struct numbers n;

    n = (struct numbers){0};
    EXPECT_EQ(smp_call_all(check_base, &n), 0);
    EXPECT_TALLY(&n.t, cpus_online());
}

#define RACE_NS 20000
#define RACE_US 4000

static DEFINE_PER_CPU(u64, race_count);
static DEFINE_PER_CPU(u8, race_byte);
static DEFINE_PER_CPU(u64, race_sum);
static volatile bool race_over;
static volatile u64 race_hits;

static void race_interrupt(void *arg)
{
    this_cpu_inc(race_count);
    this_cpu_add(race_byte, 1);
    this_cpu_add_return(race_sum, 3);
    race_hits++;
    if (!race_over)
        CHECK(arg, lapic_timer_again(RACE_NS, race_interrupt, arg) == 0);
}

static u64 race_loop(void)
{
    u64 end = rdtsc() + RACE_US * tsc_khz_now() / 1000, rounds = 0;
    struct deadline late = deadline_start(1000000); /* a host may keep interrupts waiting */

    do {
        for (u32 i = 0; i < 64; i++, rounds++) {
            u64 old = this_cpu_read(race_sum);

            this_cpu_inc(race_count);
            this_cpu_add(race_byte, 1);
            while (!this_cpu_try_cmpxchg(race_sum, &old, old + 5))
                ;
        }
    } while ((rdtsc() < end || race_hits < 2) && !deadline_passed(&late));
    return rounds;
}

/* Timer interrupts that change what the loop changes, on the same CPU: no update is lost. */
KTEST(gs, timer_race)
{
    struct tally t = {0};

    if (lapic_timer_hz() == 0) {
        ktest_skip("the local APIC's timer could not be measured");
        return;
    }
    this_cpu_write(race_count, 0);
    this_cpu_write(race_byte, 0);
    this_cpu_write(race_sum, 0);
    race_over = false;
    race_hits = 0;
    REQUIRE_EQ(lapic_timer_start(RACE_NS, race_interrupt, &t), 0);
    u64 rounds = race_loop();
    race_over = true;
    lapic_timer_cancel();
    EXPECT_GE(race_hits, 2);
    EXPECT_EQ(this_cpu_read(race_count), rounds + race_hits);
    EXPECT_EQ(this_cpu_read(race_byte), (u8)(rounds + race_hits));
    EXPECT_EQ(this_cpu_read(race_sum), 5 * rounds + 3 * race_hits);
    EXPECT_TALLY(&t, 0);
}
