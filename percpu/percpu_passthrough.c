/*
 * The calls of percpu.h that are the same in both builds: they go straight to the kernel's one
 * instance. percpu.c (normal build) and percpu_debug.c have the others.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/percpu_instance.h"

int percpu_decode(const void *addr, struct percpu_location *loc)
{
    return pcpu_decode(percpu_allocator(), (u64)(uintptr_t)addr, loc);
}

bool is_percpu_address(const void *addr)
{
    struct percpu_location loc;

    return pcpu_decode(percpu_allocator(), (u64)(uintptr_t)addr, &loc) == 0;
}

u64 per_cpu_ptr_to_phys(const void *addr)
{
    return pcpu_to_phys(percpu_allocator(), (u64)(uintptr_t)addr);
}

void percpu_decay(void)
{
    pcpu_decay(percpu_allocator());
}

void percpu_balance(void)
{
    pcpu_balance(percpu_allocator());
}

void percpu_get_node_stats(u32 node, struct percpu_node_stats *out)
{
    pcpu_node_stats(percpu_allocator(), node, out);
}

void percpu_dump(void)
{
    pcpu_dump(percpu_allocator());
}

bool percpu_is_debug(void)
{
    return percpu_debugger() != NULL;
}
