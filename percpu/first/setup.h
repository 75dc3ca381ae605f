/*
 * Per-CPU areas on the real machine. Takes the memory from memblock, nearest node first, builds the
 * first chunk (embedded, else page-mapped), fills __per_cpu_offset, and moves the boot CPU from its
 * early unit to its unit. Afterwards per_cpu() works for every possible CPU, and every unit holds
 * its own offset, CPU number and stack canary.
 * Boot CPU only, interrupts off, once.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_FIRST_SETUP_H
#define PERCH_PERCPU_FIRST_SETUP_H

#include "mm/map/pagetable.h"
#include "mm/map/vspace.h"
#include "mm/memblock/memblock.h"
#include "mm/numa/node_order.h"
#include "percpu/first/first_chunk.h"

/* What percpu_switch_unit() needs; the offsets are known to percpu/first/unit_switch.asm. */
struct percpu_switch {
    u64 unit;     /* new unit of the boot CPU */
    u64 early;    /* its early unit */
    u64 words;    /* 8-byte words to carry over */
    u64 gs_base;  /* new GS base: unit - __per_cpu_start */
    u64 off_slot; /* where this_cpu_off lies in the new unit */
    u64 tss_slot; /* where the TSS descriptor lies in the new unit's GDT */
    u64 tss_lo;   /* the descriptor, for the TSS at its new address */
    u64 tss_hi;
    u64 gdt_base;
    u16 gdt_limit;
    u16 tss_selector;
};

struct percpu_setup {
    struct memblock *mb;
    const struct numa_topology *topo;
    struct node_order *order;
    struct pagetable *pt;  /* live tables, for the page-mapped chunk and the early unit */
    struct vspace *window; /* the per-CPU window */

    /* Command line; dyn below 0 is automatic, static_pad 0 is "as linked". */
    enum pcpu_fc_mode mode;
    u64 reserved, atom, static_pad;
    s64 dyn;

    /*
     * pcpu_make_first_chunk(), and memblock_alloc() and memblock_give_back() for the units, or the
     * caller's functions around them.
     */
    int (*make)(const struct pcpu_env *env, struct pcpu_fc_request *req,
                struct pcpu_first_chunk *out);
    int (*unit_alloc)(struct memblock *mb, const struct memblock_request *req,
                      struct memblock_result *res);
    int (*unit_give_back)(struct memblock *mb, u64 base, u64 size);
    /* Fills the GDT and TSS fields for tables that lie in the given unit. */
    void (*describe_tables)(void *unit, struct percpu_switch *sw);

    u64 fallback_bytes; /* out: bytes on another node than the CPU's */
    u64 last_bytes;     /* out: bytes of MEMBLOCK_LAST memory: no plain DRAM was left */
};

/* Fills __per_cpu_offset with values that fault when used too early; kernel_main calls it first. */
void percpu_offsets_poison(void);

/* Panics, with the errors, when no first chunk can be made: nothing can run without one. */
void setup_per_cpu_areas(struct percpu_setup *s, struct pcpu_first_chunk *fc);

/* One instruction stream, percpu/first/unit_switch.asm: copy, GS base, GDT, TSS. Interrupts off. */
void percpu_switch_unit(const struct percpu_switch *sw);

#endif
