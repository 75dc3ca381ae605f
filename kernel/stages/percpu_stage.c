/*
 * Stage: the first chunk, and the boot CPU on its own unit and stacks.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/stages/stages.h"
#include "kernel/stages/fail.h"
#include "kernel/stages/stage_times.h"
#include "kernel/base/cpu.h"
#include "kernel/base/print.h"
#include "kernel/platform/cpu_stacks.h"
#include "kernel/platform/cpu_tables.h"
#include "percpu/first/setup.h"

/* The boot CPU's GDT and TSS move with its unit. */
static void describe_tables(void *unit, struct percpu_switch *sw)
{
    uintptr_t offset = (uintptr_t)&cpu_tables - (uintptr_t)__per_cpu_start;
    struct cpu_tables *t = (struct cpu_tables *)((char *)unit + offset);

    cpu_tables_tss_descriptor(t, &sw->tss_lo, &sw->tss_hi);
    sw->tss_slot = (u64)&t->gdt[3];
    sw->gdt_base = (u64)t->gdt;
    sw->gdt_limit = sizeof(t->gdt) - 1;
    sw->tss_selector = SEL_TSS;
}

static const enum pcpu_fc_mode fc_modes[] = {
    [PERCPU_ALLOC_AUTO] = PCPU_FC_AUTO,
    [PERCPU_ALLOC_EMBED] = PCPU_FC_EMBED,
    [PERCPU_ALLOC_PAGE] = PCPU_FC_PAGE,
};

/* ---- time to build the first chunk, and the part of memblock in it --------------------------- */

static struct {
    pcpu_alloc_fn alloc_fn;
    pcpu_free_fn free_fn;
    u64 memblock, build; /* TSC ticks */
} timed;

static void *timed_alloc(void *ctx, u32 cpu, size_t size, size_t align)
{
    u64 start = rdtsc();
    void *p = timed.alloc_fn(ctx, cpu, size, align);

    timed.memblock += rdtsc() - start;
    return p;
}

static int timed_free(void *ctx, void *ptr, size_t size)
{
    u64 start = rdtsc();
    int err = timed.free_fn(ctx, ptr, size);

    timed.memblock += rdtsc() - start;
    return err;
}

static int timed_make(const struct pcpu_env *env, struct pcpu_fc_request *req,
                      struct pcpu_first_chunk *out)
{
    u64 start = rdtsc();
    int err;

    timed.alloc_fn = req->alloc_fn;
    timed.free_fn = req->free_fn;
    req->alloc_fn = timed_alloc;
    req->free_fn = timed_free;
    err = pcpu_make_first_chunk(env, req, out);
    timed.build = rdtsc() - start;
    return err;
}

void stage_percpu(struct boot_state *s)
{
    struct percpu_setup setup = {
        .mb = &s->mb,
        .topo = &s->topo,
        .order = &s->order,
        .pt = &s->vm.pt,
        .window = &s->vm.pcpu_window,
        .mode = fc_modes[s->opt.percpu_alloc],
        .reserved = s->opt.percpu_reserved,
        .dyn = s->opt.percpu_dyn,
        .atom = s->opt.percpu_atom,
        .static_pad = s->opt.percpu_static,
        .make = timed_make,
        .describe_tables = describe_tables,
    };

    fail_early(&s->opt);
    setup_per_cpu_areas(&setup, &s->first_chunk);
    stage_note("first_chunk", timed.build - timed.memblock);
    stage_note("first_chunk_memblock", timed.memblock);

    if (cpu_stacks_alloc(&s->vm, &s->order, 0, &s->stack_top))
        panic("no memory for the boot CPU's stacks");
}
