/*
 * How a run ends: QEMU's exit port when asked for, then power-off, reset, or waiting. The ways to
 * switch off and to reset, and their order, are in power_ways.h. A machine that cannot be switched
 * off or reset waits, and a log line says so. A power-off never becomes a reset (docs/adr/0016).
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_POWER_H
#define PERCH_PLATFORM_POWER_H

#include "kernel/platform/paging.h"
#include "kernel/platform/power_ways.h"

/* The run's result, as written to port 0xf4 (QEMU's exit status is twice that, plus one). */
enum power_result {
    POWER_PASSED = 0x10,
    POWER_FAILED = 0x11,
    POWER_PANIC = 0x12,
    POWER_DOUBT = 0x13, /* held, but: docs/adr/0019 */
};

struct power_config {
    bool exit_port; /* exit=isa-debug */
    enum option_end end;
    struct power_machine machine; /* without ops, ctx and patience, which power_end() fills in */
    /* Called when the run ends and the machine stays on: may draw on the screen. May be NULL. */
    void (*show_verdict)(enum power_result result);
};

/* What power_end() will do; may be called again when more is known. */
void power_configure(const struct power_config *config);

/*
 * Maps the FADT's registers in memory, each once. Before, they are reached through the boot tables,
 * below 4 GiB. Boot CPU, when the boot tables are gone, after power_configure() with the FADT.
 */
void power_map_registers(struct kernel_vm *vm);

/* For tests: the registers of the real machine; ctx is not used. Any CPU. */
extern const struct power_ops power_hardware;

/* Writes out the log and ends the run. Any CPU, any context, once. */
void power_end(enum power_result result) NORETURN;

#endif
