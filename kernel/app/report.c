/*
 * The report.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/app/report.h"
#include <stdarg.h>
#include "kernel/base/crc32.h"
#include "kernel/base/print.h"
#include "kernel/base/printf.h"
#include "kernel/base/string.h"
#include "smp/cpus.h"

#define OBJECT_MAX 440 /* below the log's line length, with n and crc */

typedef unsigned long long ull;

struct report {
    u32 lines;
    u32 crc; /* of every byte since the BEGIN line */
};

/* One object: its fields, without braces; n goes in front and the line's own CRC behind. */
static void object(struct report *r, const char *fmt, ...) PRINTF(2, 3);
static void object(struct report *r, const char *fmt, ...)
{
    char line[OBJECT_MAX + 32];
    va_list ap;

    int len = kscnprintf(line, sizeof(line), "{\"n\":%u,", r->lines++);
    va_start(ap, fmt);
    kvsnprintf(line + len, OBJECT_MAX - (size_t)len, fmt, ap);
    va_end(ap);
    len = (int)strlen(line);
    u32 own = crc32(0, line, (size_t)len);
    len += kscnprintf(line + len, sizeof(line) - (size_t)len, ",\"crc\":\"%08x\"}", own);
    log_raw("%s", line);
    r->crc = crc32(crc32(r->crc, line, (size_t)len), "\n", 1);
}

static void nodes_and_cpus(struct report *r, const struct boot_state *s)
{
    const struct numa_topology *t = &s->topo;

    for (u32 i = 0; i < t->node_count; i++)
        object(r, "\"type\":\"node\",\"node\":%u,\"pxm\":%u", i, t->nodes[i].pxm);
    for (u32 i = 0; i < t->cpu_count; i++)
        object(r, "\"type\":\"cpu\",\"apic\":%u,\"uid\":%u,\"node\":%d,\"enabled\":true",
               t->cpus[i].apic_id, t->cpus[i].uid, t->cpus[i].node);
}

static void memory_and_distances(struct report *r, const struct boot_state *s)
{
    const struct numa_topology *t = &s->topo;
    const char *source = t->distance_source == NUMA_DISTANCE_SLIT ? "slit" : "default";

    for (u32 i = 0; i < t->memory_count; i++)
        object(r,
               "\"type\":\"memory\",\"base\":%llu,\"length\":%llu,\"node\":%d,\"hotplug\":%s,"
               "\"nonvolatile\":%s",
               (ull)t->memory[i].start, (ull)(t->memory[i].end - t->memory[i].start),
               t->memory[i].node, t->memory[i].hotplug ? "true" : "false",
               t->memory[i].nonvolatile ? "true" : "false");
    for (s32 a = 0; a < (s32)t->node_count; a++)
        for (s32 b = 0; b < (s32)t->node_count; b++)
            object(r, "\"type\":\"distance\",\"from\":%d,\"to\":%d,\"value\":%u,\"source\":\"%s\"",
                   a, b, numa_distance(t, a, b), source);
}

static void percpu(struct report *r, const struct boot_state *s)
{
    const struct pcpu_first_chunk *fc = &s->first_chunk;
    u32 unit = 0;

    object(r,
           "\"type\":\"percpu\",\"mode\":\"%s\",\"static\":%llu,\"reserved\":%llu,\"dyn\":%llu,"
           "\"unit\":%llu,\"atom\":%llu,\"alloc\":%llu",
           fc->embedded ? "embed" : "page", (ull)(fc->static_area.end - fc->static_area.start),
           (ull)(fc->reserved_area.end - fc->reserved_area.start),
           (ull)(fc->dyn_area.end - fc->dyn_area.start), (ull)fc->unit_size, (ull)fc->atom_size,
           (ull)fc->alloc_size);
    for (u32 g = 0; g < fc->nr_groups; g++) {
        object(r, "\"type\":\"group\",\"group\":%u,\"units\":%u,\"offset\":%llu", g,
               fc->group_units[g], (ull)fc->group_offsets[g]);
        for (u32 i = 0; i < fc->group_units[g]; i++, unit++)
            if (fc->unit_cpu[unit] != PCPU_NO_CPU)
                object(r, "\"type\":\"unit\",\"unit\":%u,\"group\":%u,\"cpu\":%u,\"offset\":%llu",
                       unit, g, fc->unit_cpu[unit], (ull)fc->unit_off[fc->unit_cpu[unit]]);
    }
}

void report_print(struct boot_state *s)
{
    struct report r = {0};

    log_raw("-----BEGIN PERCH REPORT-----");
    object(&r, "\"type\":\"machine\",\"cpus\":%u,\"online\":%u,\"nodes\":%u,\"door\":\"%s\"",
           s->topo.cpu_count, cpus_online(), s->topo.node_count,
           s->info.origin == BOOT_PVH ? "pvh" : "multiboot2");
    nodes_and_cpus(&r, s);
    memory_and_distances(&r, s);
    percpu(&r, s);
    object(&r,
           "\"type\":\"verdict\",\"id\":\"placement\",\"cpus\":%u,\"local\":%u,\"nearest\":%u,"
           "\"wrong\":%u",
           s->placement.cpus, s->placement.units_ok, s->placement.nearest, s->placement.wrong);
    log_raw("-----END PERCH REPORT lines=%u crc32=%08x-----", r.lines, r.crc);
}
