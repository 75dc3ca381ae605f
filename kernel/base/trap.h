/*
 * The stack frame of an exception or interrupt, as kernel/platform/trap.asm pushes it, and the
 * vectors that Perch uses: for the platform, which dispatches them, and smp/, which handles some.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_TRAP_H
#define PERCH_BASE_TRAP_H

#include "kernel/base/types.h"

struct trap_frame {
    u64 r15, r14, r13, r12, r11, r10, r9, r8;
    u64 rbp, rdi, rsi, rdx, rcx, rbx, rax;
    u64 vector;
    u64 error; /* 0 where the CPU pushes none */
    u64 rip, cs, rflags, rsp, ss;
};
static_assert(sizeof(struct trap_frame) == 176, "trap.asm pushes 22 words");

typedef void (*trap_handler)(struct trap_frame *frame);

enum trap_vector {
    VEC_DB = 1,
    VEC_NMI = 2,
    VEC_UD = 6,
    VEC_DF = 8,
    VEC_GP = 13,
    VEC_PF = 14,
    VEC_MC = 18,
    VEC_NR_EXCEPTIONS = 32,
    VEC_LEGACY_BASE = 0x20, /* 8259: 0x20-0x2f */
    VEC_TIMER = 0xf0,
    VEC_CALL = 0xf1,
    VEC_TLB = 0xf2,
    VEC_CMCI = 0xfd,
    VEC_APIC_ERROR = 0xfe,
    VEC_SPURIOUS = 0xff,
};

#endif
