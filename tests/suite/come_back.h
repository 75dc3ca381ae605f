/*
 * For cases that park CPUs: whatever way the case ends, those that were online are online again, so
 * that a REQUIRE that failed does not leave the next cases with fewer.
 * Header only; boot CPU.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TESTS_SUITE_COME_BACK_H
#define PERCH_TESTS_SUITE_COME_BACK_H

#include "smp/run/park.h"
#include "tests/suite/kutil.h"

struct come_back {
    u64 online[CPUMAP_WORDS];
};

static inline struct come_back come_back_note(void)
{
    struct come_back c;

    cpumap_snapshot(&cpu_map, CPU_ONLINE, c.online);
    return c;
}

/* One that is about to park, after a request that timed out, first does so. */
static inline void come_back_leave(struct come_back *c)
{
    struct deadline d = deadline_start(5000000);
    u32 cpu;

    for_each_possible_cpu(cpu)
    {
        if (!(c->online[cpu / 64] >> cpu % 64 & 1))
            continue;
        while (!cpu_is_online(cpu) && cpu_wake(cpu) && !deadline_passed(&d))
            ;
        EXPECT_TRUE(cpu_is_online(cpu));
    }
}

/* A declaration: acts at the end of its block, after the end of what was begun behind it. */
#define all_come_back()                                                                            \
    __attribute__((cleanup(come_back_leave), unused)) struct come_back come_back = come_back_note()

#endif
