/*
 * How a run ends: QEMU's exit port when asked for, then power-off, reset, or waiting. The ways to
 * switch off and to reset, and their order, are in power_ways.h. A machine that cannot be switched
 * off or reset waits, and a line says so; a power-off never becomes a reset (docs/adr/0016).
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_POWER_H
#define PERCH_PLATFORM_POWER_H

#include "acpi/fadt.h"
#include "kernel/base/cmdline.h"

/* What the run has come to, as port 0xf4 takes it (QEMU's status is twice that, plus one). */
enum power_result { POWER_PASSED = 0x10, POWER_FAILED = 0x11, POWER_PANIC = 0x12 };

struct power_config {
    bool exit_port; /* exit=isa-debug */
    enum option_end end;
    const struct fadt_info *fadt; /* NULL: none */
    bool has_s5;
    u8 slp_typa, slp_typb;
    u32 broken; /* tests: bits of enum power_way that shall not work */
    /* Called when the run ends and the machine stays on: may draw on the screen. May be NULL. */
    void (*show_verdict)(enum power_result result);
};

/* What power_end() will do; may be given again when more is known. */
void power_configure(const struct power_config *config);

/*
 * Registers in memory that the way out uses are mapped from now on, by map, each once; before, they
 * are reached in the boot tables (below 4 GiB). Boot CPU, when the boot tables are gone; the FADT
 * has been configured.
 */
void power_map_registers(void *(*map)(void *ctx, u64 pa, u64 size), void *ctx);

/* One access of 1 or 2 bytes; false: the register cannot be reached. For tests. Any CPU. */
bool power_register_read(const struct acpi_gas *reg, u32 bytes, u32 *value) MUST_CHECK;

/* Ends the run. Any CPU, any context, once; the log has been written out before. */
void power_end(enum power_result result) NORETURN;

#endif
