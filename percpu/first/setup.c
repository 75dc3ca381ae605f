/*
 * Per-CPU areas on the real machine; see setup.h.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/first/setup.h"
#include "kernel/base/cpu.h"
#include "kernel/base/cpu_local.h"
#include "kernel/base/print.h"
#include "mm/map/address_map.h"

/* As Linux: leave low memory to old devices and to the trampoline if possible. */
#define UNIT_GOAL (16 * SZ_1M)

static_assert(offsetof(struct percpu_switch, tss_selector) == 74,
              "percpu/first/unit_switch.asm knows it");

/* The canary's place is fixed for the compiler (docs/adr/0001). */
DEFINE_PER_CPU_FIRST(u64, __stack_chk_guard);
DEFINE_PER_CPU_READ_MOSTLY(uintptr_t, this_cpu_off);
DEFINE_PER_CPU_READ_MOSTLY(u32, cpu_number_pcpu);
DEFINE_PER_CPU(u32, cpu_guard_depth);

uintptr_t __per_cpu_offset[NR_CPUS];

extern char __early_unit[], __early_unit_end[];

void percpu_offsets_poison(void)
{
    u64 section = (uintptr_t)__per_cpu_start & ~0xffffffULL;

    for (u32 cpu = 0; cpu < NR_CPUS; cpu++)
        __per_cpu_offset[cpu] = PER_CPU_PREMATURE(cpu) - section;
}

/* ---- callbacks: memory ----------------------------------------------------------------------- */

static void *alloc_unit(void *ctx, u32 cpu, size_t size, size_t align)
{
    struct percpu_setup *s = ctx;
    s32 node = s->topo->cpus[cpu].node;
    struct memblock_request req = {
        .size = size,
        .align = align,
        .min_addr = UNIT_GOAL,
        .nodes = node_order_of(s->order, node),
        .nr_nodes = s->topo->node_count,
    };
    struct memblock_result res;

    if (s->unit_alloc(s->mb, &req, &res))
        return NULL;
    if (res.nid != node)
        s->fallback_bytes += size;
    if (memblock_search(&s->mb->memory, res.base)->flags & MEMBLOCK_LAST)
        s->last_bytes += size;
    return phys_to_virt(res.base);
}

static int free_unit(void *ctx, void *ptr, size_t size)
{
    struct percpu_setup *s = ctx;

    return s->unit_give_back(s->mb, virt_to_phys(ptr), size);
}

static void *alloc_table(void *ctx, size_t size, size_t align)
{
    struct percpu_setup *s = ctx;
    struct memblock_request req = {.size = size, .align = align, .min_addr = UNIT_GOAL};
    struct memblock_result res;

    return memblock_alloc(s->mb, &req, &res) ? NULL : phys_to_virt(res.base);
}

static int free_table(void *ctx, void *ptr, size_t size)
{
    struct percpu_setup *s = ctx;

    return memblock_give_back(s->mb, virt_to_phys(ptr), size);
}

static int prepare(void *ctx, size_t calls)
{
    struct percpu_setup *s = ctx;

    return memblock_reserve_slots(s->mb, calls);
}

/* ---- callbacks: pages at chosen addresses ---------------------------------------------------- */

static void *window_reserve(void *ctx, size_t size)
{
    struct percpu_setup *s = ctx;
    struct varea_tag tag = {"page-mapped first chunk", VAREA_NO_OWNER};
    u64 va;

    return vspace_alloc(s->window, size, PAGE_SIZE, 0, tag, &va) ? NULL : (void *)va;
}

static void window_release(void *ctx, void *area, size_t size)
{
    struct percpu_setup *s = ctx;

    (void)size;
    if (vspace_free(s->window, (u64)area))
        pr_err("percpu: virtual area at %p was not taken", area);
}

static int window_map(void *ctx, void *va, void *page)
{
    struct percpu_setup *s = ctx;
    u64 pa = virt_to_phys(page);

    return pagetable_map_page(s->pt, (u64)va, pa, PT_W | PT_G, memblock_addr_nid(s->mb, pa));
}

static void window_unmap(void *ctx, void *va)
{
    struct percpu_setup *s = ctx;
    struct pt_flush flush = PT_FLUSH_NONE;

    if (pagetable_unmap(s->pt, (u64)va, PAGE_SIZE, 0, &flush))
        pr_err("percpu: page at %p could not be unmapped", va);
    flush_tlb_local();
    pagetable_release(s->pt, &flush);
}

