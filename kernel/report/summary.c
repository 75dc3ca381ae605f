/*
 * The lines for LAVA, and the summary at the end of the log.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/report/summary.h"
#include "kernel/report/report_json.h"
#include "kernel/base/version.h"
#include "kernel/base/cpu.h"
#include "kernel/base/cpu_id.h"
#include "kernel/base/firmware.h"
#include "kernel/base/print.h"
#include "kernel/base/printf.h"
#include "kernel/base/string.h"
#include "smp/start/cpus.h"

/* ---- cases ----------------------------------------------------------------------------------- */

/*
 * A result, in the form of a LAVA test shell. At column 0 and after the case's own line, so that a
 * KTAP reader takes it for other output of the kernel.
 */
static void lava_line(const char *id, const char *result)
{
    log_raw("<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=%s RESULT=%s>", id, result);
}

void summary_case(void *summary, const char *suite, const char *name, enum ktest_result result)
{
    static const char *const words[] = {
        [KTEST_PASSED] = "pass", [KTEST_FAILED] = "fail", [KTEST_SKIPPED] = "skip"};
    struct summary *s = summary;
    char id[SUMMARY_NAME_MAX];

    kscnprintf(id, sizeof(id), "%s.%s", suite, name);
    if (s->lava)
        lava_line(id, words[result]);
    if (result == KTEST_FAILED && s->nr_failed < SUMMARY_MAX_FAILED)
        memcpy(s->failed[s->nr_failed++], id, sizeof(id));
}

void summary_lava_verdict(const struct summary *s, enum outcome_verdict verdict)
{
    static const char *const words[] = {
        [OUTCOME_HELD] = "pass", [OUTCOME_HELD_BUT] = "unknown", [OUTCOME_FAILED] = "fail"};

    if (s->lava)
        lava_line("perch", words[verdict]);
}

/* ---- the block ------------------------------------------------------------------------------- */

static void run_object(struct report *r, const struct boot_state *b, enum outcome_verdict verdict)
{
    char loader[REPORT_STRING_MAX];

    report_object(r,
                  "\"type\":\"run\",\"version\":\"%s\",\"compiler\":\"%s\",\"result\":\"%s\","
                  "\"door\":\"%s\",\"loader\":\"%s\"",
                  perch_version, perch_compiler, outcome_word(verdict),
                  b->info.origin == BOOT_PVH ? "pvh" : "multiboot2",
                  report_escape(loader, b->info.loader));
}

/* Replaces what a JSON string would have to escape: a CPU's name may have any bytes. */
static const char *plain(char *text)
{
    for (char *at = text; *at; at++)
        if (*at < 0x20 || *at > 0x7e || *at == '"' || *at == '\\')
            *at = '.';
    return text;
}

/* CPUID leaves 0x80000002 to 0x80000004 (SDM vol. 2): 48 characters, with leading blanks. */
const char *summary_cpu_name(char text[49])
{
    u32 words[12] = {0}, max, b, c, d;

    cpuid(0x80000000, 0, &max, &b, &c, &d);
    for (u32 i = 0; max >= 0x80000004 && i < 3; i++)
        cpuid(0x80000002 + i, 0, &words[4 * i], &words[4 * i + 1], &words[4 * i + 2],
              &words[4 * i + 3]);
    memcpy(text, words, 48);
    text[48] = '\0';
    while (*text == ' ')
        text++;
    return plain(text);
}

/* Leaf 0x40000000: the hypervisor's name; "": none. */
static const char *hypervisor(char text[13])
{
    u32 a, words[3];

    text[0] = '\0';
    if (!cpu_has_hypervisor())
        return text;
    cpuid(0x40000000, 0, &a, &words[0], &words[1], &words[2]);
    memcpy(text, words, 12);
    text[12] = '\0';
    return plain(text);
}

static void processor(struct report *r)
{
    char name[49], host[13];
    struct cpu_id id = cpu_id_own();

    report_object(r,
                  "\"type\":\"processor\",\"vendor\":\"%s\",\"family\":%u,\"model\":%u,"
                  "\"stepping\":%u,\"name\":\"%s\",\"hypervisor\":\"%s\"",
                  plain(id.vendor), id.family, id.model, id.stepping, summary_cpu_name(name),
                  hypervisor(host));
}

/* The SMBIOS texts are printable and have no quotes. */
static void maker(struct report *r, const struct smbios_texts *t)
{
    report_object(r,
                  "\"type\":\"maker\",\"vendor\":\"%s\",\"product\":\"%s\","
                  "\"firmware\":\"%s\",\"firmware_version\":\"%s\"",
                  t->vendor, t->product, t->bios_vendor, t->bios_version);
}

static void counts_object(struct report *r, const struct summary *s, const struct boot_state *b)
{
    u64 ram = 0;

    for (u32 i = 0; i < b->ram_count; i++)
        ram += range_size(b->ram[i]);
    report_object(r,
                  "\"type\":\"counts\",\"nodes\":%u,\"cpus\":%u,\"online\":%u,\"ram\":%llu,"
                  "\"passed\":%u,\"failed\":%u,\"skipped\":%u",
                  b->topo.node_count, b->topo.cpu_count, cpus_online(), (ull)ram, s->tests.passed,
                  s->tests.failed, s->tests.skipped);
}

static void finding_objects(struct report *r)
{
    const struct firmware_findings *f = firmware_found();

    for (u32 i = 0; i < FIRMWARE_NR_IDS; i++)
        if (f->count[i])
            report_object(r, "\"type\":\"finding\",\"id\":\"%s\",\"severity\":\"%s\",\"count\":%u",
                          firmware_kind(i)->id, firmware_severity(i), f->count[i]);
}

static void reason_objects(struct report *r, const struct outcome *o)
{
    char text[REPORT_STRING_MAX];

    for (u32 i = 0; i < o->nr_reasons; i++)
        report_object(
            r,
            "\"type\":\"reason\",\"verdict\":\"%s\",\"id\":\"%s\",\"count\":%llu,\"text\":\"%s\"",
            outcome_word(o->reasons[i].weight), o->reasons[i].id, (ull)o->reasons[i].count,
            report_escape(text, o->reasons[i].text));
}

static void event_objects(struct report *r)
{
    for (u32 id = 0; id < EVENT_NR_IDS; id++)
        if (event_total(id))
            report_object(r, "\"type\":\"event\",\"id\":\"%s\",\"count\":%llu,\"on_purpose\":%llu",
                          event_kind(id)->id, (ull)event_total(id), (ull)event_excused(id));
}

void summary_print(const struct summary *s, const struct boot_state *b, const struct outcome *o)
{
    char id[REPORT_STRING_MAX];
    struct report r;

    pr_info("perch: to report this machine, send the lines from BEGIN to END PERCH SUMMARY, better "
            "the whole log");
    report_begin(&r, "SUMMARY");
    run_object(&r, b, o->verdict);
    maker(&r, &b->smbios);
    processor(&r);
    counts_object(&r, s, b);
    reason_objects(&r, o);
    event_objects(&r);
    finding_objects(&r);
    for (u32 i = 0; i < s->nr_failed; i++)
        report_object(&r, "\"type\":\"failed\",\"case\":\"%s\"", report_escape(id, s->failed[i]));
    report_end(&r);
}
