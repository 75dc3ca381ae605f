/*
 * The operations of an instance: fast paths, objects without a magazine, refused frees.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/alloc/alloc.h"
#include "kernel/base/print.h"
#include "percpu/alloc/alloc_batch.h"
#include "percpu/alloc/alloc_chunks.h"
#include "percpu/alloc/alloc_fast.h"
#include "percpu/alloc/alloc_magazines.h"
#include "percpu/alloc/alloc_set.h"

#define MAX_LINES 16 /* about refused frees, and about failures */
/* The tag of an object without a magazine. With the size it fills five tag bytes. */
#define DIRECT_TAG (PCPU_TAG_BIG | PCPU_TAG_OWNED)
#define DIRECT_MIN 24u

/* ---- objects without a magazine -------------------------------------------------------------- */

/* Takes an object without a class from the chunks. */
static void *alloc_direct(struct pcpu_allocator *a, u32 size, u32 align, u32 flags)
{
    struct pcpu_request r = {.size = size, .align = align, .n = 1, .tag = DIRECT_TAG};
    struct pcpu_entry e;

    if (!pcpu_take(a, &r, flags, &e))
        return NULL;
    pcpu_count(&a->direct_alloc, 1);
    if (flags & PCPU_ATOMIC)
        pcpu_count_demand(a, size * PCPU_GRANULE);
    return (void *)e.ptr;
}

static void *alloc_reserved(struct pcpu_allocator *a, u32 size, u32 align)
{
    struct pcpu_dchunk *ch = a->reserved;
    u32 off, n;
    u64 flags;

    if (!ch)
        return NULL;
    flags = spin_lock_irqsave(&ch->lock);
    n = pcpu_chunk_alloc(&ch->c, size, align, DIRECT_TAG, 1, &off);
    spin_unlock_irqrestore(&ch->lock, flags);
    pcpu_count(&a->direct_alloc, n);
    return n ? (void *)(ch->ptr + off) : NULL;
}

/* Counts the failure and logs it. */
static void *failed(struct pcpu_allocator *a, size_t size, size_t align, u32 flags, const char *why)
{
    pcpu_count(&a->nr_failed, 1);
    if (flags & PCPU_ATOMIC)
        pcpu_count(&a->nr_failed_atomic, 1);
    if (!(flags & PCPU_NOWARN) &&
        atomic_fetch_add_explicit(&a->lines_failed, 1, memory_order_relaxed) < MAX_LINES)
        pr_warn("percpu: allocation failed, size=%zu align=%zu atomic=%d, %s", size, align,
                (flags & PCPU_ATOMIC) != 0, why);
    return NULL;
}

/* An atomic caller expects failures: logs no line, but makes the reserve grow. */
static void *no_memory(struct pcpu_allocator *a, size_t size, size_t align, u32 flags)
{
    if (flags & PCPU_ATOMIC) {
        pcpu_count_demand(a, size);
        pcpu_defer(a, PCPU_WORK_REFILL);
        flags |= PCPU_NOWARN;
    }
    return failed(a, size, align, flags, "no memory");
}

/* From this CPU's magazine; NULL: it is empty. */
static ALWAYS_INLINE void *alloc_hit(struct pcpu_allocator *a, u32 class)
{
    u64 irq = local_irq_save();
    void *ptr = pcpu_alloc_fast(a->mags[cpu_number()], class);

    local_irq_restore(irq);
    return ptr;
}

