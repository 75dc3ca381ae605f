/*
 * Static per-CPU data: every CPU's copy begins as the template, the template stays as linked, and
 * what the boot CPU wrote early is its own. Runs before unit_isolation, which writes over units.
 * Suites with many CPUs look at every cpu_stride()th unit where they read whole areas.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/safe.h"
#include "kernel/base/string.h"
#include "kernel/platform/cpu_tables.h"
#include "percpu/percpu.h"
#include "tests/suite/kutil.h"

extern u64 __stack_chk_guard;                   /* percpu/first/setup.c */
extern char __early_unit[], __early_unit_end[]; /* linker.ld */

/* Initialised, never written: the same everywhere for good. */
static DEFINE_PER_CPU(u64, in_plain) = 0x1111222233334444ULL;
static DEFINE_PER_CPU_READ_MOSTLY(u16, in_read_mostly) = 0xabcd;
static DEFINE_PER_CPU_ALIGNED(u8, in_aligned) = 0x5a;
static DEFINE_PER_CPU_PAGE_ALIGNED(u32, in_page_aligned) = 0xfeedf00d;
static DEFINE_PER_CPU(u64, in_zero);

static void own_copies(void *arg)
{
    CHECK(arg, this_cpu_read(in_plain) == 0x1111222233334444ULL);
    CHECK(arg, this_cpu_read(in_read_mostly) == 0xabcd);
    CHECK(arg, this_cpu_read(in_aligned) == 0x5a);
    CHECK(arg, this_cpu_read(in_page_aligned) == 0xfeedf00d);
    CHECK(arg, this_cpu_read(in_zero) == 0);
    CHECK(arg, is_aligned((u64)this_cpu_ptr(&in_aligned), 64));
    CHECK(arg, is_aligned((u64)this_cpu_ptr(&in_page_aligned), PAGE_SIZE));
    tally_ran(arg);
}

/* Initialisers of every section reach every CPU, at addresses as aligned as the section says. */
KTEST(percpu_static, initialisers)
{
    struct tally t = {0};
    u32 cpu;

    EXPECT_EQ(smp_call_all_copy(own_copies, &t), 0);
    EXPECT_TALLY(&t, cpus_online());
    for_each_possible_cpu(cpu)
    { /* those that do not run have their copy too */
        EXPECT_EQ(per_cpu(in_plain, cpu), 0x1111222233334444ULL);
        EXPECT_EQ(per_cpu(in_page_aligned, cpu), 0xfeedf00d);
        EXPECT_EQ(per_cpu(in_zero, cpu), 0);
    }
}

/* What the boot CPU wrote before the areas existed: not lost, and not inherited by anybody. */
KTEST(percpu_static, early_write)
{
    u32 cpu;

    EXPECT_EQ(*(volatile u64 *)&percpu_early_mark, PERCPU_EARLY_MARK_LINKED);
    EXPECT_EQ(per_cpu(percpu_early_mark, 0), PERCPU_EARLY_MARK_WRITTEN);
    for_each_possible_cpu(cpu) if (cpu != 0)
        EXPECT_EQ(per_cpu(percpu_early_mark, cpu), PERCPU_EARLY_MARK_LINKED);
}

static u64 nonzero_words(const u8 *from, const u8 *to)
{
    const u64 *w = (const u64 *)align_up((u64)from, 8);
    u64 n = 0;

    for (; (const u8 *)(w + 1) <= to; w++)
        n += *w != 0;
    return n;
}

/*
 * Behind the template each unit is zero up to its end: no object lives there, and where some have
 * been, free memory is clean once the magazines have given back what waits in them.
 */
KTEST(percpu_static, padding_is_zero)
{
    const struct pcpu_first_chunk *fc = &boot_state_get()->first_chunk;
    u64 linked = (u64)(__per_cpu_end - __per_cpu_start);

    percpu_trim();
    for (u32 cpu = 0; cpu < fc->nr_cpus; cpu += cpu_stride()) {
        const u8 *unit = pcpu_unit_addr(fc, cpu);

        EXPECT_EQ(nonzero_words(unit + linked, unit + fc->size_sum), 0);
    }
}

/* Each CPU has a canary of its own whose low byte stops string functions. */
KTEST(percpu_static, canaries)
{
    u32 n = cpu_map.nr_ids, step = cpu_stride();

    for (u32 a = 0; a < n; a++) {
        u64 own = per_cpu(__stack_chk_guard, a);

        EXPECT_EQ(own & 0xff, 0);
        EXPECT_NE(own, 0);
        for (u32 b = 0; b < a; b += step)
            EXPECT_NE(own, per_cpu(__stack_chk_guard, b));
    }
}

static void write_template(void *arg)
{
    u64 val;

    CHECK(arg, probe_write((uintptr_t)&in_plain, 8, 0) == -EFAULT);
    CHECK(arg, probe_write((uintptr_t)__per_cpu_start, 1, 0) == -EFAULT);
    CHECK(arg, probe_write((uintptr_t)__per_cpu_end - 1, 1, 0) == -EFAULT);
    CHECK(arg, probe_read((uintptr_t)&in_plain, 8, &val) == 0);
    CHECK(arg, val == 0x1111222233334444ULL);
    tally_ran(arg);
}

/* The template is read-only on every CPU, in the kernel's mapping and in the direct map. */
KTEST(percpu_static, template_read_only)
{
    struct tally t = {0};
    uintptr_t alias = (uintptr_t)phys_to_virt(image_to_phys(&in_plain));

    EXPECT_EQ(smp_call_all_copy(write_template, &t), 0);
    EXPECT_TALLY(&t, cpus_online());
    EXPECT_EQ(probe_write(alias, 8, 0), -EFAULT);
}

static void touch_early_unit(void *arg)
{
    u64 val;

    for (char *p = __early_unit; p < __early_unit_end; p += PAGE_SIZE) {
        CHECK(arg, probe_read((uintptr_t)p, 8, &val) == -EFAULT);
        CHECK(arg, probe_write((uintptr_t)p, 8, 0) == -EFAULT);
    }
    tally_ran(arg);
}

/* The boot CPU's first unit is gone: an address kept from then faults on every CPU. */
KTEST(percpu_static, early_unit_gone)
{
    struct tally t = {0};

    EXPECT_EQ(smp_call_all_copy(touch_early_unit, &t), 0);
    EXPECT_TALLY(&t, cpus_online());
}

/* A CPU number that cannot be has no copy: the address is non-canonical and names the CPU. */
KTEST(percpu_static, impossible_cpus)
{
    u64 val;

    if (cpu_map.nr_ids == NR_CPUS) {
        ktest_skip("every CPU number is possible here");
        return;
    }
    for (u32 cpu = cpu_map.nr_ids; cpu < NR_CPUS; cpu += 61) {
        uintptr_t va = (uintptr_t)per_cpu_ptr(&in_plain, cpu);

        EXPECT_EQ(va >> 32, PER_CPU_PREMATURE(cpu) >> 32);
        EXPECT_EQ(probe_read(va, 8, &val), -EFAULT);
        EXPECT_EQ(probe_write(va, 8, 0), -EFAULT);
    }
    EXPECT_EQ(probe_read((uintptr_t)per_cpu_ptr(&in_plain, NR_CPUS - 1), 8, &val), -EFAULT);
}
