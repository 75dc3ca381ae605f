/*
 * The live page tables: W^X, guards, what is mapped and what is not.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/safe.h"
#include "kernel/base/string.h"
#include "kernel/platform/console.h"
#include "kernel/platform/pat.h"
#include "kernel/platform/screen.h"
#include "tests/suite/kutil.h"

extern char __text_start[], __text_end[], __rodata_start[], __data_start[]; /* linker.ld */

/* The walk over everything CR3 leads to finds no page that is writable and executable. */
KTEST(paging, wx)
{
    struct wx_result result;

    EXPECT_EQ(paging_prove_wx(&boot_state_get()->vm, &result), 0);
    EXPECT_NE(result.leaves, 0);
    /* The trampoline stays only where a processor that was given up may still come through it. */
    EXPECT_EQ(result.exec_bytes, (u64)(__text_end - __text_start) +
                                     (boot_state_get()->vm.trampoline_pa ? PAGE_SIZE : 0));
}

static void write_image(void *arg)
{
    const uintptr_t places[] = {(uintptr_t)__text_start, (uintptr_t)__text_end - 1,
                                (uintptr_t)__rodata_start};

    for (u32 i = 0; i < ARRAY_SIZE(places); i++) {
        uintptr_t va = places[i];

        CHECK(arg, probe_write(va, 1, *(u8 *)va) == -EFAULT);
        va = (uintptr_t)phys_to_virt(image_to_phys((void *)va));
        CHECK(arg, probe_write(va, 1, *(u8 *)va) == -EFAULT);
    }
    tally_ran(arg);
}

/* Code and constants cannot be written on any CPU, through either mapping. */
KTEST(paging, image_read_only)
{
    struct tally t = {0};

    EXPECT_EQ(smp_call_all_copy(write_image, &t), 0);
    EXPECT_TALLY(&t, cpus_online());
}

static u32 prot_of(uintptr_t va)
{
    struct pagetable live = live_tables();
    u32 prot = ~0u;

    EXPECT_EQ(pagetable_lookup(&live, va, NULL, &prot, NULL), 0);
    return prot & (PT_W | PT_X);
}

/* Each kind of memory may do what it must, and no more. */
KTEST(paging, permissions)
{
    u64 on_stack;
    u64 text_pa = image_to_phys(__text_start);

    EXPECT_EQ(prot_of((uintptr_t)__text_start), PT_X);
    EXPECT_EQ(prot_of((uintptr_t)__text_end - 1), PT_X);
    EXPECT_EQ(prot_of((uintptr_t)phys_to_virt(text_pa)), 0);
    EXPECT_EQ(prot_of((uintptr_t)__per_cpu_start), 0);
    EXPECT_EQ(prot_of((uintptr_t)__rodata_start), 0);
    EXPECT_EQ(prot_of((uintptr_t)__data_start), PT_W);
    EXPECT_EQ(prot_of((uintptr_t)&on_stack), PT_W);
    EXPECT_EQ(prot_of((uintptr_t)this_cpu_ptr(&this_cpu_off)), PT_W);
}

static void no_null(void *arg)
{
    u64 val;

    for (uintptr_t va = 0; va < PAGE_SIZE; va += 0x3f8)
        CHECK(arg, probe_read(va, 8, &val) == -EFAULT);
    CHECK(arg, probe_write(0, 1, 0) == -EFAULT);
    tally_ran(arg);
}

/* A null pointer faults on every CPU. */
KTEST(paging, null_faults)
{
    struct tally t = {0};

    EXPECT_EQ(smp_call_all_copy(no_null, &t), 0);
    EXPECT_TALLY(&t, cpus_online());
}

/* The page below each stack is mapped nowhere, faults, and is named as what it is. */
KTEST(paging, guard_pages)
{
    static const char guard[] = "guard page below ";
    const struct vspace *vs = &boot_state_get()->vm.areas;
    u32 guards = 0;

    EXPECT_EQ(vspace_verify(vs), 0);
    for (u32 i = 0; i < vs->count; i++) {
        const struct varea *a = &vs->areas[i];
        char text[80] = "";
        u64 val;

        if (a->owner == VAREA_NO_OWNER) /* registers of a device */
            continue;
        guards++;
        EXPECT_EQ(a->va - a->start, PAGE_SIZE);
        EXPECT_EQ(probe_read(a->va - 8, 8, &val), -EFAULT);
        EXPECT_EQ(probe_write(a->start, 8, 0), -EFAULT);
        EXPECT_EQ(probe_read(a->va, 8, &val), 0);
        paging_describe(a->va - 8, text, sizeof(text));
        EXPECT_EQ(memcmp(text, guard, sizeof(guard) - 1), 0);
    }
    EXPECT_GE(guards, 4 * cpus_online()); /* four stacks each */
}

