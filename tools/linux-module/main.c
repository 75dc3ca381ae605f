/*
 * The module's life: the allocator is made and everything is measured when it is loaded; verified,
 * and given back, when it is unloaded.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/print.h"
#include "percpu/percpu.h"
#include "tools/linux-module/linux_side.h"
#include "tools/linux-module/port.h"

static void *perch_alloc(unsigned long size, unsigned long align)
{
    return percpu_alloc(size, align, 0);
}

/* Linux's has its worker for this. */
static void settle(void)
{
    percpu_balance();
}

static const struct side sides[2] = {
    {"linux", linux_percpu_alloc, linux_percpu_free, linux_percpu_copy, NULL},
    {"perch", perch_alloc, percpu_free, port_copy, settle},
};

int module_begin(unsigned cpus, const char *ops, unsigned pairs, unsigned rounds)
{
    int err = port_begin();

    if (err)
        return err;
    err = workloads_run(sides, cpus, ops, pairs, rounds);
    say("compare: run=%d", err);
    if (err)
        port_end();
    return err;
}

int module_end(void)
{
    return port_end();
}
