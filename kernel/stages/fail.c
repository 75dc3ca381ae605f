/*
 * The faults of fail=.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/cpu_local.h"
#include "kernel/base/print.h"
#include "kernel/base/string.h"
#include "kernel/platform/power_ways.h"
#include "kernel/stages/fail.h"
#include "percpu/percpu.h"
#include "smp/call/call.h"
#include "smp/start/cpus.h"

#define PREMATURE_CPU 5

static u32 refused;

/* Words without a value, and those with one, up to their colon. tests/test_docs.py compares. */
static const char *const plain[] = {"premature", "null",       "template", "unbacked", "returned",
                                    "overflow",  "smash",      "ud",       "ubsan",    "panic",
                                    "remote",    "call_stack", "test",     "case",     "placement",
                                    "percpu",    "bare",       "end_s5",   "end_kbd",  "end_cf9",
                                    "end_reset", "low_memory"};
static const char *const valued[] = {
    "low_memory:", "uncached:", "cpu_regs:", "ap_silent:", "ap_early:", "tsc_offset:", "ap_stage:"};

static bool is_plain(const char *word)
{
    for (u32 i = 0; i < ARRAY_SIZE(plain); i++)
        if (strcmp(word, plain[i]) == 0)
            return true;
    return false;
}

static bool is_valued(const char *word)
{
    for (u32 i = 0; i < ARRAY_SIZE(valued); i++)
        if (strncmp(word, valued[i], strlen(valued[i])) == 0)
            return true;
    return false;
}

void fail_refuse(const char *item, const char *why)
{
    pr_warn("command line: fail=%s: %s", item, why);
    refused++;
}

u32 fail_refused(void)
{
    return refused;
}

void fail_check(const struct kernel_options *o)
{
    const char *list = o->fail;
    char item[OPT_TEXT_MAX];

    if (o->fail_ignored)
        fail_refuse("", "a whole value is ignored, so its faults are missing");
    while (list_next(&list, item, sizeof(item)))
        if (!is_plain(item) && !is_valued(item))
            fail_refuse(item, "no such word");
}

static bool asked(const struct kernel_options *o, const char *word)
{
    return list_contains(o->fail, word);
}

char *fail_next(const char **list, const char *prefix, char item[OPT_TEXT_MAX])
{
    size_t len = strlen(prefix);

    while (list_next(list, item, OPT_TEXT_MAX))
        if (strncmp(item, prefix, len) == 0)
            return item + len;
    return NULL;
}

void fail_low_memory(const struct kernel_options *o, struct memblock *mb)
{
    const char *list = o->fail, *rest;
    char item[OPT_TEXT_MAX];

    while ((rest = fail_next(&list, "low_memory", item))) {
        u64 page = SZ_1M / PAGE_SIZE;

        if (*rest != ':' && *rest != '\0')
            continue;
        if (*rest && (parse_u64(rest + 1, &page) || page == 0 || page > SZ_1M / PAGE_SIZE - 2))
            fail_refuse(item, "not understood");
        else if (memblock_reserve(mb, 0, page * PAGE_SIZE) ||
                 (*rest &&
                  memblock_reserve(mb, (page + 2) * PAGE_SIZE, SZ_1M - (page + 2) * PAGE_SIZE)))
            panic("memblock: no room for fail=low_memory");
    }
}

void fail_early(const struct kernel_options *o)
{
    if (asked(o, "premature"))
        per_cpu(cpu_number_pcpu, PREMATURE_CPU) = 1;
}

bool fail_run(const struct kernel_options *o)
{
    return asked(o, "test");
}

bool fail_case(const struct kernel_options *o)
{
    return asked(o, "case");
}

bool fail_placement(const struct kernel_options *o)
{
    return asked(o, "placement");
}

u32 fail_power(const struct kernel_options *o)
{
    return (u32)asked(o, "end_s5") << POWER_WAY_S5 |
           (u32)asked(o, "end_reset") << POWER_WAY_REGISTER |
           (u32)asked(o, "end_kbd") << POWER_WAY_KEYBOARD |
           (u32)asked(o, "end_cf9") << POWER_WAY_CF9;
}

