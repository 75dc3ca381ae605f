/*
 * Small-object memory. The contract is in mm/pages/smallmem.h.
 * SPDX-License-Identifier: MIT
 */
#include "mm/pages/smallmem.h"
#include "kernel/base/bitmap.h"
#include "kernel/base/print.h"
#include "kernel/base/spinlock.h"
#include "kernel/base/string.h"

#define SLAB_MAGIC 0x62616c73u /* "slab" */
#define SLAB_WORDS 8u

static const struct {
    u16 size;
    u8 order; /* of a slab: large objects need more than a page, else too much is unused */
} classes[SMALL_CLASSES] = {
    {8, 0},   {16, 0},  {32, 0},  {48, 0},  {64, 0},  {96, 0},   {128, 0},
    {192, 0}, {256, 0}, {384, 0}, {512, 0}, {768, 0}, {1024, 1}, {2048, 2},
};

/*
 * The header at the start of a slab's pages. free: one bit per object, set = free; words: bit i is
 * set when free[i] is not 0. A slab is in the list `full` of its class when no object is free, in
 * `partial` when some are, and the spare of its class when all are.
 */
struct slab {
    struct slab *next, *prev;
    u64 pa;
    u32 magic;
    s32 node;
    u16 nfree, total;
    u8 cls, words;
    u64 free[SLAB_WORDS];
};

#define SLAB_HEADER 128u
static_assert(sizeof(struct slab) <= SLAB_HEADER, "objects begin behind the header");

struct small_node {
    struct spinlock lock;
    u64 pages, objects, bytes;
    struct {
        struct slab *partial, *full, *spare;
    } cls[SMALL_CLASSES];
};

static u64 slab_bytes(u32 cls)
{
    return PAGE_SIZE << classes[cls].order;
}

static u32 class_of(const struct small_mem *m, size_t size)
{
    return size <= 8 ? 0 : m->class_of[(size + 15) / 16];
}

static void *map(const struct small_mem *m, u64 pa)
{
    return m->b->cfg.map(m->b->cfg.ctx, pa);
}

static u32 block_order(size_t size)
{
    u32 order = 0;

    while (order < BUDDY_MAX_ORDER && (PAGE_SIZE << order) < size)
        order++;
    return order;
}

int small_init(struct small_mem *m, struct buddy *b, u64 (*phys)(void *ctx, const void *ptr))
{
    u64 pa;
    int err;

    *m = (struct small_mem){.b = b, .phys = phys};
    for (u32 i = 1, cls = 1; i <= SMALL_MAX / 16; i++) {
        cls += classes[cls].size < i * 16;
        m->class_of[i] = (u8)cls;
    }
    err = buddy_alloc(b, NODE_NONE, block_order(b->cfg.nr_nodes * sizeof(*m->nodes)), 0, &pa, NULL);
    if (err)
        return err;
    m->nodes = map(m, pa);
    for (u32 node = 0; node < b->cfg.nr_nodes; node++) {
        static_assert(sizeof(struct small_node) <= PAGE_SIZE, "one page for each node");
        err = buddy_alloc(b, (s32)node, 0, 0, &pa, NULL);
        if (err)
            return err;
        m->nodes[node] = map(m, pa);
        memset(m->nodes[node], 0, sizeof(*m->nodes[node]));
    }
    return 0;
}

/* ---- lists ----------------------------------------------------------------------------------- */

static void push(struct slab **head, struct slab *s)
{
    s->prev = NULL;
    s->next = *head;
    if (s->next)
        s->next->prev = s;
    *head = s;
}

static void unlink(struct slab **head, struct slab *s)
{
    if (s->prev)
        s->prev->next = s->next;
    else
        *head = s->next;
    if (s->next)
        s->next->prev = s->prev;
}

/* ---- slabs ----------------------------------------------------------------------------------- */

static struct slab *slab_make(const struct small_mem *m, s32 node, u32 cls)
{
    u64 pa;

    if (buddy_alloc(m->b, node, classes[cls].order, BUDDY_EXACT_NODE, &pa, NULL))
        return NULL;
    struct slab *s = map(m, pa);
    *s = (struct slab){.pa = pa, .magic = SLAB_MAGIC, .node = node, .cls = (u8)cls};
    s->total = s->nfree = (u16)((slab_bytes(cls) - SLAB_HEADER) / classes[cls].size);
    bitmap_set(s->free, 0, s->total);
    s->words = (u8)((1u << (s->total + 63) / 64) - 1);
    return s;
}

