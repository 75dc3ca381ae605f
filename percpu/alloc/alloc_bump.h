/*
 * Bump regions: one per set of magazines, for classes of 8-byte steps.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_ALLOC_ALLOC_BUMP_H
#define PERCH_PERCPU_ALLOC_ALLOC_BUMP_H

#include "percpu/alloc/alloc_types.h"

/* The next object of the set's region, owned and counted; NULL: too little room. Set entered. */
void *pcpu_bump_alloc(const struct pcpu_allocator *a, struct pcpu_mags *m, u32 class);
/* Up to n objects that nobody owns yet; how many. Set entered. */
u32 pcpu_bump_alloc_many(const struct pcpu_allocator *a, struct pcpu_mags *m, u32 class, u32 n,
                         struct pcpu_entry *out);
/* Takes the region out of the set; the caller gives its rest back. Set entered. */
void pcpu_bump_detach(struct pcpu_mags *m, struct pcpu_bump *out);

/* A new region of up to max bytes, in the place of one that has too little room. */
struct pcpu_bump_request {
    u32 max;
    struct pcpu_bump ended;
    bool over_quota; /* out: the set is, evict */
};
void pcpu_bump_plan(struct pcpu_mags *m, struct pcpu_bump_request *new); /* set entered */
/* Takes it from the chunks. Its first object, owned; NULL: no memory. The set is not entered. */
void *pcpu_bump_renew(struct pcpu_allocator *a, u32 class, u32 flags,
                      struct pcpu_bump_request *new);

#endif
