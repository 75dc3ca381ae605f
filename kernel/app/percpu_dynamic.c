/*
 * Stage: the dynamic per-CPU allocator, wired to what it stands on: pages of the page allocator,
 * small-object memory, slots of the live page tables, shoot-down, cross-CPU calls, the idle loop
 * and the CPUs that come and go. SPDX-License-Identifier: MIT
 */
#include "kernel/app/boot_state.h"
#include "kernel/app/percpu_fault.h"
#include "kernel/app/stage.h"
#include "kernel/base/cpu_local.h"
#include "kernel/base/print.h"
#include "kernel/base/string.h"
#include "kernel/platform/cpu_promotion.h"
#include "kernel/platform/panic.h"
#include "mm/layout.h"
#include "mm/pagetable_range.h"
#include "percpu/percpu_instance.h"
#include "percpu/page_cache.h"
#include "smp/call.h"
#include "smp/cpus.h"
#include "smp/idle.h"
#include "smp/park.h"
#include "smp/tlb.h"

#define UNIT_PROT   (PT_W | PT_G)
#define FEW_PAGES   8u  /* so many come from the CPU's cache one by one */
#define FLUSH_BATCH 32u /* ranges in one shoot-down */

/* One for the machine: what the callbacks below work on. */
static struct dynamic {
    struct boot_state *s;
    struct pcpu_backing_env env;
    struct page_cache cache;
    u64 zero_pa;
    struct pt_flush retired; /* of slots closed, promoted or demoted; under the paging lock */
    _Atomic bool hold_work;  /* idle CPUs are handed deferred work, but let it lie */
} dyn;

/* ---- pages
 * --------------------------------------------------------------------------------------- */

static int block_alloc(void *ctx, s32 node, u64 *pa)
{
    struct dynamic *d = ctx;

    return buddy_alloc(&d->s->pages, node, BUDDY_BLOCK_ORDER, BUDDY_EXACT_NODE, pa, NULL);
}

static void block_free(void *ctx, u64 pa)
{
    struct dynamic *d = ctx;

    buddy_free(&d->s->pages, pa, BUDDY_BLOCK_ORDER);
}

static u32 pages_alloc(void *ctx, s32 node, u32 n, u64 *pas)
{
    struct dynamic *d = ctx;
    u32 got = 0;

    if (n > FEW_PAGES)
        return buddy_alloc_bulk(&d->s->pages, node, n, 0, pas);
    while (got < n && !page_cache_get(&d->cache, node, &pas[got]))
        got++;
    return got;
}

static void pages_free(void *ctx, u32 n, const u64 *pas)
{
    struct dynamic *d = ctx;

    if (n > FEW_PAGES) {
        buddy_free_bulk(&d->s->pages, pas, n);
        return;
    }
    for (u32 i = 0; i < n; i++)
        page_cache_put(&d->cache, pas[i]);
}

static s32 node_of(void *ctx, u64 pa)
{
    struct dynamic *d = ctx;

    return buddy_node_of(&d->s->pages, pa);
}

static void *map_page(void *ctx, u64 pa)
{
    (void)ctx;
    return phys_to_virt(pa);
}

static const struct pcpu_page_ops_dyn page_ops = {
    .ctx = &dyn,
    .block_alloc = block_alloc,
    .block_free = block_free,
    .pages_alloc = pages_alloc,
    .pages_free = pages_free,
    .node_of = node_of,
    .map = map_page,
};

static u32 cache_alloc(void *ctx, s32 node, bool exact, u32 n, u64 *pas)
{
    struct dynamic *d = ctx;

    return buddy_alloc_bulk(&d->s->pages, node, n, exact ? BUDDY_EXACT_NODE : 0, pas);
}

static void cache_free(void *ctx, const u64 *pas, u32 n)
{
    struct dynamic *d = ctx;

    buddy_free_bulk(&d->s->pages, pas, n);
}

static const struct page_cache_ops cache_ops = {
    .ctx = &dyn,
    .alloc = cache_alloc,
    .free = cache_free,
    .node_of = node_of,
};

