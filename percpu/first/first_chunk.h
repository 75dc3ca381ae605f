/*
 * Builds the first chunk: a unit for every possible CPU with its copy of the static per-CPU
 * variables. Embedded: each group of CPUs has one block of its node's memory, in the linear mapping
 * (first_chunk_embed.c). Page-mapped: each unit is made of single pages of its CPU's node
 * (first_chunk_page.c). first_chunk_choose.c decides. On success every unit holds the template and
 * zeroes, and unneeded memory is given back. On failure all memory is given back, and the log has
 * the reason. The arguments have the same meaning as in Linux since 2009.
 *
 * Pure; boot CPU only, before anything else runs; allocates by the callbacks only.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_FIRST_FIRST_CHUNK_H
#define PERCH_PERCPU_FIRST_FIRST_CHUNK_H

#include "percpu/first/first_chunk_types.h"

/*
 * Embedded first chunk. Sizes in bytes as in pcpu_build_alloc_info. alloc_fn NULL: memory from
 * env->alloc. Writes [0, size_sum) of each unit in use. Tails and unused units are given to free_fn
 * unwritten, after the last step that can fail. If free_fn refuses memory, it stays reserved, is
 * logged and is counted in out->lost_bytes.
 * -ENOMEM: no memory for a group or a table. -EINVAL: bad sizes, a failed check, or the chunk spans
 * more than 3/4 of env->window_size. -EOVERFLOW.
 */
int pcpu_embed_first_chunk(const struct pcpu_env *env, size_t reserved_size, s64 dyn_size,
                           size_t atom_size, pcpu_distance_fn cpu_distance_fn,
                           pcpu_alloc_fn alloc_fn, pcpu_free_fn free_fn,
                           struct pcpu_first_chunk *out);

/*
 * Page-mapped first chunk at addresses from env->page_ops, with a dynamic area of the minimum size.
 * Only the pages of [0, size_sum) of each unit are backed. Errors as above, and those of
 * page_ops->map. -ENODEV: no page_ops.
 */
int pcpu_page_first_chunk(const struct pcpu_env *env, size_t reserved_size, pcpu_alloc_fn alloc_fn,
                          pcpu_free_fn free_fn, struct pcpu_first_chunk *out);

/*
 * For users of the allocator as a library (docs/porting.md): embedded with default arguments. Atoms
 * are one page, distances are not used, and memory is from env->alloc.
 */
static inline int pcpu_plain_first_chunk(const struct pcpu_env *env, size_t reserved_size,
                                         s64 dyn_size, struct pcpu_first_chunk *out)
{
    return pcpu_embed_first_chunk(env, reserved_size, dyn_size, PAGE_SIZE, NULL, NULL, env->free,
                                  out);
}

enum pcpu_fc_mode {
    PCPU_FC_AUTO,
    PCPU_FC_EMBED,
    PCPU_FC_PAGE,
};

/* The arguments of one first chunk, and the result of each try. */
struct pcpu_fc_request {
    enum pcpu_fc_mode mode;
    size_t reserved_size;
    s64 dyn_size;
    size_t atom_size;
    pcpu_distance_fn cpu_distance_fn;
    pcpu_alloc_fn alloc_fn;
    pcpu_free_fn free_fn;
    int embed_err; /* out: 0: made, or not tried */
    int page_err;  /* out: the same */
};

/*
 * Embedded unless mode is PCPU_FC_PAGE. If that fails: a warning, then page-mapped. Returns 0 or
 * the last error; req has both.
 */
int pcpu_make_first_chunk(const struct pcpu_env *env, struct pcpu_fc_request *req,
                          struct pcpu_first_chunk *out);

#endif