/* The direct map holds the first and the last byte of all RAM. */
KTEST(paging, direct_map_covers_ram)
{
    const struct boot_state *s = boot_state_get();
    struct pagetable live = live_tables();
    u64 val, pa;

    for (u32 i = 0; i < s->ram_count; i++) {
        u64 ends[2] = {s->ram[i].start, s->ram[i].end - 1};

        for (u32 k = 0; k < 2; k++) {
            uintptr_t va = (uintptr_t)phys_to_virt(ends[k]);

            if (ends[k] >= PHYS_LIMIT)
                continue;
            EXPECT_EQ(probe_read(va, 1, &val), 0);
            EXPECT_EQ(pagetable_lookup(&live, va, &pa, NULL, NULL), 0);
            EXPECT_EQ(pa, ends[k]);
        }
    }
}

static int count_leaf(void *ctx, const struct pt_leaf *leaf)
{
    (void)leaf;
    ++*(u32 *)ctx;
    return 0;
}

static bool some_cpu_never_came(void)
{
    u32 cpu;

    for_each_possible_cpu(cpu) if (!cpumap_test(&cpu_map, CPU_PRESENT, cpu)) return true;
    return false;
}

/*
 * The lower half is empty: neither the boot tables' identity map nor the trampoline is left. While
 * a CPU may still come through the trampoline its two pages stay, and nothing else.
 */
KTEST(paging, lower_half_empty)
{
    u64 trampoline = boot_state_get()->vm.trampoline_pa;
    struct pagetable live = live_tables();
    u32 leaves = 0;

    EXPECT_TRUE(!trampoline || some_cpu_never_came());
    EXPECT_EQ(pagetable_walk(&live, 0, 1ULL << 47, count_leaf, &leaves), 0);
    EXPECT_EQ(leaves, trampoline ? 2 : 0);
}

static void check_control(void *arg)
{
    CHECK(arg, read_cr0() & CR0_WP);
    CHECK(arg, rdmsr(MSR_EFER) & EFER_NXE);
    CHECK(arg, (read_cr3() & ~0xfffULL) == boot_state_get()->vm.pt.root_pa);
    tally_ran(arg);
}

/* Every CPU obeys read-only and no-execute, and uses the same tables. */
KTEST(paging, control_registers)
{
    struct tally t = {0};

    EXPECT_EQ(smp_call_all_copy(check_control, &t), 0);
    EXPECT_TALLY(&t, cpus_online());
}

/* ---- registers of devices, and the frame buffer ---------------------------------------------- */

static void refused(u64 pa, const char *why)
{
    struct kernel_vm *vm = &boot_state_get()->vm;
    u64 mark = console_mark();

    EXPECT_TRUE(!paging_map_mmio(vm, pa, 64, PT_UC, "test"));
    EXPECT_EQ(console_count(mark, why), 1);
}

/* Whoever asks: nobody gets a second, writable mapping of the kernel or of RAM. */
KTEST(paging, where_no_registers_are)
{
    const struct boot_state *s = boot_state_get();

    ktest_expect_lines();
    refused(image_to_phys(__text_start), "refused: that is Perch itself");
    refused(s->ram[s->ram_count - 1].end - 64, "refused: that is RAM");
    refused(1ULL << 52, "refused: beyond the CPU's physical addresses");
    refused(~0ULL - 31, "refused: no room for the registers");
}

struct frame_buffer {
    struct range at;
    u32 leaves, slow;
};

static int look_at_frame_buffer(void *ctx, const struct pt_leaf *leaf)
{
    struct frame_buffer *fb = ctx;

    if (!range_overlaps((struct range){leaf->pa, leaf->pa + leaf->size}, fb->at))
        return 0;
    fb->leaves++;
    fb->slow += (leaf->prot & (PT_UC | PT_WC)) != PT_WC;
    return 0;
}

static void check_pat(void *arg)
{
    CHECK(arg, (rdmsr(MSR_PAT) >> 8 & 7) == PAT_WC); /* what PWT alone chooses */
    tally_ran(arg);
}

/* Where there is a screen, all of it is write-combining after the boot tables too; on every CPU. */
KTEST(paging, frame_buffer_is_write_combining)
{
    struct frame_buffer fb = {.at = screen_memory()};
    struct pagetable live = live_tables();
    struct tally t = {0};

    EXPECT_EQ(smp_call_all_copy(check_pat, &t), 0);
    EXPECT_TALLY(&t, cpus_online());
    EXPECT_EQ(pagetable_walk(&live, VAREA_BASE, VAREA_BASE + VAREA_SIZE, look_at_frame_buffer, &fb),
              0);
    EXPECT_TRUE(fb.leaves || !screen_ready());
    EXPECT_EQ(fb.slow, 0);
}