static void *meta_alloc(void *ctx, s32 node, size_t size)
{
    struct dynamic *d = ctx;

    return small_alloc(&d->s->small, node, size);
}

static void meta_free(void *ctx, void *p, size_t size)
{
    struct dynamic *d = ctx;

    small_free(&d->s->small, p, size);
}

/* ---- address space
 * ------------------------------------------------------------------------------- */

static int area_alloc(void *ctx, const u64 *offsets, const u64 *sizes, u32 n, u64 align, u64 *base)
{
    struct dynamic *d = ctx;

    int err;

    /* What cannot be used stays taken, so that it does not come again. */
    do {
        err =
            paging_area_alloc_congruent(&d->s->vm, offsets, sizes, n, align, "per-CPU chunk", base);
    } while (!err && !percpu_base_usable(*base));
    return err;
}

static void area_free(void *ctx, u64 base, const u64 *offsets, u32 n)
{
    struct dynamic *d = ctx;

    if (paging_area_free_congruent(&d->s->vm, base, offsets, n))
        pr_err("percpu: chunk area at 0x%llx was not taken", (unsigned long long)base);
}

static int slot_open(void *ctx, u64 va, s32 node, void **slot)
{
    struct dynamic *d = ctx;
    struct pt_slot *s = small_alloc(&d->s->small, node, sizeof(*s));
    int err;

    if (!s)
        return -ENOMEM;
    paging_lock(&d->s->vm);
    err = pt_slot_open(&d->s->vm.pt, va, node, s);
    paging_unlock(&d->s->vm);
    if (err)
        small_free(&d->s->small, s, sizeof(*s));
    else
        *slot = s;
    return err;
}

static void slot_close(void *ctx, void *slot)
{
    struct dynamic *d = ctx;

    paging_lock(&d->s->vm);
    pt_slot_close(&d->s->vm.pt, slot, &d->retired);
    paging_unlock(&d->s->vm);
    small_free(&d->s->small, slot, sizeof(struct pt_slot));
}

static void slot_set(void *ctx, void *slot, u32 index, u32 n, u64 pa)
{
    struct dynamic *d = ctx;

    pt_slot_set_run(&d->s->vm.pt, slot, index, n, pa, UNIT_PROT);
}

static void slot_set_zero(void *ctx, void *slot, u32 index, u32 n)
{
    struct dynamic *d = ctx;

    pt_slot_set_same(&d->s->vm.pt, slot, index, n, d->zero_pa, PT_G);
}

static void slot_replace(void *ctx, void *slot, u32 index, u64 pa)
{
    struct dynamic *d = ctx;

    pt_slot_replace(&d->s->vm.pt, slot, index, pa, UNIT_PROT);
}

static u64 slot_clear(void *ctx, void *slot, u32 index)
{
    struct dynamic *d = ctx;
    u64 pa = pt_slot_clear(&d->s->vm.pt, slot, index);

    return pa == d->zero_pa ? 0 : pa;
}

static u64 slot_get(void *ctx, void *slot, u32 index)
{
    struct dynamic *d = ctx;
    u64 pa = pt_slot_entry(&d->s->vm.pt, slot, index, NULL);

    if (!pa)
        return PCPU_GET_NONE;
    return pa == d->zero_pa ? PCPU_GET_ZERO : pa;
}

static int slot_promote(void *ctx, void *slot, u64 block)
{
    struct dynamic *d = ctx;
    int err;

    paging_lock(&d->s->vm);
    err = pt_slot_promote(&d->s->vm.pt, slot, block, UNIT_PROT, &d->retired);
    paging_unlock(&d->s->vm);
    return err;
}

static int slot_demote(void *ctx, void *slot)
{
    struct dynamic *d = ctx;
    int err;

    paging_lock(&d->s->vm);
    err = pt_slot_demote(&d->s->vm.pt, slot, 0, &d->retired);
    paging_unlock(&d->s->vm);
    return err;
}

