/*
 * Interrupts: the PIT runs but its interrupt is masked, and each CPU's own timer fires once.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/events.h"
#include "kernel/platform/idt.h"
#include "smp/run/lapic_timer.h"
#include "tests/suite/kutil.h"

/* 8254 data sheet: channel 0, low byte then high byte. 8259A: OCW3 selects what a read gives. */
#define PIT_CH0       0x40
#define PIT_CMD       0x43
#define PIT_MODE2     0x34
#define PIT_MODE0     0x30
#define PIT_LATCH     0x00
#define PIT_1KHZ      1193
#define PIC1_CMD      0x20
#define PIC1_DATA     0x21
#define PIC2_DATA     0xa1
#define OCW3_READ_IRR 0x0a
#define OCW3_READ_ISR 0x0b

static u32 pit_count(void)
{
    outb(PIT_CMD, PIT_LATCH);
    u32 lo = inb(PIT_CH0);
    return lo | (u32)inb(PIT_CH0) << 8;
}

static bool pit_moves(void)
{
    u32 first = pit_count();

    for (u32 i = 0; i < 50; i++) {
        udelay(10);
        if (pit_count() != first)
            return true;
    }
    return false;
}

static u8 pic1_read(u8 ocw3)
{
    outb(PIC1_CMD, ocw3);
    return inb(PIC1_CMD);
}

/*
 * As GRUB under SeaBIOS leaves it: the PIT asks for an interrupt every millisecond. With interrupts
 * on, the 8259 sees the request, does not pass it on, and the machine goes on.
 */
KTEST(irq, pit_is_masked)
{
    u64 unexpected = event_total(EVENT_IRQ_UNEXPECTED);
    bool requested = false;

    EXPECT_TRUE(local_irqs_enabled());
    outb(PIT_CMD, PIT_MODE2);
    outb(PIT_CH0, PIT_1KHZ & 0xff);
    outb(PIT_CH0, PIT_1KHZ >> 8);
    if (!pit_moves()) {
        ktest_skip("no PIT");
        return;
    }
    for (u32 i = 0; i < 60; i++) {
        udelay(100);
        requested |= pic1_read(OCW3_READ_IRR) & 1;
        EXPECT_EQ(pic1_read(OCW3_READ_ISR), 0);
    }
    outb(PIT_CMD, PIT_MODE0); /* waits for a count that nobody writes: stopped */
    EXPECT_TRUE(requested);
    EXPECT_EQ(inb(PIC1_DATA), 0xff);
    EXPECT_EQ(inb(PIC2_DATA), 0xff);
    EXPECT_EQ(event_total(EVENT_IRQ_UNEXPECTED), unexpected);
}

#define TIMER_NS 1000000ULL
#define FAR_NS   2000000000ULL

static DEFINE_PER_CPU(u64, timer_start);
static DEFINE_PER_CPU(u64, timer_end);
static DEFINE_PER_CPU(u32, timer_fired);

static void timer_came(void *arg)
{
    this_cpu_write(timer_end, rdtsc());
    this_cpu_inc(timer_fired);
    CHECK(arg, !local_irqs_enabled());
    tally_ran(arg);
}

static void timer_set(void *arg)
{
    this_cpu_write(timer_fired, 0);
    this_cpu_write(timer_start, rdtsc());
    CHECK(arg, lapic_timer_start(TIMER_NS, timer_came, arg) == 0);
}

/*
 * One shot on every CPU: comes once, on the CPU that asked, and not before its time. Before means
 * 1/16 before: half of it is what the measurement may be wrong by (smp/run/lapic_timer.h).
 */
KTEST(irq, timer_once_on_each)
{
    static struct tally t; /* static: a late interrupt must not find a dead stack frame */
    u64 least = TIMER_NS / 1000 * 15 / 16;
    struct deadline d = deadline_start(500000);
    u32 cpu;

    if (lapic_timer_hz() == 0) {
        ktest_skip("the local APIC's timer could not be measured");
        return;
    }
    t = (struct tally){0};
    EXPECT_EQ(smp_call_all(timer_set, &t), 0);
    while (__atomic_load_n(&t.ran, __ATOMIC_ACQUIRE) < cpus_online() && !deadline_passed(&d))
        cpu_relax();
    udelay(3 * TIMER_NS / 1000); /* a second one would come now */
    EXPECT_TALLY(&t, cpus_online());
    for_each_online_cpu(cpu)
    {
        EXPECT_EQ(per_cpu(timer_fired, cpu), 1);
        EXPECT_GE(ticks_to_us(per_cpu(timer_end, cpu) - per_cpu(timer_start, cpu)), least);
    }
}

static void timer_set_and_cancel(void *arg)
{
    this_cpu_write(timer_fired, 0);
    /* Far away, so that a CPU that is kept waiting here by its host still finds time left. */
    CHECK(arg, lapic_timer_start(FAR_NS, timer_came, arg) == 0);
    CHECK(arg, lapic_timer_left() > 0);
    CHECK(arg, lapic_timer_cancel());
    CHECK(arg, !lapic_timer_cancel());
    CHECK(arg, lapic_timer_left() == 0);
    /* Soon: even one that is due already, with interrupts off here, must not come any more. */
    CHECK(arg, lapic_timer_start(TIMER_NS, timer_came, arg) == 0);
    CHECK(arg, lapic_timer_cancel());
}

/* A timer that was taken back does not come. */
KTEST(irq, timer_cancelled)
{
    static struct tally t;

    if (lapic_timer_hz() == 0) {
        ktest_skip("the local APIC's timer could not be measured");
        return;
    }
    t = (struct tally){0};
    EXPECT_EQ(smp_call_all(timer_set_and_cancel, &t), 0);
    udelay(2 * TIMER_NS / 1000);
    EXPECT_TALLY(&t, 0);
}

#define LOAD_NS    20000ULL
#define LOAD_TICKS 400u
#define LOAD_STEPS 20000u

static struct load {
    struct tally t;
    volatile u32 ticks, steps;
} load;

/* Takes ten times as long as the time after which it wants to come again. */
static void load_tick(void *arg)
{
    struct load *l = arg;

    udelay(10 * LOAD_NS / 1000);
    l->ticks++;
    if (l->ticks < LOAD_TICKS) /* without an end it would be a hang, not a failure */
        CHECK(&l->t, lapic_timer_again(LOAD_NS, load_tick, l) == 0);
}

/* A load of interrupts, each dearer than its period, leaves time to what it interrupts. */
KTEST(irq, a_load_leaves_room)
{
    struct deadline d = deadline_start(1000000);

    if (lapic_timer_hz() == 0) {
        ktest_skip("the local APIC's timer could not be measured");
        return;
    }
    load = (struct load){.ticks = 0};
    REQUIRE_EQ(lapic_timer_start(LOAD_NS, load_tick, &load), 0);
    /* The clock is asked rarely: on a slow CPU that alone would be most of the work. */
    while (load.steps < LOAD_STEPS || load.ticks < 3)
        if (++load.steps % 64 == 0 && deadline_passed(&d))
            break;
    lapic_timer_cancel();
    EXPECT_GE(load.steps, LOAD_STEPS);
    EXPECT_GE(load.ticks, 3);
    EXPECT_LE(load.ticks, LOAD_TICKS - 1);
    EXPECT_TALLY(&load.t, 0);
}
