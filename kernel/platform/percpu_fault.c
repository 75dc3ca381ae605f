/*
 * Faults in dynamic per-CPU memory; see percpu_platform.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/printf.h"
#include "kernel/platform/percpu_platform.h"
#include "percpu/alloc/alloc_chunks.h"
#include "percpu/percpu_instance.h"

/* Why the access faults; "": unknown. */
static const char *why(const struct pcpu_allocator *a, const struct percpu_location *loc)
{
    const struct pcpu_dchunk *ch = pcpu_chunk_number(a, loc->chunk);
    u64 backed = atomic_load_explicit(&a->env->backed[loc->cpu / 64], memory_order_relaxed);

    if (!ch || ch->c.state[loc->off / PCPU_BLOCK_SIZE] != PCPU_POPULATED)
        return ": no memory there, freed or never allocated";
    return backed >> loc->cpu % 64 & 1 ? "" : ": not online yet, read-only zero page";
}

static int describe_chunk(u64 addr, char *buf, size_t size)
{
    struct percpu_location loc;

    if (percpu_decode((const void *)(uintptr_t)addr, &loc) || loc.where != PERCPU_IN_CHUNK)
        return 0;
    return ksnprintf(buf, size, "per-CPU chunk %u, CPU %u's unit +0x%llx%s", loc.chunk, loc.cpu,
                     (unsigned long long)loc.off, why(percpu_allocator(), &loc));
}

int percpu_fault_describe(u64 addr, char *buf, size_t size)
{
    int len = describe_chunk(addr, buf, size);

    if (!len)
        len = paging_describe(addr, buf, size);
    return len ? len : percpu_describe(addr, buf, size);
}
