/*
 * Machine checks on real CPUs; see machine_check.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/platform/machine_check.h"

#include "kernel/base/cpu.h"
#include "kernel/base/cpu_id.h"
#include "kernel/base/cpu_local.h"
#include "kernel/base/deadline.h"
#include "kernel/base/events.h"
#include "kernel/base/firmware.h"
#include "kernel/base/mce.h"
#include "kernel/base/print.h"
#include "kernel/base/safe.h"
#include "kernel/base/spinlock.h"
#include "kernel/platform/idt.h"
#include "kernel/platform/panic.h"
#include "smp/start/cpus.h"

#define MSR_FEATURE_CONTROL 0x3a
#define MSR_MCG_CAP         0x179
#define MSR_MCG_STATUS      0x17a
#define MSR_MCG_CTL         0x17b
#define MSR_MC0_CTL2        0x280 /* one per bank */
#define MSR_MCG_EXT_CTL     0x4d0

#define FEATURE_LMCE_ON (1ULL << 20 | 1) /* LMCE, and locked (SDM vol. 3, 17.3.1.5) */
#define CTL2_CMCI       (1ULL << 30)
#define CTL2_THRESHOLD  1ULL

#define CPUID_MCE  (1u << 7)
#define CPUID_MCA  (1u << 14)
#define CPUID_SMCA (1u << 3) /* 80000007h EBX */

/* A CPU that a broadcast reached without an error of its own waits so long for another's panic. */
#define OTHERS_US 100000

#define CPU_LINES 8 /* of one CPU's errors; further ones are only counted */

/* What firmware left in a CPU's banks; the first of them is kept. */
struct left {
    u32 errors;
    struct mce_record first;
};

static DEFINE_PER_CPU(struct left, left);
static DEFINE_PER_CPU(u32, lines);

static struct mce_machine machine; /* of the boot CPU; banks by CPU differ in no known machine */
static struct spinlock polling = SPINLOCK_INIT; /* packages share banks: one reader at a time */

/* ---- banks ----------------------------------------------------------------------------------- */

/* False: the bank is empty, or not there. */
static bool read_bank(u32 bank, struct mce_record *r)
{
    *r = (struct mce_record){.bank = bank};
    if (rdmsr_safe(mce_msr(&machine, bank, MCE_STATUS), &r->status) || !(r->status & MCI_VAL))
        return false;
    if ((r->status & MCI_ADDRV) && rdmsr_safe(mce_msr(&machine, bank, MCE_ADDR), &r->addr))
        r->status &= ~MCI_ADDRV;
    if ((r->status & MCI_MISCV) && rdmsr_safe(mce_msr(&machine, bank, MCE_MISC), &r->misc))
        r->status &= ~MCI_MISCV;
    return true;
}

/* A bank that does not take the write stays full, and is reported again. */
static void clear_bank(u32 bank)
{
    (void)wrmsr_safe(mce_msr(&machine, bank, MCE_STATUS), 0);
}

/*
 * All errors of all banks are enabled (SDM vol. 3, 17.8). The interrupt for corrected ones belongs
 * to the first CPU of those that share a bank (17.5.2).
 */
static void enable_bank(u32 bank)
{
    u64 ctl2;

    if (bank >= machine.first_ctl)
        (void)wrmsr_safe(mce_msr(&machine, bank, MCE_CTL), ~0ULL);
    if (machine.cmci && rdmsr_safe(MSR_MC0_CTL2 + bank, &ctl2) == 0 && !(ctl2 & CTL2_CMCI))
        (void)wrmsr_safe(MSR_MC0_CTL2 + bank, (ctl2 & ~0x7fffULL) | CTL2_CMCI | CTL2_THRESHOLD);
}

static void enable_cpu(void)
{
    struct left *l = this_cpu_ptr(&left);
    u64 control;

    for (u32 bank = 0; bank < machine.banks; bank++) {
        struct mce_record r;

        if (read_bank(bank, &r)) {
            if (l->errors++ == 0)
                l->first = r;
            clear_bank(bank);
        }
        enable_bank(bank);
    }
    if (machine.ctl)
        (void)wrmsr_safe(MSR_MCG_CTL, ~0ULL);
    if (machine.lmce && rdmsr_safe(MSR_FEATURE_CONTROL, &control) == 0 &&
        (control & FEATURE_LMCE_ON) == FEATURE_LMCE_ON)
        (void)wrmsr_safe(MSR_MCG_EXT_CTL, 1);
    if (machine.banks)
        (void)wrmsr_safe(MSR_MCG_STATUS, 0);
    write_cr4(read_cr4() | CR4_MCE);
}

/* ---- the exception --------------------------------------------------------------------------- */

