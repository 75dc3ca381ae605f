/*
 * The kernel's one instance of the dynamic per-CPU allocator with the debug checks on top, behind
 * the names of percpu.h. Replaces percpu.c in the debug build.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/print.h"
#include "kernel/base/printf.h"
#include "kernel/base/symbols.h"
#include "percpu/debug/debug.h"
#include "percpu/percpu_instance.h"

#define CALLER ((uintptr_t)__builtin_return_address(0))

static struct pcpu_allocator allocator;
static struct pcpu_debug debug;

/* A return address may be past the caller's end; the byte before it is in the call. */
static int site_name(void *ctx, uintptr_t site, char *buf, size_t size)
{
    u64 offset = 0;
    const char *name = symbol_lookup(site - 1, &offset);

    (void)ctx;
    return name ? ksnprintf(buf, size, "%s+0x%llx", name, (unsigned long long)offset + 1) : 0;
}

static bool mapped(void *ctx, u64 va)
{
    (void)ctx;
    return allocator.ops->phys(allocator.ops->ctx, va) != ~0ULL;
}

static const struct pcpu_debug_config debug_config = {.site_name = site_name, .mapped = mapped};

int percpu_alloc_init(const struct pcpu_alloc_config *config)
{
    int err = pcpu_init(&allocator, config);

    if (err)
        return err;
    pr_info("percpu: debug build: red zones, poison, call sites");
    return pcpu_debug_init(&debug, &allocator, &debug_config);
}

struct pcpu_allocator *percpu_allocator(void)
{
    return &allocator;
}

struct pcpu_debug *percpu_debugger(void)
{
    return &debug;
}

int percpu_cpu_first_online(u32 cpu)
{
    return pcpu_debug_cpu_first_online(&debug, cpu);
}

bool percpu_base_usable(u64 base)
{
    return pcpu_debug_base_usable(&allocator, &debug_config, base);
}

int percpu_describe(u64 addr, char *buf, size_t size)
{
    return pcpu_debug_describe(&debug, addr, buf, size);
}

void *percpu_alloc(size_t size, size_t align, u32 flags)
{
    return pcpu_debug_alloc(&debug, size, align, flags, CALLER);
}

u32 percpu_alloc_bulk(size_t size, size_t align, u32 flags, u32 n, void **ptrs)
{
    return pcpu_debug_alloc_bulk(&debug, size, align, flags, n, ptrs, CALLER);
}

void percpu_free(void *ptr)
{
    pcpu_debug_free(&debug, ptr, CALLER);
}

void percpu_free_bulk(u32 n, void **ptrs)
{
    pcpu_debug_free_bulk(&debug, n, ptrs, CALLER);
}

size_t percpu_size(const void *ptr)
{
    return pcpu_debug_size(&debug, ptr);
}

u64 percpu_trim(void)
{
    pcpu_debug_flush(&debug);
    return pcpu_trim(&allocator);
}

void percpu_get_stats(struct percpu_stats *out)
{
    pcpu_debug_alloc_stats(&debug, out);
}

const char *percpu_verify(void)
{
    const char *bad = pcpu_debug_verify(&debug);

    return bad ? bad : pcpu_verify(&allocator);
}

u64 percpu_leaks(void)
{
    return pcpu_debug_leaks(&debug);
}

u64 percpu_damage(void)
{
    struct pcpu_debug_stats st;

    pcpu_debug_flush(&debug);
    pcpu_debug_check_all(&debug);
    pcpu_debug_get_stats(&debug, &st);
    pr_info("percpu: debug: %llu checks, %llu wrong frees, %llu damaged",
            (unsigned long long)st.checks, (unsigned long long)st.refused,
            (unsigned long long)st.damage);
    return st.damage;
}
