/*
 * The TSC's frequency as CPUs and hypervisors tell it, on machines made of tables: leaf by leaf
 * what a real one has. And which of a leaf and a measurement is believed.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/errno.h"
#include "kernel/base/ktest.h"
#include "kernel/base/string.h"
#include "kernel/base/tsc_source.h"

#define HV_BIT 0x80000000u

struct leaf {
    u32 leaf, regs[4];
};

struct world {
    const struct leaf *leaves;
    u32 n;
    u64 hz;        /* MSR 40000022h; 0: none */
    u32 msr_reads; /* how often it was asked for */
};

/* A leaf that is not there reads as zeroes. */
static void world_cpuid(void *ctx, u32 leaf, u32 regs[4])
{
    const struct world *w = ctx;

    memset(regs, 0, 16);
    for (u32 i = 0; i < w->n; i++)
        if (w->leaves[i].leaf == leaf)
            memcpy(regs, w->leaves[i].regs, 16);
}

static int world_rdmsr(void *ctx, u32 msr, u64 *val)
{
    struct world *w = ctx;

    w->msr_reads++;
    *val = msr == 0x40000022 ? w->hz : 0;
    return *val ? 0 : -EFAULT;
}

static struct tsc_leaf ask(struct world *w)
{
    struct tsc_cpu cpu = {world_cpuid, world_rdmsr, w};

    return tsc_leaf_read(&cpu);
}

#define ASK(leaf_table, hz) ask(&(struct world){leaf_table, ARRAY_SIZE(leaf_table), hz, 0})

/* As EBX, ECX, EDX: "Microsoft Hv", "VMwareVMware", "KVMKVMKVM\0\0\0" and so on. */
#define HYPERV 0x7263694d, 0x666f736f, 0x76482074
#define VMWARE 0x61774d56, 0x4d566572, 0x65726177
#define KVM    0x4b4d564b, 0x564b4d56, 0x0000004d
#define ACRN   0x4e524341, 0x4e524341, 0x4e524341
#define TCG    0x54474354, 0x43544743, 0x47435447

static const struct leaf plain[] = {{0, {0x14}}, {0x15, {2, 100, 24000000}}};
static const struct leaf skylake[] = {
    {0, {0x16}}, {0x15, {2, 216, 0, 0}}, {0x16, {2600, 3500, 100}}};
static const struct leaf icelake[] = {
    {0, {0x1b}}, {0x15, {2, 168, 25000000, 0}}, {0x16, {2100, 3400, 100}}};
static const struct leaf hyperv[] = {{0, {0x16}},
                                     {1, {0, 0, HV_BIT}},
                                     {0x15, {2, 168, 25000000, 0}},
                                     {0x40000000, {0x4000000b, HYPERV}},
                                     {0x40000003, {1u << 11, 0, 0, 1u << 8}}};
static const struct leaf hyperv_no_access[] = {{0, {0x16}},
                                               {1, {0, 0, HV_BIT}},
                                               {0x40000000, {0x4000000b, HYPERV}},
                                               {0x40000003, {0, 0, 0, 1u << 8}}};
static const struct leaf hyperv_no_msr[] = {{0, {0x16}},
                                            {1, {0, 0, HV_BIT}},
                                            {0x40000000, {0x4000000b, HYPERV}},
                                            {0x40000003, {1u << 11, 0, 0, 0}}};
static const struct leaf hyperv_old[] = {{0, {0x16}},
                                         {1, {0, 0, HV_BIT}},
                                         {0x40000000, {0x40000002, HYPERV}},
                                         {0x40000003, {1u << 11, 0, 0, 1u << 8}}};
static const struct leaf vmware[] = {{0, {0x14}},
                                     {1, {0, 0, HV_BIT}},
                                     {0x40000000, {0x40000010, VMWARE}},
                                     {0x40000010, {2294609, 66000}}};
static const struct leaf kvm[] = {{0, {0x14}},
                                  {1, {0, 0, HV_BIT}},
                                  {0x40000000, {0x40000010, KVM}},
                                  {0x40000010, {2445424, 1000000}}};
static const struct leaf acrn[] = {
    {0, {0x14}}, {1, {0, 0, HV_BIT}}, {0x40000000, {0x40000010, ACRN}}, {0x40000010, {1896000, 0}}};
static const struct leaf kvm_plain[] = {
    {0, {0x14}}, {1, {0, 0, HV_BIT}}, {0x40000000, {0x40000001, KVM}}, {0x40000010, {1}}};
static const struct leaf kvm_first[] = {
    {0, {0x14}}, {1, {0, 0, HV_BIT}}, {0x40000000, {0, KVM}}, {0x40000010, {1}}};
