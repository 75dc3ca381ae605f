/*
 * Per-CPU page caches; see page_cache.h.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/page_cache.h"
#include "kernel/base/cpu_local.h"
#include "kernel/base/print.h"
#include "kernel/base/string.h"

/* One CPU writes, all read: not torn, but without LOCK. */
static void count(u64 *counter)
{
    __atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

static void set_count(struct page_cache_cpu *c, u32 n)
{
    __atomic_store_n(&c->count, n, __ATOMIC_RELAXED);
}

void page_cache_init(struct page_cache *pc, const struct page_cache_ops *ops,
                     struct page_cache_cpu **cpus, u32 nr_cpus)
{
    *pc = (struct page_cache){.ops = ops, .cpus = cpus, .nr_cpus = nr_cpus};
    for (u32 i = 0; i < nr_cpus; i++)
        *cpus[i] = (struct page_cache_cpu){.home = NODE_NONE};
}

/* Frees the n oldest pages. Interrupts off. */
static void give_back(struct page_cache *pc, struct page_cache_cpu *c, u32 n)
{
    pc->ops->free(pc->ops->ctx, c->pages, n);
    memmove(c->pages, c->pages + n, (c->count - n) * sizeof(c->pages[0]));
    set_count(c, c->count - n);
}

u32 page_cache_drain(struct page_cache *pc, u32 cpu)
{
    struct page_cache_cpu *c = pc->cpus[cpu];
    u64 flags = local_irq_save();
    u32 n = c->count;

    if (n)
        give_back(pc, c, n);
    local_irq_restore(flags);
    return n;
}

void page_cache_set_home(struct page_cache *pc, u32 cpu, s32 node)
{
    u64 flags = local_irq_save();

    page_cache_drain(pc, cpu);
    pc->cpus[cpu]->home = node;
    local_irq_restore(flags);
}

/* Takes the top page of the cache, after a refill if it is empty. False: the node has none. */
static bool take(struct page_cache *pc, struct page_cache_cpu *c, u64 *pa)
{
    if (c->count) {
        count(&c->hits);
    } else {
        u32 n = pc->ops->alloc(pc->ops->ctx, c->home, true, PAGE_CACHE_BATCH, c->pages);

        if (!n)
            return false;
        count(&c->refills);
        set_count(c, n);
    }
    *pa = c->pages[c->count - 1];
    set_count(c, c->count - 1);
    return true;
}

int page_cache_get(struct page_cache *pc, s32 node, u64 *pa)
{
    u64 flags = local_irq_save();
    struct page_cache_cpu *c = pc->cpus[cpu_number()];
    bool got = node >= 0 && node == c->home && take(pc, c, pa);

    if (!got) {
        count(&c->direct);
        got = pc->ops->alloc(pc->ops->ctx, node, false, 1, pa) == 1;
    }
    local_irq_restore(flags);
    return got ? 0 : -ENOMEM;
}

void page_cache_put(struct page_cache *pc, u64 pa)
{
    s32 node = pc->ops->node_of(pc->ops->ctx, pa);
    u64 flags = local_irq_save();
    struct page_cache_cpu *c = pc->cpus[cpu_number()];

    if (node < 0 || node != c->home) {
        count(&c->direct);
        pc->ops->free(pc->ops->ctx, &pa, 1);
    } else {
        if (c->count == PAGE_CACHE_MAX) {
            count(&c->drains);
            give_back(pc, c, PAGE_CACHE_BATCH);
        }
        c->pages[c->count] = pa;
        set_count(c, c->count + 1);
    }
    local_irq_restore(flags);
}

void page_cache_get_stats(const struct page_cache *pc, struct page_cache_stats *out)
{
    *out = (struct page_cache_stats){0};
    for (u32 i = 0; i < pc->nr_cpus; i++) {
        const struct page_cache_cpu *c = pc->cpus[i];

        out->pages += __atomic_load_n(&c->count, __ATOMIC_RELAXED);
        out->hits += __atomic_load_n(&c->hits, __ATOMIC_RELAXED);
        out->refills += __atomic_load_n(&c->refills, __ATOMIC_RELAXED);
        out->drains += __atomic_load_n(&c->drains, __ATOMIC_RELAXED);
        out->direct += __atomic_load_n(&c->direct, __ATOMIC_RELAXED);
    }
}

static bool holds(const struct page_cache_cpu *c, u32 below, u64 pa)
{
    for (u32 i = 0; i < below; i++)
        if (c->pages[i] == pa)
            return true;
    return false;
}

const char *page_cache_verify(const struct page_cache *pc)
{
    for (u32 cpu = 0; cpu < pc->nr_cpus; cpu++) {
        const struct page_cache_cpu *c = pc->cpus[cpu];

        if (c->count > PAGE_CACHE_MAX)
            return "more pages than a cache holds";
        for (u32 i = 0; i < c->count; i++) {
            u64 pa = c->pages[i];

            if (!pa || !is_aligned(pa, PAGE_SIZE))
                return "not a page";
            if (c->home < 0 || pc->ops->node_of(pc->ops->ctx, pa) != c->home)
                return "a page of another node than the cache's";
            for (u32 other = 0; other < cpu; other++)
                if (pc->cpus[other]->home == c->home &&
                    holds(pc->cpus[other], pc->cpus[other]->count, pa))
                    return "a page in two caches";
            if (holds(c, i, pa))
                return "a page twice in a cache";
        }
    }
    return NULL;
}
