/*
 * Stage: report, tests, benchmarks, the verdict and the end of the run, as the command line says.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/stages/stages.h"
#include "kernel/bench/bench.h"
#include "kernel/stages/fail.h"
#include "kernel/base/ktest.h"
#include "kernel/report/report.h"
#include "kernel/stages/stage_times.h"
#include "kernel/report/summary.h"
#include "kernel/report/verdict_page.h"
#include "kernel/base/firmware.h"
#include "kernel/base/glob.h"
#include "kernel/base/print.h"
#include "kernel/base/ubsan.h"
#include "kernel/platform/console.h"
#include "kernel/platform/machine_check.h"
#include "kernel/platform/panic.h"
#include "kernel/platform/power.h"
#include "percpu/percpu.h"
#include "smp/call/call.h"

static struct summary summary; /* of this run */

/* The last page on the screen of a machine that stays on. */
static void show_page(enum power_result result)
{
    if (result == POWER_PANIC)
        console_panic_page();
    else
        verdict_page(boot_state_get(), result == POWER_PASSED, &summary);
}

static void end_after_panic(void)
{
    power_end(POWER_PANIC);
}

void end_configure(struct boot_state *s)
{
    struct power_config config = {
        .exit_port = s->opt.exit_isa_debug,
        .end = s->opt.end,
        .machine = {.fadt = s->has_fadt ? &s->fadt : NULL,
                    .has_s5 = s->has_s5,
                    .slp_typa = s->slp_typa,
                    .slp_typb = s->slp_typb,
                    .broken = fail_power(&s->opt)},
        .show_verdict = show_page,
    };

    power_configure(&config);
    panic_set_end(end_after_panic);
}

void end_map_registers(struct boot_state *s)
{
    power_map_registers(&s->vm);
}

/* Findings about the firmware fail a run only when strict=firmware asks for it. */
static bool firmware_ok(const struct boot_state *s)
{
    return !s->opt.strict_firmware || firmware_total(firmware_found(), FIRMWARE_FAIL) == 0;
}

static bool run_tests(struct boot_state *s)
{
    struct ktest_totals *totals = &summary.tests;
    char glob[64];

    if (!kernel_options_run(&s->opt, "test", glob, sizeof(glob)))
        return true;
    totals->on_result = summary_case;
    totals->ctx = &summary;
    ktest_run(glob[0] ? glob : NULL, totals);
    pr_info("test: %u passed, %u failed, %u skipped", totals->passed, totals->failed,
            totals->skipped);
    if (totals->passed == 0)
        pr_err("test: nothing ran");
    return totals->failed == 0 && totals->passed != 0;
}

static void run_bench(struct boot_state *s)
{
    char glob[64];

    if (!kernel_options_run(&s->opt, "bench", glob, sizeof(glob)))
        return;
    if (!glob[0] || glob_match(glob, "boot"))
        stage_times_print();
    bench_percpu(s, glob);
}

static void poll_self(void *arg)
{
    (void)arg;
    machine_check_poll();
}

/* Errors that the hardware corrected wait in the banks of the CPU that saw them. */
static void poll_machine_checks(void)
{
    machine_check_report_left(); /* CPUs that came late */
    if (smp_call_all(poll_self, NULL))
        pr_err("mce: not every CPU has looked for corrected errors");
}

void stage_run(struct boot_state *s)
{
    bool ok;

    summary.lava = s->opt.lava;
    poll_machine_checks();
    if (kernel_options_run(&s->opt, "report", NULL, 0))
        report_print(s);
    fail_late(&s->opt);
    ok = run_tests(s);
    run_bench(s);
    percpu_leaks();
    poll_machine_checks();
    ok &= percpu_damage() == 0;
    ok &= !fail_run(&s->opt);
    ok &= s->placement.wrong == 0 && ubsan_report_count() == 0 && firmware_ok(s);
    summary_lava_verdict(&summary, ok);
    summary_print(&summary, s, ok);
    pr_info("perch: %s", ok ? "all held" : "FAILED");
    power_end(ok ? POWER_PASSED : POWER_FAILED);
}
