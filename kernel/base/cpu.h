/*
 * x86-64 instructions that C has no words for, each as one inline function. For hardware files
 * only; CPU-local files use kernel/base/cpu_local.h. Their behaviour: Intel SDM vol. 2. Context:
 * any CPU, ring 0.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_CPU_H
#define PERCH_BASE_CPU_H

#include "kernel/base/cpu_id.h"
#include "kernel/base/types.h"

/* Model-specific registers (SDM vol. 4). */
#define MSR_APIC_BASE            0x1b
#define MSR_XAPIC_DISABLE_STATUS 0xbd
#define MSR_ARCH_CAPABILITIES    0x10a
#define MSR_PAT                  0x277
#define MSR_EFER                 0xc0000080
#define MSR_GS_BASE              0xc0000101

#define EFER_LME (1ULL << 8)
#define EFER_NXE (1ULL << 11)

#define CR0_WP (1ULL << 16)

#define CR4_MCE  (1ULL << 6)
#define CR4_PGE  (1ULL << 7)
#define CR4_LA57 (1ULL << 12)

#define RFLAGS_IF (1ULL << 9)

static inline void outb(u16 port, u8 val)
{
    __asm__ volatile("outb %0, %1" : : "a"(val), "Nd"(port));
}

static inline void outw(u16 port, u16 val)
{
    __asm__ volatile("outw %0, %1" : : "a"(val), "Nd"(port));
}

static inline void outl(u16 port, u32 val)
{
    __asm__ volatile("outl %0, %1" : : "a"(val), "Nd"(port));
}

static inline u8 inb(u16 port)
{
    u8 val;

    __asm__ volatile("inb %1, %0" : "=a"(val) : "Nd"(port));
    return val;
}

static inline u16 inw(u16 port)
{
    u16 val;

    __asm__ volatile("inw %1, %0" : "=a"(val) : "Nd"(port));
    return val;
}

static inline u32 inl(u16 port)
{
    u32 val;

    __asm__ volatile("inl %1, %0" : "=a"(val) : "Nd"(port));
    return val;
}

/* Not serialising: to measure less than some tens of instructions, use rdtsc_ordered(). */
static inline u64 rdtsc(void)
{
    u32 lo, hi;

    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
    return (u64)hi << 32 | lo;
}

/*
 * Reads the TSC after all earlier instructions are complete and their stores visible, and before
 * any later one begins. LFENCE orders RDTSC on Intel (SDM vol. 2, RDTSC), MFENCE on an AMD CPU
 * whose LFENCE does not wait.
 */
static inline u64 rdtsc_ordered(void)
{
    u32 lo, hi;

    __asm__ volatile("mfence; lfence; rdtsc; mfence; lfence" : "=a"(lo), "=d"(hi) : : "memory");
    return (u64)hi << 32 | lo;
}

static inline void cpuid(u32 leaf, u32 subleaf, u32 *a, u32 *b, u32 *c, u32 *d)
{
    __asm__ volatile("cpuid" : "=a"(*a), "=b"(*b), "=c"(*c), "=d"(*d) : "a"(leaf), "c"(subleaf));
}

/* Vendor, family and model of this CPU. */
static inline struct cpu_id cpu_id_own(void)
{
    u32 a, b, c, d, eax1, unused;
    struct cpu_id id;

    cpuid(0, 0, &a, &b, &c, &d);
    cpuid(1, 0, &eax1, &unused, &unused, &unused);
    cpu_id_decode(&id, b, d, c, eax1);
    return id;
}

/* Raises #GP for an unknown MSR; rdmsr_safe() in kernel/base/safe.h returns an error. */
static inline u64 rdmsr(u32 msr)
{
    u32 lo, hi;

    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr) : "memory");
    return (u64)hi << 32 | lo;
}

static inline void wrmsr(u32 msr, u64 val)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((u32)val), "d"((u32)(val >> 32)) : "memory");
}

static inline u64 read_cr0(void)
{
    u64 val;

    __asm__ volatile("mov %%cr0, %0" : "=r"(val));
    return val;
}

static inline u64 read_cr2(void)
{
    u64 val;

    __asm__ volatile("mov %%cr2, %0" : "=r"(val));
    return val;
}

static inline u64 read_cr3(void)
{
    u64 val;

    __asm__ volatile("mov %%cr3, %0" : "=r"(val));
    return val;
}

static inline void write_cr3(u64 val)
{
    __asm__ volatile("mov %0, %%cr3" : : "r"(val) : "memory");
}

static inline u64 read_cr4(void)
{
    u64 val;

    __asm__ volatile("mov %%cr4, %0" : "=r"(val));
    return val;
}

static inline void write_cr4(u64 val)
{
    __asm__ volatile("mov %0, %%cr4" : : "r"(val) : "memory");
}

static inline void invlpg(uintptr_t va)
{
    __asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

/*
 * Drops every translation of this CPU, global ones and paging-structure caches too: each change of
 * CR4.PGE does that (SDM vol. 3, 4.10.4.1). Both writes change it, whatever its value was: so the
 * flush is complete even in an NMI that comes between the two writes of another flush. Interrupts
 * off, or NMI.
 */
static inline void flush_tlb_local(void)
{
    u64 cr4 = read_cr4();

    write_cr4(cr4 ^ CR4_PGE);
    write_cr4(cr4);
}

/* Enables interrupts and sleeps; no interrupt comes between the two (SDM vol. 2, STI). */
static inline void cpu_sleep(void)
{
    __asm__ volatile("sti; hlt" : : : "memory");
}

static inline void local_irq_enable(void)
{
    __asm__ volatile("sti" : : : "memory");
}

static inline void local_irq_disable(void)
{
    __asm__ volatile("cli" : : : "memory");
}

/* For a CPU that must not run any more. It halts again after an NMI. Any context. */
static inline NORETURN void cpu_halt_forever(void)
{
    for (;;)
        __asm__ volatile("cli; hlt" : : : "memory");
}

static inline bool cpu_has_hypervisor(void)
{
    u32 a, b, c, d;

    cpuid(1, 0, &a, &b, &c, &d);
    return c >> 31;
}

#endif
