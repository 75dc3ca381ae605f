/*
 * Pages that are given back are gone for every CPU: none reads them by an old translation.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/safe.h"
#include "tests/percpu/backing/page_objects.h"

#define PERIOD 24u /* pages: more than the reserve */

static struct gone {
    struct tally t;
    u64 *p[PERIOD];
    u64 expect; /* what is read; ~0: a fault */
} gone;

/* This CPU's copies and those of the next CPU, as long as it is one that is backed. */
static void read_copies(void *arg)
{
    u32 cpus[2] = {cpu_number(), (cpu_number() + 1) % cpu_map.nr_ids};
    struct gone *g = arg;
    u64 val;

    for (u32 i = 0; i < 2 * PERIOD; i++) {
        u32 cpu = cpus[i % 2];
        int err = probe_read((u64)per_cpu_ptr(g->p[i / 2], cpu), 8, &val);

        if (g->expect == ~0ULL)
            CHECK(&g->t, err == -EFAULT);
        else if (dyn_backed(cpu))
            CHECK(&g->t, err == 0 && val == g->expect + cpu);
        else
            CHECK(&g->t, err == 0 && val == 0);
    }
    tally_ran(&g->t);
}

/*
 * Every CPU has read the objects, so it may have their translations; they are freed and their pages
 * given back: from then on every CPU faults there, on its own copies and on others'.
 */
KTEST(percpu_backing, a_returned_page_is_forgotten)
{
    struct dyn_state s;
    u32 cpu, gone_pages = 0, last;

    dyn_begin(&s);
    gone = (struct gone){.expect = 0x7e57000000000000ULL};
    /*
     * The first chunk gives nothing back. Below them others stay, so that they are not what the
     * reserve keeps.
     */
    while (take_page(&pages) && chunk_number_of(pages.p[pages.n - 1]) < PCPU_CHUNK_DYNAMIC)
        ;
    last = pages.n + 16 + PERIOD;
    while (pages.n < last && take_page(&pages))
        ;
    REQUIRE_EQ(pages.n, last);
    for (u32 i = 0; i < PERIOD; i++) {
        gone.p[i] = pages.p[last - PERIOD + i];
        for_each_possible_cpu(cpu) if (dyn_backed(cpu)) * per_cpu_ptr(gone.p[i], cpu) =
            gone.expect + cpu;
    }
    EXPECT_EQ(smp_call_all(read_copies, &gone), 0);
    for (u32 i = 0; i < pages.n; i++)
        percpu_free(pages.p[i]);
    pages.n = 0;
    percpu_trim(); /* or an idle CPU has returned them already; some of them are the reserve now */
    for (u32 i = 0; i < PERIOD; i++) {
        if (per_cpu_ptr_to_phys(per_cpu_ptr(gone.p[i], 0)) == ~0ULL)
            gone.p[gone_pages++] = gone.p[i];
    }
    EXPECT_GE(gone_pages, PERIOD / 2);
    for (u32 i = gone_pages; i < PERIOD && gone_pages; i++)
        gone.p[i] = gone.p[0];
    gone.expect = ~0ULL;
    if (gone_pages)
        EXPECT_EQ(smp_call_all(read_copies, &gone), 0);
    EXPECT_TALLY(&gone.t, 2 * cpus_online());
    dyn_end(&s);
}
