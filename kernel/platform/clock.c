/*
 * The frequency of the TSC; see clock.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/platform/clock.h"
#include "acpi/hpet.h"
#include "kernel/base/clockmath.h"
#include "kernel/base/cpu.h"
#include "kernel/base/errno.h"
#include "kernel/base/firmware.h"
#include "kernel/base/print.h"
#include "kernel/base/refclock.h"
#include "kernel/base/safe.h"
#include "kernel/base/tsc_source.h"
#include "mm/map/address_map.h"

#define PM_HZ  3579545ULL /* ACPI 6.5, 4.8.3.3 */
#define PIT_HZ 1193182ULL /* 8254 */

/*
 * Times of a measurement, 20 times as long under a hypervisor. The TSC's frequency is still unknown
 * and 10 GHz is assumed, so on a slower CPU they are longer, never shorter.
 */
#define STILL_US   10000
#define MEASURE_US 500000

static const char *source = "assumed";

static u64 read_tsc(void *ctx)
{
    (void)ctx;
    return rdtsc();
}

/* ---- HPET: IA-PC HPET 1.0a, 2.3 -------------------------------------------------------------- */

static u64 read_hpet(void *ctx)
{
    return *(volatile u32 *)((volatile u8 *)ctx + HPET_REG_COUNTER);
}

/* A 64-bit register, read in halves: a chipset need not support 64-bit accesses (2.4.7). */
static u64 hpet_register(volatile u32 *regs, u32 reg)
{
    return regs[reg / 4] | (u64)regs[reg / 4 + 1] << 32;
}

/* If firmware left the counter off, it runs only for the measurement. */
static int measure_hpet(const struct clock_hardware *hw, const struct refclock_limits *limits,
                        u64 *khz)
{
    volatile u32 *regs = phys_to_virt(hw->hpet);
    struct refclock ref = {"HPET", read_hpet, read_tsc, (void *)(uintptr_t)regs, 0, 0xffffffff};
    u64 cap = hpet_register(regs, HPET_REG_CAP);
    u32 config = regs[HPET_REG_CONFIG / 4];
    int err;

    ref.hz = hpet_hz(cap);
    if (!ref.hz) {
        firmware_finding(FW_HPET_PERIOD, "[mem 0x%lx] is no HPET: capabilities 0x%lx", hw->hpet,
                         cap);
        return -ENODEV;
    }
    if (!(config & HPET_CONFIG_ENABLE))
        regs[HPET_REG_CONFIG / 4] = config | HPET_CONFIG_ENABLE;
    pr_info("hpet: [mem 0x%lx] %lu Hz, %u-bit counter%s", hw->hpet, ref.hz,
            hpet_is_64bit(cap) ? 64 : 32, config & HPET_CONFIG_ENABLE ? "" : ", was off");
    err = refclock_khz(&ref, limits, khz);
    if (!(config & HPET_CONFIG_ENABLE))
        regs[HPET_REG_CONFIG / 4] = config;
    return err;
}

/* ---- ACPI PM timer --------------------------------------------------------------------------- */

static u64 read_pm(void *ctx)
{
    return inl(*(const u16 *)ctx);
}

static int measure_pm(const struct clock_hardware *hw, const struct refclock_limits *limits,
                      u64 *khz)
{
    u16 port = hw->pm_port;
    struct refclock ref = {"ACPI PM timer", read_pm, read_tsc,
                           &port,           PM_HZ,   hw->pm_32bit ? 0xffffffff : 0x00ffffff};

    return refclock_khz(&ref, limits, khz);
}

/* ---- PIT: channel 2, gated by bit 0 of port 0x61; no interrupt, no sound --------------------- */

/* Latches the count and reads it, low byte first; the count runs down, so it is inverted. */
static u64 read_pit(void *ctx)
{
    u32 count;

    (void)ctx;
    outb(0x43, 0x80);
    count = inb(0x42);
    count |= (u32)inb(0x42) << 8;
    return ~(u64)count;
}

