/*
 * Promotion and demotion of 2 MiB under the eyes of all CPUs: they write through the addresses all
 * the time, and lose nothing (docs/adr/0008).
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/safe.h"
#include "kernel/base/string.h"
#include "mm/map/pagetable_range.h"
#include "smp/run/lapic_timer.h"
#include "tests/suite/kutil.h"
#include "tests/suite/speed.h"

#define PROT        (PT_W | PT_G)
#define WRITE_PAGES (PT_SLOT_PAGES - 1) /* the last page is nobody's: it comes and goes */
#define MAX_WRITERS (PAGE_SIZE / sizeof(u64))
#define BURST       1000     /* increments in one go, interrupts off */
#define PAUSE_NS    20000ULL /* between two, when calls are answered */
#define WAIT_US     2000000

/* One slot over one block; static, because writers end some time after they were told. */
static struct rig {
    struct kernel_vm *vm;
    struct pt_slot slot;
    struct pt_flush flush;
    u64 va, block;
    bool stop;
    struct tally t;
} rig;

static DEFINE_PER_CPU(u64, increments);
static DEFINE_PER_CPU(u64, next_page);

static void flush_self(void *arg)
{
    (void)arg;
    flush_tlb_local();
}

/* What the owner of a slot does after each step: no CPU remembers what was before. */
static void flush_all(struct rig *r)
{
    REQUIRE_EQ(smp_call_all(flush_self, NULL), 0);
    paging_lock(r->vm);
    pagetable_release(&r->vm->pt, &r->flush);
    paging_unlock(r->vm);
}

static bool rig_open(struct rig *r)
{
    struct kernel_vm *vm = &boot_state_get()->vm;
    struct varea_tag tag = {"test of promotion", VAREA_NO_OWNER};

    *r = (struct rig){.vm = vm, .flush = PT_FLUSH_NONE};
    if (buddy_alloc(vm->pages, NODE_NONE, BUDDY_BLOCK_ORDER, 0, &r->block, NULL)) {
        ktest_skip("no 2 MiB of memory in one piece");
        return false;
    }
    memset(phys_to_virt(r->block), 0, SZ_2M);
    paging_lock(vm);
    bool ok = vspace_alloc(&vm->areas, SZ_2M, SZ_2M, 0, tag, &r->va) == 0 &&
              pt_slot_open(&vm->pt, r->va, NODE_NONE, &r->slot) == 0;
    paging_unlock(vm);
    if (!ok) {
        ktest_fail(__FILE__, __LINE__, "no slot");
        return false;
    }
    return true;
}

static void rig_close(struct rig *r)
{
    for (u32 i = 0; i < PT_SLOT_PAGES && !r->slot.promoted; i++)
        pt_slot_clear(&r->vm->pt, &r->slot, i);
    paging_lock(r->vm);
    pt_slot_close(&r->vm->pt, &r->slot, &r->flush);
    paging_unlock(r->vm);
    flush_all(r);
    paging_lock(r->vm);
    EXPECT_EQ(vspace_free(&r->vm->areas, r->va), 0);
    paging_unlock(r->vm);
    buddy_free(r->vm->pages, r->block, BUDDY_BLOCK_ORDER);
}

/* ---- writers --------------------------------------------------------------------------------- */

/* Increments this CPU's own words, page after page. Nobody else writes them. */
static void write_burst(const struct rig *r, u32 n)
{
    u64 page = this_cpu_read(next_page);

    for (u32 i = 0; i < n; i++) {
        volatile u64 *word = (u64 *)(r->va + page * PAGE_SIZE) + cpu_number();

        *word = *word + 1;
        page = (page + 37) % WRITE_PAGES;
    }
    this_cpu_write(next_page, page);
    this_cpu_add(increments, n);
}

/* On its own timer: writes, and comes again, until it is told to stop. */
static void writer(void *arg)
{
    struct rig *r = arg;

    write_burst(r, BURST);
    if (__atomic_load_n(&r->stop, __ATOMIC_ACQUIRE))
        tally_ran(&r->t);
    else
        CHECK(&r->t, lapic_timer_again(PAUSE_NS, writer, r) == 0);
}

static void writer_start(void *arg)
{
    struct rig *r = arg;

    this_cpu_write(increments, 0);
    this_cpu_write(next_page, cpu_number() % WRITE_PAGES);
    if (cpu_number() == 0)
        tally_ran(&r->t); /* the boot CPU writes between its own steps */
    else
        CHECK(&r->t, lapic_timer_start(PAUSE_NS, writer, r) == 0);
}

static bool writers_stop(struct rig *r)
{
    struct deadline d = deadline_start(WAIT_US);

    __atomic_store_n(&r->stop, true, __ATOMIC_RELEASE);
    while (__atomic_load_n(&r->t.ran, __ATOMIC_ACQUIRE) < cpus_online() && !deadline_passed(&d))
        cpu_relax();
    EXPECT_TALLY(&r->t, cpus_online());
    return r->t.ran == cpus_online();
}

/* Every increment of every CPU is in the block's memory. */
static void expect_all_written(const struct rig *r)
{
    u64 least = ~0ULL;
    u32 cpu;

    for_each_online_cpu(cpu)
    {
        u64 sum = 0;

        for (u64 page = 0; page < WRITE_PAGES; page++)
            sum += ((u64 *)phys_to_virt(r->block + page * PAGE_SIZE))[cpu];
        EXPECT_EQ(sum, per_cpu(increments, cpu));
        least = MIN(least, sum);
    }
    EXPECT_GE(least, BURST);
    ktest_note("at least %llu increments by each CPU", (unsigned long long)least);
}