NOINLINE void *pcpu_alloc_slow(struct pcpu_allocator *a, size_t size, size_t align, u32 flags)
{
    u32 class, bytes;
    void *ptr;

    if (!size || !is_pow2(align) || size > a->unit_size || align > a->unit_size)
        return failed(a, size, align, flags, "illegal size or align");
    class = flags & PCPU_RESERVED ? PCPU_CLASS_NONE : pcpu_class_of(size, align);
    if (class >= PCPU_CLASS_ALIGNED) { /* the fast path has not tried it */
        ptr = alloc_hit(a, class);
        if (ptr)
            return ptr;
    }
    if (!(flags & PCPU_ATOMIC))
        pcpu_safe_point(a);
    if (class != PCPU_CLASS_NONE) {
        ptr = pcpu_mag_alloc_slow(a, class, flags);
    } else {
        align = MAX(align, 8u);
        bytes = (u32)MAX(align_up(size, 8), DIRECT_MIN);
        if (flags & PCPU_RESERVED) {
            ptr = alloc_reserved(a, bytes / PCPU_GRANULE, (u32)align / PCPU_GRANULE);
            return ptr ? ptr : failed(a, size, align, flags, "no room in the reserved area");
        }
        ptr = alloc_direct(a, bytes / PCPU_GRANULE, (u32)align / PCPU_GRANULE, flags);
    }
    return ptr ? ptr : no_memory(a, size, align, flags);
}

void *pcpu_alloc(struct pcpu_allocator *a, size_t size, size_t align, u32 flags)
{
    if (pcpu_alloc_is_fast(size, align, flags)) {
        void *ptr = alloc_hit(a, pcpu_class_of(size, align));

        if (likely(ptr))
            return ptr;
    }
    return pcpu_alloc_slow(a, size, align, flags);
}

/* ---- freeing --------------------------------------------------------------------------------- */

/* Is the tag at off one of the bytes that hold the size of the object before it? */
static bool in_big_object(const struct pcpu_dchunk *ch, u32 off)
{
    for (u32 back = 1; back <= 4 && back * PCPU_GRANULE <= off; back++) {
        const u8 *tag = pcpu_chunk_tag(&ch->c, off - back * PCPU_GRANULE);

        if (tag && (*tag & PCPU_TAG_KIND) == PCPU_TAG_BIG)
            return true;
    }
    return false;
}

static const char *what_is(const struct pcpu_allocator *a, uintptr_t ptr)
{
    u32 off;
    struct pcpu_dchunk *ch = pcpu_chunk_of(a, ptr, &off);
    const u8 *tag;

    if (!ch) {
        if (ptr - a->static_start < a->fc->static_area.end)
            return "a static variable";
        return "no per-CPU pointer";
    }
    if (off & (PCPU_GRANULE - 1))
        return "not aligned: inside of an object, or none";
    tag = pcpu_chunk_tag(&ch->c, off);
    if (!tag)
        return "its memory is not populated: freed before, or never an object";
    if (*tag)
        return in_big_object(ch, off) ? "inside of an object" : "freed before";
    return pcpu_is_taken(ch, off) ? "inside of an object" : "freed before, or never an object";
}

static NOINLINE void refuse_free(struct pcpu_allocator *a, uintptr_t ptr)
{
    u64 irq = local_irq_save();
    const char *what = what_is(a, ptr);

    local_irq_restore(irq);
    pcpu_count(&a->bad_free, 1);
    if (atomic_fetch_add_explicit(&a->lines_refused, 1, memory_order_relaxed) < MAX_LINES)
        pr_err("percpu: free of %p refused: %s", (void *)ptr, what);
}

/* Clears an object without a magazine and gives it back to its chunk. */
static NOINLINE void free_direct(struct pcpu_allocator *a, uintptr_t ptr)
{
    u8 *tag = pcpu_tag_of(a, ptr); /* it is still the caller's */
    struct pcpu_entry e = {ptr, tag};
    u32 off;
    struct pcpu_dchunk *ch = pcpu_chunk_of(a, ptr, &off);

    pcpu_set_tag(tag, PCPU_TAG_BIG);
    pcpu_count(&a->cleared_bytes, pcpu_clear_batch(a, &e, 1, pcpu_chunk_object_size(&ch->c, off)));
    pcpu_count(&a->direct_free, 1);
    pcpu_give_back(a, &e, 1);
}

