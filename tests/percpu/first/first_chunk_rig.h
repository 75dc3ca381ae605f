/*
 * A machine for the tests of the first chunk: physical memory that is a file, with nodes and a real
 * memblock over it, CPUs on nodes, and the callbacks that the builders need. Each can be made to
 * fail at its k-th call. Pages can be mapped anywhere, so that the page-mapped chunk is real.
 * One machine per program; header only, for the programs beside it.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TESTS_PERCPU_FIRST_FIRST_CHUNK_RIG_H
#define PERCH_TESTS_PERCPU_FIRST_FIRST_CHUNK_RIG_H

#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel/base/errno.h"
#include "kernel/base/ktest.h"
#include "mm/memblock/memblock.h"
#include "percpu/first/first_chunk.h"
#include "percpu/first/layout.h"
#include "percpu/first/layout_print.h"
#include "percpu/first/setup_first_chunk.h"
#include "tests/host/shim.h"

#define RIG_POISON   0xa5
#define RIG_MAX_CPUS 64
#define RIG_MAX_RES  512

struct rig {
    struct memblock mb;
    struct memblock_region mem_array[16], res_array[RIG_MAX_RES];
    struct memblock_ops mb_ops;
    int memory_file;
    u8 *memory; /* all of physical memory, from address 0 */
    u64 size;
    u32 nr_nodes;
    u32 cpu_node[RIG_MAX_CPUS];
    u8 node_distance[8][8];
    struct pcpu_env env;
    struct pcpu_page_ops page_ops;

    u64 calls, fail_at; /* fallible callbacks so far; this one fails (0: none) */
    bool keep_failing;  /* and so do all after it */
    u64 block_calls, distance_calls, prepared;
    u64 fail_free_from; /* give-backs through free_fn that fail from this one on (0: none) */
    u64 frees, null_frees;
    bool heap_tables;       /* tables from malloc instead of memblock */
    bool allocs_after_free; /* alloc_fn was called after a free_fn */
    u64 mapped;
    void *area;
    size_t area_size;
};

static struct rig rig;

static inline bool rig_fails(void)
{
    rig.calls++;
    return rig.fail_at && (rig.keep_failing ? rig.calls >= rig.fail_at : rig.calls == rig.fail_at);
}

static inline void *rig_phys_to_virt(void *ctx, u64 pa)
{
    (void)ctx;
    return rig.memory + pa;
}

static inline bool rig_fail_growth(void *ctx)
{
    (void)ctx;
    return rig_fails();
}

static inline u64 rig_pa(const void *ptr)
{
    return (u64)((const u8 *)ptr - rig.memory);
}

static inline void *rig_take(s32 node, size_t size, size_t align)
{
    struct memblock_request req = {.size = size, .align = align, .nodes = &node, .nr_nodes = 1};
    struct memblock_result res;

    if (node < 0)
        req.nr_nodes = 0;
    return memblock_alloc(&rig.mb, &req, &res) ? NULL : rig.memory + res.base;
}

static inline void *rig_alloc(void *ctx, size_t size, size_t align)
{
    EXPECT_TRUE(ctx == &rig);
    if (rig_fails())
        return NULL;
    if (rig.heap_tables) {
        void *p = aligned_alloc(align, (size + align - 1) / align * align);

        memset(p, RIG_POISON, size);
        return p;
    }
    return rig_take(-1, size, align);
}

static inline int rig_free(void *ctx, void *ptr, size_t size)
{
    EXPECT_TRUE(ctx == &rig);
    if (!rig.heap_tables)
        return memblock_phys_free(&rig.mb, rig_pa(ptr), size);
    free(ptr);
    return 0;
}

static inline int rig_prepare(void *ctx, size_t calls)
{
    EXPECT_TRUE(ctx == &rig);
    rig.prepared += calls;
    return rig_fails() ? -ENOMEM : memblock_reserve_slots(&rig.mb, (u32)calls);
}

static inline void *rig_alloc_fn(void *ctx, u32 cpu, size_t size, size_t align)
{
    EXPECT_TRUE(ctx == &rig && cpu < rig.env.nr_cpus);
    rig.block_calls++;
    rig.allocs_after_free |= rig.frees != 0;
    return rig_fails() ? NULL : rig_take((s32)rig.cpu_node[cpu], size, align);
}

static inline int rig_free_fn(void *ctx, void *ptr, size_t size)
{
    (void)ctx;
    rig.frees++;
    if (!ptr) {
        rig.null_frees++;
        return 0;
    }
    if (rig.fail_free_from && rig.frees >= rig.fail_free_from)
        return -ENOMEM;
    EXPECT_TRUE(memblock_is_reserved(&rig.mb, rig_pa(ptr)));
    return memblock_phys_free(&rig.mb, rig_pa(ptr), size);
}

static inline int rig_distance(void *ctx, u32 from, u32 to)
{
    (void)ctx;
    rig.distance_calls++;
    return rig.node_distance[rig.cpu_node[from]][rig.cpu_node[to]];
}

static inline void *rig_reserve_area(void *ctx, size_t size)
{
    (void)ctx;
    if (rig_fails())
        return NULL;
    rig.area = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    rig.area_size = size;
    return rig.area;
}

static inline void rig_release_area(void *ctx, void *area, size_t size)
{
    (void)ctx;
    EXPECT_TRUE(area == rig.area && size == rig.area_size && rig.mapped == 0);
    munmap(area, size);
    rig.area = NULL;
}

