/*
 * A whole topology from table bytes, for the hosted tests: what the kernel does between the root
 * tables and numa_build(), with malloc behind it.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TESTS_MM_NUMA_NUMA_HOST_H
#define PERCH_TESTS_MM_NUMA_NUMA_HOST_H

#include <stdlib.h>

#include "mm/numa/numa.h"
#include "tests/acpi/acpi_build.h"

struct machine {
    struct table madt, srat, slit; /* len 0: there is none */
    const struct range *ram;
    u32 ram_count, boot_apic_id, max_cpus, max_nodes;
    bool off;

    struct numa_input in; /* as numa_build() had it */
    struct madt_cpu *cpus;
    struct madt_info madt_info;
    struct srat_records records;
    struct slit_view slit_view;
    struct numa_topology t;
    void *blocks[64];
    u32 block_count;
    u32 fail_at; /* the fail_at-th allocation fails; 0: none does */
};

static inline void *machine_alloc(void *ctx, size_t size)
{
    struct machine *m = ctx;

    if (m->block_count == 64 || (m->fail_at && m->block_count + 1 == m->fail_at))
        return NULL;
    return m->blocks[m->block_count++] = calloc(1, size);
}

static inline int machine_build(struct machine *m)
{
    struct numa_alloc alloc = {.alloc = machine_alloc, .ctx = m};
    struct numa_input in = {.ram = m->ram,
                            .ram_count = m->ram_count,
                            .boot_apic_id = m->boot_apic_id,
                            .max_cpus = m->max_cpus,
                            .max_nodes = m->max_nodes,
                            .off = m->off};

    if (m->madt.len) {
        u32 max = madt_count_cpus(m->madt.b, m->madt.len);

        m->cpus = calloc(max + 1, sizeof(*m->cpus));
        if (madt_parse(m->madt.b, m->madt.len, m->cpus, max, &m->madt_info) == 0)
            in.cpu_count = m->madt_info.cpu_count;
        in.cpus = m->cpus;
    }
    if (m->srat.len) {
        srat_count(m->srat.b, m->srat.len, &m->records);
        m->records.cpus = calloc(m->records.cpu_max + 1, sizeof(*m->records.cpus));
        m->records.mems = calloc(m->records.mem_max + 1, sizeof(*m->records.mems));
        m->records.initiators =
            calloc(m->records.initiator_max + 1, sizeof(*m->records.initiators));
        if (srat_parse(m->srat.b, m->srat.len, &m->records) == 0)
            in.srat = &m->records;
    }
    if (m->slit.len) {
        slit_parse(m->slit.b, m->slit.len, &m->slit_view);
        in.slit = &m->slit_view;
    }
    m->in = in;
    return numa_build(&in, &alloc, &m->t);
}

static inline void machine_free(struct machine *m)
{
    for (u32 i = 0; i < m->block_count; i++)
        free(m->blocks[i]);
    free(m->cpus);
    free(m->records.cpus);
    free(m->records.mems);
    free(m->records.initiators);
    free(m->madt.b);
    free(m->srat.b);
    free(m->slit.b);
}

#endif
