/*
 * The memory behind dynamic chunks on a real machine: the node of every page, promotion and
 * demotion in the live page tables while all CPUs write through them. returned_suite.c has pages
 * that are given back.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/safe.h"
#include "kernel/base/printf.h"
#include "kernel/base/string.h"
#include "percpu/debug/debug.h"
#include "smp/run/lapic_timer.h"
#include "tests/suite/speed.h"
#include "tests/percpu/backing/page_objects.h"

/* ---- nodes ----------------------------------------------------------------------------------- */

/* What a look at every page says, by node of the CPU. */
static struct census {
    u64 local[MAX_NODES], foreign[MAX_NODES];
    u64 missing, wrong_node, not_zero_page;
} census_before, census_after;

static s32 home_of(u32 cpu)
{
    return boot_state_get()->topo.cpus[cpu].node;
}

static void look_at_page(struct census *c, u64 va, u32 cpu)
{
    u64 pa = per_cpu_ptr_to_phys((void *)va), word;
    s32 node;

    if (!dyn_backed(cpu)) {
        c->not_zero_page += pa != ~0ULL || probe_read(va, 8, &word) || word != 0;
        return;
    }
    if (pa == ~0ULL) {
        c->missing++;
        return;
    }
    node = buddy_node_of(&boot_state_get()->pages, pa);
    if (node == home_of(cpu)) {
        c->local[node]++;
        return;
    }
    c->foreign[home_of(cpu)]++;
    c->wrong_node += !node_may_serve(home_of(cpu), node, 0);
}

/* Every populated page of every possible CPU in all dynamic chunks. */
static void take_census(struct census *c)
{
    const struct pcpu_allocator *a = percpu_allocator();
    u32 cpu;

    memset(c, 0, sizeof(*c));
    for (u32 n = PCPU_CHUNK_DYNAMIC; n < a->chunks_end; n++) {
        const struct pcpu_dchunk *ch = a->chunks[n];

        for (u32 b = 0; ch && b < ch->c.nr_blocks; b++) {
            if (ch->c.state[b] != PCPU_POPULATED)
                continue;
            for_each_possible_cpu(cpu)
                look_at_page(c, ch->base + a->fc->unit_off[cpu] + b * PAGE_SIZE, cpu);
        }
    }
    EXPECT_EQ(c->missing, 0);
    EXPECT_EQ(c->wrong_node, 0);
    EXPECT_EQ(c->not_zero_page, 0);
}

static u32 backed_cpus(u32 node)
{
    u32 cpu, n = 0;

    for_each_possible_cpu(cpu) n += home_of(cpu) == (s32)node && dyn_backed(cpu);
    return n;
}

static void expect_told_once(u32 node, u64 fallen_back)
{
    char line[64];
    u32 n;

    ksnprintf(line, sizeof(line), "percpu: node %u: no memory left", node);
    n = console_count(0, line);
    EXPECT_LE(n, 1);
    if (console_mark() < 128 * SZ_1K) /* the ring still has the whole log */
        EXPECT_EQ(n, fallen_back != 0);
}

/*
 * Every page is on its CPU's node, or on the nearest one that has memory, and the counts per node
 * say exactly what the pages say. Growth is compared with a count before it.
 */
KTEST(percpu_backing, node_of_every_page)
{
    u32 nodes = boot_state_get()->topo.node_count;
    static struct percpu_node_stats before[MAX_NODES];
    struct percpu_node_stats after;
    struct dyn_state s;
    u64 returned;

    REQUIRE_TRUE(nodes <= MAX_NODES);
    dyn_begin(&s);
    returned = percpu_allocator()->blocks_returned;
    take_census(&census_before);
    for (u32 node = 0; node < nodes; node++)
        percpu_get_node_stats(node, &before[node]);
    for (u32 i = 0; i < 24 && take_page(&pages); i++)
        ;
    dyn_quiet();
    take_census(&census_after);
    returned = percpu_allocator()->blocks_returned - returned;
    for (u32 node = 0; node < nodes; node++) {
        u64 local = census_after.local[node], foreign = census_after.foreign[node];

        percpu_get_node_stats(node, &after);
        EXPECT_EQ(after.populated, local + foreign);
        EXPECT_EQ(after.requested, after.obtained + after.fallen_back);
        /* What was populated in between is there, or was returned by a balance. */
        EXPECT_EQ(after.requested - before[node].requested,
                  local + foreign - census_before.local[node] - census_before.foreign[node] +
                      returned * backed_cpus(node));
        EXPECT_GE(after.obtained - before[node].obtained, local - census_before.local[node]);
        EXPECT_GE(after.fallen_back - before[node].fallen_back,
                  foreign - census_before.foreign[node]);
        EXPECT_EQ(after.quarantined, 0);
        expect_told_once(node, after.fallen_back);
    }
    give_pages(&pages, 0);
    dyn_end(&s);
}

