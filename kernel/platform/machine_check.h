/*
 * Machine checks: the hardware's own reports of errors in CPUs, caches, memory and links. An error
 * that was not corrected ends the run with a panic that names the bank; corrected ones are counted
 * (kernel/base/events.h) and logged with bank and CPU. What firmware left in the banks from before
 * the boot is logged, made a finding, and cleared. kernel/base/mce.h decodes. Intel SDM vol. 3,
 * chapter 17; AMD APM vol. 2, chapter 9; docs/adr/0021 has the decisions.
 *
 * What firmware left in a CPU's banks is a per-CPU record, without an atomic operation of its own:
 *  - who writes: the CPU itself, in machine_check_init_cpu(), before it is online; then nobody;
 *  - who reads: the boot CPU, in machine_check_report_left(), for CPUs that it sees online;
 *  - which order: that of the online set (smp/start/cpumap.h): who sees the CPU in it sees the
 *    record. The same for `machine`, which the boot CPU writes before it starts any other CPU.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_MACHINE_CHECK_H
#define PERCH_PLATFORM_MACHINE_CHECK_H

#include "kernel/base/trap.h"

/*
 * On the boot CPU, once, when traps and the console work: logs and clears its banks, and turns
 * machine checks on. Until then one resets the machine, as without Perch.
 */
void machine_check_init_boot(void);

/*
 * The same on another CPU, after its IDT is loaded, interrupts off. It writes only to the CPU's own
 * registers and unit, as smp/start/bringup_state.h asks; machine_check_report_left() logs.
 */
void machine_check_init_cpu(void);

/*
 * Logs what was left in the banks of the CPUs that came online since the last call, as findings.
 * Boot CPU.
 */
void machine_check_report_left(void);

/*
 * This CPU's banks: logs, counts and clears errors that came without a machine check. Any CPU,
 * interrupts on or off, no NMI.
 */
void machine_check_poll(void);

/* The handler of VEC_CMCI, the interrupt for corrected errors; without the EOI. */
void machine_check_cmci(void);

#endif
