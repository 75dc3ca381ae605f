/*
 * NMIs between CPUs. An NMI carries no number, and two may merge into one. So a sender first stores
 * its reason where the handler finds it. A mark per CPU, set while such an NMI is on its way,
 * distinguishes our NMIs from a panic's (smp_nmi_stop_others()) and from the machine's.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_CALL_NMI_SEND_H
#define PERCH_SMP_CALL_NMI_SEND_H

#include "kernel/base/types.h"

/*
 * One mark a CPU, "an NMI is on its way", so that NMIs that merge lose no reason:
 *  - who writes: a sender sets it, by an exchange; the handler clears it, by an exchange, first;
 *  - who reads: both, by the same exchange: a sender that finds it set sends no second NMI;
 *  - which order: sequentially consistent. A sender stores its reason before it sets the mark, and
 *    the handler looks for reasons after it has cleared it: so a sender that found the mark set has
 *    its reason seen by that handler.
 */

/*
 * Makes the NMI handler of cpu check all reasons. The caller has stored its reason before, with a
 * sequentially consistent store. Any context.
 */
void smp_nmi_send(u32 cpu);

/*
 * The handler's first step, on the CPU that got the NMI. True: the NMI is ours, so the handler
 * checks every reason.
 */
bool smp_nmi_arrived(void);

/*
 * For a panic: an NMI to each CPU that Perch has started but this one. Not by the all-but-self
 * shorthand, which also reaches CPUs that firmware still owns, or that wait for a start-up: without
 * our IDT they end in a triple fault, which resets the machine. Any context.
 */
void smp_nmi_stop_others(void);

#endif
