/*
 * Accesses that return -EFAULT when they fault: MSRs that may not exist, addresses that may not be
 * mapped. Each is one instruction with an entry in the exception table (kernel/base/extable.h).
 * They work as soon as the fault handlers are installed. Hardware files only. Context: any CPU,
 * ring 0, any context.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_SAFE_H
#define PERCH_BASE_SAFE_H

#include "kernel/base/errno.h"
#include "kernel/base/extable.h"
#include "kernel/base/types.h"

/*
 * err is -EFAULT before the instruction and cleared after it; a fault skips the clearing. insn uses
 * operands by name; [err] is reserved.
 */
#define SAFE_INSN_(insn)                                                                           \
    ".Lsafe_from%=:\n\t" insn "\n\t"                                                               \
    "xorl %k[err], %k[err]\n"                                                                      \
    ".Lsafe_to%=:\n\t" EXTABLE(".Lsafe_from%=", ".Lsafe_to%=")

/* -EFAULT: no such MSR (#GP, SDM vol. 2, RDMSR); *val is 0 then. */
static inline int rdmsr_safe(u32 msr, u64 *val)
{
    u32 lo = 0, hi = 0;
    int err = -EFAULT;

    __asm__ volatile(SAFE_INSN_("rdmsr")
                     : [err] "+r"(err), "+a"(lo), "+d"(hi)
                     : "c"(msr)
                     : "cc", "memory");
    *val = (u64)hi << 32 | lo;
    return err;
}

/* -EFAULT: no such MSR, read-only, or a reserved bit (#GP, SDM vol. 2, WRMSR). */
static inline int wrmsr_safe(u32 msr, u64 val)
{
    int err = -EFAULT;

    __asm__ volatile(SAFE_INSN_("wrmsr")
                     : [err] "+r"(err)
                     : "c"(msr), "a"((u32)val), "d"((u32)(val >> 32))
                     : "cc", "memory");
    return err;
}

#define PROBE_READ_(insn)                                                                          \
    __asm__ volatile(SAFE_INSN_(insn)                                                              \
                     : [err] "+r"(err), [val] "+r"(val)                                            \
                     : [addr] "r"(addr)                                                            \
                     : "cc", "memory")

/*
 * Reads size bytes (1, 2, 4 or 8) at addr in one access, zero-extended into *out.
 * -EFAULT: it faulted (#PF or #GP); -EINVAL: another size. *out is 0 then.
 */
static inline int probe_read(uintptr_t addr, size_t size, u64 *out)
{
    int err = -EFAULT;
    u64 val = 0;

    if (size == 1)
        PROBE_READ_("movzbl (%[addr]), %k[val]");
    else if (size == 2)
        PROBE_READ_("movzwl (%[addr]), %k[val]");
    else if (size == 4)
        PROBE_READ_("movl (%[addr]), %k[val]");
    else if (size == 8)
        PROBE_READ_("movq (%[addr]), %[val]");
    else
        err = -EINVAL;
    *out = val;
    return err;
}

#define PROBE_WRITE_(insn)                                                                         \
    __asm__ volatile(SAFE_INSN_(insn)                                                              \
                     : [err] "+r"(err)                                                             \
                     : [addr] "r"(addr), [val] "r"(val)                                            \
                     : "cc", "memory")

/*
 * For tests that must fault: writes the low size bytes (1, 2, 4 or 8) of val to addr in one access.
 * Errors: as probe_read().
 */
static inline int probe_write(uintptr_t addr, size_t size, u64 val)
{
    int err = -EFAULT;

    if (size == 1)
        PROBE_WRITE_("movb %b[val], (%[addr])");
    else if (size == 2)
        PROBE_WRITE_("movw %w[val], (%[addr])");
    else if (size == 4)
        PROBE_WRITE_("movl %k[val], (%[addr])");
    else if (size == 8)
        PROBE_WRITE_("movq %[val], (%[addr])");
    else
        err = -EINVAL;
    return err;
}

#endif
