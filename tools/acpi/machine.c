/*
 * From raw tables to the kernel's decisions; see machine.h.
 * SPDX-License-Identifier: MIT
 */
#include "tools/acpi/machine.h"

#include <stdlib.h>

#include "acpi/fadt.h"
#include "kernel/base/errno.h"
#include "kernel/base/print.h"
#include "tools/acpi/objects.h"

static void *host_alloc(void *ctx, size_t size)
{
    (void)ctx;
    return calloc(1, size);
}

static void host_free(void *ctx, void *p, size_t size)
{
    (void)ctx;
    (void)size;
    free(p);
}

static void read_madt(struct acpi_machine *m, const struct dump_table *t)
{
    u32 max;

    if (!t->data)
        return;
    max = madt_count_cpus(t->data, t->len);
    m->listed = must_calloc(max, sizeof(*m->listed));
    m->listed_count = madt_list_cpus(t->data, t->len, m->listed, max);
    m->cpus = must_calloc(max, sizeof(*m->cpus));
    m->has_madt = t->usable && madt_parse(t->data, t->len, m->cpus, max, &m->madt) == 0;
}

/* NULL when the kernel would not use it; *why says so. */
static const struct srat_records *read_srat(struct acpi_machine *m, const struct dump_table *t,
                                            const char **why)
{
    int err;

    *why = "no SRAT";
    if (!t->data)
        return NULL;
    srat_count(t->data, t->len, &m->srat);
    m->srat.cpus = must_calloc(m->srat.cpu_max, sizeof(*m->srat.cpus));
    m->srat.mems = must_calloc(m->srat.mem_max, sizeof(*m->srat.mems));
    m->srat.initiators = must_calloc(m->srat.initiator_max, sizeof(*m->srat.initiators));
    err = srat_parse(t->data, t->len, &m->srat);
    *why = t->usable ? "SRAT without a header" : "SRAT with a wrong checksum";
    return err || !t->usable ? NULL : &m->srat;
}

static void read_consoles(struct acpi_machine *m, const struct dump *d)
{
    const struct dump_table *spcr = &d->t[DUMP_SPCR], *dbg2 = &d->t[DUMP_DBG2];

    if (spcr->usable)
        m->has_spcr = spcr_parse(spcr->data, spcr->len, &m->spcr) != -EINVAL;
    if (dbg2->usable)
        m->has_dbg2 = dbg2_parse(dbg2->data, dbg2->len, &m->dbg2) != -EINVAL;
}

static void read_windows(struct acpi_machine *m, const struct dump_table *t)
{
    if (!t->usable)
        return;
    cedt_count(t->data, t->len, &m->cedt);
    m->cedt.bridges = must_calloc(m->cedt.bridge_max, sizeof(*m->cedt.bridges));
    m->cedt.windows = must_calloc(m->cedt.window_max, sizeof(*m->cedt.windows));
    if (cedt_parse(t->data, t->len, &m->cedt) == 0)
        cxl_windows_report(&m->topo, &m->srat, &m->cedt);
}

static void check(struct acpi_machine *m, const struct dump *d, const struct numa_input *in,
                  const struct numa_alloc *alloc)
{
    const struct dump_table *hmat = &d->t[DUMP_HMAT], *msct = &d->t[DUMP_MSCT];
    struct numa_check c = {.in = in, .topo = &m->topo};
    struct msct_info info;

    if (hmat->usable && hmat_check(hmat->data, hmat->len, &m->hmat) == 0)
        c.hmat = &m->hmat;
    if (msct->usable && msct_check(msct->data, msct->len, &info) == 0)
        c.msct = &info;
    numa_check(&c, alloc);
}

void machine_read(struct acpi_machine *m, const struct dump *d)
{
    static const struct numa_alloc alloc = {host_alloc, host_free, NULL};
    const struct dump_table *slit = &d->t[DUMP_SLIT], *fadt = &d->t[DUMP_FACP];
    struct numa_input in = {.tool = true};
    struct fadt_info info;

    *m = (struct acpi_machine){0};
    if (fadt->usable)
        fadt_parse(fadt->data, fadt->len, &info);
    read_madt(m, &d->t[DUMP_APIC]);
    in.cpus = m->cpus;
    in.cpu_count = m->has_madt ? m->madt.cpu_count : 0;
    in.srat = read_srat(m, &d->t[DUMP_SRAT], &in.no_srat);
    if (slit->data)
        slit_parse(slit->data, slit->len, &m->slit);
    in.slit = slit->usable ? &m->slit : NULL;
    if (numa_build(&in, &alloc, &m->topo))
        panic("out of memory");
    check(m, d, &in, &alloc);
    read_windows(m, &d->t[DUMP_CEDT]);
    read_consoles(m, d);
}

void machine_free(struct acpi_machine *m)
{
    free(m->cpus);
    free(m->listed);
    free(m->srat.cpus);
    free(m->srat.mems);
    free(m->srat.initiators);
    free(m->cedt.bridges);
    free(m->cedt.windows);
    free(m->topo.cpus);
    free(m->topo.nodes);
    free(m->topo.memory);
    free(m->topo.apics);
    free(m->topo.distances);
}
