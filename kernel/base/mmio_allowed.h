/*
 * Which physical addresses may be used as what firmware, or the user, says they are. One rule for
 * all: registers of devices (FADT, HPET, MADT, SPCR, DBG2, console=, the frame buffer) by
 * mmio_allowed(), bytes of tables by table_allowed(). Promises that an address which passes can be
 * mapped without a fault, and that no register is looked for in RAM or in the kernel itself.
 *
 * Pure; any context; allocates nothing.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_MMIO_ALLOWED_H
#define PERCH_BASE_MMIO_ALLOWED_H

#include "kernel/base/range.h"

enum mmio_verdict {
    MMIO_OK,
    MMIO_WRAPS,  /* no bytes, or more than there are addresses */
    MMIO_BEYOND, /* beyond the physical address width: a page fault (SDM vol. 3, 4.6) */
    MMIO_IMAGE,  /* the kernel itself */
    MMIO_RAM,
    MMIO_APIC, /* the local APIC: only its own driver may write there */
};

/* What this machine has. */
struct mmio_rules {
    u32 phys_bits;      /* CPUID 80000008h, EAX 7:0 */
    struct range image; /* the kernel */
    struct range apic;  /* registers of the local APIC; empty: not in memory */
    /*
     * The memory map: does one byte belong to RAM, and does every byte belong to some range?
     * NULL: the map is not known yet.
     */
    bool (*is_ram)(void *ctx, u64 base, u64 end);
    bool (*is_listed)(void *ctx, u64 base, u64 end);
    void *ctx;
};

/* May size bytes at base be the registers of a device? */
enum mmio_verdict mmio_allowed(const struct mmio_rules *r, u64 base, u64 size) MUST_CHECK;

/* A few words for each verdict, for "refused: ...". */
const char *mmio_verdict_text(enum mmio_verdict v);

enum table_place {
    TABLE_LISTED,
    TABLE_UNLISTED, /* may be read, but the memory map says nothing of it */
    TABLE_NOWHERE,  /* must not be read */
};

/*
 * May a table of len bytes at pa be read? The first MiB always: e820 leaves out the BIOS area,
 * where the RSDP is. Below 4 GiB what the map does not list is read too, as by Linux: some virtual
 * machines have tables there. Above, every firmware lists its memory, and a wrong address would
 * hit the registers of a PCI device: reading them can have effects.
 */
enum table_place table_allowed(const struct mmio_rules *r, u64 pa, u64 len) MUST_CHECK;

#endif