/* A node with CPUs and less memory than chunks can take from it here; NODE_NONE: there is none. */
static s32 small_node(void)
{
    u32 cpu;

    for_each_possible_cpu(cpu)
    {
        u64 left = buddy_free_pages(&boot_state_get()->pages, home_of(cpu));

        if (dyn_backed(cpu) && left && left < 4096)
            return home_of(cpu);
    }
    return NODE_NONE;
}

/* A node runs out of memory: the rest comes from the nearest other one, counted, said once. */
KTEST(percpu_backing, spills_over)
{
    u64 size = MIN(percpu_allocator()->unit_size, 128 * SZ_1K), returned, fell;
    struct percpu_node_stats before, after;
    s32 node = small_node();
    static void *p[128];
    struct dyn_state s;
    u32 n = 0;

    if (node == NODE_NONE) {
        ktest_skip("no small node");
        return;
    }
    ktest_expect_event(EVENT_NODE_FALLBACK);
    ktest_expect_lines();
    dyn_begin(&s);
    percpu_get_node_stats((u32)node, &before);
    returned = percpu_allocator()->blocks_returned;
    /* Until an object lies there: pages that were populated ahead may go back again. */
    do {
        p[n] = percpu_alloc(size, PAGE_SIZE, 0);
        dyn_quiet();
        take_census(&census_after);
    } while (p[n] && ++n < ARRAY_SIZE(p) && !census_after.foreign[node]);
    EXPECT_GE(census_after.foreign[node], 1);
    percpu_get_node_stats((u32)node, &after);
    returned = percpu_allocator()->blocks_returned - returned;
    fell = after.fallen_back - before.fallen_back;
    EXPECT_GE(fell, census_after.foreign[node]);
    EXPECT_LE(fell - census_after.foreign[node], returned * backed_cpus((u32)node));
    EXPECT_EQ(after.requested, after.obtained + after.fallen_back);
    expect_told_once((u32)node, after.fallen_back);
    percpu_free_bulk(n, p);
    dyn_end(&s);
}

/* ---- promotion ------------------------------------------------------------------------------- */

#define MAX_RANGES (2 * NR_CPUS)
#define USUAL_UNIT SZ_2M /* the largest without percpu_atom= */
#define PERIOD     24u   /* pages that go and come in each round: more than the reserve */
#define BURST      400u
#define PAUSE_NS   50000ULL

/* A 2 MiB piece of the chunk, and whether all of it is units of backed CPUs of one node. */
struct part_2m {
    u64 va;
    u32 cpu; /* the lowest one in it */
    bool whole;
};

static struct filled {
    u32 chunk;
    struct part_2m range[MAX_RANGES];
    u32 nr_ranges, nr_whole;
    bool stop;
    struct tally t;
    u32 kept; /* the first so many of `pages` stay and are written */
} filled;

static DEFINE_PER_CPU(u64, written);
static DEFINE_PER_CPU(u32, next_object);

/* The range at va by what its addresses are, page by page; false: cpu is not its lowest. */
static bool describe_part(struct part_2m *r, u64 va, u32 cpu)
{
    struct percpu_location loc;

    *r = (struct part_2m){va, cpu, true};
    for (u64 off = 0; off < SZ_2M; off += PAGE_SIZE) {
        if (percpu_decode((void *)(va + off), &loc)) {
            r->whole = false;
            continue;
        }
        if (loc.cpu < cpu)
            return false;
        r->whole &= dyn_backed(loc.cpu) && home_of(loc.cpu) == home_of(cpu);
    }
    return true;
}

static void find_ranges(struct filled *f)
{
    const struct pcpu_allocator *a = percpu_allocator();
    u64 base = a->chunks[f->chunk]->base;
    u32 cpu;

    f->nr_ranges = f->nr_whole = 0;
    for_each_possible_cpu(cpu)
    {
        u64 unit = base + a->fc->unit_off[cpu], end = unit + a->fc->unit_size;

        for (u64 va = align_down(unit, SZ_2M); va < end; va += SZ_2M)
            if (describe_part(&f->range[f->nr_ranges], va, cpu))
                f->nr_whole += f->range[f->nr_ranges++].whole;
    }
}

static bool chunk_is_full(u32 number)
{
    const struct pcpu_dchunk *ch = percpu_allocator()->chunks[number];

    return ch && ch->c.nr_populated == ch->c.nr_blocks && ch->c.free_granules == 0;
}

/*
 * Fills chunk 2 and the one after it. It is the second that is looked at: chunk 2 has pages of the
 * reserve from before, whose reservation a trim has given back.
 */
