/*
 * The one-shot timer; see lapic_timer.h. SDM vol. 3, 11.5.4.
 * SPDX-License-Identifier: MIT
 */
#include "smp/run/lapic_timer.h"

#include "kernel/base/clockmath.h"
#include "kernel/base/cpu.h"
#include "kernel/base/cpu_local.h"
#include "kernel/base/deadline.h"
#include "kernel/base/print.h"
#include "kernel/base/spinlock.h"
#include "smp/start/apic.h"

#define NS_PER_S    1000000000ULL
#define WAKE_MAX_NS (2 * NS_PER_S) /* any counter holds it: 2^32 ticks at a 16th of the bus */
#define ACCURACY    32             /* 1/32 */
#define ROOM        3              /* a load leaves three times what it takes */
/* A longer one is the host's pause, not the load's cost; no interrupt takes as long to return. */
#define TOOK_MAX_NS 50000000ULL

struct timer_request {
    void (*fn)(void *arg); /* NULL: none is set */
    void *arg;
    u64 due;     /* TSC: the function is to run then */
    u64 entered; /* TSC: it did */
};

static DEFINE_PER_CPU(struct timer_request, timer_request);
static u64 timer_hz;

/* Ticks per second; 0: it was interrupted where that spoils it. */
static u64 measure(u64 tsc_ticks, u64 tsc_hz)
{
    struct clock_bracket first, last;
    u64 span;
    u32 left;

    first.before = rdtsc();
    apic_timer_start(~0u);
    first.after = rdtsc();
    do {
        last.before = rdtsc();
    } while (last.before - first.after < tsc_ticks);
    left = apic_timer_left();
    last.after = rdtsc();
    apic_timer_start(0);
    span = clock_span(first, last, ACCURACY);
    return span && left ? (u64)(~0u - left) * tsc_hz / span : 0;
}

void lapic_timer_interrupt(struct trap_frame *frame)
{
    struct timer_request *req = this_cpu_ptr(&timer_request);
    void (*fn)(void *arg) = req->fn;
    void *arg = req->arg;

    (void)frame;
    apic_eoi();
    /* It was cancelled or set again while its interrupt was on the way. */
    if (!fn || apic_timer_left())
        return;
    req->fn = NULL;
    req->entered = rdtsc();
    fn(arg);
}

u64 lapic_timer_hz(void)
{
    static struct spinlock lock = SPINLOCK_INIT;
    u64 flags = spin_lock_irqsave(&lock), tsc_hz = tsc_khz_now() * 1000;

    if (!timer_hz)
        apic_timer_setup(VEC_TIMER, true);
    for (u64 ticks = tsc_hz / 10000; !timer_hz && ticks < tsc_hz; ticks *= 2)
        timer_hz = measure(ticks, tsc_hz);
    spin_unlock_irqrestore(&lock, flags);
    return timer_hz;
}

int lapic_timer_start(u64 ns, void (*fn)(void *arg), void *arg)
{
    struct timer_request *req;
    u64 flags, count;

    if (!timer_hz)
        return -ENODEV;
    if (ns == 0 || ns > 60 * NS_PER_S)
        return -ERANGE;
    count = (ns * (timer_hz / 1000) + 999999) / 1000000 + 1; /* ns * kHz: below 2^64 for 60 s */
    if (count > ~0u)
        return -ERANGE;
    flags = local_irq_save();
    req = this_cpu_ptr(&timer_request);
    req->fn = fn;
    req->arg = arg;
    req->due = rdtsc() + ns * tsc_khz_now() / 1000000; /* 60 s of 100 GHz: below 2^64 */
    apic_timer_setup(VEC_TIMER, false);
    apic_timer_start((u32)count);
    local_irq_restore(flags);
    return 0;
}

/*
 * From when it was due, not from when it came: what the interrupt itself takes is part of the load.
 * Its return is not seen, but is cheaper than three times the rest.
 */
int lapic_timer_again(u64 ns, void (*fn)(void *arg), void *arg)
{
    const struct timer_request *req = this_cpu_ptr(&timer_request);
    u64 from = MIN(req->due, req->entered);
    u64 took = MIN(clock_ticks_to_ns(rdtsc() - from, tsc_khz_now()), TOOK_MAX_NS);

    return lapic_timer_start(MAX(ns, ROOM * took), fn, arg);
}

static void nothing(void *arg)
{
    (void)arg; /* the interrupt itself has ended the sleep */
}

void lapic_timer_wake(u64 ns)
{
    if (!timer_hz || this_cpu_ptr(&timer_request)->fn)
        return;
    if (lapic_timer_start(MAX(1, MIN(ns, WAKE_MAX_NS)), nothing, NULL))
        panic("smp: the local APIC's timer takes no %llu ns", (ull)ns);
}

bool lapic_timer_cancel(void)
{
    u64 flags = local_irq_save();
    struct timer_request *req = this_cpu_ptr(&timer_request);
    bool was_set = req->fn != NULL;

    if (was_set) {
        apic_timer_start(0);
        apic_timer_setup(VEC_TIMER, true);
        req->fn = NULL;
    }
    local_irq_restore(flags);
    return was_set;
}

u64 lapic_timer_left(void)
{
    return timer_hz ? (u64)apic_timer_left() * 1000000 / (timer_hz / 1000 + 1) : 0;
}
