/*
 * Memory that is not plain DRAM: what the maps say arrives in memblock, is used last or never, and
 * costs one finding a range.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/firmware.h"
#include "mm/memblock/memory_attr.h"
#include "tests/mm/memblock/memblock_fixture.h"

#define G SZ_1G

static void have(struct fixture *f, u64 base, u64 size, s32 nid, u32 flags)
{
    EXPECT_EQ(memblock_add_node(&f->mb, base, size, nid, flags), 0);
}

static u32 found(enum firmware_id id)
{
    return firmware_found()->count[id];
}

MB_CASE(memory_attr, types)
{
    u32 flags;

    (void)f;
    EXPECT_TRUE(memory_attr_of_type(BOOT_MEM_RAM, &flags));
    EXPECT_EQ(flags, 0);
    EXPECT_TRUE(memory_attr_of_type(BOOT_MEM_SPECIAL, &flags));
    EXPECT_EQ(flags, MEMBLOCK_SPECIAL);
    EXPECT_TRUE(memory_attr_of_type(BOOT_MEM_PMEM, &flags));
    EXPECT_EQ(flags, MEMBLOCK_NONVOLATILE | MEMBLOCK_NOMAP);
    EXPECT_TRUE(memory_attr_of_type(BOOT_MEM_UNACCEPTED, &flags));
    EXPECT_EQ(flags, MEMBLOCK_UNACCEPTED | MEMBLOCK_NOMAP);
    EXPECT_FALSE(memory_attr_of_type(BOOT_MEM_RESERVED, &flags));
    EXPECT_FALSE(memory_attr_of_type(BOOT_MEM_ACPI, &flags));
    EXPECT_FALSE(memory_attr_of_type(BOOT_MEM_NVS, &flags));
    EXPECT_FALSE(memory_attr_of_type(BOOT_MEM_UNUSABLE, &flags));
    EXPECT_EQ(memory_attr_of_efi(0), 0);
    EXPECT_EQ(memory_attr_of_efi(BOOT_ATTR_RELIABLE), MEMBLOCK_MIRROR);
    EXPECT_EQ(memory_attr_of_efi(BOOT_ATTR_NONVOLATILE | BOOT_ATTR_RELIABLE),
              MEMBLOCK_MIRROR | MEMBLOCK_NONVOLATILE);
}

MB_CASE(memory_attr, one_finding_a_range)
{
    struct boot_efi_map efi = {9, 48, 4 * G >> 12, G >> 12};

    have(f, 0, G, 0, MEMBLOCK_MIRROR);
    have(f, G, G, 0, 0);
    have(f, 2 * G, G, 1, MEMBLOCK_SPECIAL | MEMBLOCK_HOTPLUG);
    have(f, 3 * G, G, 2, MEMBLOCK_NONVOLATILE);
    have(f, 4 * G, G, 2, MEMBLOCK_NONVOLATILE | MEMBLOCK_NOMAP);
    have(f, 5 * G, G, NODE_NONE, MEMBLOCK_UNACCEPTED | MEMBLOCK_NOMAP);
    memory_attr_report(&f->mb, &efi);
    EXPECT_EQ(found(FW_MEMORY_RELIABLE), 1);
    EXPECT_EQ(found(FW_MEMORY_SPECIAL), 1);
    EXPECT_EQ(found(FW_MEMORY_HOTPLUG), 1);
    EXPECT_EQ(found(FW_MEMORY_NONVOLATILE), 1);
    EXPECT_EQ(found(FW_MEMORY_PERSISTENT), 1);
    EXPECT_EQ(found(FW_MEMORY_UNACCEPTED), 1);
    EXPECT_TRUE(shim_log_contains("[mem 0x80000000-0xbfffffff] node 1: special-"));
    EXPECT_TRUE(shim_log_contains("on no node: unaccepted, left alone"));
    EXPECT_TRUE(shim_log_contains("9 descriptors of 48 bytes, 4096 MiB of RAM, 1024 MiB of it "
                                  "(25%) more reliable"));
    EXPECT_TRUE(shim_log_contains("then 2048 MiB that are special-purpose"));
}

MB_CASE(memory_attr, plain_memory_says_nothing)
{
    struct boot_efi_map none = {0};

    have(f, 0, G, 0, 0);
    have(f, G, G, 1, 0);
    memory_attr_report(&f->mb, &none);
    EXPECT_EQ(shim_log_count(), 0);
}

/* A made-up map of a CXL server: per-CPU memory comes from it only when all DRAM is gone. */
MB_CASE(memory_attr, per_cpu_memory_prefers_plain_dram)
{
    static const s32 near_1[] = {1, 0}, near_2[] = {2, 1, 0};
    struct memblock_request req = {
        .size = SZ_2M, .align = SZ_2M, .min_addr = 16 * SZ_1M, .nodes = near_1, .nr_nodes = 2};
    struct memblock_result got;

    have(f, 0, G, 0, 0);
    have(f, G, G, 1, MEMBLOCK_SPECIAL);
    have(f, 2 * G, SZ_2M, 1, 0);
    have(f, 3 * G, G, 2, MEMBLOCK_NONVOLATILE);
    have(f, 4 * G, G, 2, MEMBLOCK_NONVOLATILE | MEMBLOCK_NOMAP);
    have(f, 5 * G, G, 2, MEMBLOCK_UNACCEPTED | MEMBLOCK_NOMAP);
    /* The node's own plain DRAM, little as it is; then the other node's; then its own rest. */
    EXPECT_EQ(memblock_alloc(&f->mb, &req, &got), 0);
    EXPECT_EQ(got.base, 2 * G);
    EXPECT_EQ(memblock_alloc(&f->mb, &req, &got), 0);
    EXPECT_EQ(got.nid, 0);
    EXPECT_EQ(memblock_reserve(&f->mb, 0, G), 0);
    EXPECT_EQ(memblock_alloc(&f->mb, &req, &got), 0);
    EXPECT_EQ(got.nid, 1);
    EXPECT_EQ(got.base, 2 * G - SZ_2M);
    /* A node of non-volatile memory only: its usable part, and never what is not mapped. */
    req.nodes = near_2;
    req.nr_nodes = 3;
    EXPECT_EQ(memblock_alloc(&f->mb, &req, &got), 0);
    EXPECT_EQ(got.base, 4 * G - SZ_2M);
    EXPECT_EQ(memblock_reserve(&f->mb, 0, 4 * G), 0);
    EXPECT_EQ(memblock_alloc(&f->mb, &req, &got), -ENOMEM);
}

MB_CASE(memory_attr, sums_leave_out_what_cannot_be_mapped)
{
    have(f, 0, G, 0, MEMBLOCK_MIRROR);
    have(f, G, G, 0, MEMBLOCK_SPECIAL);
    have(f, 2 * G, G, 0, MEMBLOCK_UNACCEPTED | MEMBLOCK_NOMAP);
    EXPECT_EQ(memblock_node_without(&f->mb, 0, 0), 2 * G);
    EXPECT_EQ(memblock_node_without(&f->mb, 0, MEMBLOCK_LAST), G);
    EXPECT_EQ(memblock_node_without(&f->mb, 1, 0), 0);
    EXPECT_EQ(memblock_end_of_mapped(&f->mb), 2 * G);
    EXPECT_EQ(memblock_remove(&f->mb, 0, 2 * G), 0);
    EXPECT_EQ(memblock_end_of_mapped(&f->mb), 0);
}
