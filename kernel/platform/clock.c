/*
 * Frequency of the TSC.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/platform/clock.h"
#include "kernel/base/clockmath.h"
#include "kernel/base/cpu.h"
#include "kernel/base/errno.h"
#include "kernel/base/print.h"

#define PM_HZ      3579545ULL /* ACPI 6.5, 4.8.3.3 */
#define PM_TICKS   3580ULL    /* about 1 ms */
#define PIT_HZ     1193182ULL /* 8254 */
#define PIT_TICKS  2386ULL    /* about 2 ms; a 16-bit counter */
#define NEED_AGREE 3
#define MAX_TRIES  5

/* A wait ends after this time; with the frequency unknown that is at least so much. */
#define MAX_WAIT_US 50000

#define HV_FREQUENCY_LEAF 0x40000010 /* EAX: TSC kHz; VMware's, also KVM's and QEMU's */

/* One measurement: TSC ticks per millisecond, or a negative errno. */
typedef int (*measure_fn)(u64 *khz);

static u16 pm_port;
static u32 pm_mask;

static int measure_pm(u64 *khz)
{
    u32 first = inl(pm_port) & pm_mask, now = first, passed = 0;
    struct deadline limit = deadline_start(MAX_WAIT_US);
    u64 start, end;

    while (now == first) { /* begin at a tick; a port without a timer never ticks */
        if (deadline_passed(&limit))
            return -ETIMEDOUT;
        now = inl(pm_port) & pm_mask;
    }
    first = now;
    start = end = rdtsc();
    while (passed < PM_TICKS) {
        passed = ((inl(pm_port) & pm_mask) - first) & pm_mask;
        end = rdtsc();
        if (deadline_passed(&limit))
            return -ETIMEDOUT;
    }
    *khz = clock_khz(end - start, passed, PM_HZ);
    return 0;
}

/* Channel 2, whose gate and output are bits 0 and 5 of port 0x61; no interrupt, no sound. */
static int measure_pit(u64 *khz)
{
    struct deadline limit = deadline_start(MAX_WAIT_US);
    u8 gate = inb(0x61);
    u64 start, end;

    outb(0x61, (gate & ~0x02) | 0x01);
    outb(0x43, 0xb0); /* channel 2, both bytes, mode 0: the output goes high at the end */
    outb(0x42, PIT_TICKS & 0xff);
    outb(0x42, PIT_TICKS >> 8);
    start = end = rdtsc();
    while (!(inb(0x61) & 0x20)) {
        end = rdtsc();
        if (deadline_passed(&limit)) {
            outb(0x61, gate);
            return -ETIMEDOUT;
        }
    }
    outb(0x61, gate);
    /* An absent PIT reads as ones: "done" at once. */
    if (end - start < 1000)
        return -EIO;
    *khz = clock_khz(end - start, PIT_TICKS, PIT_HZ);
    return 0;
}

static u64 measure(const char *name, measure_fn fn)
{
    u64 khz[MAX_TRIES];
    u32 n = 0;

    while (n < MAX_TRIES) {
        int err = fn(&khz[n]);
        if (err) {
            pr_warn("tsc: %s does not count (%d)", name, err);
            return 0;
        }
        n++;
        if (n >= NEED_AGREE && clock_agree(&khz[n - NEED_AGREE], NEED_AGREE))
            return clock_median(&khz[n - NEED_AGREE], NEED_AGREE);
    }
    u64 median = clock_median(khz, n);
    pr_warn("tsc: %u measurements by the %s do not agree; the median is taken", n, name);
    return median;
}

static u64 khz_by_cpuid(const char **name)
{
    u32 a, b, c, d;

    cpuid(0, 0, &a, &b, &c, &d);
    if (a >= 0x15) {
        cpuid(0x15, 0, &a, &b, &c, &d);
        *name = "CPUID 15h";
        u64 khz = clock_khz_cpuid15(a, b, c);
        if (khz)
            return khz;
    }
    if (!cpu_has_hypervisor())
        return 0;
    cpuid(0x40000000, 0, &a, &b, &c, &d);
    if (a < HV_FREQUENCY_LEAF || a > HV_FREQUENCY_LEAF + 0xffff)
        return 0;
    cpuid(HV_FREQUENCY_LEAF, 0, &a, &b, &c, &d);
    *name = "hypervisor";
    return a;
}

void clock_init(u16 port, bool pm_32bit)
{
    const char *name = "";
    u64 khz = khz_by_cpuid(&name);

    pm_port = port;
    pm_mask = pm_32bit ? 0xffffffff : 0x00ffffff;
    if (!khz && pm_port) {
        name = "ACPI PM timer";
        khz = measure(name, measure_pm);
    }
    if (!khz) {
        name = "PIT";
        khz = measure(name, measure_pit);
    }
    if (!khz) {
        pr_err("tsc: nothing to measure it by: 10 GHz is assumed, times in this log are too short");
        return;
    }
    tsc_khz_set(khz);
    pr_info("tsc: Detected %llu.%03llu MHz (%s)", (unsigned long long)(khz / 1000),
            (unsigned long long)(khz % 1000), name);
}
