/*
 * The local APIC; see apic.h. Registers: SDM vol. 3, table 11-1 (xAPIC) and 11-6 (x2APIC).
 * SPDX-License-Identifier: MIT
 */
#include "smp/start/apic.h"

#include "kernel/base/cpu.h"
#include "kernel/base/cpu_local.h"
#include "kernel/base/events.h"
#include "kernel/base/firmware.h"
#include "kernel/base/print.h"
#include "kernel/base/safe.h"
#include "kernel/base/spinlock.h"
#include "kernel/base/trap.h"

/* Register offsets in the page; the MSR is 0x800 + offset / 16. */
enum apic_reg {
    REG_ID = 0x20,
    REG_TPR = 0x80,
    REG_EOI = 0xb0,
    REG_SPURIOUS = 0xf0,
    REG_ISR = 0x100, /* eight of 32 vectors */
    REG_ESR = 0x280,
    REG_LVT_CMCI = 0x2f0,
    REG_ICR = 0x300,
    REG_ICR_HIGH = 0x310,
    REG_LVT_TIMER = 0x320,
    REG_LVT_THERMAL = 0x330,
    REG_LVT_PERF = 0x340,
    REG_LVT_LINT0 = 0x350,
    REG_LVT_LINT1 = 0x360,
    REG_LVT_ERROR = 0x370,
    REG_TIMER_INITIAL = 0x380,
    REG_TIMER_CURRENT = 0x390,
    REG_TIMER_DIVIDE = 0x3e0,
    REG_VERSION = 0x30,
};

#define CPUID7_ARCH_CAPABILITIES (1u << 29) /* EDX */
#define ARCH_CAP_XAPIC_DISABLE   (1ULL << 21)
#define LEGACY_XAPIC_DISABLED    (1ULL << 0)

#define MSR_X2APIC(reg) (0x800 + (reg) / 16)

#define SPURIOUS_ENABLE (1u << 8)
#define LVT_MASKED      (1u << 16)
#define LVT_NMI         (4u << 8)
#define DIVIDE_BY_16    3u

#define ICR_ASSERT (1u << 14)
#define ICR_BUSY   (1u << 12)

/*
 * The APIC sends an order within microseconds. One that it has not sent after 0.1 s at 10 GHz
 * (kernel/base/spinlock.h) is lost under the next one, and that is counted.
 */
#define ICR_TICKS 1000000000ULL

static struct {
    volatile u32 *regs; /* xAPIC only */
    enum apic_mode mode;
} apic;

static u32 reg_read(enum apic_reg reg)
{
    if (apic.mode == APIC_MODE_X2)
        return (u32)rdmsr(MSR_X2APIC(reg));
    return apic.regs[reg / 4];
}

static void reg_write(enum apic_reg reg, u32 val)
{
    if (apic.mode == APIC_MODE_X2)
        wrmsr(MSR_X2APIC(reg), val);
    else
        apic.regs[reg / 4] = val;
}

static void xapic_wait_icr(void)
{
    struct spin spin = {0};

    while (apic.regs[REG_ICR / 4] & ICR_BUSY)
        if (!spin_until(&spin, ICR_TICKS)) {
            event_count(EVENT_APIC_BUSY);
            return;
        }
}

/*
 * xAPIC: an order takes two writes. An interrupt handler, which may send too, must not run between
 * them. An NMI may: its handler sends only in a panic.
 */
void apic_send(u32 apic_id, u32 order)
{
    u64 flags;

    if (apic.mode == APIC_MODE_X2) {
        /* Unlike an MMIO write, WRMSR to the ICR does not wait for earlier stores (SDM 11.12.3). */
        __asm__ volatile("mfence; lfence" : : : "memory");
        wrmsr(MSR_X2APIC(REG_ICR), (u64)apic_id << 32 | ICR_ASSERT | order);
        return;
    }
    flags = local_irq_save();
    xapic_wait_icr();
    apic.regs[REG_ICR_HIGH / 4] = apic_id << 24;
    apic.regs[REG_ICR / 4] = ICR_ASSERT | order;
    local_irq_restore(flags);
}

void apic_eoi(void)
{
    reg_write(REG_EOI, 0);
}

bool apic_in_service(u8 vector)
{
    return reg_read(REG_ISR + vector / 32 * 0x10) >> vector % 32 & 1;
}

bool apic_nmi_pin_open(void)
{
    return !(reg_read(REG_LVT_LINT1) & LVT_MASKED);
}

enum apic_mode apic_mode(void)
{
    return apic.mode;
}

u32 apic_id(void)
{
    u32 id = reg_read(REG_ID);

    return apic.mode == APIC_MODE_X2 ? id : id >> 24;
}

u32 apic_error(void)
{
    reg_write(REG_ESR, 0); /* latches the errors since the last write */
    return reg_read(REG_ESR);
}

