/*
 * The kernel's one instance of the dynamic per-CPU allocator, behind the names of percpu.h.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/alloc/alloc_fast.h"
#include "percpu/alloc/cpu_magazines.h"
#include "percpu/debug/debug.h"
#include "percpu/percpu_instance.h"

static struct pcpu_allocator allocator;

int percpu_alloc_init(const struct pcpu_alloc_config *config)
{
    int err = pcpu_init(&allocator, config);

    if (!err)
        pcpu_cpu_magazines_init(&allocator);
    return err;
}

struct pcpu_allocator *percpu_allocator(void)
{
    return &allocator;
}

struct pcpu_debug *percpu_debugger(void)
{
    return NULL;
}

int percpu_cpu_first_online(u32 cpu)
{
    return pcpu_cpu_first_online(&allocator, cpu);
}

bool percpu_base_usable(u64 base)
{
    (void)base;
    return true;
}

int percpu_describe(u64 addr, char *buf, size_t size)
{
    return pcpu_describe(&allocator, addr, buf, size);
}

void *percpu_alloc(size_t size, size_t align, u32 flags)
{
    if (pcpu_alloc_is_fast(size, align, flags)) {
        u64 irq = local_irq_save();
        void *ptr = pcpu_alloc_fast(pcpu_cpu_magazines(&allocator), pcpu_class_of(size, align));

        local_irq_restore(irq);
        if (likely(ptr))
            return ptr;
    }
    return pcpu_alloc_slow(&allocator, size, align, flags);
}

u32 percpu_alloc_bulk(size_t size, size_t align, u32 flags, u32 n, void **ptrs)
{
    return pcpu_alloc_bulk(&allocator, size, align, flags, n, ptrs);
}

void percpu_free(void *ptr)
{
    enum pcpu_free_result r;
    u64 irq;

    if (unlikely(!ptr))
        return;
    irq = local_irq_save();
    r = pcpu_free_fast(&allocator, pcpu_cpu_magazines(&allocator), (uintptr_t)ptr);
    local_irq_restore(irq);
    if (unlikely(r != PCPU_FREED))
        pcpu_free_slow(&allocator, (uintptr_t)ptr, r);
}

void percpu_free_bulk(u32 n, void **ptrs)
{
    pcpu_free_bulk(&allocator, n, ptrs);
}

size_t percpu_size(const void *ptr)
{
    return pcpu_size(&allocator, ptr);
}

u64 percpu_trim(void)
{
    return pcpu_trim(&allocator);
}

void percpu_get_stats(struct percpu_stats *out)
{
    pcpu_get_stats(&allocator, out);
}

const char *percpu_verify(void)
{
    return pcpu_verify(&allocator);
}

u64 percpu_leaks(void)
{
    return 0;
}

u64 percpu_damage(void)
{
    return 0;
}