static inline int rig_map(void *ctx, void *va, void *page)
{
    (void)ctx;
    if (rig_fails())
        return -ENOMEM;
    rig.mapped++;
    return mmap(va, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, rig.memory_file,
                (off_t)rig_pa(page)) == va
               ? 0
               : -EINVAL;
}

static inline void rig_unmap(void *ctx, void *va)
{
    (void)ctx;
    rig.mapped--;
    mmap(va, PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

/* Physical memory that begins at a multiple of 2 MiB of the program's addresses. */
static inline void rig_make_memory(u64 size)
{
    u8 *room;

    if (rig.memory)
        munmap(rig.memory, rig.size);
    if (!rig.memory_file)
        rig.memory_file = memfd_create("memory", 0);
    room = mmap(NULL, size + SZ_2M, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    room = (u8 *)(uintptr_t)align_up((uintptr_t)room, SZ_2M);
    if (ftruncate(rig.memory_file, 0) || ftruncate(rig.memory_file, (off_t)size) ||
        mmap(room, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, rig.memory_file, 0) !=
            room)
        abort();
    rig.memory = room;
    rig.size = size;
}

/* nodes of node_bytes each from physical 0 up, CPU i on node cpu_node[i]; memory poisoned. */
static inline void rig_start(const u32 *cpu_node, u32 nr_cpus, u32 nr_nodes, u64 node_bytes,
                             u32 reserved_slots)
{
    int file = rig.memory_file;
    u8 *memory = rig.memory;
    u64 size = rig.size;

    memset(&rig, 0, sizeof(rig));
    rig.memory_file = file;
    rig.memory = memory;
    rig.size = size;
    if (rig.size != nr_nodes * node_bytes)
        rig_make_memory(nr_nodes * node_bytes);
    memset(rig.memory, RIG_POISON, rig.size);
    rig.mb_ops = (struct memblock_ops){NULL, rig_phys_to_virt, rig_fail_growth};
    memblock_init(&rig.mb, rig.mem_array, 16, rig.res_array, reserved_slots, &rig.mb_ops);
    for (u32 n = 0; n < nr_nodes; n++) {
        memblock_add_node(&rig.mb, n * node_bytes, node_bytes, (s32)n, 0);
        for (u32 m = 0; m < nr_nodes; m++)
            rig.node_distance[n][m] = n == m ? 10 : 20;
    }
    memcpy(rig.cpu_node, cpu_node, nr_cpus * sizeof(cpu_node[0]));
    rig.nr_nodes = nr_nodes;
    rig.page_ops = (struct pcpu_page_ops){rig_reserve_area, rig_release_area, rig_map, rig_unmap};
    rig.env = (struct pcpu_env){
        .ctx = &rig,
        .nr_cpus = nr_cpus,
        .window_size = 32ULL << 40,
        .alloc = rig_alloc,
        .free = rig_free,
        .prepare = rig_prepare,
        .page_ops = &rig.page_ops,
    };
    shim_log_reset();
}

static u8 rig_template[64 * SZ_1K] ALIGNED(4096);

static inline void rig_set_template(size_t template_size, size_t static_size)
{
    for (size_t i = 0; i < sizeof(rig_template); i++)
        rig_template[i] = (u8)(i * 7 + i / 251 + 1);
    rig.env.static_start = rig_template;
    rig.env.template_size = template_size;
    rig.env.static_size = static_size;
}

/* ---- memblock before and after --------------------------------------------------------------- */

struct rig_regions {
    u32 count;
    struct memblock_region r[RIG_MAX_RES];
};

/* Sorted as memblock has them, neighbours joined, memblock's own array left out. */
static inline void rig_snapshot(const struct memblock_type *type, struct rig_regions *out)
{
    u64 own = type->array_size ? type->array_pa : ~0ULL, own_end = own + type->array_size;
    const struct memblock_region *r;

    out->count = 0;
    for_each_region(r, type)
    {
        u64 start = r->base, end = r->base + r->size;

        /* At most two pieces: below and above the own array. */
        for (int piece = 0; piece < 2; piece++) {
            bool hit = own < end && own_end > start;
            u64 s = piece ? own_end : start, e = piece ? end : (hit ? own : end);
            struct memblock_region *last = out->count ? &out->r[out->count - 1] : NULL;

            if ((piece && !hit) || s >= e)
                continue;
            if (last && last->base + last->size == s && last->flags == r->flags &&
                last->nid == r->nid)
                last->size += e - s;
            else if (out->count < RIG_MAX_RES)
                out->r[out->count++] = (struct memblock_region){s, e - s, r->flags, r->nid};
        }
    }
}

static inline bool rig_same(const struct rig_regions *a, const struct rig_regions *b)
{
    return a->count == b->count && memcmp(a->r, b->r, a->count * sizeof(a->r[0])) == 0;
}

static inline bool rig_all_are(const u8 *p, size_t size, u8 value)
{
    for (size_t i = 0; i < size; i++)
        if (p[i] != value)
            return false;
    return true;
}

/* Template, then zeroes, in all of [0, size_sum) of a CPU's unit. */
static inline void rig_check_unit(const struct pcpu_first_chunk *fc, u32 cpu)
{
    const u8 *unit = pcpu_unit_addr(fc, cpu);
    size_t filled = rig.env.template_size;

    EXPECT_TRUE(!filled || memcmp(unit, rig.env.static_start, filled) == 0);
    EXPECT_TRUE(rig_all_are(unit + filled, fc->size_sum - filled, 0));
}

#endif
