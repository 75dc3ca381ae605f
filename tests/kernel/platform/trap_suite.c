/*
 * Expected faults: every CPU survives them, and its handler learns the cause.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/safe.h"
#include "tests/suite/kutil.h"

#define BAD_MSR       0xdeadbeefu /* in no range that any manufacturer uses */
#define NON_CANONICAL 0x5ead000000000000ULL
#define UNMAPPED      (VAREA_BASE + VAREA_SIZE - PAGE_SIZE) /* last page of the window of areas */

static void reads(void *arg)
{
    static const size_t sizes[] = {1, 2, 4, 8};
    static const uintptr_t bad[] = {0, 0x10, UNMAPPED, NON_CANONICAL, NON_CANONICAL | 0xfff};
    u64 word = 0x8899aabbccddeeffULL, out = 1;

    for (u32 i = 0; i < ARRAY_SIZE(sizes); i++) {
        for (u32 j = 0; j < ARRAY_SIZE(bad); j++) {
            CHECK(arg, probe_read(bad[j], sizes[i], &out) == -EFAULT && out == 0);
            CHECK(arg, probe_write(bad[j], sizes[i], 1) == -EFAULT);
            out = 1;
        }
        CHECK(arg, probe_read((uintptr_t)&word, sizes[i], &out) == 0);
        CHECK(arg, out == (word & (~0ULL >> (64 - 8 * sizes[i]))));
    }
    CHECK(arg, probe_write((uintptr_t)&word, 2, 0x1122) == 0);
    CHECK(arg, word == 0x8899aabbccdd1122ULL);
    CHECK(arg, probe_read((uintptr_t)&word, 3, &out) == -EINVAL);
    CHECK(arg, probe_write((uintptr_t)&word, 16, 0) == -EINVAL);
    tally_ran(arg);
}

/* Null, unmapped and non-canonical addresses give -EFAULT in all sizes, good ones the value. */
KTEST(trap, probe)
{
    struct tally t = {0};

    EXPECT_EQ(smp_call_all_copy(reads, &t), 0);
    EXPECT_TALLY(&t, cpus_online());
}

static void unknown_msr(void *arg)
{
    u64 val = 1;

    if (rdmsr_safe(BAD_MSR, &val) != -EFAULT || val != 0 || wrmsr_safe(BAD_MSR, 0) != -EFAULT)
        __atomic_fetch_add((u32 *)arg, 1, __ATOMIC_RELAXED);
}

/* An MSR that does not exist; some emulators let it read as 0 on every CPU. */
KTEST(trap, unknown_msr)
{
    u32 no_fault = 0;

    EXPECT_EQ(smp_call_all_copy(unknown_msr, &no_fault), 0);
    if (no_fault == cpus_online())
        ktest_skip("this machine has no MSR that faults");
    else
        EXPECT_EQ(no_fault, 0);
}

static void bad_msr_value(void *arg)
{
    u64 base = rdmsr(MSR_GS_BASE), val;

    CHECK(arg, rdmsr_safe(MSR_GS_BASE, &val) == 0 && val == base);
    CHECK(arg, wrmsr_safe(MSR_GS_BASE, base) == 0);
    CHECK(arg, rdmsr(MSR_GS_BASE) == base);
    tally_ran(arg);
}

/* The safe versions do what the plain ones do where nothing faults. */
KTEST(trap, known_msr)
{
    struct tally t = {0};

    EXPECT_EQ(smp_call_all_copy(bad_msr_value, &t), 0);
    EXPECT_TALLY(&t, cpus_online());
}
