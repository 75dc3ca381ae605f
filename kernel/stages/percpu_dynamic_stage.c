/*
 * Stage: the dynamic per-CPU allocator, on the operations of percpu_platform.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/string.h"
#include "kernel/platform/cpu_promotion.h"
#include "kernel/platform/kernel_percpu_lib.h"
#include "kernel/platform/panic.h"
#include "kernel/platform/percpu_platform.h"
#include "kernel/stages/stages.h"
#include "mm/map/address_map.h"
#include "percpu/percpu_instance.h"
#include "smp/start/cpus.h"

static void *meta_alloc(void *ctx, s32 node, size_t size)
{
    return small_alloc(ctx, node, size);
}

static void meta_free(void *ctx, void *p, size_t size)
{
    small_free(ctx, p, size);
}

static void *zalloc_or_panic(struct boot_state *s, size_t size)
{
    void *p = small_alloc(&s->small, s->topo.cpus[0].node, size);

    if (!p)
        panic("percpu: no memory for the dynamic allocator's tables");
    memset(p, 0, size);
    return p;
}

static void init_env(struct pcpu_backing_env *env, struct boot_state *s, u64 zero_pa)
{
    s32 *nodes = zalloc_or_panic(s, s->topo.cpu_count * sizeof(s32));
    u32 cpu;

    for (cpu = 0; cpu < s->topo.cpu_count; cpu++)
        nodes[cpu] = s->topo.cpus[cpu].node;
    *env = (struct pcpu_backing_env){
        .fc = &s->first_chunk,
        .cpu_node = nodes,
        .nr_nodes = s->topo.node_count,
        .maps = percpu_slots_init(&s->vm, zero_pa, cpu_promotion_allowed(s->opt.percpu_promote)),
        .count = zalloc_or_panic(s, s->topo.node_count * sizeof(struct pcpu_node_count)),
        .backed = zalloc_or_panic(s, BITMAP_WORDS(s->topo.cpu_count) * sizeof(u64)),
        .meta_alloc = meta_alloc,
        .meta_free = meta_free,
        .meta_ctx = &s->small,
    };
    for_each_online_cpu(cpu)
        atomic_fetch_or_explicit(&env->backed[cpu / 64], 1ULL << (cpu % 64), memory_order_relaxed);
    env->pages = percpu_pages_init(&s->pages);
}

void stage_percpu_dynamic(struct boot_state *s)
{
    static struct pcpu_backing_env env;
    struct pcpu_alloc_config config = {
        .fc = &s->first_chunk,
        .static_start = (uintptr_t)__per_cpu_start,
        .window_base = PCPU_WINDOW_BASE,
        .window_size = PCPU_WINDOW_SIZE,
        .env = &env,
        .ops = percpu_cpus_ops(&s->vm),
    };
    struct percpu_stats st;
    u64 zero_pa;
    int err;

    if (buddy_alloc(&s->pages, s->topo.cpus[0].node, 0, 0, &zero_pa, NULL))
        panic("percpu: no memory for the zero page");
    memset(phys_to_virt(zero_pa), 0, PAGE_SIZE);
    init_env(&env, s, zero_pa);
    err = pcpu_backing_env_init(&env);
    if (!err)
        err = percpu_alloc_init(&config);
    if (!err)
        err = percpu_cpus_hook();
    if (err)
        panic("percpu: the dynamic allocator cannot be made (%d)", err);
    panic_set_describe(percpu_fault_describe);
    percpu_get_stats(&st);
    pr_info("percpu: dynamic allocator: %llu pages per unit populated, %llu in reserve, magazines "
            "of up to %llu KiB per unit, 2M pages %s",
            (ull)st.populated_blocks, (ull)st.empty_blocks, (ull)(st.cached_limit / 1024),
            env.maps->can_promote ? "on" : "off");
    kernel_percpu_lib_init(&s->small, &s->topo);
}
