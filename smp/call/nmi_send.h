/*
 * NMIs between CPUs. An NMI carries no number, and two may merge into one. So a sender stores its
 * reason where the handler looks, and at most one NMI of ours is on its way to a CPU. That tells
 * our NMIs from others: one of a panic or of the machine is never taken for ours.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_CALL_NMI_SEND_H
#define PERCH_SMP_CALL_NMI_SEND_H

#include "kernel/base/types.h"

/*
 * Makes cpu look at all reasons, after this call, in its NMI handler. The reason must be stored
 * before, sequentially consistent. Any context.
 */
void smp_nmi_send(u32 cpu);

/*
 * The handler's first step, on the CPU that got an NMI. True: one of ours was on its way, so every
 * reason must be looked at.
 */
bool smp_nmi_arrived(void);

#endif
