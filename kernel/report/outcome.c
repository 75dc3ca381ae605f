/*
 * The rules of the verdict, and its words. See outcome.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/report/outcome.h"

#include "kernel/base/print.h"
#include "kernel/base/printf.h"

static void PRINTF(5, 6) add(struct outcome *o, enum outcome_verdict weight, const char *id,
                             u64 count, const char *fmt, ...)
{
    struct outcome_reason *r = &o->reasons[o->nr_reasons];
    va_list ap;

    if (!count)
        return;
    ASSERT(o->nr_reasons < OUTCOME_MAX_REASONS);
    *r = (struct outcome_reason){.id = id, .weight = weight, .count = count};
    va_start(ap, fmt);
    kvsnprintf(r->text, sizeof(r->text), fmt, ap);
    va_end(ap);
    o->nr_reasons++;
    o->verdict = MAX(o->verdict, weight);
}

static const char *s(u64 n)
{
    return n == 1 ? "" : "s";
}

static void failures(struct outcome *o, const struct outcome_counts *c)
{
    u32 missing = c->cpus_wanted > c->cpus_online ? c->cpus_wanted - c->cpus_online : 0;

    add(o, OUTCOME_FAILED, "cpus", missing, "%u of %u CPUs did not start", missing, c->cpus_wanted);
    add(o, OUTCOME_FAILED, "placement", c->units_wrong, "%u unit%s in the wrong place",
        c->units_wrong, s(c->units_wrong));
    add(o, OUTCOME_FAILED, "cases", c->failed, "%u test case%s failed", c->failed, s(c->failed));
    add(o, OUTCOME_FAILED, "globs", c->globs_empty, "%u glob%s of run= matched nothing%s%s",
        c->globs_empty, s(c->globs_empty),
        c->globs_empty == 1 ? ": " : ", the first: ", c->first_glob ? c->first_glob : "?");
    add(o, OUTCOME_FAILED, "fail-words", c->words_refused, "%u word%s of fail= did nothing",
        c->words_refused, s(c->words_refused));
    add(o, OUTCOME_FAILED, "nothing-ran", c->tests_asked && !c->passed && !c->failed,
        "no test case ran");
    add(o, OUTCOME_FAILED, "damage", c->damaged, "%llu damaged per-CPU object%s", (ull)c->damaged,
        s(c->damaged));
    add(o, OUTCOME_FAILED, "ubsan", c->ubsan_reports, "%u report%s of undefined behaviour",
        c->ubsan_reports, s(c->ubsan_reports));
    add(o, OUTCOME_FAILED, "on-purpose", c->on_purpose, "fail=test asked for it");
}

static void doubts(struct outcome *o, const struct outcome_counts *c)
{
    add(o, c->strict_firmware ? OUTCOME_FAILED : OUTCOME_HELD_BUT, "firmware", c->firmware_fail,
        "%u firmware failure%s", c->firmware_fail, s(c->firmware_fail));
    add(o, OUTCOME_HELD_BUT, "no-acpi", c->no_acpi, "no ACPI tables");
    add(o, OUTCOME_HELD_BUT, "no-madt", c->no_madt, "no ACPI table lists the CPUs");
    add(o, OUTCOME_HELD_BUT, "memory", c->uncovered, "%llu KiB of memory in no node",
        (ull)(c->uncovered / SZ_1K));
    for (u32 id = 0; id < EVENT_NR_IDS; id++)
        if (event_kind(id)->class == EVENT_CLASS_DOUBT)
            add(o, OUTCOME_HELD_BUT, event_kind(id)->id, c->events[id], "%llu %s event%s",
                (ull)c->events[id], event_kind(id)->id, s(c->events[id]));
}

void outcome_decide(struct outcome *o, const struct outcome_counts *c)
{
    o->verdict = OUTCOME_HELD;
    o->nr_reasons = 0;
    failures(o, c);
    doubts(o, c);
}

char *outcome_text(const struct outcome *o, char *text, size_t size)
{
    static const char *const words[] = {
        [OUTCOME_HELD] = "all held", [OUTCOME_HELD_BUT] = "held, but", [OUTCOME_FAILED] = "FAILED"};
    const char *between = ": ";
    size_t len = kscnprintf(text, size, "%s", words[o->verdict]);

    for (u32 i = 0; o->verdict != OUTCOME_HELD && i < o->nr_reasons; i++) {
        if (o->reasons[i].weight != o->verdict)
            continue;
        len += kscnprintf(text + len, size - len, "%s%s", between, o->reasons[i].text);
        between = ", ";
    }
    return text;
}

const char *outcome_word(enum outcome_verdict verdict)
{
    static const char *const words[] = {
        [OUTCOME_HELD] = "passed", [OUTCOME_HELD_BUT] = "passed-but", [OUTCOME_FAILED] = "failed"};

    return words[verdict];
}
