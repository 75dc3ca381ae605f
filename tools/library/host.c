/*
 * The hosted machine: its CPUs, its first chunk, and the allocator in it. See host.h.
 * SPDX-License-Identifier: MIT
 */
#include "tools/library/host_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "percpu/first/first_chunk.h"
#include "percpu/first/setup_first_chunk.h"
#include "tools/layout_rules.h"

/* Distance of neighbouring groups of the first chunk. Dynamic chunks use the gaps between them. */
#define GROUP_STRIDE (64 * SZ_1M)

static struct host *machine;

_Thread_local struct perch_thread perch_self;
uintptr_t perch_cpu_offset[NR_CPUS];

/* ---- CPUs ------------------------------------------------------------------------------------ */

struct perch_thread host_as_cpu(const struct host *h, u32 cpu)
{
    return (struct perch_thread){
        .cpu = &h->cpus[cpu], .offset = perch_cpu_offset[cpu], .number = cpu};
}

void perch_no_cpu(void)
{
    perch_panic("a thread that is no CPU called the per-CPU allocator (perch_host_enter)");
}

int perch_host_enter(u32 cpu)
{
    if (!machine || cpu >= machine->shape.nr_cpus)
        return -EINVAL;
    if (perch_self.cpu || atomic_exchange(&machine->cpus[cpu].entered, true))
        return -EBUSY;
    perch_self = host_as_cpu(machine, cpu);
    return 0;
}

void perch_host_leave(void)
{
    if (!perch_self.cpu)
        return;
    if (perch_self.depth)
        perch_panic("perch_host_leave() with interrupts off");
    atomic_store(&perch_self.cpu->entered, false);
    perch_self = (struct perch_thread){0};
}

/* ---- plain memory ---------------------------------------------------------------------------- */

static void *node_alloc(void *ctx, s32 node, size_t size)
{
    (void)ctx;
    (void)node;
    return aligned_alloc(64, align_up(size, 64));
}

static void node_free(void *ctx, void *p, size_t size)
{
    (void)ctx;
    (void)size;
    free(p);
}

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

/* ---- the first chunk ------------------------------------------------------------------------- */

static int cpu_distance(void *ctx, u32 from, u32 to)
{
    const struct host *h = ctx;

    return h->distance[(u32)h->cpu_node[from] * h->shape.nr_nodes + (u32)h->cpu_node[to]];
}

static void *unit_alloc(void *ctx, u32 cpu, size_t size, size_t align)
{
    struct host *h = ctx;
    u64 at = align_up(h->room_used, MAX(align, GROUP_STRIDE));

    (void)cpu;
    if (at > HOST_ROOM || size > HOST_ROOM - at ||
        mprotect(h->room + at, size, PROT_READ | PROT_WRITE))
        return NULL;
    h->room_used = at + size;
    return h->room + at;
}

static int unit_free(void *ctx, void *p, size_t size)
{
    (void)ctx;
    madvise(p, size, MADV_DONTNEED);
    return mprotect(p, size, PROT_NONE) ? -EINVAL : 0;
}

static int make_first_chunk(struct host *h)
{
    const struct perch_host_shape *s = &h->shape;
    int err;

    h->boot = (struct pcpu_env){
        .ctx = h,
        .nr_cpus = s->nr_cpus,
        .static_start = s->static_mem,
        .template_size = s->static_mem ? s->static_size : 0,
        .static_size = s->static_size,
        .window_size = HOST_WINDOW,
        .alloc = boot_alloc,
        .free = boot_free,
    };
    err = pcpu_embed_first_chunk(&h->boot, s->reserved_size, (s64)s->dyn_size, s->atom_size,
                                 cpu_distance, unit_alloc, unit_free, &h->fc);
    for (u32 cpu = 0; cpu < s->nr_cpus && !err; cpu++)
        perch_cpu_offset[cpu] = (uintptr_t)pcpu_unit_addr(&h->fc, cpu) - HOST_POINTERS;
    return err;
}

