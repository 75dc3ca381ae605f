/*
 * Chooses the first chunk to build: percpu_alloc= and the fall-back to pages; see first_chunk.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/print.h"
#include "percpu/first/first_chunk.h"

static const char *const mode_names[] = {
    [PCPU_FC_AUTO] = "auto",
    [PCPU_FC_EMBED] = "embed",
    [PCPU_FC_PAGE] = "page",
};

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
