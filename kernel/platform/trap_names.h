/*
 * The names of the exceptions, for the panic text: Intel SDM vol. 3, table 6-1.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_TRAP_NAMES_H
#define PERCH_PLATFORM_TRAP_NAMES_H

#include "kernel/base/types.h"

static inline const char *trap_name(u64 vector)
{
    static const char *const names[32] = {
        "divide error",
        "debug",
        "NMI",
        "breakpoint",
        "overflow",
        "bound range exceeded",
        "invalid opcode",
        "device not available",
        "double fault",
        "coprocessor segment overrun",
        "invalid TSS",
        "segment not present",
        "stack-segment fault",
        "general protection",
        "page fault",
        "reserved 15",
        "x87 error",
        "alignment check",
        "machine check",
        "SIMD error",
        "virtualization",
        "control protection",
        [28] = "hypervisor injection",
        [29] = "VMM communication",
        [30] = "security",
    };

    return vector < 32 && names[vector] ? names[vector] : "reserved exception";
}

#endif