void *perch_host_static(void)
{
    return (void *)(uintptr_t)HOST_POINTERS;
}

/* ---- the allocator --------------------------------------------------------------------------- */

static void *lib_alloc(void *ctx, size_t size, size_t align)
{
    (void)ctx;
    return percpu_alloc(size, align, 0);
}

static void lib_free(void *ctx, void *p)
{
    (void)ctx;
    percpu_free(p);
}

const struct percpu_lib *perch_host_lib(void)
{
    return machine ? &machine->lib : NULL;
}

static int make_lib(struct host *h)
{
    u32 *part = calloc(h->shape.nr_cpus, sizeof(u32));
    s32 *node = calloc(h->shape.nr_cpus, sizeof(s32));

    h->lib = (struct percpu_lib){
        .ctx = h,
        .nr_cpus = h->shape.nr_cpus,
        .cpu_part = part,
        .part_node = node,
        .alloc = lib_alloc,
        .free = lib_free,
        .node_alloc = node_alloc,
        .node_free = node_free,
        .quiesce = host_quiesce,
    };
    if (!part || !node)
        return -ENOMEM;
    h->lib.nr_parts = percpu_lib_parts(h->cpu_node, h->shape.nr_cpus, part, node);
    return 0;
}

static int make_allocator(struct host *h)
{
    struct pcpu_alloc_config config = {
        .fc = &h->fc,
        .static_start = HOST_POINTERS,
        .window_base = (uintptr_t)h->window,
        .window_size = HOST_WINDOW,
        .env = &h->env,
        .ops = &h->alloc_ops,
    };
    u32 words = BITMAP_WORDS(h->shape.nr_cpus);
    int err;

    h->alloc_ops = (struct pcpu_alloc_ops){.ctx = h, .call_all = host_call_all};
    h->env = (struct pcpu_backing_env){
        .fc = &h->fc,
        .cpu_node = h->cpu_node,
        .nr_nodes = h->shape.nr_nodes,
        .pages = &h->page_ops,
        .maps = &h->map_ops,
        .count = calloc(h->shape.nr_nodes, sizeof(struct pcpu_node_count)),
        .backed = calloc(words, sizeof(u64)),
        .meta_alloc = node_alloc,
        .meta_free = node_free,
        .meta_ctx = h,
    };
    if (!h->env.count || !h->env.backed)
        return -ENOMEM;
    for (u32 cpu = 0; cpu < h->shape.nr_cpus; cpu++)
        h->env.backed[cpu / 64] |= 1ULL << (cpu % 64);
    err = pcpu_backing_env_init(&h->env);
    if (err)
        return err;
    err = percpu_alloc_init(&config);
    if (err)
        pcpu_backing_env_done(&h->env);
    return err;
}

/* ---- begin and end --------------------------------------------------------------------------- */

#define DEFAULT(field, value) ((field) = (field) ? (field) : (value))

static bool distances_ok(const struct perch_host_shape *s)
{
    for (u32 i = 0; s->distance && i < s->nr_nodes * s->nr_nodes; i++)
        if (!layout_distance_ok(i / s->nr_nodes, i % s->nr_nodes, s->distance[i]))
            return false;
    return true;
}

static int fill_shape(struct host *h, const struct perch_host_shape *shape)
{
    struct perch_host_shape *s = &h->shape;

    *s = *shape;
    DEFAULT(s->node_bytes, 256 * SZ_1M);
    DEFAULT(s->static_size, 64);
    DEFAULT(s->dyn_size, 28 * SZ_1K);
    DEFAULT(s->atom_size, SZ_2M);
    if (!s->nr_nodes || s->nr_nodes > PERCH_HOST_MAX_NODES || !s->nr_cpus || s->nr_cpus > NR_CPUS ||
        !is_aligned(s->node_bytes, SZ_2M) || s->node_bytes >> 40)
        return -EINVAL;
    if (!layout_static_ok(s->static_size) || !layout_reserved_ok(s->reserved_size) ||
        !layout_dyn_ok(s->dyn_size) || !layout_atom_ok(s->atom_size) ||
        !is_aligned((uintptr_t)s->static_mem, PAGE_SIZE))
        return -EINVAL;
    for (u32 cpu = 0; s->cpu_node && cpu < s->nr_cpus; cpu++)
        if (s->cpu_node[cpu] >= s->nr_nodes)
            return -EINVAL;
    return distances_ok(s) ? 0 : -EINVAL;
}

