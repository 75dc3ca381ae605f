/*
 * Which first chunk to build: the choice of percpu_alloc=, the fall-back, and the variant for a
 * caller without opinions; see first_chunk.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/errno.h"
#include "kernel/base/print.h"
#include "kernel/base/string.h"
#include "percpu/first_chunk.h"

static const char *const mode_names[] = {
    [PCPU_FC_AUTO] = "auto",
    [PCPU_FC_EMBED] = "embed",
    [PCPU_FC_PAGE] = "page",
};

int pcpu_fc_parse_mode(const char *name, enum pcpu_fc_mode *mode)
{
    for (size_t i = 0; i < ARRAY_SIZE(mode_names); i++) {
        if (strcmp(name, mode_names[i]) == 0) {
            *mode = (enum pcpu_fc_mode)i;
            return 0;
        }
    }
    pr_warn("percpu: unknown allocator %s specified", name);
    return -EINVAL;
}

int pcpu_make_first_chunk(const struct pcpu_env *env, struct pcpu_fc_request *req,
                          struct pcpu_first_chunk *out)
{
    req->embed_err = req->page_err = 0;
    if (req->mode != PCPU_FC_PAGE) {
        req->embed_err =
            pcpu_embed_first_chunk(env, req->reserved_size, req->dyn_size, req->atom_size,
                                   req->cpu_distance_fn, req->alloc_fn, req->free_fn, out);
        if (!req->embed_err)
            return 0;
        pr_warn("setup_percpu: %s allocator failed (%d), falling back to page size",
                mode_names[req->mode], req->embed_err);
    }
    req->page_err =
        pcpu_page_first_chunk(env, req->reserved_size, req->alloc_fn, req->free_fn, out);
    return req->page_err;
}

/* Boot memory without a node, behind the callbacks of the embedded first chunk. */
static void *plain_alloc_fn(void *ctx, u32 cpu, size_t size, size_t align)
{
    const struct pcpu_env *env = ctx;

    (void)cpu;
    return env->alloc(env->ctx, size, align);
}

static void *plain_alloc(void *ctx, size_t size, size_t align)
{
    return plain_alloc_fn(ctx, 0, size, align);
}

static int plain_free(void *ctx, void *ptr, size_t size)
{
    const struct pcpu_env *env = ctx;

    return env->free(env->ctx, ptr, size);
}

static int plain_prepare(void *ctx, size_t calls)
{
    const struct pcpu_env *env = ctx;

    return env->prepare ? env->prepare(env->ctx, calls) : 0;
}

int pcpu_plain_first_chunk(const struct pcpu_env *env, size_t reserved_size, s64 dyn_size,
                           struct pcpu_first_chunk *out)
{
    struct pcpu_env plain = *env;

    plain.ctx = (void *)(uintptr_t)env;
    plain.alloc = plain_alloc;
    plain.free = plain_free;
    plain.prepare = plain_prepare;
    return pcpu_embed_first_chunk(&plain, reserved_size, dyn_size, PAGE_SIZE, NULL, plain_alloc_fn,
                                  plain_free, out);
}
