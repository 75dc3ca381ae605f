/*
 * Panic: report, stop the others, end the run; see panic.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/platform/panic.h"
#include <stdarg.h>
#include "kernel/base/cpu.h"
#include "kernel/base/cpu_local.h"
#include "kernel/base/deadline.h"
#include "kernel/base/print.h"
#include "kernel/base/printf.h"
#include "kernel/base/safe.h"
#include "kernel/base/symbols.h"
#include "kernel/platform/console.h"
#include "kernel/platform/trap_names.h"
#include "smp/start/cpus.h"

#define MAX_FRAMES  24
#define NO_CPU      0xffffffffu
#define STOP_US     100000
#define KERNEL_HALF 0xffff800000000000ULL

static void (*stop_others)(void);
static int (*describe)(u64 addr, char *buf, size_t size);
static void (*end_run)(void);
static u32 panic_cpu = NO_CPU;
static u32 panic_depth;

/* Where a CPU was when it stopped for another's panic; 0: it has not. */
static DEFINE_PER_CPU(u64, stopped_at);

void panic_set_stop_others(void (*fn)(void))
{
    stop_others = fn;
}

void panic_set_describe(int (*fn)(u64 addr, char *buf, size_t size))
{
    describe = fn;
}

void panic_set_end(void (*fn)(void))
{
    end_run = fn;
}

static void print_frame(u64 rip)
{
    u64 offset = 0;
    const char *name = symbol_lookup(rip, &offset);

    if (name)
        pr_err("  [<%016lx>] %s+0x%lx", rip, name, offset);
    else
        pr_err("  [<%016lx>]", rip);
}

/* Each step probes memory: a broken chain ends the trace, not the report. */
void print_stack_trace(u64 rip, u64 rbp)
{
    pr_err("Call trace:");
    print_frame(rip);
    for (u32 i = 0; i < MAX_FRAMES; i++) {
        u64 next, ret;

        if (rbp < KERNEL_HALF || rbp % 8 || probe_read(rbp, 8, &next) ||
            probe_read(rbp + 8, 8, &ret) || ret < KERNEL_HALF)
            return;
        print_frame(ret - 1); /* inside the CALL: ret may be the start of the next function */
        if (next <= rbp)
            return;
        rbp = next;
    }
}

static void print_registers(const struct trap_frame *f)
{
    pr_err("RIP: %04lx:%016lx EFLAGS: %08lx", f->cs, f->rip, f->rflags);
    pr_err("RSP: %04lx:%016lx error: %04lx", f->ss, f->rsp, f->error);
    pr_err("RAX: %016lx RBX: %016lx RCX: %016lx", f->rax, f->rbx, f->rcx);
    pr_err("RDX: %016lx RSI: %016lx RDI: %016lx", f->rdx, f->rsi, f->rdi);
    pr_err("RBP: %016lx R08: %016lx R09: %016lx", f->rbp, f->r8, f->r9);
    pr_err("R10: %016lx R11: %016lx R12: %016lx", f->r10, f->r11, f->r12);
    pr_err("R13: %016lx R14: %016lx R15: %016lx", f->r13, f->r14, f->r15);
    pr_err("CR0: %016lx CR2: %016lx CR3: %016lx CR4: %016lx", read_cr0(), read_cr2(), read_cr3(),
           read_cr4());
    pr_err("GS:  %016lx", rdmsr(MSR_GS_BASE));
}

/* Before set-up per_cpu() makes non-canonical addresses that contain the CPU's number. */
static void name_premature_access(const struct trap_frame *f)
{
    const u64 *regs = (const u64 *)f;

    for (u32 i = 0; i < 15; i++) {
        if (regs[i] >> 48 == PER_CPU_PREMATURE_TAG) {
            pr_err("per-CPU variable of CPU %u used before its unit was set up",
                   (u32)(regs[i] >> 32 & 0xffff));
            return;
        }
    }
}

static void name_fault_address(u64 addr)
{
    char text[128];

    if (describe && describe(addr, text, sizeof(text)) > 0)
        pr_err("address %016lx: %s", addr, text);
    else
        pr_err("address %016lx: no area", addr);
}

bool panic_on_other_cpu(void)
{
    u32 cpu = __atomic_load_n(&panic_cpu, __ATOMIC_ACQUIRE);

    return cpu != NO_CPU && cpu != cpu_number();
}

