/*
 * Stage: report, tests, benchmarks, the verdict and the end of the run, as the command line says.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/stages/stages.h"
#include "kernel/bench/bench.h"
#include "kernel/stages/fail.h"
#include "kernel/base/ktest.h"
#include "kernel/report/outcome.h"
#include "kernel/report/report.h"
#include "kernel/stages/stage_times.h"
#include "kernel/report/summary.h"
#include "kernel/report/verdict_page.h"
#include "kernel/base/firmware.h"
#include "kernel/base/events.h"
#include "kernel/base/glob.h"
#include "kernel/base/log.h"
#include "kernel/base/print.h"
#include "kernel/base/printf.h"
#include "kernel/base/ubsan.h"
#include "kernel/platform/console.h"
#include "kernel/platform/machine_check.h"
#include "kernel/platform/panic.h"
#include "kernel/platform/power.h"
#include "mm/numa/numa.h"
#include "percpu/percpu.h"
#include "smp/call/call.h"
#include "smp/start/cpus.h"

static struct summary summary; /* of this run */
static struct outcome outcome;

/* The last page on the screen of a machine that stays on. */
static void show_page(enum power_result result)
{
    if (result == POWER_PANIC)
        console_panic_page();
    else
        verdict_page(boot_state_get(), &outcome, &summary);
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

/* Lines about the firmware are findings of this run, not alarms of Perch. */
static u64 alarms(void)
{
    const struct firmware_findings *f = firmware_found();
    u64 lines = 0;

    for (u32 id = 0; id < FIRMWARE_NR_IDS; id++)
        if (firmware_kind(id)->class != FIRMWARE_INFO)
            lines += f->shown[id] + (f->count[id] > f->shown[id]);
    return console_alarms() - lines;
}

static u32 globs_empty;              /* globs of run= that matched nothing */
static char first_glob[OPT_RUN_MAX]; /* the first of them */

static void count_empty_globs(const char *what, const char *globs, bool (*matches)(const char *))
{
    char glob[OPT_RUN_MAX];

    while (list_next(&globs, glob, sizeof(glob))) {
        if (matches(glob))
            continue;
        pr_err("run=%s:%s matches nothing", what, glob);
        if (!globs_empty++)
            ksnprintf(first_glob, sizeof(first_glob), "%s:%s", what, glob);
    }
}

static void run_tests(struct boot_state *s)
{
    struct ktest_totals *totals = &summary.tests;
    char globs[OPT_RUN_MAX];

    if (!kernel_options_run(&s->opt, "test", globs))
        return;
    totals->on_result = summary_case;
    totals->ctx = &summary;
    totals->judge_events = true;
    totals->alarms = alarms;
    totals->allowed_events = s->opt.events;
    count_empty_globs("test", globs, ktest_matches);
    ktest_run(globs, totals);
    pr_info("test: %u passed, %u failed, %u skipped", totals->passed, totals->failed,
            totals->skipped);
    if (totals->passed == 0)
        pr_err("test: nothing ran");
}

static void run_bench(struct boot_state *s)
{
    char globs[OPT_RUN_MAX];

    if (!kernel_options_run(&s->opt, "bench", globs))
        return;
    count_empty_globs("bench", globs, bench_matches);
    if (glob_list_match(globs, "boot"))
        stage_times_print();
    bench_percpu(s, globs);
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

static void count_run(struct outcome_counts *c, const struct boot_state *s)
{
    u32 possible = s->topo.cpu_count;

    c->cpus_wanted = s->opt.maxcpus ? MIN(s->opt.maxcpus, possible) : possible;
    c->cpus_online = cpus_online();
    c->tests_asked = kernel_options_run(&s->opt, "test", NULL);
    c->globs_empty = globs_empty;
    c->first_glob = first_glob;
    c->passed = summary.tests.passed;
    c->failed = summary.tests.failed;
    c->units_wrong = s->placement.wrong;
    c->ubsan_reports = ubsan_report_count();
    c->damaged = percpu_damage();
    c->words_refused = fail_refused();
    c->on_purpose = fail_run(&s->opt);
    c->strict_firmware = s->opt.strict_firmware;
    c->firmware_fail = firmware_total(firmware_found(), FIRMWARE_FAIL);
    c->no_acpi = !s->has_acpi;
    c->no_madt = s->has_acpi && !s->madt.cpu_count;
    if (s->topo.uncovered_bytes > NUMA_UNCOVERED_SLACK)
        c->uncovered = s->topo.uncovered_bytes;
    for (u32 id = 0; id < EVENT_NR_IDS; id++)
        c->events[id] = event_unexcused(id);
}

static void print_events(void)
{
    for (u32 id = 0; id < EVENT_NR_IDS; id++)
        if (event_total(id))
            pr_info("events: %s %llu (%s), %llu of them on purpose", event_kind(id)->id,
                    (ull)event_total(id), event_kind(id)->text, (ull)event_excused(id));
}

/* The verdict in each of its forms. */
static NORETURN void conclude(struct boot_state *s)
{
    static const enum power_result ends[] = {[OUTCOME_HELD] = POWER_PASSED,
                                             [OUTCOME_HELD_BUT] = POWER_DOUBT,
                                             [OUTCOME_FAILED] = POWER_FAILED};
    struct outcome_counts counts = {0};
    char text[LOG_LINE_MAX - 64];

    count_run(&counts, s);
    outcome_decide(&outcome, &counts);
    print_events();
    summary_lava_verdict(&summary, outcome.verdict);
    summary_print(&summary, s, &outcome);
    log_line(LOG_ALWAYS, "perch: %s", outcome_text(&outcome, text, sizeof(text)));
    power_end(ends[outcome.verdict]);
}

void stage_run(struct boot_state *s)
{
    summary.lava = s->opt.lava;
    poll_machine_checks();
    if (kernel_options_run(&s->opt, "report", NULL))
        report_print(s);
    fail_late(&s->opt);
    run_tests(s);
    run_bench(s);
    percpu_leaks();
    poll_machine_checks();
    conclude(s);
}
