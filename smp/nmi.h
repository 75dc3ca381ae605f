/*
 * NMIs between CPUs. They carry no number and may merge, so a sender first notes its reason where
 * the handler looks, and there is never more than one on the way to a CPU: then each NMI that comes
 * is known to be ours or not, and one that is not (a panic's, the machine's) is never swallowed
 * because two of ours came for one reason.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_NMI_H
#define PERCH_SMP_NMI_H

#include "kernel/base/trap.h"

/*
 * Makes cpu look at all reasons, after this call, in its NMI handler. The reason must be stored
 * before (sequentially consistent). Any context.
 */
void smp_nmi_send(u32 cpu);

/* The handler: true: it was one of ours, and all reasons were looked at. */
bool smp_nmi(struct trap_frame *frame);

#endif
