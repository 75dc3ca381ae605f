/*
 * The story of one boot, from the loader's door to the verdict: one call per stage.
 * SPDX-License-Identifier: MIT
 */
#include "boot/multiboot2.h"
#include "boot/pvh.h"
#include "kernel/base/cpu_local.h"
#include "kernel/base/events.h"
#include "kernel/base/print.h"
#include "kernel/base/version.h"
#include "kernel/bench/bench.h"
#include "kernel/platform/clock.h"
#include "kernel/platform/console.h"
#include "kernel/platform/cpu_tables.h"
#include "kernel/platform/early_window.h"
#include "kernel/platform/idt.h"
#include "kernel/platform/machine_check.h"
#include "kernel/platform/mmio.h"
#include "kernel/platform/panic.h"
#include "kernel/platform/stack.h"
#include "kernel/report/placement.h"
#include "kernel/stages/fail.h"
#include "kernel/stages/stage_times.h"
#include "kernel/stages/stages.h"
#include "percpu/first/setup.h"

u64 first_tsc = 1; /* written by boot/entry64.asm; not 0, to be in .data */

static u8 early_ist[IST_COUNT][8192] ALIGNED(16);

void kernel_main(enum boot_origin origin, u64 info_phys);
static void on_own_stack(void *state);

/* From here on a fault is reported. */
static void early_traps(void)
{
    u64 tops[IST_COUNT];

    for (u32 i = 0; i < IST_COUNT; i++)
        tops[i] = (u64)(uintptr_t)early_ist[i + 1];
    idt_init();
    idt_load();
    cpu_tables_fill(this_cpu_ptr(&cpu_tables), tops);
    cpu_tables_load();
    idt_use_ist();
    panic_set_describe(paging_describe);
    this_cpu_write(percpu_early_mark, PERCPU_EARLY_MARK_WRITTEN);
}

static void read_boot_info(struct boot_state *s, enum boot_origin origin, u64 info_phys)
{
    int err = origin == BOOT_PVH ? pvh_parse(&early_window, info_phys, &s->info)
                                 : multiboot2_parse(&early_window, info_phys, &s->info);

    mmio_rules_learn(&s->info);
    kernel_options_parse(&s->opt, s->info.cmdline);
    console_init(&s->opt, &s->info);
    /* For a benchmark, a stage's time does not include the serial line: stage_done() flushes. */
    console_hold(kernel_options_run(&s->opt, "bench", NULL));
    pr_info("Perch %s: booted by %s (%s)", perch_version,
            s->info.loader[0] ? s->info.loader : "an unnamed loader",
            origin == BOOT_PVH ? "PVH" : "Multiboot2");
    pr_info("Command line: %s%s", s->info.cmdline, s->info.cmdline_truncated ? " (cut)" : "");
    if (s->info.cmdline_truncated)
        event_count(EVENT_OPTION_IGNORED);
    fail_check(&s->opt);
    end_configure(s); /* from here on a panic ends the run as the command line says */
    if (err)
        panic("the loader's information cannot be used (%d)", err);
}

/* Names the machine for readers of its log. */
static void name_machine(struct boot_state *s)
{
    const struct smbios_texts *t = &s->smbios;

    if (smbios_read(&early_window, s->info.efi_system_table, &s->smbios))
        pr_info("MACHINE: not named by SMBIOS");
    else
        pr_info("MACHINE: %s %s, firmware %s %s", t->vendor, t->product, t->bios_vendor,
                t->bios_version);
}

void kernel_main(enum boot_origin origin, u64 info_phys)
{
    struct boot_state *s = boot_state_get();

    percpu_offsets_poison();
    early_traps();
    read_boot_info(s, origin, info_phys);
    machine_check_init_boot();
    stage_done("boot_info");

    name_machine(s);
    stage_done("smbios");

    stage_memory(s);
    stage_done("memory");

    stage_acpi_tables(s);
    end_configure(s); /* now with the way to power off */
    stage_done("acpi");

    clock_init(&(struct clock_hardware){s->hpet.address, s->has_fadt ? s->fadt.pm_timer_port : 0,
                                        s->fadt.pm_timer_32bit});
    stage_done("clock");

    stage_topology(s);
    stage_done("topology");

    stage_paging(s);
    end_map_registers(s);
    stage_done("paging");

    stage_percpu(s);
    run_on_stack(s->stack_top, on_own_stack, s);
}

/* Now the boot CPU's stack and unit are in memory of its own node. */
static void on_own_stack(void *state)
{
    struct boot_state *s = state;

    stage_done("percpu");

    stage_smp(s);
    stage_done("smp");

    stage_tsc(s);
    stage_done("tsc");

    stage_cpu_regs(s);
    stage_done("cpu_regs");

    stage_pages(s);
    stage_done("pages");

    stage_percpu_dynamic(s);
    stage_done("percpu_dynamic");

    placement_prove(s, &s->placement);
    stage_done("placement");

    bench_reserve(s);
    console_hold(false);
    stage_run(s);
}
