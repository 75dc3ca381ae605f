/*
 * The objects of the report. report_json.c makes their form.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/clockmath.h"
#include "kernel/base/deadline.h"
#include "kernel/base/firmware.h"
#include "kernel/base/log.h"
#include "kernel/platform/clock.h"
#include "kernel/report/report.h"
#include "smp/start/apic.h"
#include "smp/start/cpus.h"

#define MATRIX_NODES 64 /* above this, one object has a row of distances */

static_assert(REPORT_LINE_MAX <= LOG_LINE_MAX - 2, "the log would cut an object");

static const char *truth(bool value)
{
    return value ? "true" : "false";
}

static void report_machine(struct report *r, const struct boot_state *s)
{
    char loader[REPORT_STRING_MAX];

    report_object(r,
                  "\"type\":\"machine\",\"cpus\":%u,\"online\":%u,\"nodes\":%u,\"door\":\"%s\","
                  "\"loader\":\"%s\",\"tsc_khz\":%llu,\"apic\":\"%s\"",
                  s->topo.cpu_count, cpus_online(), s->topo.node_count,
                  s->info.origin == BOOT_PVH ? "pvh" : "multiboot2",
                  report_escape(loader, s->info.loader), (ull)tsc_khz_now(),
                  apic_mode() == APIC_MODE_X2 ? "x2apic" : "xapic");
}

/* The CPUs of the MADT; without a MADT, those of the SRAT. */
static void cpus(struct report *r, const struct boot_state *s)
{
    const struct numa_topology *t = &s->topo;

    for (u32 i = 0; i < s->madt.cpu_count; i++) {
        const struct madt_cpu *cpu = &s->madt_cpus[i];

        report_object(r, "\"type\":\"cpu\",\"apic\":%u,\"uid\":%u,\"node\":%s,\"enabled\":%s",
                      cpu->apic_id, cpu->uid, report_node(numa_apic_node(t, cpu->apic_id)).text,
                      truth(cpu->enabled));
    }
    for (u32 i = 0; !s->madt.cpu_count && i < t->apic_count; i++)
        report_object(r, "\"type\":\"cpu\",\"apic\":%u,\"uid\":null,\"node\":%s,\"enabled\":true",
                      t->apics[i].apic_id, report_node(t->apics[i].node).text);
}

static void nodes_and_memory(struct report *r, const struct boot_state *s)
{
    const struct numa_topology *t = &s->topo;

    for (u32 i = 0; i < t->node_count; i++)
        report_object(r, "\"type\":\"node\",\"node\":%u,\"pxm\":%u", i, t->nodes[i].pxm);
    cpus(r, s);
    for (u32 i = 0; i < t->memory_count; i++)
        report_object(r,
                      "\"type\":\"memory\",\"base\":%llu,\"length\":%llu,\"node\":%s,"
                      "\"hotplug\":%s,\"nonvolatile\":%s",
                      (ull)t->memory[i].start, (ull)(t->memory[i].end - t->memory[i].start),
                      report_node(t->memory[i].node).text, truth(t->memory[i].hotplug),
                      truth(t->memory[i].nonvolatile));
}

static void distance_row(struct report *r, const struct numa_topology *t, s32 from,
                         const char *source)
{
    s32 to = 0;

    while (to < (s32)t->node_count) {
        struct report_list row = {0};
        s32 first = to;

        while (to < (s32)t->node_count && report_list_add(&row, true, numa_distance(t, from, to)))
            to++;
        report_object(r,
                      "\"type\":\"distances\",\"from\":%d,\"first\":%d,\"values\":[%s],"
                      "\"source\":\"%s\"",
                      from, first, row.text, source);
    }
}

