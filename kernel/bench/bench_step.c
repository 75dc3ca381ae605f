/*
 * Counts instructions that lock, and the most that run on end with interrupts off. While RFLAGS.TF
 * is set, the CPU traps after every instruction, and the handler decodes the next one. So the
 * allocator runs unchanged while its instructions are counted. A spinlock's acquisition is an XCHG
 * with memory (kernel/base/spinlock.h), so every attempt on a shared lock is counted.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/cpu_local.h"
#include "kernel/base/trap.h"
#include "kernel/bench/bench.h"
#include "kernel/platform/idt.h"

static DEFINE_PER_CPU(struct bench_steps, steps);

static void on_step(struct trap_frame *frame)
{
    struct bench_steps *s = this_cpu_ptr(&steps);
    enum bench_lock lock = bench_locks((const u8 *)(uintptr_t)frame->rip);

    s->insns++;
    s->prefix += lock == BENCH_LOCK_PREFIX;
    s->xchg += lock == BENCH_LOCK_XCHG;
    s->off = frame->rflags & RFLAGS_IF ? 0 : s->off + 1;
    if (s->off > s->off_max) {
        s->off_max = s->off;
        s->off_at = frame->rip;
    }
}

void bench_step_enable(bool on)
{
    idt_set_single_step(on ? on_step : NULL);
}

void bench_step_begin(void)
{
    *this_cpu_ptr(&steps) = (struct bench_steps){0};
    __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" : : : "memory", "cc");
}

void bench_step_end(struct bench_steps *sum)
{
    __asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" : : : "memory", "cc");
    const struct bench_steps *s = this_cpu_ptr(&steps);

    sum->insns += s->insns;
    sum->prefix += s->prefix;
    sum->xchg += s->xchg;
    if (s->off_max > sum->off_max) {
        sum->off_max = s->off_max;
        sum->off_at = s->off_at;
    }
}
