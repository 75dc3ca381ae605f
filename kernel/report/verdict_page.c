/*
 * The lines of the last page.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/deadline.h"
#include "kernel/base/firmware.h"
#include "kernel/base/print.h"
#include "kernel/base/printf.h"
#include "kernel/base/version.h"
#include "kernel/platform/screen.h"
#include "kernel/report/verdict_page.h"
#include "smp/start/cpus.h"

#define PAGE_TEXT    6144
#define MAX_FINDINGS 12 /* per class; the log has all */

struct page_text {
    char text[PAGE_TEXT];
    size_t len;
};

static void PRINTF(2, 3) line(struct page_text *p, const char *fmt, ...)
{
    size_t room = sizeof(p->text) - p->len - 1; /* for the text and its NUL */
    va_list ap;

    if (room < 2)
        return;
    va_start(ap, fmt);
    p->len += MIN((size_t)kvsnprintf(p->text + p->len, room, fmt, ap), room - 1);
    va_end(ap);
    p->text[p->len++] = '\n';
    p->text[p->len] = '\0';
}

static void machine_lines(struct page_text *p, const struct boot_state *s)
{
    const struct numa_topology *t = &s->topo;
    char name[49];

    if (s->has_acpi)
        line(p, "Machine   %.6s %.8s (ACPI), %s", s->acpi.tables[0].oem_id,
             s->acpi.tables[0].oem_table_id, summary_cpu_name(name));
    else
        line(p, "Machine   no ACPI tables, %s", summary_cpu_name(name));
    line(p, "CPUs      %u of %u online, %u node%s", cpus_online(), t->cpu_count, t->node_count,
         t->node_count == 1 ? "" : "s");
    line(p, "Memory    %llu MiB", (ull)(memblock_phys_mem_size(&s->mb) >> 20));
}

static void figures(struct page_text *p, const struct boot_state *s, const struct summary *sum)
{
    const struct pcpu_first_chunk *fc = &s->first_chunk;
    const struct ktest_totals *tests = &sum->tests;

    line(p, "Per-CPU   static %llu, reserved %llu, dynamic %llu, unit %llu bytes",
         (ull)(fc->static_area.end - fc->static_area.start),
         (ull)(fc->reserved_area.end - fc->reserved_area.start),
         (ull)(fc->dyn_area.end - fc->dyn_area.start), (ull)fc->unit_size);
    line(p, "Units     %u on their CPU's node, %u on the nearest, %u wrong", s->placement.units_ok,
         s->placement.nearest, s->placement.wrong);
    if (tests->passed + tests->failed + tests->skipped)
        line(p, "Tests     %u passed, %u failed, %u skipped", tests->passed, tests->failed,
             tests->skipped);
    else
        line(p, "Tests     not run");
    for (u32 i = 0; i < sum->nr_failed; i++)
        line(p, "  failed  %s", sum->failed[i]);
    line(p, "Time      %llu ms since the start", (ull)(uptime_us() / 1000));
    line(p, "Options   %s", s->info.cmdline);
}

/* Failures first: they are why a user reads this page. */
static void finding_lines(struct page_text *p)
{
    const struct firmware_findings *f = firmware_found();

    line(p, "Firmware  %u failures, %u warnings, %u remarks", firmware_total(f, FIRMWARE_FAIL),
         firmware_total(f, FIRMWARE_WARN), firmware_total(f, FIRMWARE_INFO));
    for (u32 class = FIRMWARE_FAIL; class <= FIRMWARE_WARN; class ++) {
        u32 shown = 0;

        for (u32 i = 0; i < f->nr_kept && shown < MAX_FINDINGS; i++) {
            const struct firmware_kept *k = &f->kept[i];

            if (firmware_kind(k->id)->class != class)
                continue;
            line(p, "  %s %s: %s: %s", firmware_severity(k->id), firmware_kind(k->id)->id, k->table,
                 k->text);
            shown++;
        }
    }
}

/* The title has the verdict; its reasons may need several lines. */
static void reason_lines(struct page_text *p, const struct outcome *o)
{
    for (u32 i = 0; i < o->nr_reasons; i++)
        line(p, "%s   %s", o->reasons[i].weight == OUTCOME_FAILED ? "Failed " : "Doubtful",
             o->reasons[i].text);
    if (o->nr_reasons)
        line(p, "%s", "");
}

void verdict_page(struct boot_state *s, const struct outcome *o, const struct summary *sum)
{
    static const struct {
        const char *title;
        enum fb_style style;
    } titles[] = {
        [OUTCOME_HELD] = {" Perch: all held", FB_GOOD},
        [OUTCOME_HELD_BUT] = {" Perch: held, but", FB_DOUBT},
        [OUTCOME_FAILED] = {" Perch: FAILED", FB_BAD},
    };
    static struct page_text page;

    if (!screen_ready())
        return;
    page.len = 0;
    reason_lines(&page, o);
    machine_lines(&page, s);
    figures(&page, s, sum);
    line(&page, "%s", "");
    finding_lines(&page);
    line(&page, "%s", "");
    line(&page,
         "To report this machine: the whole log of the serial line, or a photograph of this");
    line(&page, "page (docs/real-hardware.md, \"What to send\"). This is Perch %s.", perch_version);
    screen_page(titles[o->verdict].title, titles[o->verdict].style, page.text);
}