static void distances(struct report *r, const struct numa_topology *t)
{
    const char *source = t->distance_source == NUMA_DISTANCE_SLIT ? "slit" : "default";

    for (s32 a = 0; a < (s32)t->node_count; a++) {
        if (t->node_count > MATRIX_NODES) {
            distance_row(r, t, a, source);
            continue;
        }
        for (s32 b = 0; b < (s32)t->node_count; b++)
            report_object(r,
                          "\"type\":\"distance\",\"from\":%d,\"to\":%d,\"value\":%u,"
                          "\"source\":\"%s\"",
                          a, b, numa_distance(t, a, b), source);
    }
}

/* One object per finding that was kept, and one per id with the number of those that were not. */
static void report_findings(struct report *r, const struct firmware_findings *f)
{
    static const char form[] = "\"type\":\"firmware\",\"severity\":\"%s\",\"id\":\"%s\","
                               "\"table\":\"%s\",\"text\":\"%s\",\"count\":%u";
    char text[REPORT_STRING_MAX], table[REPORT_STRING_MAX];

    for (u32 i = 0; i < f->nr_kept; i++)
        report_object(r, form, firmware_severity(f->kept[i].id), firmware_kind(f->kept[i].id)->id,
                      report_escape(table, f->kept[i].table), report_escape(text, f->kept[i].text),
                      1u);
    for (u32 id = 0; id < FIRMWARE_NR_IDS; id++)
        if (f->count[id] > f->shown[id])
            report_object(r, form, firmware_severity(id), firmware_kind(id)->id,
                          firmware_kind(id)->table, "more of the same, only counted",
                          f->count[id] - f->shown[id]);
}

static void tsc(struct report *r, const struct boot_state *s)
{
    const struct tsc_sync *t = &s->tsc;
    u64 khz = tsc_khz_now();

    report_object(r,
                  "\"type\":\"tsc\",\"khz\":%llu,\"source\":\"%s\",\"cpus\":%u,"
                  "\"reference\":%u,\"out_of_step\":%u,\"worst_cpu\":%u,\"worst_ns\":%llu,"
                  "\"worst_behind\":%s,\"doubt_ns\":%llu,\"doubt_cpu\":%u,\"warps\":%llu,"
                  "\"warp_ns\":%llu,\"warp_cpu\":%u,\"steady\":%s,\"step\":\"%s\"",
                  (ull)khz, clock_source(), t->cpus, s->tsc_reference, t->out_of_sync, t->worst_cpu,
                  (ull)clock_ticks_to_ns((u64)(t->worst < 0 ? -t->worst : t->worst), khz),
                  truth(t->worst < 0), (ull)clock_ticks_to_ns(t->doubt, khz), t->widest_cpu,
                  (ull)t->warps, (ull)clock_ticks_to_ns(t->warp_max, khz), t->warp_cpu,
                  truth(!t->contradiction),
                  tsc_step_name(tsc_sync_step(t, clock_us_to_ticks(TSC_IN_STEP_US, khz))));
}

static void verdicts(struct report *r, const struct boot_state *s)
{
    const struct firmware_findings *f = firmware_found();

    report_object(r, "\"type\":\"verdict\",\"id\":\"firmware\",\"fail\":%u,\"warn\":%u,\"info\":%u",
                  firmware_total(f, FIRMWARE_FAIL), firmware_total(f, FIRMWARE_WARN),
                  firmware_total(f, FIRMWARE_INFO));
    report_object(r,
                  "\"type\":\"verdict\",\"id\":\"placement\",\"cpus\":%u,\"local\":%u,"
                  "\"nearest\":%u,\"wrong\":%u",
                  s->placement.cpus, s->placement.units_ok, s->placement.nearest,
                  s->placement.wrong);
}

void report_print(struct boot_state *s)
{
    struct report r;

    report_begin(&r, "REPORT");
    report_machine(&r, s);
    nodes_and_memory(&r, s);
    distances(&r, &s->topo);
    report_hmat(&r, &s->hmat);
    report_findings(&r, firmware_found());
    tsc(&r, s);
    report_percpu(&r, s);
    verdicts(&r, s);
    report_end(&r);
}
