/*
 * The one-shot timer; see lapic_timer.h. SDM vol. 3, 11.5.4.
 * SPDX-License-Identifier: MIT
 */
#include "smp/lapic_timer.h"

#include "kernel/base/cpu.h"
#include "kernel/base/cpu_local.h"
#include "kernel/base/print.h"
#include "smp/apic.h"

#define NS_PER_S     1000000000ULL
#define MAX_MEASURES 6

struct timer_request {
    void (*fn)(void *arg); /* NULL: none is set */
    void *arg;
};

static DEFINE_PER_CPU(struct timer_request, timer_request);
static u64 timer_hz;

static u64 measure(u64 tsc_ticks, u64 tsc_hz)
{
    u64 start, end;
    u32 left;

    apic_timer_start(~0u);
    start = rdtsc();
    do {
        end = rdtsc();
    } while (end - start < tsc_ticks);
    left = apic_timer_left();
    apic_timer_start(0);
    return (u64)(~0u - left) * tsc_hz / (end - start);
}

/* An interruption by the hypervisor between two reads spoils one measurement, not two alike. */
int lapic_timer_init(u64 tsc_hz)
{
    u64 flags = local_irq_save(), last = 0;
    u64 ticks = tsc_hz / 1000;
    int err = -EIO;

    apic_timer_setup(VEC_TIMER, true);
    for (u32 i = 0; i < MAX_MEASURES && err; i++) {
        u64 hz = measure(ticks, tsc_hz);
        u64 diff = hz > last ? hz - last : last - hz;

        if (i > 0 && hz && diff <= hz / 16) {
            timer_hz = hz;
            err = 0;
        }
        last = hz;
        if (i > 0)
            ticks *= 2;
    }
    local_irq_restore(flags);
    return err;
}

u64 lapic_timer_hz(void)
{
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
    apic_timer_setup(VEC_TIMER, false);
    apic_timer_start((u32)count);
    local_irq_restore(flags);
    return 0;
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

void lapic_timer_interrupt(struct trap_frame *frame)
{
    struct timer_request *req = this_cpu_ptr(&timer_request);
    void (*fn)(void *arg) = req->fn;
    void *arg = req->arg;

    (void)frame;
    apic_eoi();
    /* One that was cancelled, or set anew, while its interrupt was already on the way. */
    if (!fn || apic_timer_left())
        return;
    req->fn = NULL;
    fn(arg);
}