static void slab_drop(const struct small_mem *m, struct slab *s)
{
    u32 order = classes[s->cls].order;

    s->magic = 0;
    buddy_free(m->b, s->pa, order);
}

/* An object of a slab that has one free; the node's lock is held. */
static void *slab_take(struct small_node *n, struct slab *s)
{
    u32 word = (u32)__builtin_ctz(s->words);
    u32 i = word * 64 + (u32)__builtin_ctzll(s->free[word]);
    u32 size = classes[s->cls].size;

    s->free[word] &= s->free[word] - 1;
    if (!s->free[word])
        s->words &= (u8) ~(1u << word);
    if (--s->nfree == 0) {
        unlink(&n->cls[s->cls].partial, s);
        push(&n->cls[s->cls].full, s);
    }
    n->objects++;
    n->bytes += size;
    return (u8 *)s + SLAB_HEADER + i * size;
}

/* ---- allocation ------------------------------------------------------------------------------ */

/* An object of the node's slabs, or of `fresh`, which is added to the lists; NULL: none. */
static void *node_take(struct small_node *n, u32 cls, struct slab *fresh)
{
    void *obj = NULL;
    u64 irq = spin_lock_irqsave(&n->lock);

    if (fresh) {
        push(&n->cls[cls].partial, fresh);
        n->pages += 1u << classes[cls].order;
    } else if (!n->cls[cls].partial && n->cls[cls].spare) {
        push(&n->cls[cls].partial, n->cls[cls].spare);
        n->cls[cls].spare = NULL;
    }
    if (n->cls[cls].partial)
        obj = slab_take(n, n->cls[cls].partial);
    spin_unlock_irqrestore(&n->lock, irq);
    return obj;
}

static void *large_alloc(struct small_mem *m, s32 node, size_t size)
{
    u32 order = block_order(size);
    u64 pa;

    if (size > PAGE_SIZE << BUDDY_MAX_ORDER || buddy_alloc(m->b, node, order, 0, &pa, NULL))
        return NULL;
    atomic_fetch_add_explicit(&m->large_pages, 1ULL << order, memory_order_relaxed);
    return map(m, pa);
}

void *small_alloc(struct small_mem *m, s32 node, size_t size)
{
    const u16 *order = buddy_node_order(m->b, node == NODE_NONE ? 0 : node);

    if (!size)
        return NULL;
    if (size > SMALL_MAX)
        return large_alloc(m, node, size);
    u32 cls = class_of(m, size);
    for (u32 i = 0; i < m->b->cfg.nr_nodes; i++) {
        struct small_node *n = m->nodes[order[i]];
        void *obj = node_take(n, cls, NULL);
        struct slab *fresh = obj ? NULL : slab_make(m, order[i], cls);

        if (fresh)
            obj = node_take(n, cls, fresh);
        if (obj)
            return obj;
    }
    return NULL;
}

/* ---- freeing --------------------------------------------------------------------------------- */

static void refuse(struct small_mem *m, const void *ptr, size_t size, const char *why)
{
    atomic_fetch_add_explicit(&m->bad_frees, 1, memory_order_relaxed);
    pr_err("small memory: free of %p, %llu bytes: %s", ptr, (ull)size, why);
}

static void large_free(struct small_mem *m, void *ptr, size_t size)
{
    u32 order = block_order(size);

    atomic_fetch_sub_explicit(&m->large_pages, 1ULL << order, memory_order_relaxed);
    buddy_free(m->b, m->phys(m->b->cfg.ctx, ptr), order);
}

/* The slab of an object of that class, and its index *i; NULL: ptr is no such object. */
static struct slab *slab_of(void *ptr, u32 cls, u32 *i)
{
    uintptr_t at = (uintptr_t)ptr, base = at & ~(uintptr_t)(slab_bytes(cls) - 1);
    struct slab *s = (struct slab *)base;
    u32 offset = (u32)(at - base) - SLAB_HEADER;

    if (at - base < SLAB_HEADER || s->magic != SLAB_MAGIC || s->cls != cls)
        return NULL;
    *i = offset / classes[cls].size;
    return offset % classes[cls].size || *i >= s->total ? NULL : s;
}

/* The node's lock is held. Returns a slab for slab_drop(), or NULL. */
static struct slab *slab_put(struct small_node *n, struct slab *s, u32 i)
{
    u32 cls = s->cls;
    struct slab *spare = n->cls[cls].spare;