static void print_banks(u64 mcg_status)
{
    u32 found = 0;

    pr_err("machine check: MCG_STATUS 0x%lx: %s%s%s", mcg_status,
           mcg_status & MCG_STATUS_RIPV ? "could go on" : "cannot go on",
           mcg_status & MCG_STATUS_EIPV ? ", caused at RIP" : "",
           mcg_status & MCG_STATUS_LMCE ? ", on this CPU alone" : "");
    for (u32 bank = 0; bank < machine.banks; bank++) {
        struct mce_record r;
        char text[200];

        if (!read_bank(bank, &r))
            continue;
        found++;
        mce_text(&machine, &r, text, sizeof(text));
        pr_err("machine check: CPU %u: %s", cpu_number(), text);
    }
    if (!found)
        pr_err("machine check: CPU %u: no bank of %u has an error", cpu_number(), machine.banks);
}

/* One that raises a machine check: of the others, old ones may still be in a bank. */
static bool has_own_error(void)
{
    struct mce_record r;

    for (u32 bank = 0; bank < machine.banks; bank++)
        if (read_bank(bank, &r) && mce_severity(&machine, r.status) > MCE_DEFERRED)
            return true;
    return false;
}

/*
 * Intel broadcasts a machine check to all CPUs, and only those near the error see it in their
 * banks. So a CPU without an error of its own lets another one panic, whose NMI stops it here. If
 * none does, it panics itself. Several may have an error: panic_enter() lets one report.
 */
static void on_machine_check(struct trap_frame *frame)
{
    u64 mcg_status = 0;

    if (machine.banks)
        (void)rdmsr_safe(MSR_MCG_STATUS, &mcg_status);
    if (!has_own_error() && !(mcg_status & MCG_STATUS_LMCE) && cpus_online() > 1) {
        struct deadline d = deadline_start(OTHERS_US);

        while (!deadline_passed(&d) && !panic_on_other_cpu())
            cpu_relax();
    }
    /* From here on a further one does not reset the machine, and what is on the screen stays. */
    if (machine.banks)
        (void)wrmsr_safe(MSR_MCG_STATUS, 0);
    panic_trap_with(frame, print_banks, mcg_status);
}

/* ---- start ----------------------------------------------------------------------------------- */

static void identify(void)
{
    struct cpu_id id = cpu_id_own();
    u32 a, b, c, d, features;
    bool smca = false;
    u64 cap = 0;

    cpuid(1, 0, &a, &b, &c, &features);
    cpuid(0x80000000, 0, &a, &b, &c, &d);
    if (a >= 0x80000007) {
        cpuid(0x80000007, 0, &a, &b, &c, &d);
        smca = b & CPUID_SMCA;
    }
    if ((features & (CPUID_MCE | CPUID_MCA)) == (CPUID_MCE | CPUID_MCA))
        (void)rdmsr_safe(MSR_MCG_CAP, &cap);
    machine = mce_machine(id.vendor, id.family, id.model, cap, smca);
}

static bool has_exception(void)
{
    u32 a, b, c, d;

    cpuid(1, 0, &a, &b, &c, &d);
    return d & CPUID_MCE;
}

void machine_check_init_boot(void)
{
    if (!has_exception()) {
        pr_warn("mce: this CPU has no machine checks: its errors will not be seen");
        return;
    }
    identify();
    idt_set_machine_check(on_machine_check);
    enable_cpu();
    machine_check_report_left();
    pr_info("mce: %u banks%s; corrected errors %s", machine.banks, machine.smca ? " (SMCA)" : "",
            machine.cmci ? "interrupt (CMCI), and are looked for at the end"
                         : "are looked for at the end");
}

void machine_check_init_cpu(void)
{
    if (has_exception())
        enable_cpu();
}

static void report_left(u32 cpu, struct left *l)
{
    char text[200];

    if (!l->errors)
        return;
    mce_text(&machine, &l->first, text, sizeof(text));
    firmware_finding(FW_CPU_MCE_LEFT, "CPU %u: %u machine check banks are full from before: %s",
                     cpu, l->errors, text);
    l->errors = 0;
}

void machine_check_report_left(void)
{
    u32 cpu;

    report_left(cpu_number(), this_cpu_ptr(&left)); /* before there are units of other CPUs too */
    for_each_online_cpu(cpu) report_left(cpu, per_cpu_ptr(&left, cpu));
}

/* ---- errors without an exception ------------------------------------------------------------- */

static void note_error(const struct mce_record *r)
{
    bool corrected = mce_severity(&machine, r->status) == MCE_CORRECTED;
    u32 n = corrected ? mce_corrected_count(&machine, r->status) : 1;
    char text[200];

    event_add(corrected ? EVENT_MCE_CORRECTED : EVENT_MCE_UNCORRECTED, n);
    if (this_cpu_read(lines) >= CPU_LINES)
        return;
    this_cpu_inc(lines);
    mce_text(&machine, r, text, sizeof(text));
    pr_err("mce: CPU %u: %u error%s: %s", cpu_number(), n, n == 1 ? "" : "s", text);
}

void machine_check_poll(void)
{
    u64 flags = spin_lock_irqsave(&polling);

    for (u32 bank = 0; bank < machine.banks; bank++) {
        struct mce_record r;

        if (!read_bank(bank, &r))
            continue;
        clear_bank(bank);
        note_error(&r);
    }
    spin_unlock_irqrestore(&polling, flags);
}

void machine_check_cmci(void)
{
    machine_check_poll();
}