void apic_timer_setup(u8 vector, bool masked)
{
    reg_write(REG_TIMER_DIVIDE, DIVIDE_BY_16);
    reg_write(REG_LVT_TIMER, vector | (masked ? LVT_MASKED : 0));
}

void apic_timer_start(u32 count)
{
    reg_write(REG_TIMER_INITIAL, count);
}

u32 apic_timer_left(void)
{
    return reg_read(REG_TIMER_CURRENT);
}

/* Catches faults: firmware may have locked this CPU in another mode than the boot CPU. */
static int enter_mode(void)
{
    u64 steps[APIC_MAX_STEPS];
    u32 n = apic_mode_steps(rdmsr(MSR_APIC_BASE), apic.mode, steps);

    for (u32 i = 0; i < n; i++)
        if (wrmsr_safe(MSR_APIC_BASE, steps[i]))
            return -EIO;
    return 0;
}

/*
 * lint1: chipsets wire their NMI (the button of a BMC, an error of the bus) to this pin of all
 * local APICs. The boot CPU alone takes it, as one report is enough (docs/adr/0022).
 */
static int init_cpu(u32 lint1)
{
    u32 last_lvt;

    if (enter_mode())
        return -EIO;
    reg_write(REG_SPURIOUS, SPURIOUS_ENABLE | VEC_SPURIOUS);
    last_lvt = reg_read(REG_VERSION) >> 16 & 0xff; /* number of LVT entries - 1 */
    reg_write(REG_TPR, 0);
    reg_write(REG_LVT_TIMER, LVT_MASKED | VEC_TIMER);
    reg_write(REG_LVT_LINT0, LVT_MASKED);
    reg_write(REG_LVT_LINT1, lint1);
    if (last_lvt >= 4)
        reg_write(REG_LVT_PERF, LVT_MASKED);
    if (last_lvt >= 5)
        reg_write(REG_LVT_THERMAL, LVT_MASKED);
    if (last_lvt >= 6)
        reg_write(REG_LVT_CMCI, VEC_CMCI);
    reg_write(REG_ESR, 0);
    reg_write(REG_LVT_ERROR, VEC_APIC_ERROR);
    return 0;
}

int apic_init_cpu(void)
{
    return init_cpu(LVT_MASKED | LVT_NMI);
}

/* SDM vol. 4: CPUID announces IA32_ARCH_CAPABILITIES, which announces the second MSR. */
static bool x2apic_locked(void)
{
    u32 a, b, c, d;
    u64 val;

    cpuid(0, 0, &a, &b, &c, &d);
    if (a < 7)
        return false;
    cpuid(7, 0, &a, &b, &c, &d);
    if (!(d & CPUID7_ARCH_CAPABILITIES) || rdmsr_safe(MSR_ARCH_CAPABILITIES, &val) ||
        !(val & ARCH_CAP_XAPIC_DISABLE))
        return false;
    return rdmsr_safe(MSR_XAPIC_DISABLE_STATUS, &val) == 0 && (val & LEGACY_XAPIC_DISABLED);
}

static struct apic_facts read_facts(u32 max_apic_id)
{
    u32 a, b, c, d;

    cpuid(1, 0, &a, &b, &c, &d);
    return (struct apic_facts){
        .base = rdmsr(MSR_APIC_BASE),
        .cpuid_x2apic = c >> 21 & 1,
        .locked = x2apic_locked(),
        .max_apic_id = max_apic_id,
    };
}

static void report_mode(const struct apic_facts *facts, enum apic_reason reason)
{
    if (!(facts->base & APIC_BASE_ENABLE))
        firmware_finding(FW_APIC_OFF, "the local APIC was off (IA32_APIC_BASE 0x%lx)", facts->base);
    if (reason == APIC_LEFT_ON)
        firmware_finding(FW_X2APIC_ON,
                         "x2APIC mode is on: the CPU has no APIC registers in memory");
    if (reason == APIC_LOCKED_ON)
        firmware_finding(FW_X2APIC_LOCKED, "x2APIC mode is on and cannot be left");
}

int apic_init_boot(const struct apic_config *config)
{
    struct apic_facts facts = read_facts(config->max_apic_id);
    u64 pa = facts.base & 0xffffffffff000ULL;
    enum apic_reason reason;

    apic.mode = apic_choose_mode(&facts, &reason);
    report_mode(&facts, reason);
    if (apic.mode == APIC_MODE_X) {
        apic.regs = config->map_mmio(config->ctx, pa, PAGE_SIZE);
        if (!apic.regs)
            return -ENOMEM;
    }
    if (init_cpu(LVT_NMI)) {
        pr_err("smp: the local APIC cannot be switched on (IA32_APIC_BASE 0x%lx)", facts.base);
        return -ENODEV;
    }
    pr_info("smp: %s, boot CPU is APIC 0x%02x", apic_mode_text(reason), apic_id());
    return 0;
}
