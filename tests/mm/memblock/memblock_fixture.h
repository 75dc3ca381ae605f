/*
 * What the memblock tests share: a memblock with Linux's 128 static slots over a fake physical
 * memory, checks that name the line of the case, and cases that run in both directions. Every case
 * ends with memblock_verify().
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TESTS_MM_MEMBLOCK_MEMBLOCK_FIXTURE_H
#define PERCH_TESTS_MM_MEMBLOCK_MEMBLOCK_FIXTURE_H

#include "kernel/base/ktest.h"
#include "kernel/base/string.h"
#include "mm/memblock/memblock.h"
#include "tests/host/shim.h"

#define INIT_REGIONS 128

/* The memory of most cases, and the cache line that a zero alignment means. */
#define START 0x100000ULL
#define MEM   0x8000ULL
#define END   (START + MEM)
#define LINE  64ULL

/* Physical memory that growth can really write to: [0, PHYS_BYTES). */
#define PHYS_BYTES (4 * SZ_1M)

struct fixture {
    struct memblock mb;
    struct memblock_region mem[INIT_REGIONS], res[INIT_REGIONS];
    struct memblock_ops ops;
    u32 growths; /* attempts so far */
    u32 fail_at; /* the attempt that fails, from 1; 0: none */
    bool fail_all;
};

static u8 fixture_phys[PHYS_BYTES] ALIGNED(4096);

static inline void *fixture_to_virt(void *ctx, u64 pa)
{
    (void)ctx;
    return pa < PHYS_BYTES ? fixture_phys + pa : NULL;
}

static inline bool fixture_fail(void *ctx)
{
    struct fixture *f = ctx;

    return ++f->growths == f->fail_at || f->fail_all;
}

static inline void fixture_init_sized(struct fixture *f, u32 slots)
{
    memset(f, 0, sizeof(*f));
    f->ops = (struct memblock_ops){f, fixture_to_virt, fixture_fail};
    memblock_init(&f->mb, f->mem, slots, f->res, slots, &f->ops);
    shim_log_reset();
}

static inline void fixture_init(struct fixture *f)
{
    fixture_init_sized(f, INIT_REGIONS);
}

/* The memory of most cases exists. */
static inline void fixture_add(struct fixture *f)
{
    EXPECT_EQ(memblock_add(&f->mb, START, MEM), 0);
}

static inline void fixture_reserve(struct fixture *f, u64 base, u64 size)
{
    EXPECT_EQ(memblock_reserve(&f->mb, base, size), 0);
}

/* One case: a body with a fresh fixture, verified at the end. */
static inline void fixture_run(void (*body)(struct fixture *f, bool up), bool up)
{
    static struct fixture f;

    fixture_init(&f);
    memblock_set_bottom_up(&f.mb, up);
    body(&f, up);
    EXPECT_EQ(memblock_verify(&f.mb), 0);
}

#define MB_CASE(suite, name)                                                                       \
    static void body_##suite##_##name(struct fixture *f, bool up);                                 \
    KTEST(suite, name)                                                                             \
    {                                                                                              \
        fixture_run(body_##suite##_##name, false);                                                 \
    }                                                                                              \
    static void body_##suite##_##name(struct fixture *f, UNUSED bool up)

#define MB_BOTH(suite, name)                                                                       \
    static void body_##suite##_##name(struct fixture *f, bool up);                                 \
    KTEST(suite, name##_top_down)                                                                  \
    {                                                                                              \
        fixture_run(body_##suite##_##name, false);                                                 \
    }                                                                                              \
    KTEST(suite, name##_bottom_up)                                                                 \
    {                                                                                              \
        fixture_run(body_##suite##_##name, true);                                                  \
    }                                                                                              \
    static void body_##suite##_##name(struct fixture *f, UNUSED bool up)

/* `count` regions with `total` bytes in the list. */
#define EXPECT_LIST(type_, count_, total_)                                                         \
    do {                                                                                           \
        EXPECT_EQ((type_)->cnt, count_);                                                           \
        EXPECT_EQ((type_)->total_size, total_);                                                    \
    } while (0)

#define EXPECT_REGION(type_, i_, base_, size_)                                                     \
    do {                                                                                           \
        REQUIRE_TRUE((u32)(i_) < (type_)->cnt);                                                    \
        EXPECT_EQ((type_)->regions[i_].base, base_);                                               \
        EXPECT_EQ((type_)->regions[i_].size, size_);                                               \
    } while (0)

#endif
