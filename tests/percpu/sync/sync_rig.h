/*
 * A struct percpu_lib over threads as CPUs (tests/host/cpus.h) for the tests of counter, ref and
 * rwlock; allocations can be made to fail, grace periods too.
 * Context: the test's own thread.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TESTS_PERCPU_SYNC_SYNC_RIG_H
#define PERCH_TESTS_PERCPU_SYNC_SYNC_RIG_H

#include <stdlib.h>
#include "kernel/base/errno.h"
#include "percpu/sync/percpu_lib.h"
#include "tests/host/cpus.h"

struct sync_rig {
    struct percpu_lib lib;
    u32 cpu_part[HOST_MAX_CPUS];
    s32 part_node[HOST_MAX_CPUS];
    u32 fail_at;              /* the k-th allocation from now fails; 0: none */
    u32 plain;                /* node_alloc'ed objects */
    int quiesce_err;          /* what the grace period gives instead of a grace period */
    u32 quiesced;             /* grace periods */
    void (*in_quiesce)(void); /* what happens while one is waited for */
};

static inline bool rig_fails(struct sync_rig *r)
{
    return r->fail_at && --r->fail_at == 0;
}

static inline void *rig_alloc(void *ctx, size_t size, size_t align)
{
    return rig_fails(ctx) ? NULL : host_percpu_alloc(size, align);
}

static inline void rig_free(void *ctx, void *ptr)
{
    (void)ctx;
    host_percpu_free(ptr);
}

static inline void *rig_node_alloc(void *ctx, s32 node, size_t size)
{
    struct sync_rig *r = ctx;
    void *p = rig_fails(r) ? NULL : aligned_alloc(64, align_up(size, 64));

    (void)node;
    r->plain += p != NULL;
    for (size_t i = 0; p && i < size; i++)
        ((u8 *)p)[i] = 0xa5;
    return p;
}

static inline void rig_node_free(void *ctx, void *ptr, size_t size)
{
    (void)size;
    ((struct sync_rig *)ctx)->plain--;
    free(ptr);
}

static inline int rig_quiesce(void *ctx)
{
    struct sync_rig *r = ctx;

    if (r->quiesce_err)
        return r->quiesce_err;
    if (r->in_quiesce)
        r->in_quiesce();
    __atomic_fetch_add(&r->quiesced, 1, __ATOMIC_RELAXED);
    return host_quiesce(NULL);
}

/* n CPUs, per_node of them on each node; node numbers have holes. */
static inline void rig_init(struct sync_rig *r, u32 n, u32 per_node)
{
    static s32 node[HOST_MAX_CPUS];

    host_cpus_init(n, 4096);
    for (u32 cpu = 0; cpu < n; cpu++)
        node[cpu] = 1000 - 3 * (s32)(cpu / per_node);
    *r = (struct sync_rig){.lib = {.ctx = r,
                                   .nr_cpus = n,
                                   .cpu_part = r->cpu_part,
                                   .part_node = r->part_node,
                                   .alloc = rig_alloc,
                                   .free = rig_free,
                                   .node_alloc = rig_node_alloc,
                                   .node_free = rig_node_free,
                                   .quiesce = rig_quiesce}};
    r->lib.nr_parts = percpu_lib_parts(node, n, r->cpu_part, r->part_node);
}

static inline void rig_end(struct sync_rig *r)
{
    (void)r;
    host_cpus_end();
}

#endif
