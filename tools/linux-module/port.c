/*
 * The allocator inside Linux: docs/porting.md by the letter, over linux_side.h. The first chunk and
 * the dynamic chunks lie in one window: its first part is the room for the first chunk.
 *
 * A per-CPU pointer of this allocator is no address, as in the library.
 * SPDX-License-Identifier: MIT
 */
#include "tools/linux-module/port.h"

#include "kernel/base/bitmap.h"
#include "kernel/base/print.h"
#include "kernel/base/printf.h"
#include "mm/map/vspace.h"
#include "percpu/first/first_chunk.h"
#include "percpu/first/setup_first_chunk.h"
#include "percpu/percpu_instance.h"
#include "tools/linux-module/linux_side.h"

#define AREAS       4096u
#define STRIDE      (64 * SZ_1M) /* of the groups; dynamic chunks use the gaps */
#define WINDOW      SZ_1G        /* for dynamic chunks */
#define STATIC_SIZE 233472u      /* so that units have the size of Linux's */
#define RESERVED    8192u        /* Linux's PERCPU_MODULE_RESERVE */
#define DYNAMIC     28672        /* and PERCPU_DYNAMIC_RESERVE */
#define POINTERS    0x5eed000000000000ULL

static struct {
    u32 nr_cpus;
    unsigned long raw; /* the whole window */
    u64 room, room_bytes, room_used, window;
    struct vspace vspace;
    struct varea *areas;
    struct spinlock lock; /* of vspace */
    unsigned long zero_page;
    s32 *cpu_node;
    struct pcpu_first_chunk fc;
    struct pcpu_env boot;
    struct pcpu_backing_env env;
} port;

/* ---- what the sources want from their kernel ------------------------------------------------- */

static void line(int level, const char *fmt, va_list ap)
{
    char text[400];

    kvsnprintf(text, sizeof(text), fmt, ap);
    linux_print(level, text);
}

void log_line(enum log_level level, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    line((int)level, fmt, ap);
    va_end(ap);
}

void say(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    line(LOG_INFO, fmt, ap);
    va_end(ap);
}

/* The module's own, although Linux has one of this name, which would stop the machine. */
void panic(const char *fmt, ...)
{
    char text[400];
    va_list ap;

    va_start(ap, fmt);
    kvsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    linux_bug(text);
}

