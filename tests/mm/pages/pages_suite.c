/*
 * The page allocator and small-object memory on the machine's real memory: what was handed over,
 * on which node it is, that it can be used, and that several CPUs at once get different pages.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/string.h"
#include "tests/mm/numa/numa_lookup.h"
#include "tests/suite/kutil.h"

static u64 whole_pages(u64 start, u64 end)
{
    return range_size(range_pages_inside((struct range){start, end})) >> PAGE_SHIFT;
}

/* What memblock had free at its close, from 1 MiB up, was handed over; all memory is declared. */
KTEST(pages, totals_add_up)
{
    struct boot_state *s = boot_state_get();
    u64 handed_over = 0;

    for (u32 node = 0; node < s->topo.node_count; node++) {
        struct memblock_cursor cursor;
        struct memblock_free_range f;
        const struct memblock_region *r;
        struct buddy_stats st;
        u64 unused = 0, there = 0;

        for_each_free_range(&f, &s->mb, (s32)node, 0, &cursor) unused +=
            f.end > SZ_1M ? whole_pages(MAX(f.start, SZ_1M), f.end) : 0;
        for_each_mem_region(r, &s->mb) there +=
            r->nid == (s32)node ? whole_pages(r->base, r->base + r->size) : 0;
        buddy_stats(&s->pages, (s32)node, &st);
        handed_over += st.handed_over;
        EXPECT_LE(st.handed_over, unused);
        EXPECT_LE(unused, st.handed_over + s->pages.lost_pages);
        EXPECT_EQ(st.declared, there);
        EXPECT_LE(st.free + st.records, st.declared);
    }
    EXPECT_LE(s->pages.lost_pages, 64);
    EXPECT_NE(handed_over, 0);
}

KTEST(pages, invariants)
{
    struct boot_state *s = boot_state_get();

    EXPECT_EQ(buddy_verify(&s->pages), 0);
    EXPECT_EQ(small_verify(&s->small), 0);
    EXPECT_EQ(s->pages.bad_frees, 0);
    EXPECT_EQ(s->small.bad_frees, 0);
}

/* Writes a word into each page of a block, and reads all back. */
static u64 use_block(u64 pa, u32 order)
{
    u64 bad = 0;

    for (u64 i = 0; i < 1ULL << order; i++)
        *(volatile u64 *)phys_to_virt(pa + i * PAGE_SIZE) = pa + i;
    for (u64 i = 0; i < 1ULL << order; i++)
        bad += *(volatile u64 *)phys_to_virt(pa + i * PAGE_SIZE) != pa + i;
    return bad;
}

/* Every order from every node, exact: aligned, on that node from end to end, usable. */
KTEST(pages, every_node_and_order)
{
    struct boot_state *s = boot_state_get();
    u32 served = 0;

    for (u32 i = 0; i < s->topo.node_count * (BUDDY_BLOCK_ORDER + 1); i++) {
        s32 node = (s32)(i / (BUDDY_BLOCK_ORDER + 1)), got = NODE_NONE;
        u32 order = i % (BUDDY_BLOCK_ORDER + 1);
        u64 pa;

        if (buddy_alloc(&s->pages, node, order, BUDDY_EXACT_NODE, &pa, &got)) {
            /* A node with that much free memory could not serve. */
            EXPECT_LT(buddy_free_pages(&s->pages, node), 64 * SZ_1M / PAGE_SIZE);
            continue;
        }
        u64 last = pa + (PAGE_SIZE << order) - 1;

        served++;
        EXPECT_EQ(got, node);
        EXPECT_TRUE(is_aligned(pa, PAGE_SIZE << order));
        EXPECT_EQ(numa_node_of(&s->topo, pa), node);
        EXPECT_EQ(numa_node_of(&s->topo, last), node);
        EXPECT_EQ(buddy_node_of(&s->pages, last), node);
        EXPECT_TRUE(memblock_is_region_memory(&s->mb, pa, PAGE_SIZE << order));
        EXPECT_FALSE(memblock_is_region_reserved(&s->mb, pa, PAGE_SIZE << order));
        EXPECT_EQ(use_block(pa, order), 0);
        for (; order == BUDDY_BLOCK_ORDER && pa <= last; pa += PAGE_SIZE)
            buddy_free(&s->pages, pa, 0); /* in parts */
        if (order < BUDDY_BLOCK_ORDER)
            buddy_free(&s->pages, pa, order);
    }
    EXPECT_NE(served, 0);
    EXPECT_EQ(s->pages.bad_frees, 0);
}