static int shoot_down(const struct pcpu_flush_range *ranges, u32 n, const struct pt_flush *f)
{
    struct tlb_range list[FLUSH_BATCH];
    u32 k = 0;

    if (n + 1 > FLUSH_BATCH)
        return tlb_shootdown_all();
    for (; k < n; k++)
        list[k] = (struct tlb_range){ranges[k].start, ranges[k].end};
    if (f->start != f->end)
        list[k++] = (struct tlb_range){f->start, f->end};
    return tlb_shootdown_ranges(list, k);
}

/* What is retired now goes back after the flush; what comes later waits for the next. */
static int flush(void *ctx, const struct pcpu_flush_range *ranges, u32 n)
{
    struct dynamic *d = ctx;
    struct pt_flush f;
    int err;

    paging_lock(&d->s->vm);
    f = d->retired;
    d->retired = PT_FLUSH_NONE;
    paging_unlock(&d->s->vm);
    err = shoot_down(ranges, n, &f);
    if (err)
        return err; /* the tables are lost with the pages: some CPU may still walk them */
    paging_lock(&d->s->vm);
    pagetable_release(&d->s->vm.pt, &f);
    paging_unlock(&d->s->vm);
    return 0;
}

static struct pcpu_map_ops map_ops = {
    .ctx = &dyn,
    .area_alloc = area_alloc,
    .area_free = area_free,
    .slot_open = slot_open,
    .slot_close = slot_close,
    .set = slot_set,
    .set_zero = slot_set_zero,
    .replace = slot_replace,
    .clear = slot_clear,
    .get = slot_get,
    .promote = slot_promote,
    .demote = slot_demote,
    .flush = flush,
};

/* ---- other CPUs
 * ---------------------------------------------------------------------------------- */

static bool pick_idle(void *ctx, u32 *cpu)
{
    (void)ctx;
    *cpu = cpu_idle_pick(cpu_number() + 1, NULL);
    return *cpu != NR_CPUS;
}

static bool held(const struct dynamic *d)
{
    return atomic_load_explicit(&d->hold_work, memory_order_relaxed);
}

static void wake(void *ctx, u32 cpu)
{
    if (!held(ctx))
        cpu_kick(cpu);
}

void percpu_hold_work(bool on)
{
    u32 cpu;

    atomic_store_explicit(&dyn.hold_work, on, memory_order_relaxed);
    if (!on)
        for_each_online_cpu(cpu) cpu_kick(cpu);
}

static int call_all(void *ctx, void (*fn)(void *arg), void *arg)
{
    (void)ctx;
    return smp_call_all(fn, arg);
}

static u64 phys_of(void *ctx, u64 va)
{
    struct dynamic *d = ctx;
    u64 pa;

    return pagetable_lookup(&d->s->vm.pt, va, &pa, NULL, NULL) ? ~0ULL : pa;
}

static const struct pcpu_alloc_ops alloc_ops = {
    .ctx = &dyn,
    .pick_idle = pick_idle,
    .wake = wake,
    .call_all = call_all,
    .phys = phys_of,
};

static bool idle_pending(void *ctx)
{
    return !held(ctx) && pcpu_idle_pending(percpu_allocator());
}

static void idle_work(void *ctx)
{
    (void)ctx;
    pcpu_idle_work(percpu_allocator());
}

static const struct cpu_idle_ops idle_ops = {
    .pending = idle_pending, .work = idle_work, .ctx = &dyn};

static int first_online(void *ctx, u32 cpu)
{
    (void)ctx;
    return percpu_cpu_first_online(cpu);
}

static void parking(void *ctx, u32 cpu)
{
    struct dynamic *d = ctx;

    pcpu_cpu_parking(percpu_allocator());
    page_cache_drain(&d->cache, cpu);
}

static const struct cpu_hooks hooks = {
    .first_online = first_online, .parking = parking, .ctx = &dyn};

/* ---- the stage
 * ----------------------------------------------------------------------------------- */

