/*
 * The world's machine: its shape, the first chunk, metadata memory, failures on demand, and the
 * accounts at the end. See percpu_world.h.
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include "tests/host/percpu_world.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel/base/ktest.h"
#include "percpu/first/layout.h"
#include "percpu/first/setup_first_chunk.h"

void world_violation(struct world *w, const char *text, u64 address)
{
    w->violations++;
    ktest_fail(__FILE__, __LINE__, "%s: %#llx", text, (unsigned long long)address);
}

bool world_fails(struct world *w, u32 kind)
{
    w->calls[__builtin_ctz(kind)]++;
    if (!(w->fail_kinds & kind))
        return false;
    w->fail_calls++;
    return w->fail_at &&
           (w->keep_failing ? w->fail_calls >= w->fail_at : w->fail_calls == w->fail_at);
}

void world_fail(struct world *w, u32 kinds, u64 k, bool keep)
{
    spin_lock(&w->lock);
    w->fail_kinds = kinds;
    w->fail_at = k;
    w->fail_calls = 0;
    w->keep_failing = keep;
    spin_unlock(&w->lock);
}

/* ---- metadata: the size is kept in front, and checked ---------------------------------------- */

#define META_FRONT 64

static void *meta_alloc(void *ctx, s32 node, size_t size)
{
    struct world *w = ctx;
    u8 *p = NULL;

    spin_lock(&w->lock);
    if (node >= (s32)w->shape.nr_nodes)
        world_violation(w, "metadata for a node that does not exist", (u64)node);
    if (!world_fails(w, WORLD_META)) {
        p = aligned_alloc(META_FRONT, META_FRONT + align_up(size, META_FRONT));
        if (!p)
            abort();
        memset(p, 0xa5, META_FRONT + size);
        *(size_t *)p = size;
        w->meta_live += size;
    }
    spin_unlock(&w->lock);
    return p ? p + META_FRONT : NULL;
}

static void meta_free(void *ctx, void *p, size_t size)
{
    struct world *w = ctx;
    u8 *front = (u8 *)p - META_FRONT;

    spin_lock(&w->lock);
    if (*(size_t *)front != size)
        world_violation(w, "metadata freed with another size", size);
    w->meta_live -= size;
    spin_unlock(&w->lock);
    free(front);
}

/* ---- the first chunk ------------------------------------------------------------------------- */

static void *boot_alloc(void *ctx, size_t size, size_t align)
{
    (void)ctx;
    return aligned_alloc(align, align_up(size, align));
}

static int boot_free(void *ctx, void *p, size_t size)
{
    (void)ctx;
    (void)size;
    free(p);
    return 0;
}

static int cpu_distance(void *ctx, u32 from, u32 to)
{
    const struct world *w = ctx;

    return w->cpu_node[from] == w->cpu_node[to] ? 10 : 20;
}

static u64 group_bytes(const struct pcpu_alloc_info *ai, u32 g)
{
    return ai->groups[g].nr_units * (u64)ai->unit_size;
}

/* Groups in order, each at the next multiple of the stride. Its memory is the host's. */
static void place_first_chunk(struct world *w, struct pcpu_alloc_info *ai)
{
    u64 offset = 0;
    u8 *room, *base;

    for (u32 g = 0; g < ai->nr_groups; g++) {
        ai->groups[g].base_offset = offset;
        offset += MAX(align_up(w->shape.group_stride, ai->atom_size), group_bytes(ai, g));
    }
    w->first_bytes = offset + SZ_2M;
    room =
        mmap(NULL, w->first_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED)
        abort();
    w->first_memory = room;
    base = (u8 *)(uintptr_t)align_up((uintptr_t)room, SZ_2M);
    for (u32 g = 0; g < ai->nr_groups; g++) {
        if (mprotect(base + ai->groups[g].base_offset, group_bytes(ai, g), PROT_READ | PROT_WRITE))
            abort();
    }
    if (pcpu_setup_first_chunk(&w->boot, ai, base, &w->fc))
        abort();
}

static void make_first_chunk(struct world *w)
{
    const struct world_shape *s = &w->shape;
    struct pcpu_alloc_info *ai;

    w->boot = (struct pcpu_env){.ctx = w,
                                .nr_cpus = s->nr_cpus,
                                .static_size = s->static_size,
                                .window_size = s->window_bytes,
                                .alloc = boot_alloc,
                                .free = boot_free};
    if (pcpu_build_alloc_info(&w->boot, s->reserved_size, s->dyn_size, s->atom,
                              s->one_group ? NULL : cpu_distance, &ai))
        abort();
    place_first_chunk(w, ai);
    pcpu_free_alloc_info(&w->boot, ai);
}

/* ---- begin and end --------------------------------------------------------------------------- */

