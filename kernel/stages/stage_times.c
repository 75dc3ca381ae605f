/*
 * The table of stage times.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/cpu.h"
#include "kernel/base/deadline.h"
#include "kernel/base/print.h"
#include "kernel/platform/console.h"
#include "kernel/stages/stage_times.h"

#define MAX_STAGES 40

static struct {
    const char *name;
    u64 ticks;
} stages[MAX_STAGES];
static u32 nr_stages;
static u64 log_ticks; /* time in sinks, the sum of all stages */
static u64 last;

extern u64 first_tsc; /* boot/entry64.asm */

void stage_note(const char *name, u64 ticks)
{
    if (nr_stages < MAX_STAGES) {
        stages[nr_stages].name = name;
        stages[nr_stages++].ticks = ticks;
    }
}

void stage_done(const char *name)
{
    u64 ticks = rdtsc() - (last ? last : first_tsc);

    stage_note(name, ticks);
    pr_info("stage: %s %llu us", name, (ull)ticks_to_us(ticks));
    /* Flushed here, so that the next stage's time does not include these lines. */
    u64 before = rdtsc();
    console_flush();
    last = rdtsc();
    log_ticks += last - before;
}

void stage_times_print(void)
{
    u64 t0 = rdtsc(), t1 = rdtsc();

    log_raw("bench: overhead rdtsc=%llu", (ull)(t1 - t0));
    for (u32 i = 0; i < nr_stages; i++)
        log_raw("bench: boot stage=%s insns=%llu", stages[i].name, (ull)stages[i].ticks);
    log_raw("bench: boot stage=log insns=%llu", (ull)log_ticks);
}
