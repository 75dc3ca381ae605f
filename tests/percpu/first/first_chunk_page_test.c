/*
 * The page-mapped first chunk, and the choice between the two kinds.
 * SPDX-License-Identifier: MIT
 */
#include "tests/percpu/first/first_chunk_rig.h"

static const u32 nodes[] = {0, 1, 0, 1, 1};

static void start(void)
{
    rig_start(nodes, 5, 2, SZ_1M, 64);
    rig_set_template(9000, 10001);
}

static void drop(struct pcpu_first_chunk *fc)
{
    if (rig.area)
        munmap(rig.area, rig.area_size);
    rig.area = NULL;
    pcpu_first_chunk_release(&rig.env, fc);
}

KTEST(first_chunk_page, contents_and_nodes)
{
    struct pcpu_first_chunk fc;

    start();
    REQUIRE_EQ(pcpu_page_first_chunk(&rig.env, 8192, rig_alloc_fn, rig_free_fn, &fc), 0);
    EXPECT_FALSE(fc.embedded);
    EXPECT_TRUE(pcpu_first_chunk_verify(&fc) == NULL);
    EXPECT_TRUE(fc.base_addr == rig.area);
    EXPECT_EQ(fc.nr_groups, 1);
    EXPECT_EQ(fc.nr_units, 5);
    EXPECT_EQ(fc.unit_size, 40960);
    EXPECT_EQ(rig.mapped, 50);
    for (u32 cpu = 0; cpu < 5; cpu++) {
        EXPECT_EQ(fc.unit_off[cpu], cpu * fc.unit_size);
        rig_check_unit(&fc, cpu);
    }
    for (u32 node = 0; node < 2; node++)
        EXPECT_GE(memblock_node_reserved(&rig.mb, (s32)node), (node ? 3 : 2) * fc.size_sum);
    EXPECT_EQ(memblock_reserved_size(&rig.mb),
              5 * fc.size_sum + fc.tables_bytes + rig.mb.reserved.array_size);
    EXPECT_STREQ(shim_log_line(0), "percpu: 10 4K pages/cpu s10001 r8192 d22767");
    EXPECT_STREQ(shim_log_line(1), "pcpu-alloc: s10001 r8192 d22767 u40960 alloc=10*4096");
    EXPECT_STREQ(shim_log_line(2), "pcpu-alloc: [0] 0 [0] 1 [0] 2 [0] 3 [0] 4");
    drop(&fc);
}

/* A unit of the minimum size is larger than what is in use; the rest has no pages. */
KTEST(first_chunk_page, only_used_pages_are_backed)
{
    struct pcpu_first_chunk fc;

    start();
    rig_set_template(10, 10);
    REQUIRE_EQ(pcpu_page_first_chunk(&rig.env, 0, rig_alloc_fn, rig_free_fn, &fc), 0);
    EXPECT_EQ(fc.unit_size, 32768);
    EXPECT_EQ(fc.size_sum, 24576);
    EXPECT_EQ(rig.mapped, 5 * 6);
    EXPECT_STREQ(shim_log_line(0), "percpu: 8 4K pages/cpu s10 r0 d24566");
    drop(&fc);
}

KTEST(first_chunk_page, failures_say_why)
{
    struct pcpu_first_chunk fc;

    start();
    memblock_reserve(&rig.mb, SZ_1M, SZ_1M);
    memblock_reserve(&rig.mb, 0, 944 * SZ_1K); /* 20 pages left, less tables */
    EXPECT_EQ(pcpu_page_first_chunk(&rig.env, 8192, rig_alloc_fn, rig_free_fn, &fc), -ENOMEM);
    EXPECT_TRUE(shim_log_contains("percpu: failed to allocate 4K page for cpu1"));
    EXPECT_EQ(memblock_reserved_size(&rig.mb), 1968 * SZ_1K);
    start();
    rig.env.page_ops = NULL;
    EXPECT_EQ(pcpu_page_first_chunk(&rig.env, 8192, rig_alloc_fn, rig_free_fn, &fc), -ENODEV);
    start();
    rig.env.static_start = rig_template + 8;
    EXPECT_EQ(pcpu_page_first_chunk(&rig.env, 8192, rig_alloc_fn, rig_free_fn, &fc), -EINVAL);
    EXPECT_TRUE(rig.mapped == 0 && rig.area == NULL);
    EXPECT_EQ(memblock_reserved_size(&rig.mb), rig.mb.reserved.array_size);
}

static struct pcpu_fc_request request(enum pcpu_fc_mode mode)
{
    return (struct pcpu_fc_request){.mode = mode,
                                    .reserved_size = 8192,
                                    .dyn_size = 28672,
                                    .atom_size = 64 * SZ_1K,
                                    .cpu_distance_fn = rig_distance,
                                    .alloc_fn = rig_alloc_fn,
                                    .free_fn = rig_free_fn,
                                    .embed_err = -1,
                                    .page_err = -1};
}

KTEST(first_chunk_page, auto_prefers_embed)
{
    static const enum pcpu_fc_mode modes[] = {PCPU_FC_AUTO, PCPU_FC_EMBED};
    struct pcpu_first_chunk fc;

    for (size_t i = 0; i < 2; i++) {
        struct pcpu_fc_request req = request(modes[i]);

        start();
        REQUIRE_EQ(pcpu_make_first_chunk(&rig.env, &req, &fc), 0);
        EXPECT_TRUE(fc.embedded && req.embed_err == 0 && req.page_err == 0);
        drop(&fc);
    }
}

KTEST(first_chunk_page, falls_back_and_page_is_a_choice)
{
    struct pcpu_fc_request req = request(PCPU_FC_AUTO);
    struct pcpu_first_chunk fc;

    start();
    rig.env.window_size = SZ_1M; /* too small for the span */
    REQUIRE_EQ(pcpu_make_first_chunk(&rig.env, &req, &fc), 0);
    EXPECT_FALSE(fc.embedded);
    EXPECT_EQ(req.embed_err, -EINVAL);
    EXPECT_TRUE(
        shim_log_contains("setup_percpu: auto allocator failed (-22), falling back to page size"));
    EXPECT_EQ(memblock_reserved_size(&rig.mb),
              5 * fc.size_sum + fc.tables_bytes + rig.mb.reserved.array_size);
    drop(&fc);
    start();
    req = request(PCPU_FC_PAGE);
    REQUIRE_EQ(pcpu_make_first_chunk(&rig.env, &req, &fc), 0);
    EXPECT_FALSE(fc.embedded);
    EXPECT_FALSE(shim_log_contains("falling back"));
    drop(&fc);
}

KTEST(first_chunk_page, both_errors_are_told)
{
    struct pcpu_fc_request req = request(PCPU_FC_EMBED);
    struct pcpu_first_chunk fc;

    start();
    rig.env.window_size = SZ_1M;
    rig.env.page_ops = NULL;
    EXPECT_EQ(pcpu_make_first_chunk(&rig.env, &req, &fc), -ENODEV);
    EXPECT_EQ(req.embed_err, -EINVAL);
    EXPECT_EQ(req.page_err, -ENODEV);
    EXPECT_TRUE(shim_log_contains("setup_percpu: embed allocator failed (-22), falling back"));
}