static bool fill_chunks(struct filled *f)
{
    f->chunk = PCPU_CHUNK_DYNAMIC + 1;
    while (!chunk_is_full(f->chunk))
        if (!take_page(&pages))
            return false;
    dyn_quiet();
    return true;
}

/* Is the range's memory one aligned block, in order? */
static bool one_block(u64 va)
{
    u64 pa = per_cpu_ptr_to_phys((void *)va);

    if (pa % SZ_2M)
        return false;
    for (u64 off = 0; off < SZ_2M; off += PAGE_SIZE)
        if (per_cpu_ptr_to_phys((void *)(va + off)) != pa + off)
            return false;
    return true;
}

static int count_leaf(void *ctx, const struct pt_leaf *leaf)
{
    u32 *leaves = ctx;

    leaves[leaf->size == SZ_2M]++;
    return 0;
}

static bool promotion_on(void)
{
    return boot_state_get()->opt.percpu_promote && percpu_allocator()->env->maps->can_promote;
}

/* What CR3 leads to: one leaf of 2 MiB for each whole range in one block; returns how many. */
static u32 expect_leaves(const struct filled *f)
{
    struct pagetable live = live_tables();
    u32 promoted = 0, wrong = 0;

    for (u32 i = 0; i < f->nr_ranges; i++) {
        const struct part_2m *r = &f->range[i];
        bool expect = promotion_on() && r->whole && one_block(r->va);
        u32 leaves[2] = {0};

        EXPECT_EQ(pagetable_walk(&live, r->va, r->va + SZ_2M, count_leaf, leaves), 0);
        wrong += leaves[1] != expect || (expect && leaves[0]);
        promoted += leaves[1];
    }
    EXPECT_EQ(wrong, 0);
    return promoted;
}

static u64 leaves_counted(void)
{
    struct percpu_node_stats st;
    u64 n = 0;

    for (u32 node = 0; node < boot_state_get()->topo.node_count; node++) {
        percpu_get_node_stats(node, &st);
        n += st.leaves_2m;
    }
    return n;
}

/* Each CPU by its own CR3: its copy of a page of the chunk lies in a leaf of this size. */
static void own_leaf(void *arg)
{
    struct filled *f = arg;
    u64 copy = (u64)this_cpu_ptr(pages.p[f->kept - 1]), size = 0;
    struct pagetable live = live_tables();
    bool big = false;

    for (u32 i = 0; i < f->nr_ranges; i++)
        if (copy - f->range[i].va < SZ_2M)
            big = promotion_on() && f->range[i].whole && one_block(f->range[i].va);
    CHECK(&f->t, pagetable_lookup(&live, copy, NULL, NULL, &size) == 0);
    CHECK(&f->t, size == (big ? SZ_2M : PAGE_SIZE));
}

/* ---- writers ---- */

/* Adds to this CPU's copies of the objects that stay. */
static void write_burst(struct filled *f, u32 n)
{
    u32 at = this_cpu_read(next_object);

    for (u32 i = 0; i < n; i++) {
        this_cpu_inc(*pages.p[at]);
        at = (at + 7) % f->kept;
    }
    this_cpu_write(next_object, at);
    this_cpu_add(written, n);
}

static void writer(void *arg)
{
    struct filled *f = arg;

    write_burst(f, BURST);
    if (__atomic_load_n(&f->stop, __ATOMIC_ACQUIRE))
        tally_ran(&f->t);
    else
        CHECK(&f->t, lapic_timer_again(PAUSE_NS * cpu_stride(), writer, f) == 0);
}

static void writer_start(void *arg)
{
    struct filled *f = arg;
    u32 cpu = cpu_number();

    this_cpu_write(written, 0);
    this_cpu_write(next_object, cpu % f->kept);
    if (cpu == 0 || cpu % cpu_stride())
        tally_ran(&f->t);
    else
        CHECK(&f->t, lapic_timer_start(PAUSE_NS, writer, f) == 0);
}

static bool writers_stop(struct filled *f)
{
    struct deadline d = deadline_start(2000000);

    __atomic_store_n(&f->stop, true, __ATOMIC_RELEASE);
    while (__atomic_load_n(&f->t.ran, __ATOMIC_ACQUIRE) < cpus_online() && !deadline_passed(&d))
        cpu_relax();
    EXPECT_TALLY(&f->t, cpus_online());
    return f->t.ran == cpus_online();
}

static void expect_all_written(const struct filled *f)
{
    u64 least = ~0ULL;
    u32 cpu;

    for_each_online_cpu(cpu)
    {
        u64 sum = 0;

        for (u32 i = 0; i < f->kept; i++)
            sum += *per_cpu_ptr(pages.p[i], cpu);
        EXPECT_EQ(sum, per_cpu(written, cpu));
        if (cpu % cpu_stride() == 0)
            least = MIN(least, sum);
    }
    EXPECT_GE(least, 64);
    ktest_note("at least %llu additions by each CPU", (unsigned long long)least);
}