    bitmap_set_bit(s->free, i);
    s->words |= (u8)(1u << (i / 64));
    n->objects--;
    n->bytes -= classes[cls].size;
    if (s->nfree++ == 0) {
        unlink(&n->cls[cls].full, s);
        push(&n->cls[cls].partial, s);
    }
    if (s->nfree < s->total)
        return NULL;
    unlink(&n->cls[cls].partial, s);
    if (!spare) {
        n->cls[cls].spare = s;
        return NULL;
    }
    n->pages -= 1u << classes[cls].order;
    return s;
}

void small_free(struct small_mem *m, void *ptr, size_t size)
{
    struct slab *s, *empty = NULL;
    bool twice;
    u32 i = 0;

    if (!ptr)
        return;
    if (size > SMALL_MAX) {
        large_free(m, ptr, size);
        return;
    }
    s = slab_of(ptr, class_of(m, size), &i);
    if (unlikely(!s || !size)) {
        refuse(m, ptr, size, "no object of that size");
        return;
    }
    struct small_node *n = m->nodes[s->node];
    u64 irq = spin_lock_irqsave(&n->lock);
    twice = bitmap_test_bit(s->free, i);
    if (likely(!twice))
        empty = slab_put(n, s, i);
    spin_unlock_irqrestore(&n->lock, irq);
    if (empty)
        slab_drop(m, empty);
    if (unlikely(twice))
        refuse(m, ptr, size, "free already");
}

/* ---- inspection ------------------------------------------------------------------------------ */

void small_stats(struct small_mem *m, s32 node, struct small_stats *out)
{
    struct small_node *n = m->nodes[node];
    u64 irq = spin_lock_irqsave(&n->lock);

    *out = (struct small_stats){.pages = n->pages, .objects = n->objects, .bytes = n->bytes};
    for (u32 i = 0; i < SMALL_CLASSES; i++)
        out->spares += n->cls[i].spare != NULL;
    spin_unlock_irqrestore(&n->lock, irq);
}

static bool slab_ok(const struct small_mem *m, const struct slab *s, s32 node, u32 cls)
{
    u32 words = 0;

    for (u32 i = 0; i < SLAB_WORDS; i++)
        words |= (u32)(s->free[i] != 0) << i;
    return s->magic == SLAB_MAGIC && s->cls == cls && s->node == node && s->words == words &&
           s->total == (slab_bytes(cls) - SLAB_HEADER) / classes[cls].size &&
           bitmap_weight(s->free, SLAB_WORDS * 64) == s->nfree &&
           bitmap_next_set(s->free, SLAB_WORDS * 64, s->total) == SLAB_WORDS * 64 &&
           buddy_node_of(m->b, s->pa) == node;
}

/* Adds the used objects and the slabs of a list. full: its slabs have no free object. */
static bool list_ok(const struct small_mem *m, const struct slab *s, s32 node, u32 cls, bool full,
                    u64 *objects, u64 *slabs)
{
    const struct slab *prev = NULL;

    for (; s; prev = s, s = s->next) {
        if (s->prev != prev || !slab_ok(m, s, node, cls) || (s->nfree == 0) != full ||
            s->nfree == s->total)
            return false;
        *objects += (u32)s->total - s->nfree;
        ++*slabs;
    }
    return true;
}

static bool node_ok(const struct small_mem *m, s32 node)
{
    const struct small_node *n = m->nodes[node];
    u64 pages = 0, objects = 0, bytes = 0;

    for (u32 cls = 0; cls < SMALL_CLASSES; cls++) {
        const struct slab *spare = n->cls[cls].spare;
        u64 here = 0, slabs = spare != NULL;

        if (!list_ok(m, n->cls[cls].partial, node, cls, false, &here, &slabs) ||
            !list_ok(m, n->cls[cls].full, node, cls, true, &here, &slabs) ||
            (spare && (!slab_ok(m, spare, node, cls) || spare->nfree != spare->total)))
            return false;
        pages += slabs << classes[cls].order;
        objects += here;
        bytes += here * classes[cls].size;
    }
    return pages == n->pages && objects == n->objects && bytes == n->bytes;
}

int small_verify(struct small_mem *m)
{
    for (u32 node = 0; node < m->b->cfg.nr_nodes; node++) {
        u64 irq = spin_lock_irqsave(&m->nodes[node]->lock);
        bool ok = node_ok(m, (s32)node);

        spin_unlock_irqrestore(&m->nodes[node]->lock, irq);
        if (ok)
            continue;
        pr_err("small memory: verify: slabs of node %u are inconsistent", node);
        return -EINVAL;
    }
    return 0;
}