static const struct pcpu_page_ops window_ops = {
    .reserve = window_reserve,
    .release = window_release,
    .map = window_map,
    .unmap = window_unmap,
};

static int distance(void *ctx, u32 from, u32 to)
{
    const struct percpu_setup *s = ctx;

    return numa_cpu_distance(s->topo, from, to);
}

/* ---- the units ------------------------------------------------------------------------------- */

/* Address of a static per-CPU variable in this unit. */
static void *in_unit(void *unit, const void *var)
{
    return (char *)unit + ((uintptr_t)var - (uintptr_t)__per_cpu_start);
}

/* Different on every CPU; the low byte is 0 (boot/entry64.asm says why). */
static u64 make_canary(u32 cpu)
{
    return ((rdtsc() ^ ((u64)cpu + 1) * 0xff51afd7ed558ccdULL) * 0x9e3779b97f4a7c15ULL) << 8;
}

static void fill_unit(u32 cpu, void *unit)
{
    __per_cpu_offset[cpu] = (uintptr_t)unit - (uintptr_t)__per_cpu_start;
    *(uintptr_t *)in_unit(unit, &this_cpu_off) = __per_cpu_offset[cpu];
    *(u32 *)in_unit(unit, &cpu_number_pcpu) = cpu;
    *(u64 *)in_unit(unit, &__stack_chk_guard) = make_canary(cpu);
}

/* The early unit's addresses fault from now on; its memory goes back to memblock. */
static void retire_early_unit(struct percpu_setup *s)
{
    u64 va = (uintptr_t)__early_unit;
    u64 size = (uintptr_t)__early_unit_end - va;
    struct pt_flush flush = PT_FLUSH_NONE;

    if (pagetable_unmap(s->pt, va, size, 0, &flush))
        panic("percpu: the early unit cannot be unmapped");
    flush_tlb_local();
    pagetable_release(s->pt, &flush);
    memblock_give_back(s->mb, image_to_phys(__early_unit), size);
}

static void move_boot_cpu(struct percpu_setup *s, void *unit)
{
    struct percpu_switch sw = {
        .unit = (u64)unit,
        .early = (u64)__early_unit,
        .words = ((u64)__per_cpu_end - (u64)__per_cpu_start) / 8,
        .gs_base = __per_cpu_offset[0],
        .off_slot = (u64)in_unit(unit, &this_cpu_off),
    };

    s->describe_tables(unit, &sw);
    percpu_switch_unit(&sw);
    retire_early_unit(s);
}

void setup_per_cpu_areas(struct percpu_setup *s, struct pcpu_first_chunk *fc)
{
    size_t linked = (uintptr_t)__per_cpu_end - (uintptr_t)__per_cpu_start;
    struct pcpu_env env = {
        .ctx = s,
        .nr_cpus = s->topo->cpu_count,
        .static_start = __per_cpu_start,
        .template_size = linked,
        .static_size = MAX(linked, s->static_pad),
        .window_size = PCPU_WINDOW_SIZE,
        .alloc = alloc_table,
        .free = free_table,
        .prepare = prepare,
        .page_ops = &window_ops,
        .line_max = 480,
    };
    struct pcpu_fc_request req = {
        .mode = s->mode,
        .reserved_size = s->reserved,
        .dyn_size = s->dyn,
        .atom_size = s->atom,
        .cpu_distance_fn = distance,
        .alloc_fn = alloc_unit,
        .free_fn = free_unit,
    };

    pr_info("setup_percpu: NR_CPUS:%u nr_cpumask_bits:%u nr_cpu_ids:%u nr_node_ids:%u", NR_CPUS,
            env.nr_cpus, env.nr_cpus, s->topo->node_count);
    if (s->make(&env, &req, fc))
        panic("cannot initialize percpu area (embed: %d, page: %d)", req.embed_err, req.page_err);

    for (u32 cpu = 0; cpu < env.nr_cpus; cpu++)
        fill_unit(cpu, pcpu_unit_addr(fc, cpu));
    move_boot_cpu(s, pcpu_unit_addr(fc, 0));
    if (s->fallback_bytes)
        pr_warn("percpu: %llu KiB of units are not on their CPU's node",
                (unsigned long long)(s->fallback_bytes / 1024));
    if (s->last_bytes)
        pr_warn("percpu: %llu KiB of units are in special-purpose, hot-pluggable or non-volatile "
                "memory: no node had plain DRAM left",
                (unsigned long long)(s->last_bytes / 1024));
}
