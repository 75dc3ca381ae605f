/*
 * Taking the readings; see tsc_sync.h.
 * SPDX-License-Identifier: MIT
 */
#include "smp/compare/tsc_sync.h"

#include <stdatomic.h>
#include "kernel/base/cpu.h"
#include "kernel/base/cpu_local.h"
#include "smp/call/call.h"
#include "smp/start/cpus.h"

#define EVENTS_PER_CPU 32
#define OWN_EVENTS     2 /* the caller's, before and after the call */

/*
 * Real CPUs spread their events: over at least the time until the last CPU has answered the call,
 * and so widely that the counter is mostly free. CPUs that queue for it give wider bounds.
 */
#define SPREAD_US        400
#define SPREAD_NS_EVENT  150
#define HYPERVISOR_SMALL 16 /* up to this, assume that the host runs most virtual CPUs at once */

/*
 * The counter has its cache lines to itself.
 *  - who writes: every CPU adds one to `next`, and fills the event of the number that it got, which
 *    is nobody else's; the caller writes the rest before the call;
 *  - who reads: the caller, when the call has returned on all CPUs;
 *  - which order: the additions are sequentially consistent, so their numbers are an order in time
 *    between the two readings of each; the end of the call orders the events before the reader.
 */
struct readings {
    _Atomic u32 next ALIGNED(128);
    u32 max ALIGNED(128);
    u32 odd_cpu;
    s64 odd_ticks;
    u64 gap; /* average TSC ticks between two events of a CPU */
    struct tsc_event events[];
};

static u32 max_events(u32 online)
{
    return online * EVENTS_PER_CPU + OWN_EVENTS;
}

u64 tsc_sync_size(u32 nr_ids, u32 online)
{
    return sizeof(struct readings) + max_events(online) * sizeof(struct tsc_event) +
           nr_ids * sizeof(struct tsc_bounds);
}

static u64 read_tsc(const struct readings *r, u32 cpu)
{
    return rdtsc_ordered() + (cpu == r->odd_cpu ? (u64)r->odd_ticks : 0);
}

static void take_event(struct readings *r, u32 cpu)
{
    struct tsc_event e = {.cpu = cpu, .valid = 1};
    u32 number;

    e.before = read_tsc(r, cpu);
    number = atomic_fetch_add_explicit(&r->next, 1, memory_order_seq_cst);
    e.after = read_tsc(r, cpu);
    if (number < r->max)
        r->events[number] = e;
}

/* On every CPU, interrupts off. Pauses are random, so that CPUs do not run in lockstep. */
static void take_events(void *arg)
{
    struct readings *r = arg;
    u32 cpu = cpu_number();
    u64 seed = cpu * 2 + 1;

    for (u32 i = 0; i < EVENTS_PER_CPU; i++) {
        u64 start = rdtsc(), pause;

        take_event(r, cpu);
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        pause = r->gap * (seed >> 56) / 128; /* 0 to twice the gap */
        while (rdtsc() - start < pause)
            ;
    }
}

static u64 gap_of(const struct tsc_sync_work *work)
{
    u64 spread_us = MAX(SPREAD_US, (u64)work->online * EVENTS_PER_CPU * SPREAD_NS_EVENT / 1000);

    if (work->hypervisor && work->online > HYPERVISOR_SMALL)
        return 0;
    return spread_us * (work->tsc_hz / 1000000) / EVENTS_PER_CPU;
}

/* If most CPUs differ from the reference, that one is wrong: tries another. */
static void solve(const struct readings *r, u32 n, struct tsc_bounds *bounds, u32 *ref,
                  struct tsc_sync *result)
{
    struct tsc_sync other;
    u32 cpu;

    if (tsc_sync_solve(r->events, n, cpu_map.nr_ids, *ref, bounds, result) ||
        result->out_of_sync * 2 <= result->cpus)
        return;
    for_each_online_cpu(cpu)
    {
        if (cpu == *ref)
            continue;
        if (tsc_sync_solve(r->events, n, cpu_map.nr_ids, cpu, bounds, &other) == 0 &&
            other.out_of_sync < result->out_of_sync) {
            *result = other;
            *ref = cpu;
        }
        return;
    }
}

int tsc_sync_measure(const struct tsc_sync_work *work, u32 *ref, struct tsc_sync *result)
{
    struct readings *r = work->memory;
    int err;

    *ref = cpu_number();
    *result = (struct tsc_sync){0};
    r->max = max_events(work->online);
    r->odd_cpu = work->odd_cpu;
    r->odd_ticks = work->odd_ticks;
    r->gap = gap_of(work);
    take_event(r, *ref);
    err = smp_call_all(take_events, r);
    take_event(r, *ref);
    if (err)
        return err;
    solve(r, MIN(atomic_load(&r->next), r->max), (struct tsc_bounds *)&r->events[r->max], ref,
          result);
    return 0;
}
