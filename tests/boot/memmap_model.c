/*
 * memmap_normalise() against a brute force: an array with one type per unit of address space.
 * SPDX-License-Identifier: MIT
 */
#include "boot/memmap.h"
#include "kernel/base/errno.h"
#include "kernel/base/ktest.h"
#include "tests/host/random.h"
#include "tests/host/shim.h"

#define UNITS  200
#define MAX_IN 24
#define ROUNDS 6000

static u64 rng_state = 0x9e3779b97f4a7c15;

static u32 rnd(u32 bound)
{
    return (u32)(random_xorshift(&rng_state) >> 33) % bound;
}

struct round {
    struct boot_mem_range in[MAX_IN], out[2 * MAX_IN + 1];
    u32 n, count;
    u64 unit, limit;
    int model[UNITS]; /* -1: nothing there */
};

static void make_round(struct round *r)
{
    r->n = rnd(MAX_IN + 1);
    r->unit = rnd(2) ? 1 : PAGE_SIZE;
    r->limit = r->unit * rnd(UNITS + 1);
    for (u32 u = 0; u < UNITS; u++)
        r->model[u] = -1;
    for (u32 i = 0; i < r->n; i++) {
        u32 a = rnd(UNITS), b = a + rnd(UNITS - a + 1);
        int type = (int)rnd(BOOT_MEM_TYPES);

        if (rnd(8) == 0 && b > a) { /* ends before it begins: must not count */
            r->in[i] = (struct boot_mem_range){b * r->unit, a * r->unit, (enum boot_mem_type)type};
            continue;
        }
        r->in[i] = (struct boot_mem_range){a * r->unit, b * r->unit, (enum boot_mem_type)type};
        for (u32 u = a; u < b; u++)
            r->model[u] = MAX(r->model[u], type);
    }
}

static void check_round(struct round *r)
{
    u64 clipped, want_clipped = 0;
    u32 at = 0, ranges = 0;

    shim_log_reset();
    REQUIRE_EQ(
        memmap_normalise(r->in, r->n, r->limit, r->out, ARRAY_SIZE(r->out), &r->count, &clipped),
        0);
    for (u32 u = 0; u < UNITS; u++) {
        u64 addr = u * r->unit;
        int type = r->model[u];

        if (addr >= r->limit) {
            want_clipped += type == BOOT_MEM_RAM ? r->unit : 0;
            continue;
        }
        while (at < r->count && r->out[at].end <= addr)
            at++;
        if (type < 0) {
            REQUIRE_TRUE(at == r->count || r->out[at].base > addr);
            continue;
        }
        REQUIRE_TRUE(at < r->count && r->out[at].base <= addr && (int)r->out[at].type == type);
        ranges += u == 0 || r->model[u - 1] != type;
    }
    REQUIRE_EQ(ranges, r->count); /* merged as far as possible */
    REQUIRE_EQ(clipped, want_clipped);
    REQUIRE_EQ(shim_log_contains("left unused"), clipped != 0);
    for (u32 i = 0; i < r->count; i++) {
        REQUIRE_TRUE(r->out[i].base < r->out[i].end && r->out[i].end <= r->limit);
        REQUIRE_TRUE(i == 0 || r->out[i - 1].end <= r->out[i].base);
    }
}

/* With room for fewer ranges than needed: the error, and a right beginning. */
static void check_full(const struct round *r)
{
    struct boot_mem_range few[2 * MAX_IN + 1];
    u32 capacity, count;
    u64 clipped;

    if (!r->count)
        return;
    capacity = rnd(r->count);
    REQUIRE_EQ(memmap_normalise(r->in, r->n, r->limit, few, capacity, &count, &clipped), -ENOSPC);
    REQUIRE_EQ(count, capacity);
    for (u32 i = 0; i < count; i++)
        REQUIRE_TRUE(few[i].base == r->out[i].base && few[i].end == r->out[i].end &&
                     few[i].type == r->out[i].type);
}

KTEST(memmap_model, random_overlaps)
{
    static struct round r;

    for (u32 i = 0; i < ROUNDS; i++) {
        make_round(&r);
        check_round(&r);
        check_full(&r);
    }
}