/* Does a copy of a page that goes in each round lie in the range? */
static bool is_touched(const struct filled *f, const struct part_2m *r)
{
    u32 cpu;

    for_each_possible_cpu(cpu)
    {
        for (u32 i = f->kept; i < pages.n; i++)
            if ((u64)per_cpu_ptr(pages.p[i], cpu) - r->va < SZ_2M)
                return true;
    }
    return false;
}

/* The leaves of 2 MiB that are left when those pages go. A large unit has several ranges. */
static u32 leaves_to_stay(const struct filled *f)
{
    u32 n = 0;

    for (u32 i = 0; i < f->nr_ranges; i++)
        n += promotion_on() && f->range[i].whole && one_block(f->range[i].va) &&
             !is_touched(f, &f->range[i]);
    return n;
}

/* Pages of the chunk go: what was promoted there is not any more. They come back: it is again. */
static void round(struct filled *f, u32 promoted)
{
    u32 stay = leaves_to_stay(f);

    EXPECT_TRUE(stay < promoted || !promoted);
    give_pages(&pages, f->kept);
    dyn_quiet();
    write_burst(f, 64);
    EXPECT_EQ(expect_leaves(f), stay);
    EXPECT_EQ(smp_call_all(own_leaf, f), 0);
    while (!chunk_is_full(f->chunk) && take_page(&pages))
        ;
    write_burst(f, 64);
    dyn_quiet();
    write_burst(f, 64);
    EXPECT_EQ(expect_leaves(f), promoted);
    EXPECT_EQ(smp_call_all(own_leaf, f), 0);
}

static void promote_and_demote(struct filled *f)
{
    u32 rounds = suite_rounds(MAX(2u, 48 / cpus_online()), 2), promoted;

    if (!fill_chunks(f))
        return;
    find_ranges(f);
    promoted = expect_leaves(f);
    EXPECT_GE(leaves_counted(), promoted);
    f->kept = pages.n - MIN(PERIOD, percpu_allocator()->unit_size / PAGE_SIZE / 2);
    /* What of the chunk goes must not be the reserve's alone, and what is looked at stays. */
    EXPECT_EQ(chunk_number_of(pages.p[f->kept - 1]), f->chunk);
    EXPECT_EQ(smp_call_all(writer_start, f), 0);
    for (u32 i = 0; i < rounds; i++)
        round(f, promoted);
    ktest_note("%u ranges, %u of one node and full, %u promoted, %u rounds", f->nr_ranges,
               f->nr_whole, promoted, rounds);
    if (writers_stop(f))
        expect_all_written(f);
}

/* Blocks of 2 MiB on every node: then nothing prevents a reservation. */
static bool plenty_of_blocks(void)
{
    struct boot_state *s = boot_state_get();
    struct buddy_stats st;

    for (u32 node = 0; node < s->topo.node_count; node++) {
        buddy_stats(&s->pages, (s32)node, &st);
        if (st.blocks[BUDDY_BLOCK_ORDER] + st.blocks[BUDDY_BLOCK_ORDER + 1] < 8)
            return false;
    }
    return true;
}

/* Two chunks, and some pages for what else a node has to give. */
static bool room_for_two_chunks(void)
{
    const struct boot_state *s = boot_state_get();
    u64 unit = percpu_allocator()->unit_size / PAGE_SIZE;

    for (u32 node = 0; node < s->topo.node_count; node++) {
        u64 need = 2 * unit * backed_cpus(node);

        if (s->topo.nodes[node].has_memory &&
            need + need / 8 > buddy_free_pages(&s->pages, (s32)node))
            return false;
    }
    return true;
}

KTEST(percpu_backing, promoted_and_demoted_under_writers)
{
    bool plenty = plenty_of_blocks();
    struct dyn_state s;

    if (percpu_is_debug()) {
        ktest_skip("debug build: between red zones no object fills a page");
        return;
    }
    if (!lapic_timer_hz()) {
        ktest_skip("the local APIC's timer could not be measured");
        return;
    }
    dyn_begin(&s);
    if (percpu_allocator()->unit_size > USUAL_UNIT && !room_for_two_chunks()) {
        ktest_skip("no memory for two chunks of so large units");
        return;
    }
    filled = (struct filled){.nr_ranges = 0};
    promote_and_demote(&filled);
    if (plenty && promotion_on())
        EXPECT_EQ(expect_leaves(&filled), filled.nr_whole);
    if (!promotion_on())
        EXPECT_EQ(leaves_counted(), 0);
    give_pages(&pages, 0);
    dyn_end(&s);
    EXPECT_EQ(leaves_counted(), 0);
    EXPECT_EQ(buddy_verify(&boot_state_get()->pages), 0);
}
