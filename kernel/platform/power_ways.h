/*
 * The ways to switch a machine off and to reset it, and their order. A way that is absent is named
 * in the log and skipped. A way that exists is named, tried, given a fixed time, and named again if
 * the machine is still on. Every wait has an end. A call returns only when no way worked.
 *
 * Registers are accessed through struct power_ops, so that a test can simulate a machine on which
 * each way fails in turn. Pure; any CPU, any context that may log; allocates nothing.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PLATFORM_POWER_WAYS_H
#define PERCH_PLATFORM_POWER_WAYS_H

#include "acpi/fadt.h"
#include "kernel/base/cmdline.h"

/* In the order in which they are tried. */
enum power_way {
    POWER_WAY_S5,       /* off: ACPI soft off */
    POWER_WAY_REGISTER, /* reset: the FADT's reset register */
    POWER_WAY_KEYBOARD, /* reset: the keyboard controller's output line */
    POWER_WAY_CF9,      /* reset: the chipset's reset control register */
    POWER_WAY_TRIPLE,   /* reset: a triple fault */
    POWER_WAYS
};

/* Going off takes milliseconds; with the SMI handlers of servers up to a second. */
#define POWER_GONE_US      2000000
#define POWER_GONE_BUSY_US 8000000 /* where `patience` is more than 1 */
#define POWER_ACPI_MODE_US 500000  /* for SCI_EN, times `patience` */
#define POWER_KEYBOARD_US  100000  /* for an empty input buffer, times `patience` */

struct power_ops {
    /* One access of 1 or 2 bytes. False: the register cannot be reached. */
    bool (*read)(void *ctx, const struct acpi_gas *reg, u32 bytes, u32 *value);
    bool (*write)(void *ctx, const struct acpi_gas *reg, u32 bytes, u32 value);
    void (*flush)(void *ctx);  /* returns when the log has left the UART */
    u64 (*now_us)(void *ctx);  /* monotone */
    void (*triple)(void *ctx); /* a triple fault; returns only on a test's machine */
};

struct power_machine {
    const struct power_ops *ops;
    void *ctx;
    const struct fadt_info *fadt; /* NULL: none */
    bool has_s5;
    u8 slp_typa, slp_typb;
    u32 patience; /* factor on device time-outs: 1, under a hypervisor more */
    u32 broken;   /* for tests: bit N set: way N does not do its last write */
};

/* Tries ACPI S5. Returns when the machine is still on. */
void power_try_off(const struct power_machine *m);

/* Tries every way to reset, one after the other. Returns when the machine is still on. */
void power_try_reset(const struct power_machine *m);

/*
 * Resolves end=; never returns END_AUTO. Without end= a panic waits, so that its text stays on the
 * screen; else a virtual machine is switched off and a real one waits.
 */
enum option_end power_choose(enum option_end asked, bool hypervisor, bool panicked);

/*
 * Converts the address of a register in PCI configuration space (ACPI 6.5, table 5.1: segment 0,
 * bus 0; device, function and offset in 16 bits each) to the value for port 0xcf8 (PCI 3.0,
 * 3.2.2.3.2). False: there is no such register.
 */
bool power_pci_address(const struct acpi_gas *reg, u32 *address) MUST_CHECK;

#endif
