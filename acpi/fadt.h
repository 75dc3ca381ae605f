/*
 * FADT ("FACP" table): the fixed registers that Perch uses (power-off, reset, the PM timer) and the
 * addresses of DSDT and FACS. A field beyond the end of the table is 0.
 *
 * Context: any; never allocates. Pure. Source: ACPI 6.5, 5.2.9; generic addresses 5.2.3.2.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_ACPI_FADT_H
#define PERCH_ACPI_FADT_H

#include "kernel/base/mmio_allowed.h"
#include "kernel/base/types.h"

#define FADT_REGISTER_BYTES 2 /* the most that is read or written of one */

enum acpi_space {
    ACPI_SPACE_MEMORY = 0,
    ACPI_SPACE_IO = 1,
    ACPI_SPACE_PCI_CONFIG = 2,
};

struct acpi_gas {
    u64 address; /* 0: the register does not exist */
    u8 space;    /* enum acpi_space */
    u8 bit_width, bit_offset;
    u8 access; /* 1 byte, 2 word, 3 dword, 4 qword; 0 undefined */
};

#define FADT_FLAG_TMR_VAL_EXT   (1u << 8)
#define FADT_FLAG_RESET_REG_SUP (1u << 10)
#define FADT_FLAG_HW_REDUCED    (1u << 20)

struct fadt_info {
    u8 revision, minor; /* minor: low 4 bits of the field, from revision 5 on */
    u32 flags;
    u16 boot_flags; /* 5.2.9.3; 0 and has_boot_flags false in revision 1 */
    bool has_boot_flags;
    bool hw_reduced; /* no PM1 registers, no PM timer: sleep_control instead */
    u64 dsdt, facs;  /* the 64-bit field when it is not 0, else the 32-bit one */
    u32 smi_cmd;     /* I/O port; 0: always in ACPI mode */
    u8 acpi_enable, acpi_disable;
    struct acpi_gas pm1a_sts, pm1b_sts; /* PM1 status: the first half of the event block, 16 bits */
    struct acpi_gas pm1a_cnt, pm1b_cnt; /* SLP_TYP << 10 | SLP_EN (bit 13), 16 bits */
    struct acpi_gas pm_timer;           /* 3.579545 MHz counter */
    u16 pm_timer_port;                  /* the same when it is an I/O port, else 0 */
    bool pm_timer_32bit;                /* else 24 bits */
    bool has_reset;
    struct acpi_gas reset_reg;
    u8 reset_value;
    struct acpi_gas sleep_control, sleep_status;
};

/* 0; -EINVAL: shorter than the 116 bytes of the first revision. */
int fadt_parse(const void *table, size_t len, struct fadt_info *out);

/* Drops the registers in memory that mmio_allowed() forbids, each with a finding. */
void fadt_drop_registers(struct fadt_info *f, const struct mmio_rules *rules);

#endif