/* A chunk's lock is taken by a plain spin_lock() too, where interrupts are off already. */
void mutex_taken(struct spinlock *l)
{
    u64 since = linux_ns();

    if (!local_irqs_enabled()) {
        spin_lock_taken(l);
        return;
    }
    for (u32 times = 0; !spin_trylock(l); times++) {
        linux_nap(times);
        if (linux_ns() - since > 120 * 1000000000ULL)
            spin_never_ends(l);
    }
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void *boot_alloc(void *ctx, size_t size, size_t align)
{
    (void)ctx;
    return align <= 64 ? linux_mem_get(-1, size) : NULL;
}

static int boot_free(void *ctx, void *p, size_t size)
{
    (void)ctx;
    linux_mem_put(p, size);
    return 0;
}

static void *node_alloc(void *ctx, s32 node, size_t size)
{
    (void)ctx;
    return linux_mem_get(node, size);
}

static void node_free(void *ctx, void *p, size_t size)
{
    boot_free(ctx, p, size);
}

/* 2 MiB leaves are not made here (can_promote), so neither are their blocks. */
static int block_alloc(void *ctx, s32 node, u64 *pa)
{
    (void)ctx;
    (void)node;
    (void)pa;
    return -ENOMEM;
}

static void block_free(void *ctx, u64 pa)
{
    (void)ctx;
    panic("a block at %llx, which nobody gave", (ull)pa);
}

static u32 pages_alloc(void *ctx, s32 node, u32 n, u64 *pas)
{
    (void)ctx;
    return linux_pages_get(node, n, pas);
}

static void pages_free(void *ctx, u32 n, const u64 *pas)
{
    (void)ctx;
    linux_pages_put(n, pas);
}

static s32 node_of(void *ctx, u64 pa)
{
    (void)ctx;
    return linux_page_node(pa);
}

static void *map(void *ctx, u64 pa)
{
    (void)ctx;
    return linux_page_map(pa);
}

/* ---- address space --------------------------------------------------------------------------- */

static int area_alloc(void *ctx, const u64 *offsets, const u64 *sizes, u32 n, u64 align, u64 *base)
{
    int err;

    (void)ctx;
    spin_lock(&port.lock);
    err = vspace_alloc_congruent(&port.vspace, offsets, sizes, n, align, "chunk", base);
    spin_unlock(&port.lock);
    return err;
}

static void area_free(void *ctx, u64 base, const u64 *offsets, u32 n)
{
    (void)ctx;
    spin_lock(&port.lock);
    if (vspace_free_congruent(&port.vspace, base, offsets, n))
        panic("the area of a chunk was not taken");
    spin_unlock(&port.lock);
}

/* The window has its tables from the start. */
static int slot_open(void *ctx, u64 va, s32 node, void **slot)
{
    (void)ctx;
    (void)node;
    *slot = linux_table(va);
    return 0;
}

static void slot_close(void *ctx, void *slot)
{
    (void)ctx;
    (void)slot;
}

static void set(void *ctx, void *slot, u32 index, u32 n, u64 pa)
{
    (void)ctx;
    for (u32 i = 0; i < n; i++)
        linux_entry_set(slot, index + i, pa + i * PAGE_SIZE, true);
}

static void set_zero(void *ctx, void *slot, u32 index, u32 n)
{
    (void)ctx;
    for (u32 i = 0; i < n; i++)
        linux_entry_set(slot, index + i, port.zero_page, false);
}

static void replace(void *ctx, void *slot, u32 index, u64 pa)
{
    set(ctx, slot, index, 1, pa);
}

static u64 clear(void *ctx, void *slot, u32 index)
{
    u64 pa = linux_entry_clear(slot, index);

    (void)ctx;
    return pa == port.zero_page ? 0 : pa;
}

static u64 get(void *ctx, void *slot, u32 index)
{
    u64 pa = linux_entry_get(slot, index);

    (void)ctx;
    return !pa ? PCPU_GET_NONE : pa == port.zero_page ? PCPU_GET_ZERO : pa;
}

static int no_leaf(void *ctx, void *slot, u64 block)
{
    (void)ctx;
    (void)slot;
    (void)block;
    return -ENOMEM;
}

static int demote(void *ctx, void *slot)
{
    (void)ctx;
    (void)slot;
    return 0;
}

static int flush(void *ctx, const struct pcpu_flush_range *ranges, u32 n)
{
    (void)ctx;
    (void)ranges;
    if (n)
        linux_flush();
    return 0;
}

static int call_all(void *ctx, void (*fn)(void *arg), void *arg)
{
    (void)ctx;
    linux_call_all(fn, arg);
    return 0;
}

static const struct pcpu_page_ops_dyn page_ops = {
    .block_alloc = block_alloc,
    .block_free = block_free,
    .pages_alloc = pages_alloc,
    .pages_free = pages_free,
    .node_of = node_of,
    .map = map,
};

static const struct pcpu_map_ops map_ops = {
    .area_alloc = area_alloc,
    .area_free = area_free,
    .slot_open = slot_open,
    .slot_close = slot_close,
    .set = set,
    .set_zero = set_zero,
    .replace = replace,
    .clear = clear,
    .get = get,
    .promote = no_leaf,
    .demote = demote,
    .flush = flush,
};

static const struct pcpu_alloc_ops alloc_ops = {.call_all = call_all};

/* ---- the first chunk ------------------------------------------------------------------------- */

static int cpu_distance(void *ctx, u32 from, u32 to)
{
    (void)ctx;
    return linux_distance(from, to);
}

static int unit_free(void *ctx, void *p, size_t size)
{
    u64 at = (uintptr_t)p;

    (void)ctx;
    for (u64 va = at; va < at + size; va += PAGE_SIZE) {
        unsigned long pa = linux_entry_clear(linux_table(va), va / PAGE_SIZE % PCPU_RANGE_PAGES);

        if (pa) {
            linux_flush();
            linux_pages_put(1, &pa);
        }
    }
    return 0;
}

static void *unit_alloc(void *ctx, u32 cpu, size_t size, size_t align)
{
    u64 at = align_up(port.room + port.room_used, MAX(align, STRIDE));

    if (at + size > port.room + port.room_bytes)
        return NULL;
    for (u64 va = at; va < at + size; va += PAGE_SIZE) {
        unsigned long pa;

        if (!linux_pages_get(port.cpu_node[cpu], 1, &pa)) {
            unit_free(ctx, (void *)(uintptr_t)at, va - at);
            return NULL;
        }
        linux_entry_set(linux_table(va), va / PAGE_SIZE % PCPU_RANGE_PAGES, pa, true);
    }
    port.room_used = at + size - port.room;
    return (void *)(uintptr_t)at;
}

void *port_copy(void *p, unsigned cpu)
{
    return (u8 *)pcpu_unit_addr(&port.fc, cpu) + ((uintptr_t)p - POINTERS);
}

static int make_first_chunk(void)
{
    port.boot = (struct pcpu_env){
        .nr_cpus = port.nr_cpus,
        .static_size = STATIC_SIZE,
        .window_size = WINDOW,
        .alloc = boot_alloc,
        .free = boot_free,
        .line_max = 300,
    };
    return pcpu_embed_first_chunk(&port.boot, RESERVED, DYNAMIC, SZ_2M, cpu_distance, unit_alloc,
                                  unit_free, &port.fc);
}

static void drop_first_chunk(void)
{
    if (!port.fc.tables)
        return;
    for (u32 g = 0; g < port.fc.nr_groups; g++)
        unit_free(NULL, port.fc.base_addr + port.fc.group_offsets[g], port.fc.group_sizes[g]);
    pcpu_first_chunk_release(&port.boot, &port.fc);
}

/* ---- begin and end --------------------------------------------------------------------------- */

static void *zeroed(size_t size)
{
    void *p = linux_mem_get(-1, size);

    return p ? memset(p, 0, size) : NULL;
}

static size_t count_bytes(void)
{
    return linux_nr_nodes() * sizeof(struct pcpu_node_count);
}

static size_t backed_bytes(void)
{
    return BITMAP_WORDS(port.nr_cpus) * sizeof(u64);
}

static int make_window(void)
{
    int err;

    port.room_bytes = align_up(linux_nr_nodes() * STRIDE, SZ_2M) + STRIDE;
    err = linux_window_make(port.room_bytes + WINDOW + SZ_2M, &port.raw);
    if (err)
        return err;
    port.room = align_up(port.raw, SZ_2M);
    port.window = port.room + port.room_bytes;
    port.areas = linux_mem_get(-1, AREAS * sizeof(*port.areas));
    if (!port.areas || !linux_pages_get(-1, 1, &port.zero_page))
        return -ENOMEM;
    memset(linux_page_map(port.zero_page), 0, PAGE_SIZE);
    return vspace_init(&port.vspace, "chunks", port.window, WINDOW, port.areas, AREAS, NULL);
}

static int make_env(void)
{
    port.env = (struct pcpu_backing_env){
        .fc = &port.fc,
        .cpu_node = port.cpu_node,
        .nr_nodes = linux_nr_nodes(),
        .pages = &page_ops,
        .maps = &map_ops,
        .count = zeroed(count_bytes()),
        .backed = zeroed(backed_bytes()),
        .meta_alloc = node_alloc,
        .meta_free = node_free,
    };
    if (!port.env.count || !port.env.backed)
        return -ENOMEM;
    /* All possible CPUs, as Linux's allocator serves them: none can come that is not backed. */
    for (u32 cpu = 0; cpu < port.nr_cpus; cpu++)
        port.env.backed[cpu / 64] |= 1ULL << (cpu % 64);
    return pcpu_backing_env_init(&port.env);
}

static int make(void)
{
    struct pcpu_alloc_config config = {
        .fc = &port.fc,
        .static_start = POINTERS,
        .window_size = WINDOW,
        .env = &port.env,
        .ops = &alloc_ops,
    };
    int err = make_window();

    port.cpu_node = linux_mem_get(-1, port.nr_cpus * sizeof(*port.cpu_node));
    if (!err && !port.cpu_node)
        err = -ENOMEM;
    for (u32 cpu = 0; !err && cpu < port.nr_cpus; cpu++)
        port.cpu_node[cpu] = MAX(linux_cpu_node(cpu), 0);
    if (!err)
        err = make_first_chunk();
    if (!err)
        err = make_env();
    config.window_base = port.window;
    if (!err)
        err = percpu_alloc_init(&config);
    return err;
}

/* Everything but the allocator; also after a failed beginning. */
static void drop(void)
{
    struct linux_counts left;

    if (port.env.layout)
        pcpu_backing_env_done(&port.env);
    linux_mem_put((void *)port.env.count, count_bytes());
    linux_mem_put((void *)port.env.backed, backed_bytes());
    drop_first_chunk();
    linux_mem_put(port.cpu_node, port.nr_cpus * sizeof(*port.cpu_node));
    linux_mem_put(port.areas, AREAS * sizeof(*port.areas));
    if (port.zero_page)
        linux_pages_put(1, &port.zero_page);
    linux_window_drop();
    left = linux_counts();
    say("compare: left pages=%lld pieces=%lld bytes=%lld windows=%lld", (long long)left.pages,
        (long long)left.pieces, (long long)left.bytes, (long long)left.windows);
}

int port_begin(void)
{
    int err;

    port.nr_cpus = linux_nr_cpus();
    err = make();
    if (err) {
        pr_err("not made: %d", err);
        drop();
        return err;
    }
    say("compare: machine cpus=%u online=%u nodes=%u unit=%llu groups=%u", port.nr_cpus,
        linux_nr_online(), linux_nr_nodes(), (ull)port.fc.unit_size, port.fc.nr_groups);
    return 0;
}

/* What must hold when all objects are free; NULL, or what does not. */
static const char *verify(void)
{
    const char *broken = percpu_verify();
    struct percpu_stats st;

    percpu_get_stats(&st);
    if (!broken && st.nr_alloc != st.nr_free)
        broken = "an object was not freed";
    if (!broken && st.bad_free)
        broken = "a free was refused";
    if (!broken)
        broken = pcpu_first_chunk_verify(&port.fc);
    return broken;
}

int port_end(void)
{
    const char *broken;

    percpu_trim();
    broken = verify();
    say("compare: verify=%s", broken ? "broken" : "ok");
    if (broken)
        pr_err("%s", broken);
    pcpu_destroy(percpu_allocator());
    drop();
    return broken ? -EINVAL : 0;
}