static const struct leaf stranger[] = {
    {0, {0x14}}, {1, {0, 0, HV_BIT}}, {0x40000000, {0x40000010, TCG}}, {0x40000010, {77}}};
static const struct leaf no_hypervisor[] = {
    {0, {0x14}}, {0x40000000, {0x40000010, VMWARE}}, {0x40000010, {77}}};

KTEST(tsc_source, cpu)
{
    struct tsc_leaf leaf;

    EXPECT_EQ(ASK(plain, 0).khz, 0); /* 15h is above the highest leaf */
    leaf = ASK(skylake, 0);
    EXPECT_EQ(leaf.khz, 2600000);
    EXPECT_STREQ(leaf.name, "CPUID 16h");
    EXPECT_FALSE(leaf.exact);
    leaf = ASK(icelake, 0);
    EXPECT_EQ(leaf.khz, 2100000);
    EXPECT_STREQ(leaf.name, "CPUID 15h");
    EXPECT_TRUE(leaf.exact);
}

KTEST(tsc_source, hyperv)
{
    struct world w = {hyperv, ARRAY_SIZE(hyperv), 2095197000, 0};
    struct tsc_leaf leaf = ask(&w);

    EXPECT_EQ(leaf.khz, 2095197);
    EXPECT_STREQ(leaf.name, "Hyper-V");
    EXPECT_TRUE(leaf.exact);
    EXPECT_EQ(ASK(hyperv, 0).khz, 2100000); /* the MSR faults: CPUID 15h */

    /* Without the privilege the MSR is not touched. */
    w = (struct world){hyperv_no_access, ARRAY_SIZE(hyperv_no_access), 2095197000, 0};
    EXPECT_EQ(ask(&w).khz, 0);
    EXPECT_EQ(w.msr_reads, 0);
    w = (struct world){hyperv_no_msr, ARRAY_SIZE(hyperv_no_msr), 2095197000, 0};
    EXPECT_EQ(ask(&w).khz, 0);
    EXPECT_EQ(w.msr_reads, 0);
    w = (struct world){hyperv_old, ARRAY_SIZE(hyperv_old), 2095197000, 0};
    EXPECT_EQ(ask(&w).khz, 0); /* above its highest leaf */
    EXPECT_EQ(w.msr_reads, 0);
}

KTEST(tsc_source, timing_leaf)
{
    EXPECT_EQ(ASK(vmware, 0).khz, 2294609);
    EXPECT_STREQ(ASK(vmware, 0).name, "VMware");
    EXPECT_EQ(ASK(kvm, 0).khz, 2445424);
    EXPECT_STREQ(ASK(kvm, 0).name, "KVM");
    EXPECT_TRUE(ASK(kvm, 0).exact);
    EXPECT_EQ(ASK(acrn, 0).khz, 1896000);
    EXPECT_STREQ(ASK(acrn, 0).name, "ACRN");
    EXPECT_EQ(ASK(kvm_plain, 0).khz, 0); /* above its highest leaf */
    EXPECT_EQ(ASK(kvm_first, 0).khz, 0);
    EXPECT_EQ(ASK(stranger, 0).khz, 0);
    EXPECT_EQ(ASK(no_hypervisor, 0).khz, 0);
}

static enum tsc_choice choose(u64 khz, bool exact, u64 measured, bool good, bool *contradiction)
{
    struct tsc_leaf leaf = {khz, "leaf", exact};

    return tsc_choose(&leaf, measured, good, contradiction);
}

KTEST(tsc_source, choice)
{
    bool no;

    EXPECT_EQ(choose(0, false, 0, false, &no), TSC_NOTHING);
    EXPECT_FALSE(no);
    EXPECT_EQ(choose(0, false, 2594000, false, &no), TSC_MEASURED);
    EXPECT_EQ(choose(2600000, true, 2594000, true, &no), TSC_LEAF);
    EXPECT_FALSE(no);
    /* Crystal 0: the leaf is 2600 MHz, the part runs at 2593.5. */
    EXPECT_EQ(choose(2600000, false, 2593500, true, &no), TSC_MEASURED);
    EXPECT_FALSE(no);
    EXPECT_EQ(choose(2600000, false, 2593500, false, &no), TSC_LEAF);
    EXPECT_EQ(choose(2600000, false, 0, false, &no), TSC_LEAF);
    EXPECT_FALSE(no);
    /* More than 2 % apart. */
    EXPECT_EQ(choose(2600000, true, 2500000, true, &no), TSC_MEASURED);
    EXPECT_TRUE(no);
    EXPECT_EQ(choose(2600000, false, 2500000, false, &no), TSC_MEASURED);
    EXPECT_TRUE(no);
}