/* ---- the live tables ------------------------------------------------------------------------- */

static int count_leaf(void *ctx, const struct pt_leaf *leaf)
{
    u64 *leaves = ctx;

    leaves[leaf->size == SZ_2M ? PT_LEAF_2M : leaf->size == SZ_1G ? PT_LEAF_1G : PT_LEAF_4K]++;
    return 0;
}

/* What CR3 leads to at the slot. */
static void expect_leaves(const struct rig *r, u64 n4k, u64 n2m)
{
    struct pagetable live = live_tables();
    u64 leaves[PT_LEAF_KINDS] = {0};

    EXPECT_EQ(pagetable_walk(&live, r->va, r->va + SZ_2M, count_leaf, leaves), 0);
    EXPECT_EQ(leaves[PT_LEAF_4K], n4k);
    EXPECT_EQ(leaves[PT_LEAF_2M], n2m);
    EXPECT_EQ(leaves[PT_LEAF_1G], 0);
}

/* ---- cases ----------------------------------------------------------------------------------- */

static void round(struct rig *r)
{
    struct pagetable *pt = &r->vm->pt;
    u64 last = r->block + WRITE_PAGES * PAGE_SIZE;

    EXPECT_EQ(pt_slot_promote(pt, &r->slot, r->block, PROT, &r->flush), -EINVAL); /* a hole */
    pt_slot_set_run(pt, &r->slot, WRITE_PAGES, 1, last, PROT);
    REQUIRE_EQ(pt_slot_promote(pt, &r->slot, r->block, PROT, &r->flush), 0);
    write_burst(r, 64); /* before the flush: by the one size or the other */
    flush_all(r);
    expect_leaves(r, 0, 1);
    write_burst(r, 64);
    REQUIRE_EQ(pt_slot_demote(pt, &r->slot, 0, &r->flush), 0);
    write_burst(r, 64);
    flush_all(r);
    expect_leaves(r, PT_SLOT_PAGES, 0);
    EXPECT_EQ(pt_slot_clear(pt, &r->slot, WRITE_PAGES), last);
    flush_all(r);
    expect_leaves(r, WRITE_PAGES, 0);
}

/* All CPUs write; the page size under them changes up and down. Fewer rounds with more CPUs. */
KTEST(promote, nothing_lost)
{
    u32 rounds = suite_rounds(MAX(10u, 1600 / MAX(cpus_online(), 8u)), 10);
    u64 tables, leaves;

    if (cpu_map.nr_ids > MAX_WRITERS || lapic_timer_hz() == 0) {
        ktest_skip("more CPUs than words in a page, or no timer");
        return;
    }
    if (!rig_open(&rig))
        return;
    tables = rig.vm->pt.tables;
    leaves = rig.vm->pt.leaves[PT_LEAF_4K];
    pt_slot_set_run(&rig.vm->pt, &rig.slot, 0, WRITE_PAGES, rig.block, PROT);
    EXPECT_EQ(smp_call_all(writer_start, &rig), 0);
    for (u32 i = 0; i < rounds; i++)
        round(&rig);
    if (!writers_stop(&rig))
        return; /* the slot stays: somebody may still write */
    EXPECT_EQ(pt_slot_verify(&rig.vm->pt, &rig.slot), 0);
    EXPECT_EQ(rig.vm->pt.tables, tables);
    EXPECT_EQ(rig.vm->pt.leaves[PT_LEAF_4K], leaves + WRITE_PAGES);
    expect_all_written(&rig);
    rig_close(&rig);
}

static void zero_page_refuses(void *arg)
{
    struct rig *r = arg;
    u64 val = 1;

    CHECK(&r->t, probe_read(r->va, 8, &val) == 0 && val == 0);
    CHECK(&r->t, probe_write(r->va, 8, 1) == -EFAULT);
    tally_ran(&r->t);
}

static void real_page_takes(void *arg)
{
    struct rig *r = arg;
    u64 val = 0, off = 8 * cpu_number() % PAGE_SIZE;

    CHECK(&r->t, probe_write(r->va + off, 8, cpu_number() + 1) == 0);
    CHECK(&r->t, probe_read(r->va + off, 8, &val) == 0);
    CHECK(&r->t, val % MAX_WRITERS == (cpu_number() + 1) % MAX_WRITERS);
    tally_ran(&r->t);
}

/* A read-only page that all CPUs have in their TLBs is replaced by one that can be written. */
KTEST(promote, replace)
{
    struct rig *r = &rig;
    u64 zero, real;

    if (!rig_open(r))
        return;
    zero = r->block;
    real = r->block + PAGE_SIZE;
    pt_slot_set_run(&r->vm->pt, &r->slot, 0, 1, zero, PT_G);
    EXPECT_EQ(smp_call_all(zero_page_refuses, r), 0);
    EXPECT_EQ(pt_slot_replace(&r->vm->pt, &r->slot, 0, real, PROT), zero);
    flush_all(r);
    EXPECT_EQ(smp_call_all(real_page_takes, r), 0);
    EXPECT_TALLY(&r->t, 2 * cpus_online());
    EXPECT_EQ(*(u64 *)phys_to_virt(zero), 0);
    EXPECT_NE(*(u64 *)phys_to_virt(real), 0);
    rig_close(r);
}