/* Nearest first: by the distances that firmware gave. */
KTEST(pages, order_is_by_distance)
{
    struct boot_state *s = boot_state_get();

    for (u32 node = 0; node < s->topo.node_count; node++) {
        const u16 *order = buddy_node_order(&s->pages, (s32)node);

        EXPECT_EQ(order[0], node);
        for (u32 i = 1; i < s->topo.node_count; i++)
            EXPECT_LE(numa_distance(&s->topo, (s32)node, order[i - 1]),
                      numa_distance(&s->topo, (s32)node, order[i]));
    }
}

/* A page that the boot took from memblock is taken when it is given back, once. */
KTEST(pages, memory_of_the_boot_is_taken_back)
{
    struct boot_state *s = boot_state_get();
    struct memblock_request req = {.size = PAGE_SIZE, .align = PAGE_SIZE};
    struct memblock_result res;

    /* Below 1 MiB, and not handed over: free in memblock, allocated here. */
    req.max_addr = SZ_1M;
    if (memblock_find(&s->mb, &req, &res)) {
        ktest_skip("no free page below 1 MiB");
        return;
    }
    s32 node = buddy_node_of(&s->pages, res.base);
    struct buddy_stats before, after;

    EXPECT_EQ(node, numa_node_of(&s->topo, res.base));
    buddy_stats(&s->pages, node, &before);
    buddy_free(&s->pages, res.base, 0);
    buddy_stats(&s->pages, node, &after);
    EXPECT_EQ(s->pages.bad_frees, 0);
    if (before.local == after.local && before.foreign == after.foreign)
        EXPECT_EQ(after.free, before.free + 1);
    EXPECT_EQ(buddy_verify(&s->pages), 0);
}

/* ---- all CPUs at once ------------------------------------------------------------------------ */

#define PAGES_EACH  48
#define BLOCKS_EACH 4
#define OBJECTS     16

struct hoard {
    u64 pages[PAGES_EACH], blocks[BLOCKS_EACH];
    u64 *objects[OBJECTS];
    u32 nr_pages, nr_blocks;
};

struct crowd {
    struct tally t;
    struct hoard *hoards;
};

static u64 object_size(u32 i)
{
    return 8 + 40 * (u64)i;
}

static void mark(u64 pa, u64 what)
{
    *(volatile u64 *)phys_to_virt(pa) = what;
}

static bool marked(u64 pa, u64 what)
{
    return *(volatile u64 *)phys_to_virt(pa) == what;
}

static void take(void *arg)
{
    struct boot_state *s = boot_state_get();
    struct crowd *c = arg;
    u32 cpu = cpu_number();
    struct hoard *h = &c->hoards[cpu];
    s32 home = s->topo.cpus[cpu].node, got;

    h->nr_pages = buddy_alloc_bulk(&s->pages, home, PAGES_EACH / 2, 0, h->pages);
    while (h->nr_pages < PAGES_EACH &&
           buddy_alloc(&s->pages, home, 0, 0, &h->pages[h->nr_pages], &got) == 0) {
        CHECK(&c->t, numa_node_of(&s->topo, h->pages[h->nr_pages]) == got);
        h->nr_pages++;
    }
    while (h->nr_blocks < BLOCKS_EACH &&
           buddy_alloc(&s->pages, home, 3, 0, &h->blocks[h->nr_blocks], NULL) == 0)
        h->nr_blocks++;
    for (u32 i = 0; i < h->nr_pages; i++)
        mark(h->pages[i], (u64)cpu << 32 | i);
    for (u32 i = 0; i < h->nr_blocks * 8; i++)
        mark(h->blocks[i / 8] + i % 8 * PAGE_SIZE, (u64)cpu << 32 | 0x1000 | i);
    for (u32 i = 0; i < OBJECTS; i++) {
        h->objects[i] = small_alloc(&s->small, home, object_size(i));
        if (h->objects[i])
            memset(h->objects[i], (int)(cpu + i), object_size(i));
    }
    CHECK(&c->t, h->nr_pages != 0);
    tally_ran(&c->t);
}

static bool all_bytes(const void *p, u8 value, u64 size)
{
    const u8 *at = p;

    while (size && *at == value)
        at++, size--;
    return size == 0;
}