/*
 * Before the text: in a panic the log ignores its locks, so a CPU that still runs would write into
 * the report. All share one deadline; those that do not answer are not waited for.
 */
static void stop_and_wait(void)
{
    struct deadline d = deadline_start(STOP_US);
    u32 cpu;

    stop_others();
    for_each_online_cpu(cpu)
    {
        const u64 *at = per_cpu_ptr(&stopped_at, cpu);

        while (cpu != cpu_number() && !__atomic_load_n(at, __ATOMIC_ACQUIRE))
            if (deadline_passed(&d))
                return;
    }
}

/* Returns only on the CPU that reports. False: it panicked again while it reported. */
static bool panic_enter(u64 rip)
{
    u32 none = NO_CPU;
    u32 self = cpu_number();
    bool first;

    local_irq_disable();
    if (!__atomic_compare_exchange_n(&panic_cpu, &none, self, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE) &&
        none != self) {
        __atomic_store_n(this_cpu_ptr(&stopped_at), rip, __ATOMIC_RELEASE);
        cpu_halt_forever();
    }
    first = panic_depth++ == 0;
    if (first && stop_others)
        stop_and_wait();
    console_panic_mode();
    return first;
}

static void print_stopped(u32 cpu, u64 rip)
{
    u64 offset = 0;
    const char *name = rip ? symbol_lookup(rip, &offset) : NULL;

    if (!rip)
        pr_err("CPU %u does not answer the NMI", cpu);
    else if (name)
        pr_err("CPU %u was at [<%016lx>] %s+0x%lx", cpu, rip, name, offset);
    else
        pr_err("CPU %u was at [<%016lx>]", cpu, rip);
}

static void print_others(void)
{
    u32 cpu;

    for_each_online_cpu(cpu) if (cpu != cpu_number())
        print_stopped(cpu, __atomic_load_n(per_cpu_ptr(&stopped_at, cpu), __ATOMIC_ACQUIRE));
}

static NORETURN void panic_leave(bool where)
{
    if (panic_depth == 1 && stop_others && where)
        print_others();
    pr_err("---[ end of panic ]---");
    if (panic_depth == 1 && end_run) {
        panic_depth++;
        end_run();
    }
    if (cpu_has_hypervisor())
        outb(0xf4, 0x12);
    console_panic_page();
    cpu_halt_forever();
}

void panic_trap_with(struct trap_frame *frame, void (*more)(u64 arg), u64 arg)
{
    if (!panic_enter(frame->rip)) {
        pr_err("%s at %016lx during a panic", trap_name(frame->vector), frame->rip);
        panic_leave(false);
    }
    pr_err("panic: CPU %u: %s (vector %lu)", cpu_number(), trap_name(frame->vector), frame->vector);
    if (more)
        more(arg);
    if (frame->vector == VEC_NMI)
        pr_err("not an NMI of Perch: from outside; port 0x61 reads 0x%02x", inb(0x61));
    if (frame->vector == VEC_PF)
        name_fault_address(read_cr2());
    if (frame->vector == VEC_DF)
        name_fault_address(frame->rsp - 8); /* in the guard page, if the stack overflowed */
    if (frame->vector == VEC_GP)
        name_premature_access(frame);
    print_registers(frame);
    print_stack_trace(frame->rip, frame->rbp);
    panic_leave(frame->vector == VEC_NMI);
}

void panic_trap(struct trap_frame *frame)
{
    panic_trap_with(frame, NULL, 0);
}

void panic(const char *fmt, ...)
{
    char text[256];
    va_list ap;

    va_start(ap, fmt);
    kvsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (!panic_enter((u64)(uintptr_t)__builtin_return_address(0))) {
        pr_err("panic during a panic: %s", text);
        panic_leave(false);
    }
    pr_err("panic: CPU %u: %s", cpu_number(), text);
    print_stack_trace((u64)(uintptr_t)__builtin_return_address(0),
                      (u64)(uintptr_t)__builtin_frame_address(0));
    panic_leave(false);
}

/* The compiler's stack protector calls this when a function's canary has changed. */
void __stack_chk_fail(void) NORETURN;
void __stack_chk_fail(void)
{
    panic("stack smashing detected");
}
