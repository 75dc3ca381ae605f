/*
 * The code page below 1 MiB where application processors begin, and the data page behind it: their
 * layout, and how the boot CPU fills them. The code takes all addresses from the data page. It uses
 * no stack and no lock, so all processors can run it at once, and it writes only to the processor's
 * own record and arrival byte.
 *
 * Context: boot CPU, before any start-up IPI. While processors start, both pages are mapped at
 * their physical addresses: code read-execute, data read-write.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_START_TRAMPOLINE_H
#define PERCH_SMP_START_TRAMPOLINE_H

#include <stdatomic.h>
#include "kernel/base/errno.h"
#include "kernel/base/types.h"
#include "smp/start/bringup_state.h"

#define TRAMPOLINE_SIZE (2 * PAGE_SIZE)

/* One byte per APIC id (modulo ARRIVALS) shows that the processor has run in real mode. */
#define ARRIVALS        2048
#define ARRIVAL_SEEN    1
#define ARRIVAL_STOPPED 2    /* halted because of ARRIVAL_STOP */
#define ARRIVAL_STOP    0xff /* fault injection: halt in real mode */

struct far_ptr32 {
    u32 offset;
    u16 selector;
    u16 pad;
};

/*
 * trampoline.inc repeats the offsets. Physical addresses are below 4 GiB.
 *  - who writes: the boot CPU all of it, before the first start-up IPI, and a byte of `arrival`
 *    before each attempt; then processors: `arrival` its own byte, `unknown` by locked additions;
 *  - who reads: processors the rest; the boot CPU `arrival` while it waits, `unknown` at the end;
 *  - which order: the IPI orders the boot CPU's stores before the processor's first instruction
 *    (in x2APIC mode by the fence in apic_send()). `arrival` and `unknown` say that something was
 *    seen, and nothing is read because of them.
 */
struct trampoline_data {
    struct far_ptr32 pm32, lm64;
    u16 gdt_limit;
    u32 gdt_base;
    u8 x2apic; /* switch x2APIC on, and read the id from its MSR */
    u8 intel;  /* a processor without NX may have it switched off in IA32_MISC_ENABLE */
    u32 cr0;   /* without paging */
    u32 cr4;
    u32 efer; /* LME and NXE */
    u32 cr3;
    u32 pat_low, pat_high;
    u32 count;
    u32 ids_pa;     /* u32[count], sorted */
    u32 records_pa; /* struct smp_record[count], in the same order */
    u32 pad1;
    u64 record_delta;    /* virtual - physical address of the records */
    u64 entry;           /* ap_entry64 */
    _Atomic u32 unknown; /* processors that found no record */
    u32 pad2;
    u64 gdt[4];
    u8 pad3[0x800 - 0x78];
    _Atomic u8 arrival[ARRIVALS];
} PACKED ALIGNED(8);
static_assert(sizeof(struct trampoline_data) == PAGE_SIZE, "trampoline.inc");
static_assert(offsetof(struct trampoline_data, lm64) == 0x08, "trampoline.inc");
static_assert(offsetof(struct trampoline_data, gdt_limit) == 0x10, "trampoline.inc");
static_assert(offsetof(struct trampoline_data, x2apic) == 0x16, "trampoline.inc");
static_assert(offsetof(struct trampoline_data, intel) == 0x17, "trampoline.inc");
static_assert(offsetof(struct trampoline_data, cr0) == 0x18, "trampoline.inc");
static_assert(offsetof(struct trampoline_data, cr4) == 0x1c, "trampoline.inc");
static_assert(offsetof(struct trampoline_data, efer) == 0x20, "trampoline.inc");
static_assert(offsetof(struct trampoline_data, cr3) == 0x24, "trampoline.inc");
static_assert(offsetof(struct trampoline_data, pat_low) == 0x28, "trampoline.inc");
static_assert(offsetof(struct trampoline_data, count) == 0x30, "trampoline.inc");
static_assert(offsetof(struct trampoline_data, ids_pa) == 0x34, "trampoline.inc");
static_assert(offsetof(struct trampoline_data, records_pa) == 0x38, "trampoline.inc");
static_assert(offsetof(struct trampoline_data, record_delta) == 0x40, "trampoline.inc");
static_assert(offsetof(struct trampoline_data, entry) == 0x48, "trampoline.inc");
static_assert(offsetof(struct trampoline_data, unknown) == 0x50, "trampoline.inc");
static_assert(offsetof(struct trampoline_data, arrival) == 0x800, "trampoline.inc");
static_assert(BRING_HELD == 1 && BRING_OFFERED == 2, "trampoline.inc");
static_assert(STAGE_LONG_MODE == 3 && STAGE_KERNEL == 4, "trampoline.inc");

/* The records of one batch, sorted by APIC id, below 4 GiB. */
struct trampoline_table {
    u32 *ids;
    struct smp_record *records;
    u64 ids_pa, records_pa;
    u32 count;
};

/*
 * Fills the two pages. pa: their physical address, page-aligned, below 1 MiB; code, data: where
 * they can be written now. The rest of the code page is INT3. Processors get the boot CPU's control
 * registers. -EINVAL: an address is out of reach, or the boot CPU's CR3 is above 4 GiB, or its CR4
 * has a bit that cannot be set before long mode.
 */
int trampoline_fill(u64 pa, void *code, struct trampoline_data *data, bool x2apic,
                    const struct trampoline_table *table) MUST_CHECK;

/* The image, from trampoline.asm. */
extern const u8 trampoline_code[], trampoline_pm32[], trampoline_lm64[], trampoline_code_end[];
extern const u8 ap_entry64[];

#endif
