/*
 * Static per-CPU variables: DEFINE_PER_CPU, and access to another CPU's copy. A variable keeps its
 * link address inside the template (docs/adr/0002); a CPU's copy is __per_cpu_offset[cpu] above it.
 * Access to this CPU's own copy: kernel/base/cpu_local.h.
 *
 * Context: per_cpu() and per_cpu_ptr() work on any CPU once the per-CPU areas are set up. Before
 * that, they make a non-canonical address, and the fault's message names the CPU.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_PERCPU_DEFS_H
#define PERCH_BASE_PERCPU_DEFS_H

#include "kernel/base/types.h"

/*
 * Sub-sections keep data that is written often off the cache lines of data that is only read; the
 * linker script places them in this order.
 */
#define PER_CPU_ATTR_(sub) __attribute__((section(".data..percpu" sub)))

#define DEFINE_PER_CPU(type, name)             PER_CPU_ATTR_("") __typeof__(type) name
#define DEFINE_PER_CPU_FIRST(type, name)       PER_CPU_ATTR_("..first") __typeof__(type) name
#define DEFINE_PER_CPU_READ_MOSTLY(type, name) PER_CPU_ATTR_("..read_mostly") __typeof__(type) name
#define DEFINE_PER_CPU_ALIGNED(type, name)                                                         \
    PER_CPU_ATTR_("..aligned") ALIGNED(64) __typeof__(type) name
#define DEFINE_PER_CPU_PAGE_ALIGNED(type, name)                                                    \
    PER_CPU_ATTR_("..page_aligned") ALIGNED(4096) __typeof__(type) name

#define DECLARE_PER_CPU(type, name)             extern DEFINE_PER_CPU(type, name)
#define DECLARE_PER_CPU_READ_MOSTLY(type, name) extern DEFINE_PER_CPU_READ_MOSTLY(type, name)
#define DECLARE_PER_CPU_ALIGNED(type, name)     extern DEFINE_PER_CPU_ALIGNED(type, name)

/* The template's bounds, from the linker script. */
extern char __per_cpu_start[], __per_cpu_end[];

/* The distance from a per-CPU address to that CPU's copy. */
extern uintptr_t __per_cpu_offset[NR_CPUS];

/*
 * Until the areas exist, __per_cpu_offset[cpu] makes addresses whose upper half is this tag and the
 * CPU: non-canonical, so that any access raises #GP and the handler can name the CPU.
 */
#define PER_CPU_PREMATURE_TAG  0x5eadULL
#define PER_CPU_PREMATURE(cpu) (PER_CPU_PREMATURE_TAG << 48 | (u64)(cpu) << 32)

/* The asm hides that the pointer leaves its object, which C leaves undefined. */
#define PER_CPU_SHIFT_(ptr, off)                                                                   \
    ({                                                                                             \
        uintptr_t va_ = (uintptr_t)(ptr);                                                          \
        __asm__("" : "+r"(va_));                                                                   \
        (__typeof__(ptr))(va_ + (off));                                                            \
    })

#define per_cpu_ptr(ptr, cpu) PER_CPU_SHIFT_(ptr, __per_cpu_offset[cpu])
#define per_cpu(var, cpu)     (*per_cpu_ptr(&(var), cpu))

#endif
