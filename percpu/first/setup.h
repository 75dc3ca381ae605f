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

/* The argument of percpu_switch_unit(). percpu/first/unit_switch.asm repeats the offsets. */
struct percpu_switch {
    u64 unit;     /* new unit of the boot CPU */
    u64 early;    /* its early unit */
    u64 words;    /* 8-byte words to carry over */
    u64 gs_base;  /* new GS base: unit - __per_cpu_start */
    u64 off_slot; /* address of this_cpu_off in the new unit */
    u64 tss_slot; /* address of the TSS descriptor in the new unit's GDT */
    u64 tss_lo;   /* the descriptor of the TSS in the new unit */
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

    /* From the command line. dyn < 0: automatic. static_pad 0: the size as linked. */
    enum pcpu_fc_mode mode;
    u64 reserved, atom, static_pad;
    s64 dyn;

    /*
     * pcpu_make_first_chunk(), and memblock_alloc() and memblock_give_back() for the units, or the
     * caller's wrappers of these.
     */
    int (*make)(const struct pcpu_env *env, struct pcpu_fc_request *req,
                struct pcpu_first_chunk *out);
    int (*unit_alloc)(struct memblock *mb, const struct memblock_request *req,
                      struct memblock_result *res);
    int (*unit_give_back)(struct memblock *mb, u64 base, u64 size);
    /* Fills the GDT and TSS fields of sw with the tables in this unit. */
    void (*describe_tables)(void *unit, struct percpu_switch *sw);

    u64 fallback_bytes; /* out: bytes on another node than the CPU's */
    u64 last_bytes;     /* out: bytes of MEMBLOCK_LAST memory, used when no plain DRAM is free */
};

/* Fills __per_cpu_offset with values that fault when used too early; kernel_main calls it first. */
void percpu_offsets_poison(void);

/* Panics with both errors when no first chunk can be made: no CPU can run without one. */
void setup_per_cpu_areas(struct percpu_setup *s, struct pcpu_first_chunk *fc);

/* Copies the early unit, then loads GS base, GDT and TSS. Interrupts off. unit_switch.asm. */
void percpu_switch_unit(const struct percpu_switch *sw);

#endif
