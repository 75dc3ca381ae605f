/*
 * The page-mapped first chunk: for percpu_alloc=page, and when the embedded one cannot be made; see
 * first_chunk.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/errno.h"
#include "kernel/base/print.h"
#include "kernel/base/string.h"
#include "percpu/first/first_chunk.h"
#include "percpu/first/layout.h"
#include "percpu/first/layout_print.h"
#include "percpu/first/setup_first_chunk.h"

/* One build. Pages are numbered unit by unit, unit_pages each. */
struct paged {
    const struct pcpu_env *env;
    struct pcpu_alloc_info *ai;
    pcpu_alloc_fn alloc_fn;
    pcpu_free_fn free_fn;
    u8 **pages;
    size_t unit_pages; /* backed pages of a unit: those of [0, size_sum) */
    size_t nr_pages;   /* of all units */
    size_t taken, mapped;
    u8 *area;
    size_t area_size;
};

static u32 page_cpu(const struct paged *p, size_t page)
{
    return p->ai->groups[0].cpu_map[page / p->unit_pages];
}

static u8 *page_address(const struct paged *p, size_t page)
{
    return p->area + page / p->unit_pages * p->ai->unit_size + page % p->unit_pages * PAGE_SIZE;
}

static int take_pages(struct paged *p)
{
    for (; p->taken < p->nr_pages; p->taken++) {
        u32 cpu = page_cpu(p, p->taken);

        p->pages[p->taken] = p->alloc_fn(p->env->ctx, cpu, PAGE_SIZE, PAGE_SIZE);
        if (!p->pages[p->taken]) {
            pr_warn("percpu: failed to allocate 4K page for cpu%u", cpu);
            return -ENOMEM;
        }
    }
    return 0;
}

static int map_pages(struct paged *p)
{
    const struct pcpu_page_ops *ops = p->env->page_ops;

    p->area = ops->reserve(p->env->ctx, p->area_size);
    if (!p->area) {
        pr_warn("percpu: no addresses for a first chunk of %zu bytes", p->area_size);
        return -ENOMEM;
    }
    for (; p->mapped < p->nr_pages; p->mapped++) {
        int err = ops->map(p->env->ctx, page_address(p, p->mapped), p->pages[p->mapped]);

        if (err) {
            pr_warn("percpu: failed to map 4K page for cpu%u (%d)", page_cpu(p, p->mapped), err);
            return err;
        }
    }
    return 0;
}

/* Undoes the steps from the last to the first. */
static void undo(struct paged *p)
{
    const struct pcpu_page_ops *ops = p->env->page_ops;
    size_t lost = 0;

    while (p->mapped)
        ops->unmap(p->env->ctx, page_address(p, --p->mapped));
    if (p->area)
        ops->release(p->env->ctx, p->area, p->area_size);
    while (p->taken)
        if (p->free_fn(p->env->ctx, p->pages[--p->taken], PAGE_SIZE))
            lost++;
    if (lost)
        pr_err("percpu: %zu pages could not be given back", lost);
}

static int prepare(const struct paged *p)
{
    /* Neighbouring pages merge, so a unit counts as one call to take and one to give back. */
    return p->env->prepare ? p->env->prepare(p->env->ctx, 2ULL * p->ai->nr_units + 16) : 0;
}

static int build(struct paged *p, struct pcpu_first_chunk *out)
{
    int err = prepare(p);

    if (!err)
        err = take_pages(p);
    if (!err)
        err = map_pages(p);
    if (!err)
        err = pcpu_setup_first_chunk(p->env, p->ai, p->area, out);
    if (err) {
        undo(p);
        return err;
    }
    for (u32 unit = 0; unit < p->ai->nr_units; unit++)
        pcpu_fill_unit(p->env, p->area + unit * p->ai->unit_size, pcpu_size_sum(p->ai));
    pcpu_log_paged(p->ai);
    pcpu_dump_alloc_info(p->env, LOG_INFO, p->ai);
    return 0;
}

/* Atoms of one page and no distances must give one group with a unit for each CPU. */
static int check_layout(const struct paged *p)
{
    if (p->ai->nr_groups == 1 && p->ai->nr_units == p->env->nr_cpus)
        return 0;
    pr_err("percpu: %u groups and %u units for %u CPUs in a page-mapped chunk", p->ai->nr_groups,
           p->ai->nr_units, p->env->nr_cpus);
    return -EINVAL;
}

int pcpu_page_first_chunk(const struct pcpu_env *env, size_t reserved_size, pcpu_alloc_fn alloc_fn,
                          pcpu_free_fn free_fn, struct pcpu_first_chunk *out)
{
    struct paged p = {.env = env, .alloc_fn = alloc_fn, .free_fn = free_fn};
    size_t bytes;
    int err;

    memset(out, 0, sizeof(*out));
    if (!env->page_ops)
        return -ENODEV;
    err = pcpu_build_alloc_info(env, reserved_size, 0, PAGE_SIZE, NULL, &p.ai);
    if (err)
        return err;
    err = check_layout(&p);
    if (!err) {
        p.unit_pages = pcpu_size_sum(p.ai) >> PAGE_SHIFT;
        p.nr_pages = p.unit_pages * p.ai->nr_units;
        p.area_size = p.ai->nr_units * p.ai->unit_size;
        bytes = p.nr_pages * sizeof(p.pages[0]);
        p.pages = env->alloc(env->ctx, bytes, 64);
        err = p.pages ? build(&p, out) : -ENOMEM;
        if (p.pages)
            env->free(env->ctx, p.pages, bytes);
    }
    pcpu_free_alloc_info(env, p.ai);
    return err;
}
