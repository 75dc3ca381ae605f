/*
 * From records to a topology: the order of the steps, and the single node when the SRAT is
 * unusable. See numa.h.
 * SPDX-License-Identifier: MIT
 */
#include "mm/numa/numa.h"

#include "kernel/base/errno.h"
#include "kernel/base/print.h"
#include "kernel/base/string.h"
#include "mm/numa/numa_types.h"

static bool ram_is_sorted(const struct numa_input *in)
{
    for (u32 i = 0; i < in->ram_count; i++)
        if (in->ram[i].end < in->ram[i].start || (i && in->ram[i].start < in->ram[i - 1].end))
            return false;
    return true;
}

/* One node with everything in it, as Linux's dummy configuration. */
static int build_single(struct numa_builder *b, const char *reason)
{
    const struct numa_input *in = b->in;
    struct numa_topology *t = b->t;
    u64 end = in->ram_count ? in->ram[in->ram_count - 1].end : 0;

    t->reason = reason;
    t->node_count = 1;
    t->nodes = numa_get(b, 1, sizeof(*t->nodes));
    t->memory = numa_get(b, 1, sizeof(*t->memory));
    if (!t->nodes || !t->memory)
        return -ENOMEM;
    pr_info("%s", in->off ? "NUMA turned off" : "No NUMA configuration found");
    pr_info("NUMA: one node: %s", reason);
    if (end) {
        t->memory[t->memory_count++] = (struct numa_memory){.start = 0, .end = end};
        pr_info("Faking a node at [mem 0x%016llx-0x%016llx]", 0ULL, (ull)end - 1);
    }
    numa_count_ram(t, in->ram, in->ram_count);
    return 0;
}

static void release_scratch(struct numa_builder *b)
{
    numa_put(b, b->hash, b->hash_size, sizeof(*b->hash));
    numa_put(b, b->srat.p, b->srat.max, sizeof(*b->srat.p));
    numa_put(b, b->pieces.p, b->pieces.max, sizeof(*b->pieces.p));
    b->hash = NULL;
    b->srat = b->pieces = (struct numa_pieces){0};
}

/* Undoes the results of an SRAT that has no usable memory. */
static void forget_srat(struct numa_builder *b)
{
    struct numa_topology *t = b->t;

    numa_put(b, t->nodes, b->node_max, sizeof(*t->nodes));
    numa_put(b, t->apics, t->apic_count, sizeof(*t->apics));
    *t = (struct numa_topology){0};
}

/* Nodes and memory from the SRAT; when it has no usable memory, only *reason is set. */
static int build_from_srat(struct numa_builder *b, const char **reason)
{
    const struct srat_records *srat = b->in->srat;
    int err;

    if (srat->disabled)
        firmware_finding(FW_SRAT_ENTRY_DISABLED, "%u of %u entries are disabled", srat->disabled,
                         srat->entries);
    err = numa_number_nodes(b);
    if (err)
        return err;
    if (b->srat.count == 0) {
        *reason = "the SRAT has no usable memory range";
        firmware_finding(FW_SRAT_NO_MEMORY, "no usable memory range: not used");
        forget_srat(b);
        return 0;
    }
    b->t->from_srat = true;
    err = numa_settle_memory(b);
    return err ? err : numa_cover_ram(b);
}

static int build(struct numa_builder *b)
{
    const struct numa_input *in = b->in;
    const char *reason = NULL;
    int err = 0;

    if (in->off)
        reason = "numa=off";
    else if (!in->srat)
        reason = in->no_srat ? in->no_srat : "no SRAT";
    else
        err = build_from_srat(b, &reason);
    if (!err && reason)
        err = build_single(b, reason);
    if (!err)
        err = numa_number_cpus(b);
    if (!err)
        err = numa_set_distances(b);
    return err;
}

int numa_build(const struct numa_input *in, const struct numa_alloc *alloc,
               struct numa_topology *out)
{
    struct numa_builder b = {.in = in, .alloc = alloc, .t = out};
    int err;

    memset(out, 0, sizeof(*out));
    if (!ram_is_sorted(in))
        return -EINVAL;
    err = build(&b);
    release_scratch(&b);
    return err;
}
