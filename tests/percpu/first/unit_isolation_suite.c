/*
 * Isolation: what one CPU writes into its unit reaches nobody else's.
 *
 * Covered: every byte of each unit behind the template (the padding of the static area, the
 * reserved and the dynamic area), and of the static part this suite's own variables, one in each
 * sub-section, a whole page among them. Not written: other static variables. They are in use while
 * the test runs (canary, GDT and TSS, this_cpu_off, queues of calls), and no moment exists in which
 * all CPUs could stand without them. That two units share no byte there either follows from the
 * physical pages, which suite placement compares.
 *
 * The calls are the barriers: one round writes on all CPUs, the next looks on all of them. The
 * bytes must be as they were at the end, so the first round wants them to be 0, and a CPU whose
 * area is in use leaves it alone and says so.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/string.h"
#include "tests/suite/kutil.h"

static DEFINE_PER_CPU(u64, own_plain);
static DEFINE_PER_CPU_READ_MOSTLY(u64, own_read_mostly);
static DEFINE_PER_CPU_ALIGNED(u64, own_aligned[8]);
static DEFINE_PER_CPU_PAGE_ALIGNED(u64, own_page[512]);

static u64 *area_start(u32 cpu)
{
    u64 linked = align_up((u64)(__per_cpu_end - __per_cpu_start), 8);

    return (u64 *)((u8 *)pcpu_unit_addr(&boot_state_get()->first_chunk, cpu) + linked);
}

static u64 *area_end(u32 cpu)
{
    const struct pcpu_first_chunk *fc = &boot_state_get()->first_chunk;

    return (u64 *)((u8 *)pcpu_unit_addr(fc, cpu) + fc->size_sum);
}

/* Differs between CPUs, and between two words of one CPU that are not a multiple of 4 GiB apart. */
static u64 stamp(u32 cpu, u64 index)
{
    return (u64)(cpu + 1) << 32 | (u32)index;
}

static bool all_zero(const u64 *from, const u64 *to)
{
    while (from < to)
        if (*from++)
            return false;
    return true;
}

static void fill(u64 *from, const u64 *to, u32 cpu)
{
    for (u64 i = 0; from + i < to; i++)
        from[i] = stamp(cpu, i);
}

static u64 wrong_words(const u64 *from, const u64 *to, u32 cpu)
{
    u64 n = 0;

    for (u64 i = 0; from + i < to; i++)
        n += from[i] != stamp(cpu, i);
    return n;
}

static void look_empty(void *arg)
{
    u32 cpu = cpu_number();

    CHECK(arg, all_zero(area_start(cpu), area_end(cpu)));
    tally_ran(arg);
}

static void write_own(void *arg)
{
    u32 cpu = cpu_number();
    u64 *page = *this_cpu_ptr(&own_page), *line = *this_cpu_ptr(&own_aligned);

    fill(area_start(cpu), area_end(cpu), cpu);
    fill(page, page + 512, cpu);
    fill(line, line + 8, cpu);
    this_cpu_write(own_plain, stamp(cpu, 0));
    this_cpu_write(own_read_mostly, stamp(cpu, 1));
    tally_ran(arg);
}

static void check_unit(struct tally *t, u32 cpu)
{
    u64 *page = *per_cpu_ptr(&own_page, cpu), *line = *per_cpu_ptr(&own_aligned, cpu);

    CHECK(t, wrong_words(area_start(cpu), area_end(cpu), cpu) == 0);
    CHECK(t, wrong_words(page, page + 512, cpu) == 0);
    CHECK(t, wrong_words(line, line + 8, cpu) == 0);
    CHECK(t, per_cpu(own_plain, cpu) == stamp(cpu, 0));
    CHECK(t, per_cpu(own_read_mostly, cpu) == stamp(cpu, 1));
}

/*
 * Up to 16 CPUs everybody looks at everybody; above, at itself, which finds any foreign write, and
 * at the next CPU, which finds two CPUs that disagree about where a unit is.
 */
static void check_all(void *arg)
{
    u32 self = cpu_number(), n = cpu_map.nr_ids, others = n <= 16 ? n : 2;

    for (u32 i = 0; i < others; i++) {
        u32 cpu = (self + i) % n;

        if (cpu_is_online(cpu))
            check_unit(arg, cpu);
    }
    tally_ran(arg);
}

static void clear_own(void *arg)
{
    u32 cpu = cpu_number();

    memset(area_start(cpu), 0, (u64)((u8 *)area_end(cpu) - (u8 *)area_start(cpu)));
    tally_ran(arg);
}

/* Units of CPUs that do not run: nobody may have written there. */
static void check_offline(void)
{
    u32 cpu;

    for_each_possible_cpu(cpu)
    {
        if (cpu_is_online(cpu))
            continue;
        EXPECT_TRUE(all_zero(area_start(cpu), area_end(cpu)));
        EXPECT_TRUE(all_zero(*per_cpu_ptr(&own_page, cpu), *per_cpu_ptr(&own_page, cpu) + 512));
        EXPECT_EQ(per_cpu(own_plain, cpu), 0);
    }
}

KTEST(unit_isolation, every_cpu_writes_its_unit)
{
    struct tally empty = {0}, wrote = {0}, looked = {0}, cleared = {0};
    u32 n = cpus_online();

    EXPECT_EQ(smp_call_all_copy(look_empty, &empty), 0);
    if (empty.bad) {
        ktest_skip("units are in use: writing over them would destroy what they hold");
        return;
    }
    EXPECT_EQ(smp_call_all_copy(write_own, &wrote), 0);
    EXPECT_EQ(smp_call_all_copy(check_all, &looked), 0);
    check_offline();
    EXPECT_EQ(smp_call_all_copy(clear_own, &cleared), 0);
    EXPECT_TALLY(&wrote, n);
    EXPECT_TALLY(&looked, n);
    EXPECT_TALLY(&cleared, n);
}

/* The template is nobody's unit: after all that writing it is as linked. */
KTEST(unit_isolation, template_untouched)
{
    const volatile u64 *page = own_page;
    u64 sum = *(volatile u64 *)&own_plain | *(volatile u64 *)&own_read_mostly;

    for (u32 i = 0; i < 512; i++)
        sum |= page[i];
    EXPECT_EQ(sum, 0);
}
