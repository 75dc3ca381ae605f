/*
 * Decoding of machine check banks; see mce.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/mce.h"

#include "kernel/base/cpu_id.h"
#include "kernel/base/printf.h"
#include "kernel/base/string.h"

#define MSR_MC0_CTL   0x400
#define MSR_SMCA_BASE 0xc0002000u
#define MAX_BANKS     32 /* IA32_MC32_CTL would be IA32_VMX_BASIC */
#define SMCA_BANKS    64

#define CODE_FILTERING (1u << 12) /* 17.9.2.1: part of the count, not of the kind */

struct mce_machine mce_machine(const char *vendor, u32 family, u32 model, u64 mcg_cap, bool smca)
{
    bool intel = strcmp(vendor, "GenuineIntel") == 0;
    bool amd = cpu_vendor_is_amd(vendor);
    struct mce_machine m = {
        .amd = amd,
        .smca = amd && smca,
        .intel = intel,
        .cmci = intel && (mcg_cap & MCG_CAP_CMCI),
        .ser = intel && (mcg_cap & MCG_CAP_SER),
        .lmce = intel && (mcg_cap & MCG_CAP_LMCE),
        .ctl = mcg_cap & MCG_CAP_CTL,
    };

    m.banks = MIN((u32)(mcg_cap & MCG_CAP_COUNT), m.smca ? SMCA_BANKS : MAX_BANKS);
    /* There IA32_MC0_CTL is EBL_CR_POWERON, which is firmware's (SDM vol. 3, 17.3.2.1). */
    m.first_ctl = intel && family == 6 && model < 0x1a;
    return m;
}

u32 mce_msr(const struct mce_machine *m, u32 bank, enum mce_reg reg)
{
    return m->smca ? MSR_SMCA_BASE + 0x10 * bank + reg : MSR_MC0_CTL + 4 * bank + reg;
}

/*
 * SDM vol. 3, table 17-6: with UC, and no PCC: S clear is UCNA (no action), S without AR is SRAO
 * (action optional). Both leave the CPU's work intact; UCNA comes without a machine check.
 */
enum mce_severity mce_severity(const struct mce_machine *m, u64 status)
{
    if (!(status & MCI_VAL))
        return MCE_NONE;
    if (!(status & MCI_UC))
        return m->amd && (status & MCI_DEFERRED) ? MCE_DEFERRED : MCE_CORRECTED;
    if (status & MCI_PCC)
        return MCE_FATAL;
    if (m->ser && !(status & (MCI_S | MCI_AR)))
        return MCE_DEFERRED;
    return MCE_UNCORRECTED;
}

const char *mce_severity_text(enum mce_severity severity)
{
    switch (severity) {
    case MCE_CORRECTED:
        return "corrected";
    case MCE_DEFERRED:
        return "uncorrected, not used yet";
    case MCE_UNCORRECTED:
        return "uncorrected, processor context good";
    case MCE_FATAL:
        return "uncorrected, processor context corrupt";
    default:
        return "empty";
    }
}

u32 mce_corrected_count(const struct mce_machine *m, u64 status)
{
    u32 count = m->cmci ? (u32)(status >> 38 & 0x7fff) : 0;

    return MAX(count, 1u);
}

/* The masks from the most to the least significant part of the code; the first match counts. */
static const struct {
    u16 mask, value;
    const char *text;
} kinds[] = {
    {0xffff, 0x0000, "no code"},
    {0xffff, 0x0001, "unclassified error"},
    {0xffff, 0x0002, "microcode ROM parity error"},
    {0xffff, 0x0003, "error of another processor"},
    {0xffff, 0x0004, "redundancy check error"},
    {0xffff, 0x0005, "internal parity error"},
    {0xffff, 0x0006, "SMM code outside of its range"},
    {0xffff, 0x0400, "internal timer error"},
    {0xffff, 0x0e0b, "I/O error"},
    {0xfc00, 0x0400, "internal error"},
    {0xfff0, 0x0010, "TLB error"},
    {0xfffc, 0x000c, "cache hierarchy error"},
    {0xff80, 0x0080, "memory controller error"},
    {0xff00, 0x0100, "cache hierarchy error"},
    {0xff80, 0x0280, "extended memory error"},
    {0xf800, 0x0800, "bus or interconnect error"},
};

const char *mce_code_text(u64 status)
{
    u16 code = (u16)(status & ~(u64)CODE_FILTERING);

    for (u32 i = 0; i < ARRAY_SIZE(kinds); i++)
        if ((code & kinds[i].mask) == kinds[i].value)
            return kinds[i].text;
    return "unknown kind";
}

int mce_text(const struct mce_machine *m, const struct mce_record *r, char *buf, size_t size)
{
    char addr[32] = "none", misc[32] = "none";

    if (r->status & MCI_ADDRV)
        ksnprintf(addr, sizeof(addr), "0x%lx", r->addr);
    if (r->status & MCI_MISCV)
        ksnprintf(misc, sizeof(misc), "0x%lx", r->misc);
    return ksnprintf(buf, size, "bank %u: %s: %s; status 0x%016lx, address %s, misc %s%s", r->bank,
                     mce_severity_text(mce_severity(m, r->status)), mce_code_text(r->status),
                     r->status, addr, misc, r->status & MCI_OVER ? ", earlier errors lost" : "");
}
