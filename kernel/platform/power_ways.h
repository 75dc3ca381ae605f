/*
 * The ways to switch a machine off and to reset it, and their order. A way that is absent is named
 * in the log and skipped. A way that is tried is named before, given a fixed time, and named again
 * when the machine is still on. Every wait has an end, and no call fails: each returns when no way
 * worked.
 *
 * Registers are reached through struct power_ops, so that a test can be a machine on which each
 * way fails in turn. Pure; any CPU, any context that may log; allocates nothing.
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
    POWER_WAY_TRIPLE,   /* reset: a triple fault, which every PC answers so */
    POWER_WAYS
};

/* A machine that does go away takes milliseconds; SMI handlers of servers take up to a second. */
#define POWER_GONE_US      2000000
#define POWER_ACPI_MODE_US 500000 /* for SCI_EN, times `patience` */
#define POWER_KEYBOARD_US  100000 /* for an empty input buffer, times `patience` */

struct power_ops {
    /* One access of 1 or 2 bytes; false: this register cannot be reached from here. */
    bool (*read)(void *ctx, const struct acpi_gas *reg, u32 bytes, u32 *value);
    bool (*write)(void *ctx, const struct acpi_gas *reg, u32 bytes, u32 value);
    void (*flush)(void *ctx);  /* what was logged is on the wire when it returns */
    u64 (*now_us)(void *ctx);  /* moves on with every call, or nearly */
    void (*triple)(void *ctx); /* a triple fault; a test's machine may survive it */
};

struct power_machine {
    const struct power_ops *ops;
    void *ctx;
    const struct fadt_info *fadt; /* NULL: none */
    bool has_s5;
    u8 slp_typa, slp_typb;
    u32 patience; /* how often longer devices may take: 1, under a hypervisor more */
    u32 broken;   /* tests: bit N, way N's last write is not done */
};

/* ACPI S5. Returns when the machine is still on. */
void power_try_off(const struct power_machine *m);

/* Every way to reset, one after the other. Returns when the machine is still there. */
void power_try_reset(const struct power_machine *m);

/*
 * What end= comes to: never END_AUTO. Without end= a panic waits, so that its text stays on the
 * screen; else a virtual machine is switched off and a real one waits.
 */
enum option_end power_choose(enum option_end asked, bool hypervisor, bool panicked);

/*
 * A register in PCI configuration space (ACPI 6.5, table 5.1: segment 0, bus 0; device, function
 * and offset in 16 bits each) as the value for port 0xcf8 (PCI 3.0, 3.2.2.3.2). False: there is no
 * such register.
 */
bool power_pci_address(const struct acpi_gas *reg, u32 *address) MUST_CHECK;

#endif
