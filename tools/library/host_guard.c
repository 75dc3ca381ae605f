/*
 * Sections and cross-calls of the hosted machine, and membarrier(2) between them: see
 * kernel/base/cpu_local.h here.
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include "tools/library/host_internal.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ThreadSanitizer does not know the call: there every section takes the lock. */
#ifdef __SANITIZE_THREAD__
#define BARRIER_KNOWN false
#else
#define BARRIER_KNOWN true
#endif

static bool barrier(int command)
{
    return BARRIER_KNOWN && syscall(SYS_membarrier, command, 0, 0) == 0;
}

static void lock(struct perch_cpu *c)
{
    while (atomic_exchange_explicit(&c->lock, true, memory_order_acquire))
        cpu_relax();
}

static void unlock(struct perch_cpu *c)
{
    atomic_store_explicit(&c->lock, false, memory_order_release);
}

void perch_guard_wait(void)
{
    atomic_store_explicit(&perch_self.cpu->held, false, memory_order_release);
    lock(perch_self.cpu);
    perch_self.locked = true;
}

void perch_guard_unlock(void)
{
    perch_self.locked = false;
    unlock(perch_self.cpu);
}

void host_guard_init(struct host *h)
{
    h->barriers = barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
    for (u32 cpu = 0; cpu < h->shape.nr_cpus; cpu++)
        atomic_init(&h->cpus[cpu].wanted, !h->barriers);
}

/* In the order of CPUs, so that two callers never wait for each other. */
static void lock_all(const struct host *h)
{
    for (u32 cpu = 0; cpu < h->shape.nr_cpus; cpu++) {
        lock(&h->cpus[cpu]);
        atomic_store_explicit(&h->cpus[cpu].wanted, true, memory_order_relaxed);
    }
    if (h->barriers && !barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED))
        perch_panic("membarrier(2) failed after it was registered");
}

/* Acts as that CPU, whose thread stays outside of sections meanwhile. */
static void call_one(const struct host *h, u32 cpu, void (*fn)(void *arg), void *arg)
{
    struct perch_cpu *c = &h->cpus[cpu];

    while (atomic_load_explicit(&c->held, memory_order_acquire))
        cpu_relax();
    perch_self = host_as_cpu(h, cpu);
    perch_self.depth = 1;
    perch_self.irqs_off = true;
    fn(arg);
    if (h->barriers)
        atomic_store_explicit(&c->wanted, false, memory_order_release);
    unlock(c);
}

int host_call_all(void *ctx, void (*fn)(void *arg), void *arg)
{
    const struct host *h = ctx;
    struct perch_thread self = perch_self;

    if (self.depth)
        perch_panic("a cross-call with interrupts off");
    lock_all(h);
    for (u32 cpu = 0; cpu < h->shape.nr_cpus; cpu++)
        call_one(h, cpu, fn, arg);
    perch_self = self;
    return 0;
}

static void nothing(void *arg)
{
    (void)arg;
}

int host_quiesce(void *ctx)
{
    return host_call_all(ctx, nothing, NULL);
}