/* An absent PIT reads as ones, so it does not seem to count. */
static int measure_pit(const struct clock_hardware *hw, const struct refclock_limits *limits,
                       u64 *khz)
{
    static const struct refclock ref = {"PIT", read_pit, read_tsc, NULL, PIT_HZ, 0xffff};
    u8 gate = inb(0x61);
    int err;

    (void)hw;
    outb(0x61, (gate & ~0x02) | 0x01);
    outb(0x43, 0xb0); /* channel 2, both bytes, mode 0: counts on after 0 */
    outb(0x42, 0xff);
    outb(0x42, 0xff);
    err = refclock_khz(&ref, limits, khz);
    outb(0x61, gate);
    return err;
}

/* ---- choice ---------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    int (*measure)(const struct clock_hardware *hw, const struct refclock_limits *limits, u64 *khz);
} clocks[] = {
    {"HPET", measure_hpet},
    {"ACPI PM timer", measure_pm},
    {"PIT", measure_pit},
};

/* The boot tables map the first 4 GiB only. */
static bool clock_present(const struct clock_hardware *hw, u32 i)
{
    if (i == 0 && hw->hpet && hw->hpet > BOOT_MAPPED_LIMIT - HPET_REG_SIZE) {
        pr_warn("hpet: [mem 0x%lx] is out of reach, not used", hw->hpet);
        return false;
    }
    return i == 0 ? hw->hpet != 0 : i == 1 ? hw->pm_port != 0 : true;
}

/* The first clock whose measurements agree (*good); else the first with a result; else 0. */
static u64 khz_by_clocks(const struct clock_hardware *hw, const char **name, bool *good)
{
    u64 factor = cpu_has_hypervisor() ? HYPERVISOR_FACTOR : 1;
    struct refclock_limits limits = {
        .still = clock_us_to_ticks(STILL_US * factor, tsc_khz_now()),
        .limit = clock_us_to_ticks(MEASURE_US * factor, tsc_khz_now()),
    };
    u64 doubtful = 0;

    for (u32 i = 0; i < ARRAY_SIZE(clocks); i++) {
        u64 khz;
        int err;

        if (!clock_present(hw, i))
            continue;
        err = clocks[i].measure(hw, &limits, &khz);
        if (!err) {
            *name = clocks[i].name;
            *good = true;
            return khz;
        }
        if (err == -ETIMEDOUT)
            firmware_finding(FW_CLOCK_STANDS, "the %s does not count", clocks[i].name);
        if (err == -EIO)
            pr_warn("tsc: measurements by the %s do not agree", clocks[i].name);
        if (khz && !doubtful) {
            doubtful = khz;
            *name = clocks[i].name;
        }
    }
    return doubtful;
}

static void op_cpuid(void *ctx, u32 leaf, u32 regs[4])
{
    (void)ctx;
    cpuid(leaf, 0, &regs[0], &regs[1], &regs[2], &regs[3]);
}

static int op_rdmsr(void *ctx, u32 msr, u64 *val)
{
    (void)ctx;
    return rdmsr_safe(msr, val);
}

void clock_init(const struct clock_hardware *hw)
{
    struct tsc_leaf leaf = tsc_leaf_read(&(struct tsc_cpu){op_cpuid, op_rdmsr, NULL});
    const char *clock_name = "";
    bool good = false, contradiction;
    u64 measured = khz_by_clocks(hw, &clock_name, &good), khz;
    enum tsc_choice choice = tsc_choose(&leaf, measured, good, &contradiction);

    if (choice == TSC_NOTHING) {
        pr_err("tsc: nothing to measure it by: 10 GHz is assumed, times in this log are too short");
        return;
    }
    if (contradiction)
        firmware_finding(FW_TSC_LEAF, "%s says %lu kHz, the %s measures %lu kHz, which is used",
                         leaf.name, leaf.khz, clock_name, measured);
    khz = choice == TSC_LEAF ? leaf.khz : measured;
    source = choice == TSC_LEAF ? leaf.name : clock_name;
    tsc_khz_set(khz);
    pr_info("tsc: Detected %lu.%03lu MHz (%s)", (khz / 1000), (khz % 1000), source);
}

const char *clock_source(void)
{
    return source;
}