#define DEFAULT(field, value) ((field) = (field) ? (field) : (value))

static void fill_shape(struct world *w, const struct world_shape *shape)
{
    struct world_shape *s = &w->shape;

    *s = *shape;
    if (!s->nr_nodes || s->nr_nodes > WORLD_MAX_NODES || !s->nr_cpus || s->nr_cpus > WORLD_MAX_CPUS)
        abort();
    DEFAULT(s->node_bytes, 64 * SZ_1M);
    DEFAULT(s->static_size, 16 * SZ_1K);
    DEFAULT(s->dyn_size, 28 * (s64)SZ_1K);
    DEFAULT(s->atom, SZ_2M);
    DEFAULT(s->group_stride, 64 * SZ_1M);
    DEFAULT(s->window_bytes, 16 * SZ_1G);
    for (u32 cpu = 0; cpu < s->nr_cpus; cpu++) {
        w->cpu_node[cpu] = s->cpu_node ? s->cpu_node[cpu] : cpu * s->nr_nodes / s->nr_cpus;
        w->cpu_node_env[cpu] = (s32)w->cpu_node[cpu];
        if (!bitmap_test_bit(s->absent, cpu))
            world_set_backed(w, cpu);
    }
    s->cpu_node = w->cpu_node;
}

void world_init(struct world *w, const struct world_shape *shape)
{
    memset(w, 0, sizeof(*w));
    fill_shape(w, shape);
    world_make_memory(w);
    world_make_window(w);
    make_first_chunk(w);
    w->env = (struct pcpu_backing_env){.fc = &w->fc,
                                       .cpu_node = w->cpu_node_env,
                                       .nr_nodes = w->shape.nr_nodes,
                                       .pages = &w->page_ops,
                                       .maps = &w->map_ops,
                                       .count = w->count,
                                       .backed = w->backed,
                                       .meta_alloc = meta_alloc,
                                       .meta_free = meta_free,
                                       .meta_ctx = w};
    if (pcpu_backing_env_init(&w->env))
        abort();
}

/* Nothing may be left but what a failed flush has cost. */
static void check_accounts(struct world *w)
{
    u64 taken = 0, quarantined = 0;

    for (u32 i = 0; i < w->shape.nr_nodes * w->node_pages; i++)
        taken += w->pages[i].state == WORLD_TAKEN;
    for (u32 node = 0; node < w->shape.nr_nodes; node++)
        quarantined += w->count[node].quarantined;
    EXPECT_EQ(taken, quarantined);
    EXPECT_EQ(w->meta_live, 0);
    EXPECT_TRUE(!w->slots);
    EXPECT_EQ(vspace_verify(&w->vspace), 0);
    EXPECT_EQ(w->violations, 0);
}

void world_done(struct world *w)
{
    pcpu_backing_env_done(&w->env);
    check_accounts(w);
    pcpu_first_chunk_release(&w->boot, &w->fc);
    munmap(w->first_memory, w->first_bytes);
    world_drop_window(w);
    world_drop_memory(w);
}

void world_set_backed(struct world *w, u32 cpu)
{
    atomic_fetch_or_explicit(&w->backed[cpu / 64], 1ULL << (cpu % 64), memory_order_relaxed);
}

/* ---- looking --------------------------------------------------------------------------------- */

const char *world_check_counts(struct world *w, struct pcpu_backing **chunks, u32 n)
{
    struct pcpu_node_tally tally[WORLD_MAX_NODES] = {0};

    for (u32 i = 0; i < n; i++)
        pcpu_backing_tally(chunks[i], tally);
    for (u32 node = 0; node < w->shape.nr_nodes; node++) {
        const struct pcpu_node_count *c = &w->count[node];

        if (c->populated != tally[node].populated)
            return "populated";
        if (c->reserved != tally[node].reserved)
            return "reserved";
        if (c->leaves_2m != tally[node].leaves_2m)
            return "leaves_2m";
        if (c->promotions - c->demotions != c->leaves_2m)
            return "promotions - demotions";
        if (c->requested != c->obtained + c->fallen_back)
            return "requested";
    }
    return NULL;
}

/* A pipe takes the byte, or gives one, when the address allows it. */
bool world_readable(const void *p)
{
    int fds[2];
    bool ok;

    if (pipe(fds))
        abort();
    ok = write(fds[1], p, 1) == 1;
    close(fds[0]);
    close(fds[1]);
    return ok;
}

bool world_writable(void *p)
{
    int fds[2];
    bool ok;

    if (!world_readable(p) || pipe(fds) || write(fds[1], p, 1) != 1)
        return false;
    ok = read(fds[0], p, 1) == 1; /* the byte that was there */
    close(fds[0]);
    close(fds[1]);
    return ok;
}