static void give(void *arg)
{
    struct boot_state *s = boot_state_get();
    struct crowd *c = arg;
    u32 cpu = cpu_number();
    struct hoard *h = &c->hoards[cpu];

    for (u32 i = 0; i < h->nr_pages; i++)
        CHECK(&c->t, marked(h->pages[i], (u64)cpu << 32 | i));
    for (u32 i = 0; i < h->nr_blocks * 8; i++) {
        u64 pa = h->blocks[i / 8] + i % 8 * PAGE_SIZE;

        CHECK(&c->t, marked(pa, (u64)cpu << 32 | 0x1000 | i));
        if (cpu % 2)
            buddy_free(&s->pages, pa, 0);
    }
    for (u32 i = 0; i < h->nr_blocks && cpu % 2 == 0; i++)
        buddy_free(&s->pages, h->blocks[i], 3);
    for (u32 i = 0; i < OBJECTS; i++) {
        if (h->objects[i])
            CHECK(&c->t, all_bytes(h->objects[i], (u8)(cpu + i), object_size(i)));
        small_free(&s->small, h->objects[i], object_size(i));
    }
    buddy_free_bulk(&s->pages, h->pages, h->nr_pages);
    tally_ran(&c->t);
}

KTEST(pages, all_cpus_at_once)
{
    struct boot_state *s = boot_state_get();
    u64 bytes = s->topo.cpu_count * sizeof(struct hoard);
    struct crowd c = {.hoards = small_alloc(&s->small, NODE_NONE, bytes)};

    REQUIRE_TRUE(c.hoards != NULL);
    memset(c.hoards, 0, bytes);
    REQUIRE_EQ(smp_call_all_copy(take, &c), 0); /* else a CPU may still write to the hoards */
    EXPECT_EQ(buddy_verify(&s->pages), 0);
    EXPECT_EQ(small_verify(&s->small), 0);
    REQUIRE_EQ(smp_call_all_copy(give, &c), 0);
    EXPECT_TALLY(&c.t, 2 * cpus_online());
    small_free(&s->small, c.hoards, bytes);
    EXPECT_EQ(s->pages.bad_frees, 0);
    EXPECT_EQ(s->small.bad_frees, 0);
    EXPECT_EQ(buddy_verify(&s->pages), 0);
    EXPECT_EQ(small_verify(&s->small), 0);
}

/* ---- tables and areas after the hand-over ---------------------------------------------------- */

/* A congruent area with one page in it: tables come from the node asked for, and go back. */
KTEST(pages, tables_of_an_area)
{
    struct boot_state *s = boot_state_get();
    struct kernel_vm *vm = &s->vm;
    u64 offsets[2] = {0, 4 * SZ_2M}, sizes[2] = {SZ_2M, SZ_2M}, base, pa, tables = vm->pt.tables;
    struct pt_flush flush = PT_FLUSH_NONE;
    s32 node = s->topo.cpus[0].node;

    paging_lock(vm);
    int err = vspace_alloc_congruent(&vm->pcpu_window, offsets, sizes, 2, SZ_2M, "test", &base);
    paging_unlock(vm);
    REQUIRE_EQ(err, 0);
    REQUIRE_EQ(buddy_alloc(&s->pages, node, 0, 0, &pa, NULL), 0);
    paging_lock(vm);
    EXPECT_EQ(pagetable_map_page(&vm->pt, base + offsets[1], pa, PT_W | PT_G, node), 0);
    paging_unlock(vm);
    mark(pa, 77);
    EXPECT_EQ(*(volatile u64 *)(uintptr_t)(base + offsets[1]), 77);
    paging_lock(vm);
    EXPECT_EQ(pagetable_unmap(&vm->pt, base + offsets[1], PAGE_SIZE, 0, &flush), 0);
    paging_unlock(vm);
    flush_tlb_local(); /* nobody else has been there */
    for (u64 t = flush.tables; t; t = *(u64 *)phys_to_virt(t))
        EXPECT_NE(buddy_node_of(&s->pages, t), NODE_NONE);
    paging_lock(vm);
    pagetable_release(&vm->pt, &flush);
    EXPECT_EQ(vspace_free_congruent(&vm->pcpu_window, base, offsets, 2), 0);
    paging_unlock(vm);
    buddy_free(&s->pages, pa, 0);
    EXPECT_LE(vm->pt.tables, tables); /* less: tables that the first chunk's set-up kept */
    EXPECT_EQ(s->pages.bad_frees, 0);
    EXPECT_EQ(vspace_verify(&vm->pcpu_window), 0);
}