/* The tag of an object that the user owns: so it and its chunk stay. NULL: no such object. */
static u8 *owned_tag(const struct pcpu_allocator *a, uintptr_t ptr)
{
    u64 irq = local_irq_save();
    u8 *tag = pcpu_tag_of(a, ptr);

    if (tag && !(*tag & PCPU_TAG_OWNED))
        tag = NULL;
    local_irq_restore(irq);
    return tag;
}

NOINLINE void pcpu_free_slow(struct pcpu_allocator *a, uintptr_t ptr, enum pcpu_free_result r)
{
    const u8 *tag;

    if (r == PCPU_OVER_QUOTA) {
        pcpu_mag_evict(a);
        return;
    }
    tag = owned_tag(a, ptr);
    if (!tag)
        refuse_free(a, ptr);
    else if ((*tag & PCPU_TAG_KIND) == PCPU_TAG_BIG)
        free_direct(a, ptr);
    else
        pcpu_mag_put(a, ptr);
}

void pcpu_free(struct pcpu_allocator *a, void *ptr)
{
    enum pcpu_free_result r;
    u64 irq;

    if (unlikely(!ptr))
        return;
    irq = local_irq_save();
    r = pcpu_free_fast(a, a->mags[cpu_number()], (uintptr_t)ptr);
    local_irq_restore(irq);
    if (unlikely(r != PCPU_FREED))
        pcpu_free_slow(a, (uintptr_t)ptr, r);
}

size_t pcpu_size(struct pcpu_allocator *a, const void *ptr)
{
    u64 irq = local_irq_save();
    const u8 *tag = pcpu_tag_of(a, (uintptr_t)ptr);
    struct pcpu_dchunk *ch;
    size_t size = 0;
    u32 off;

    if (tag && (*tag & PCPU_TAG_OWNED)) {
        ch = pcpu_chunk_of(a, (uintptr_t)ptr, &off);
        size = pcpu_chunk_object_size(&ch->c, off);
    }
    local_irq_restore(irq);
    return size;
}

/* ---- many at once ---------------------------------------------------------------------------- */

/* Takes objects of one class from the chunks, a batch per lock. */
static u32 bulk_of_class(struct pcpu_allocator *a, u32 class, u32 flags, u32 n, void **ptrs)
{
    struct pcpu_request r = {
        .size = pcpu_class_size(class) / PCPU_GRANULE,
        .align = pcpu_class_align(class) / PCPU_GRANULE,
        .tag = (u8)(class | PCPU_TAG_OWNED),
    };
    struct pcpu_entry batch[PCPU_BATCH_MAX];
    u32 done = 0;

    while (done < n) {
        u32 got;

        r.n = MIN(n - done, PCPU_BATCH_MAX);
        got = pcpu_take(a, &r, flags, batch);
        if (!got)
            break;
        for (u32 i = 0; i < got; i++)
            ptrs[done++] = (void *)batch[i].ptr;
    }
    pcpu_count(&a->direct_alloc, done);
    if (flags & PCPU_ATOMIC)
        pcpu_count_demand(a, (u64)done * r.size * PCPU_GRANULE);
    return done;
}

u32 pcpu_alloc_bulk(struct pcpu_allocator *a, size_t size, size_t align, u32 flags, u32 n,
                    void **ptrs)
{
    u32 done = 0, class = PCPU_CLASS_NONE;

    if (size && size <= a->unit_size && is_pow2(align) && !(flags & PCPU_RESERVED))
        class = pcpu_class_of(size, align);
    if (class != PCPU_CLASS_NONE && n >= 8)
        done = bulk_of_class(a, class, flags, n, ptrs);
    for (; done < n; done++) {
        ptrs[done] = pcpu_alloc(a, size, align, flags);
        if (!ptrs[done])
            break;
    }
    return done;
}

void pcpu_free_bulk(struct pcpu_allocator *a, u32 n, void **ptrs)
{
    for (u32 i = 0; i < n; i++)
        pcpu_free(a, ptrs[i]);
}