static int make_tables(struct host *h)
{
    const struct perch_host_shape *s = &h->shape;
    u32 n = s->nr_nodes;

    h->cpus = aligned_alloc(64, s->nr_cpus * sizeof(*h->cpus));
    h->cpu_node = calloc(s->nr_cpus, sizeof(*h->cpu_node));
    h->distance = malloc(n * n);
    if (!h->cpus || !h->cpu_node || !h->distance)
        return -ENOMEM;
    memset((void *)h->cpus, 0, s->nr_cpus * sizeof(*h->cpus));
    for (u32 cpu = 0; cpu < s->nr_cpus; cpu++)
        h->cpu_node[cpu] = (s32)(s->cpu_node ? s->cpu_node[cpu] : cpu * (u64)n / s->nr_cpus);
    for (u32 i = 0; i < n * n; i++)
        h->distance[i] = s->distance ? s->distance[i] : i / n == i % n ? 10 : 20;
    return 0;
}

/* Everything but the allocator; also after a failed init. */
static void drop(struct host *h)
{
    machine = NULL;
    perch_self = (struct perch_thread){0};
    if (h->fc.tables)
        pcpu_first_chunk_release(&h->boot, &h->fc);
    free((void *)h->env.count);
    free((void *)h->env.backed);
    free((void *)h->lib.cpu_part);
    free((void *)h->lib.part_node);
    host_map_done(h);
    host_pages_done(h);
    free(h->distance);
    free(h->cpu_node);
    free(h->cpus);
    free(h);
}

static int make(struct host *h, const struct perch_host_shape *shape)
{
    int err = fill_shape(h, shape);

    if (!err)
        err = make_tables(h);
    if (err)
        return err;
    host_guard_init(h);
    machine = h;
    err = perch_host_enter(0); /* the calls below take locks */
    if (!err)
        err = host_pages_init(h);
    if (!err)
        err = host_map_init(h);
    if (!err)
        err = make_first_chunk(h);
    if (!err)
        err = make_lib(h);
    if (err)
        return err;
    perch_self.offset = perch_cpu_offset[0];
    return make_allocator(h);
}

int perch_host_init(const struct perch_host_shape *shape)
{
    struct host *h;
    int err;

    if (machine || perch_self.cpu)
        return -EBUSY;
    h = calloc(1, sizeof(*h));
    if (!h)
        return -ENOMEM;
    h->file = -1;
    err = make(h, shape);
    if (err)
        drop(h);
    /* The layout's word for sizes whose sum nobody can count. */
    return err == -EOVERFLOW ? -EINVAL : err;
}

static bool others_entered(const struct host *h)
{
    for (u32 cpu = 0; cpu < h->shape.nr_cpus; cpu++)
        if (&h->cpus[cpu] != perch_self.cpu && atomic_load(&h->cpus[cpu].entered))
            return true;
    return false;
}

int perch_host_done(void)
{
    struct percpu_stats st;

    if (!machine || !perch_self.cpu)
        return -EINVAL;
    percpu_trim();
    percpu_get_stats(&st);
    if (others_entered(machine) || st.nr_alloc != st.nr_free)
        return -EBUSY;
    pcpu_destroy(percpu_allocator());
    pcpu_backing_env_done(&machine->env);
    drop(machine);
    return 0;
}
