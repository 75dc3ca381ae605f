/*
 * The TSC's frequency by CPUID and hypervisors; see tsc_source.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/tsc_source.h"

#include "kernel/base/clockmath.h"
#include "kernel/base/refclock.h"
#include "kernel/base/string.h"

#define LEAF_PARTS 50

#define CPUID_HYPERVISOR (1u << 31) /* leaf 1 ECX */
#define HV_BASE          0x40000000
#define HV_TIMING        0x40000010 /* EAX: TSC kHz */
#define HV_FEATURES      0x40000003 /* Hyper-V TLFS, 2.4.4 */
#define HV_MSR_ACCESS    (1u << 11) /* EAX: AccessFrequencyRegs */
#define HV_MSR_THERE     (1u << 8)  /* EDX: FrequencyRegsAvailable */
#define HV_MSR_TSC_HZ    0x40000022

enum { EAX, EBX, ECX, EDX };

static u32 hypervisor_vendor(const struct tsc_cpu *cpu, char vendor[13])
{
    u32 r[4];

    memset(vendor, 0, 13);
    cpu->cpuid(cpu->ctx, 1, r);
    if (!(r[ECX] & CPUID_HYPERVISOR))
        return 0;
    cpu->cpuid(cpu->ctx, HV_BASE, r);
    memcpy(vendor, &r[EBX], 12);
    /* The first KVMs left the highest leaf 0; it means HV_BASE + 1. */
    return r[EAX] >= HV_BASE && r[EAX] <= HV_BASE + 0xffff ? r[EAX] : HV_BASE + 1;
}

static struct tsc_leaf by_hyperv(const struct tsc_cpu *cpu, u32 max)
{
    u32 r[4];
    u64 hz;

    if (max < HV_FEATURES)
        return (struct tsc_leaf){0};
    cpu->cpuid(cpu->ctx, HV_FEATURES, r);
    if (!(r[EAX] & HV_MSR_ACCESS) || !(r[EDX] & HV_MSR_THERE) ||
        cpu->rdmsr(cpu->ctx, HV_MSR_TSC_HZ, &hz))
        return (struct tsc_leaf){0};
    return (struct tsc_leaf){hz / 1000, "Hyper-V", true};
}

static struct tsc_leaf by_hypervisor(const struct tsc_cpu *cpu)
{
    static const struct {
        const char *vendor, *name;
    } timing[] = {
        {"VMwareVMware", "VMware"},
        {"KVMKVMKVM", "KVM"},
        {"ACRNACRNACRN", "ACRN"},
    };
    char vendor[13];
    u32 max = hypervisor_vendor(cpu, vendor), r[4];

    if (strcmp(vendor, "Microsoft Hv") == 0)
        return by_hyperv(cpu, max);
    for (u32 i = 0; i < ARRAY_SIZE(timing) && max >= HV_TIMING; i++) {
        if (strcmp(vendor, timing[i].vendor) != 0)
            continue;
        cpu->cpuid(cpu->ctx, HV_TIMING, r);
        return (struct tsc_leaf){r[EAX], timing[i].name, true};
    }
    return (struct tsc_leaf){0};
}

struct tsc_leaf tsc_leaf_read(const struct tsc_cpu *cpu)
{
    struct tsc_leaf leaf = by_hypervisor(cpu);
    u32 max[4], r[4], base[4] = {0};

    if (leaf.khz)
        return leaf;
    cpu->cpuid(cpu->ctx, 0, max);
    if (max[EAX] < 0x15)
        return (struct tsc_leaf){0};
    cpu->cpuid(cpu->ctx, 0x15, r);
    if (max[EAX] >= 0x16)
        cpu->cpuid(cpu->ctx, 0x16, base);
    leaf.khz = clock_khz_cpuid(r[EAX], r[EBX], r[ECX], base[EAX] & 0xffff);
    leaf.exact = r[ECX] != 0;
    leaf.name = leaf.exact ? "CPUID 15h" : "CPUID 16h";
    return leaf;
}

enum tsc_choice tsc_choose(const struct tsc_leaf *leaf, u64 measured, bool good,
                           bool *contradiction)
{
    *contradiction = leaf->khz && measured && refclock_differ(leaf->khz, measured, LEAF_PARTS);
    if (!leaf->khz)
        return measured ? TSC_MEASURED : TSC_NOTHING;
    if (*contradiction || (measured && good && !leaf->exact))
        return TSC_MEASURED;
    return TSC_LEAF;
}