/* volatile hides the mistakes from the compiler, which would warn of them or remove them. */

static volatile int int_max = 0x7fffffff;
static volatile uintptr_t null_field = 8;

static NOINLINE u32 overflow_stack(volatile u32 depth)
{
    volatile u8 frame[512];

    frame[depth % sizeof(frame)] = (u8)depth;
    return depth == ~0u ? 0 : overflow_stack(depth + 1) + frame[depth % sizeof(frame)];
}

/* The compiler protects a frame with an array; the pointer writes beyond the array's end. */
static NOINLINE void smash_stack(void)
{
    char text[32];
    volatile char *volatile at = text;

    for (u32 i = 0; i < 64; i++)
        at[i] = 'x';
}

static void panic_here(void *arg)
{
    (void)arg;
    panic("fail=remote on CPU %u", cpu_number());
}

static void panic_remote(void)
{
    u32 last = 0, cpu;

    for_each_online_cpu(cpu) last = cpu;
    if (smp_call_on(last, panic_here, NULL))
        pr_err("fail=remote: CPU %u cannot be reached", last);
}

static void nothing(void *arg)
{
    (void)arg;
}

static NOINLINE void call_with_stack(void)
{
    u32 here = 0;

    if (smp_call_on(0, nothing, &here))
        pr_err("fail=call_stack: CPU 0 cannot be reached");
}

/* Writes beyond both ends and after a free, a double free, and an object never freed. */
static void misuse_percpu(void)
{
    volatile u8 *over = percpu_alloc(20, 4, 0), *under = percpu_alloc(20, 4, 0);
    volatile u8 *late = percpu_alloc(64, 64, 0), *leak = percpu_alloc(40, 8, 0);

    if (!over || !under || !late || !leak) {
        pr_err("fail=percpu: no memory");
        return;
    }
    *per_cpu_ptr(over + 20, 0) = 1;
    *per_cpu_ptr(under - 1, 0) = 2;
    percpu_free((void *)over);
    percpu_free((void *)under);
    percpu_free((void *)late);
    *per_cpu_ptr(late + 5, 0) = 3;
    percpu_free((void *)late);
}

static void use_bare_pointer(void)
{
    volatile u64 *p = percpu_alloc(64, 8, 0);

    if (p)
        *p = 1;
}

/* Too large for the first chunk, because in that chunk every CPU's copy has memory. */
static NOINLINE void write_unbacked(void)
{
    u64 *p = percpu_alloc(32 * PAGE_SIZE, PAGE_SIZE, 0);
    u32 cpu;

    for_each_possible_cpu(cpu) if (p && !cpu_is_online(cpu)) * (volatile u64 *)per_cpu_ptr(p, cpu) =
        1;
    pr_err("fail=unbacked: every CPU is online, or no memory");
}

/* Writes after percpu_trim() has returned the memory. */
static void write_returned(void)
{
    u64 *p = percpu_alloc(64 * PAGE_SIZE, PAGE_SIZE, 0);

    if (!p)
        return;
    percpu_free(p);
    percpu_trim();
    *(volatile u64 *)per_cpu_ptr(p + 63 * PAGE_SIZE / sizeof(u64), cpu_number()) = 1;
}

void fail_late(const struct kernel_options *o)
{
    if (asked(o, "null"))
        *(volatile u32 *)null_field = 1;
    if (asked(o, "template"))
        *(volatile char *)__per_cpu_start = 1;
    if (asked(o, "overflow"))
        overflow_stack(0);
    if (asked(o, "smash"))
        smash_stack();
    if (asked(o, "ud"))
        __asm__ volatile("ud2");
    if (asked(o, "panic"))
        panic("fail=panic");
    if (asked(o, "remote"))
        panic_remote();
    if (asked(o, "call_stack"))
        call_with_stack();
    if (asked(o, "percpu"))
        misuse_percpu();
    if (asked(o, "bare"))
        use_bare_pointer();
    if (asked(o, "unbacked"))
        write_unbacked();
    if (asked(o, "returned"))
        write_returned();
    if (asked(o, "ubsan"))
        int_max = int_max + 1;
}
