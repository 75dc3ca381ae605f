/*
 * Memory of the topology against a model that decides page by page: the first SRAT entry that
 * covers a page owns it; a page of RAM in none goes to the nearest range below, else above.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/ktest.h"
#include "tests/host/random.h"
#include "tests/host/shim.h"
#include "tests/mm/numa/numa_host.h"
#include "tests/mm/numa/numa_lookup.h"

#define PAGES  96
#define NODES  5
#define ROUNDS 3000

struct entry {
    u32 start, end, node;
};

static u32 random_below(u64 *state, u32 n)
{
    return (u32)(random_lcg(state) >> 33) % n;
}

/* Fills owner[]; NODE_NONE: no entry. */
static void decide(const struct entry *e, u32 count, s32 *owner)
{
    for (u32 p = 0; p < PAGES; p++) {
        owner[p] = NODE_NONE;
        for (u32 i = 0; i < count; i++) {
            if (p < e[i].start || p >= e[i].end)
                continue;
            if (owner[p] == NODE_NONE)
                owner[p] = (s32)e[i].node;
        }
    }
}

static bool has_ram(const struct entry *e, const bool *is_ram)
{
    for (u32 p = e->start; p < e->end; p++)
        if (is_ram[p])
            return true;
    return false;
}

/* Linux's rule: do ranges of two nodes overlap that both have RAM? */
static bool conflicts(const struct entry *e, u32 count, const bool *is_ram)
{
    for (u32 i = 0; i < count; i++)
        for (u32 k = 0; k < i; k++)
            if (e[i].node != e[k].node && e[i].start < e[k].end && e[k].start < e[i].end &&
                has_ram(&e[i], is_ram) && has_ram(&e[k], is_ram))
                return true;
    return false;
}

static s32 nearest(const s32 *owner, u32 page)
{
    for (u32 p = page + 1; p-- > 0;)
        if (owner[p] != NODE_NONE)
            return owner[p];
    for (u32 p = page; p < PAGES; p++)
        if (owner[p] != NODE_NONE)
            return owner[p];
    return NODE_NONE;
}

static void check(const struct machine *m, const s32 *owner, const bool *is_ram, bool conflict)
{
    u64 uncovered = 0;

    for (u32 p = 0; p < PAGES; p++) {
        if (owner[p] != NODE_NONE)
            EXPECT_EQ(numa_node_of(&m->t, p * PAGE_SIZE), owner[p]);
        if (!is_ram[p])
            continue;
        EXPECT_EQ(numa_node_of(&m->t, p * PAGE_SIZE), nearest(owner, p));
        uncovered += owner[p] == NODE_NONE ? PAGE_SIZE : 0;
    }
    EXPECT_EQ(m->t.uncovered_bytes, uncovered);
    EXPECT_EQ(firmware_found()->count[FW_SRAT_OVERLAP] != 0, conflict);
}

static void one_round(u64 *state)
{
    u32 count = 1 + random_below(state, 9), rams = 0;
    struct range ram[PAGES];
    bool is_ram[PAGES];
    s32 owner[PAGES];
    struct entry e[9];
    struct machine m = {0};

    shim_log_reset();
    srat_begin(&m.srat, 3);
    for (u32 i = 0; i < NODES; i++)
        srat_cpu(&m.srat, (u8)i, i, 1); /* node = domain */
    for (u32 i = 0; i < count; i++) {
        e[i].start = random_below(state, PAGES - 1);
        e[i].end = e[i].start + 1 + random_below(state, MIN(PAGES - e[i].start, 30u));
        e[i].node = random_below(state, NODES);
        srat_mem(&m.srat, e[i].start * PAGE_SIZE, (e[i].end - e[i].start) * PAGE_SIZE, e[i].node,
                 1 | (random_below(state, 4) ? 0 : SRAT_MEM_HOTPLUG));
    }
    for (u32 p = 0; p < PAGES; p++) {
        is_ram[p] = random_below(state, 8) ? p && is_ram[p - 1] : !(p && is_ram[p - 1]);
        if (is_ram[p] && p && is_ram[p - 1])
            ram[rams - 1].end += PAGE_SIZE;
        else if (is_ram[p])
            ram[rams++] = (struct range){p * PAGE_SIZE, (p + 1) * PAGE_SIZE};
    }
    m.ram = ram;
    m.ram_count = rams;
    REQUIRE_EQ(machine_build(&m), 0);
    EXPECT_EQ(numa_verify(&m.t, ram, rams), 0);
    decide(e, count, owner);
    check(&m, owner, is_ram, conflicts(e, count, is_ram));
    machine_free(&m);
}

KTEST(numa_model, memory_page_by_page)
{
    u64 state = 1;

    for (u32 i = 0; i < ROUNDS; i++)
        one_round(&state);
}