static void *need(struct boot_state *s, size_t size)
{
    void *p = small_alloc(&s->small, s->topo.cpus[0].node, size);

    if (!p)
        panic("percpu: no memory for the dynamic allocator's tables");
    memset(p, 0, size);
    return p;
}

static void init_env(struct dynamic *d, struct boot_state *s)
{
    s32 *nodes = need(s, s->topo.cpu_count * sizeof(s32));
    u32 cpu;

    for (cpu = 0; cpu < s->topo.cpu_count; cpu++)
        nodes[cpu] = s->topo.cpus[cpu].node;
    d->env = (struct pcpu_backing_env){
        .fc = &s->first_chunk,
        .cpu_node = nodes,
        .nr_nodes = s->topo.node_count,
        .pages = &page_ops,
        .maps = &map_ops,
        .count = need(s, s->topo.node_count * sizeof(struct pcpu_node_count)),
        .backed = need(s, BITMAP_WORDS(s->topo.cpu_count) * sizeof(u64)),
        .meta_alloc = meta_alloc,
        .meta_free = meta_free,
        .meta_ctx = d,
    };
    for_each_online_cpu(cpu) atomic_fetch_or_explicit(&d->env.backed[cpu / 64], 1ULL << (cpu % 64),
                                                      memory_order_relaxed);
}

static void init_page_cache(struct dynamic *d, struct boot_state *s)
{
    struct page_cache_cpu **cpus = need(s, s->topo.cpu_count * sizeof(*cpus));

    for (u32 cpu = 0; cpu < s->topo.cpu_count; cpu++) {
        cpus[cpu] = small_alloc(&s->small, s->topo.cpus[cpu].node, sizeof(**cpus));
        if (!cpus[cpu])
            panic("percpu: no memory for the page cache of CPU %u", cpu);
    }
    page_cache_init(&d->cache, &cache_ops, cpus, s->topo.cpu_count);
    for (u32 cpu = 0; cpu < s->topo.cpu_count; cpu++)
        page_cache_set_home(&d->cache, cpu, s->topo.cpus[cpu].node);
}

/* Of a fault: dynamic chunks, what else paging knows, per-CPU pointers. */
static int describe(u64 addr, char *buf, size_t size)
{
    int len = percpu_fault_describe(addr, buf, size);

    if (!len)
        len = paging_describe(addr, buf, size);
    return len ? len : percpu_describe(addr, buf, size);
}

void stage_percpu_dynamic(struct boot_state *s)
{
    struct pcpu_alloc_config config = {
        .fc = &s->first_chunk,
        .static_start = (uintptr_t)__per_cpu_start,
        .window_base = PCPU_WINDOW_BASE,
        .window_size = PCPU_WINDOW_SIZE,
        .env = &dyn.env,
        .ops = &alloc_ops,
    };
    struct percpu_stats st;
    int err;

    dyn.s = s;
    map_ops.can_promote = cpu_promotion_allowed(s->opt.percpu_promote);
    if (buddy_alloc(&s->pages, s->topo.cpus[0].node, 0, 0, &dyn.zero_pa, NULL))
        panic("percpu: no memory for the zero page");
    memset(phys_to_virt(dyn.zero_pa), 0, PAGE_SIZE);
    init_env(&dyn, s);
    init_page_cache(&dyn, s);
    err = pcpu_backing_env_init(&dyn.env);
    if (!err)
        err = percpu_alloc_init(&config);
    if (!err)
        err = cpu_hooks_add(&hooks);
    if (err)
        panic("percpu: the dynamic allocator cannot be made (%d)", err);
    cpu_idle_set_ops(&idle_ops);
    panic_set_describe(describe);
    percpu_get_stats(&st);
    pr_info("percpu: dynamic allocator: %llu pages per unit populated, %llu in reserve, magazines "
            "of up to %llu KiB per unit, 2M pages %s",
            (unsigned long long)st.populated_blocks, (unsigned long long)st.empty_blocks,
            (unsigned long long)(st.cached_limit / 1024), map_ops.can_promote ? "on" : "off");
}
