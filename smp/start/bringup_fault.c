/*
 * Reading fail=ap_silent, fail=ap_early and fail=ap_stage; see bringup_fault.h.
 * SPDX-License-Identifier: MIT
 */
#include "smp/start/bringup_fault.h"

#include "kernel/base/string.h"

struct cursor {
    const char *at, *end;
};

static bool take(struct cursor *c, const char *text)
{
    size_t len = strlen(text);

    if ((size_t)(c->end - c->at) < len || strncmp(c->at, text, len) != 0)
        return false;
    c->at += len;
    return true;
}

static bool take_number(struct cursor *c, u32 limit, u32 *number)
{
    const char *start = c->at;
    u64 n = 0;

    while (c->at < c->end && *c->at >= '0' && *c->at <= '9' && n <= limit)
        n = n * 10 + (u64)(*c->at++ - '0');
    *number = (u32)n;
    return c->at > start && n <= limit;
}

/* A CPU's number, or two with a minus between. */
static bool take_cpus(struct cursor *c, struct smp_fault *fault)
{
    if (!take_number(c, NR_CPUS - 1, &fault->cpu))
        return false;
    fault->last = fault->cpu;
    return !take(c, "-") ||
           (take_number(c, NR_CPUS - 1, &fault->last) && fault->last >= fault->cpu);
}

int smp_fault_parse(const char *item, size_t len, struct smp_fault *fault)
{
    struct cursor c = {item, item + len};
    u32 stage = STAGE_NONE;
    bool stops = take(&c, "ap_stage:"), early = !stops && take(&c, "ap_early:");

    if (!stops && !early && !take(&c, "ap_silent:"))
        return -ENOENT;
    if (!take_cpus(&c, fault))
        return -EINVAL;
    if (stops && (!take(&c, ":") || !take_number(&c, STAGE_APIC, &stage) || stage == STAGE_NONE))
        return -EINVAL;
    if (c.at != c.end)
        return -EINVAL;
    fault->stop_at = (u8)stage;
    fault->early = early;
    return 0;
}
