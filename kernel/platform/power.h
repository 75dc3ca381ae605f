/*
 * How a run ends: by QEMU's exit port, power-off, reset, or staying where it is. Each way that does
 * not work falls through to the next; none is waited for without an end.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_POWER_H
#define PERCH_PLATFORM_POWER_H

#include "acpi/fadt.h"
#include "kernel/base/cmdline.h"

/* What the run has come to, as port 0xf4 takes it (QEMU's status is twice that, plus one). */
enum power_result { POWER_PASSED = 0x10, POWER_FAILED = 0x11, POWER_PANIC = 0x12 };

struct power_config {
    bool exit_port;         /* exit=isa-debug */
    enum option_end end;
    const struct fadt_info *fadt; /* NULL: none */
    bool has_s5;
    u8 slp_typa, slp_typb;
    /* Registers in memory instead of ports: NULL when they cannot be mapped. May be NULL. */
    volatile void *(*map_register)(u64 pa);
};

/* What power_end() will do; may be given again when more is known. */
void power_configure(const struct power_config *config);

/* Ends the run. Any CPU, any context, once; the log has been written out before. */
void power_end(enum power_result result) NORETURN;

#endif
