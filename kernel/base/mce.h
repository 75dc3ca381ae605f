/*
 * What a machine check bank says: how bad an error is, what kind it is, and where its registers
 * are. Intel SDM vol. 3, chapter 17; AMD APM vol. 2, chapter 9. The caller reads CPUID and the
 * MSRs, so that a test can decode any CPU's banks on any other. Pure; any context.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_MCE_H
#define PERCH_BASE_MCE_H

#include "kernel/base/types.h"

/* IA32_MCG_CAP (SDM vol. 3, 17.3.1.1). */
#define MCG_CAP_COUNT 0xffULL
#define MCG_CAP_CTL   (1ULL << 8)  /* IA32_MCG_CTL exists */
#define MCG_CAP_CMCI  (1ULL << 10) /* interrupt for corrected errors, IA32_MCi_CTL2 */
#define MCG_CAP_SER   (1ULL << 24) /* recovery: the bits S and AR mean something */
#define MCG_CAP_LMCE  (1ULL << 27) /* a machine check may come to one CPU alone */

/* IA32_MCG_STATUS (17.3.1.2). */
#define MCG_STATUS_RIPV (1ULL << 0) /* the interrupted program could go on */
#define MCG_STATUS_EIPV (1ULL << 1) /* RIP belongs to the error */
#define MCG_STATUS_MCIP (1ULL << 2) /* in progress; a further one shuts the CPU down */
#define MCG_STATUS_LMCE (1ULL << 3) /* came to this CPU alone */

/* IA32_MCi_STATUS (17.3.2.2; APM vol. 2, 9.3.2.2). */
#define MCI_VAL      (1ULL << 63)
#define MCI_OVER     (1ULL << 62) /* an earlier error was lost */
#define MCI_UC       (1ULL << 61) /* uncorrected */
#define MCI_EN       (1ULL << 60) /* a machine check was enabled for it */
#define MCI_MISCV    (1ULL << 59)
#define MCI_ADDRV    (1ULL << 58)
#define MCI_PCC      (1ULL << 57) /* the processor's context is corrupt */
#define MCI_S        (1ULL << 56) /* Intel with MCG_CAP_SER: signalled by a machine check */
#define MCI_AR       (1ULL << 55) /* Intel with MCG_CAP_SER: action required */
#define MCI_DEFERRED (1ULL << 44) /* AMD: not corrected, but not used yet */

/* What a CPU's banks are like; from CPUID and IA32_MCG_CAP. */
struct mce_machine {
    u32 banks;  /* 0: no machine check architecture */
    bool amd;   /* AMD or Hygon: MCI_DEFERRED means something, MCI_S and MCI_AR do not */
    bool smca;  /* AMD's scalable banks, with other MSRs */
    bool intel; /* by the vendor */
    bool cmci, ser, lmce, ctl;
    u32 first_ctl; /* the first bank whose control register software may write */
};

/*
 * mcg_cap: IA32_MCG_CAP. smca: CPUID 80000007h EBX[3], on AMD. The number of banks is cut where
 * the MSRs of further banks would be other registers: 32, with smca 64.
 */
struct mce_machine mce_machine(const char *vendor, u32 family, u32 model, u64 mcg_cap, bool smca);

enum mce_reg { MCE_CTL, MCE_STATUS, MCE_ADDR, MCE_MISC };

/* The MSR of a bank's register: 400h + 4 * bank; with smca C0002000h + 10h * bank. */
u32 mce_msr(const struct mce_machine *m, u32 bank, enum mce_reg reg);

/* The contents of one bank. addr and misc are 0 where status does not say that they are valid. */
struct mce_record {
    u32 bank;
    u64 status, addr, misc;
};

enum mce_severity {
    MCE_NONE,        /* the bank is empty */
    MCE_CORRECTED,   /* by the hardware */
    MCE_DEFERRED,    /* not corrected, but nothing has used the data, and no CPU must act */
    MCE_UNCORRECTED, /* not corrected; the processor's context is good */
    MCE_FATAL,       /* not corrected, and the processor's context is corrupt */
};

enum mce_severity mce_severity(const struct mce_machine *m, u64 status);

/* "corrected", "uncorrected, processor context corrupt", ...; a constant string. */
const char *mce_severity_text(enum mce_severity severity);

/* How many corrected errors the status stands for: at least 1 (17.3.2.2.1, bits 52:38). */
u32 mce_corrected_count(const struct mce_machine *m, u64 status);

/* The kind of error, by the simple and compound codes of SDM vol. 3, 17.9; a constant string. */
const char *mce_code_text(u64 status);

/*
 * One line without a newline, such as "bank 9: uncorrected, processor context corrupt: memory
 * controller error; status 0xbe0000000000009f, address 0x12345000, misc 0x8c". Returns its length.
 */
int mce_text(const struct mce_machine *m, const struct mce_record *r, char *buf, size_t size);

#endif
