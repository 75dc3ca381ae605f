/*
 * Stage: the first chunk, and the boot CPU on its own unit and stacks.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/stages/stages.h"
#include "kernel/stages/fail.h"
#include "kernel/stages/stage_times.h"
#include "kernel/base/cpu.h"
#include "kernel/base/events.h"
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

/* TSC ticks. */
static struct {
    u64 memblock, build;
} spent;

static int timed_alloc(struct memblock *mb, const struct memblock_request *req,
                       struct memblock_result *res)
{
    const struct boot_state *s = boot_state_get();
    struct memblock_request wrong = *req;
    u64 start = rdtsc();
    int err;

    if (fail_placement(&s->opt) && req->nr_nodes > 1 && req->nodes[0] != 0) {
        wrong.nodes = &req->nodes[req->nr_nodes - 1];
        wrong.nr_nodes = 1;
        req = &wrong;
    }
    err = memblock_alloc(mb, req, res);
    spent.memblock += rdtsc() - start;
    if (!err && req->nr_nodes && res->nid != req->nodes[0] &&
        s->topo.nodes[req->nodes[0]].has_memory)
        event_count(EVENT_NODE_FALLBACK);
    return err;
}

static int timed_give_back(struct memblock *mb, u64 base, u64 size)
{
    u64 start = rdtsc();
    int err = memblock_give_back(mb, base, size);

    spent.memblock += rdtsc() - start;
    return err;
}

static int timed_make(const struct pcpu_env *env, struct pcpu_fc_request *req,
                      struct pcpu_first_chunk *out)
{
    u64 start = rdtsc();
    int err = pcpu_make_first_chunk(env, req, out);

    spent.build = rdtsc() - start;
    if (!err && req->embed_err)
        event_count(EVENT_PAGE_MODE);
    return err;
}

/*
 * The areas' sizes by the command line, unless all units together would take more than a quarter of
 * the memory: then the defaults, with a line.
 */
static void check_sizes(struct boot_state *s)
{
    struct kernel_options *o = &s->opt, usual;
    u64 unit = o->percpu_static + o->percpu_reserved + (o->percpu_dyn < 0 ? 0 : (u64)o->percpu_dyn);
    u64 most = memblock_phys_mem_size(&s->mb) / 4 / s->topo.cpu_count;

    kernel_options_parse(&usual, "");
    if (unit <= most ||
        (o->percpu_static == usual.percpu_static && o->percpu_reserved == usual.percpu_reserved &&
         o->percpu_dyn == usual.percpu_dyn))
        return;
    event_count(EVENT_OPTION_IGNORED);
    pr_warn(
        "command line: percpu_static=, percpu_reserved= and percpu_dyn= ask for %llu KiB a CPU, "
        "this machine has memory for %llu: ignored",
        (ull)(unit / SZ_1K), (ull)(most / SZ_1K));
    o->percpu_static = usual.percpu_static;
    o->percpu_reserved = usual.percpu_reserved;
    o->percpu_dyn = usual.percpu_dyn;
}

void stage_percpu(struct boot_state *s)
{
    check_sizes(s);

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
        .unit_alloc = timed_alloc,
        .unit_give_back = timed_give_back,
        .describe_tables = describe_tables,
    };

    fail_early(&s->opt);
    setup_per_cpu_areas(&setup, &s->first_chunk);
    stage_note("first_chunk", spent.build - spent.memblock);
    stage_note("first_chunk_memblock", spent.memblock);

    if (cpu_stacks_alloc(&s->vm, &s->order, 0, &s->stack_top))
        panic("no memory for the boot CPU's stacks");
}
