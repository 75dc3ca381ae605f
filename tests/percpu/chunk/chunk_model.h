/*
 * The model of chunk_model.c: a byte for each granule of a chunk, and the place that an allocation
 * must get. It is simple, and shares nothing with the chunk's code. It has a file of its own so
 * that it can be read without the operations; both together exceed the limit of 600 lines.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TESTS_PERCPU_CHUNK_CHUNK_MODEL_H
#define PERCH_TESTS_PERCPU_CHUNK_CHUNK_MODEL_H

#include <stdlib.h>
#include <string.h>
#include "kernel/base/ktest.h"
#include "percpu/chunk/chunk.h"
#include "tests/host/random.h"

#define B          PCPU_BLOCK_GRANULES
#define MAX_BATCH  64
#define MAX_BUMPS  6
#define NONE       (~0u)
#define ROOM(size) ((size) + 64) /* memchr may be asked for nothing at the end */

struct shape {
    u32 blocks;
    u32 start, end; /* bytes; end 0: an ordinary chunk */
    u32 ops, check_every;
    u64 seed;
};

struct model {
    struct pcpu_chunk c;
    void *memory;
    u32 n; /* granules */
    bool region;
    u8 *used;     /* 0: free in a populated block */
    u8 *used_any; /* 0: the same, or in an UNPOPULATED block */
    u8 *tag, *begins;
    u32 *size;   /* where an object begins */
    u32 *in_use; /* of a block: used granules */
    u8 *state;
    struct pcpu_block **meta;
    u32 objects;
    struct {
        u32 at, n; /* granules */
    } bump[MAX_BUMPS];
    u64 least_free; /* granules of populated blocks, when half of the unit or more is populated */
    u64 seed, failures;
    u64 done[9];
};

static inline u32 rnd(struct model *m, u32 below)
{
    return (u32)((random_xorshift(&m->seed) >> 16) % below);
}

#define CHECK(m, cond)                                                                             \
    do {                                                                                           \
        if (!(cond) && !(m)->failures++)                                                           \
            ktest_fail(__FILE__, __LINE__, "expected %s", #cond);                                  \
    } while (0)

/* ---- the model ------------------------------------------------------------------------------- */

static inline u32 next(const struct model *m, const u8 *map, u8 value, u32 from)
{
    const u8 *at = from < m->n ? memchr(map + from, value, m->n - from) : NULL;

    return at ? (u32)(at - map) : m->n;
}

/* The lowest run of size at or above from; its end too. */
static inline u32 model_run(const struct model *m, const u8 *map, u32 from, u32 size, u32 *end)
{
    for (u32 at = next(m, map, 0, from); at < m->n; at = next(m, map, 0, *end)) {
        *end = next(m, map, 1, at);
        if (*end - at >= size)
            return at;
    }
    return NONE;
}

/* The place that the rule of PCPU_CHUNK_TRIES names; enough: something was taken before. */
static inline u32 model_place_after(const struct model *m, const u8 *map, u32 from, u32 size,
                                    u32 align, bool enough, u32 *end)
{
    u32 tries = 0;

    for (u32 at; (at = model_run(m, map, from, size, end)) != NONE; from = *end) {
        u64 place = align_up(at, align);
        u32 sure_end, sure;

        if (place + size <= *end)
            return (u32)place;
        if (++tries != PCPU_CHUNK_TRIES)
            continue;
        sure = model_run(m, map, *end, size + align - 1, &sure_end);
        if (sure != NONE) {
            *end = sure_end;
            return (u32)align_up(sure, align);
        }
        if (enough)
            return NONE;
    }
    return NONE;
}

static inline u32 model_place(const struct model *m, const u8 *map, u32 from, u32 size, u32 align,
                              u32 *end)
{
    return model_place_after(m, map, from, size, align, false, end);
}

static inline void model_set(struct model *m, u32 at, u32 size, u8 used)
{
    memset(m->used + at, used, size);
    memset(m->used_any + at, used, size);
    for (u32 g = at, part; size; g += part, size -= part) {
        part = MIN(size, B - g % B);
        m->in_use[g / B] += used ? part : -part;
    }
}

/* Both maps and the state of a block that is entirely free. */
static inline void model_state(struct model *m, u32 block, enum pcpu_block_state state)
{
    m->state[block] = (u8)state;
    memset(m->used + block * B, state != PCPU_POPULATED, B);
    memset(m->used_any + block * B, state == PCPU_BUSY || state == PCPU_ABSENT, B);
}

static inline void model_object(struct model *m, u32 at, u32 size, u8 tag)
{
    bool here = tag != 0;

    model_set(m, at, size, here);
    m->tag[at] = tag;
    m->begins[at] = here;
    m->size[at] = size;
    m->objects += here ? 1 : -1u;
    for (u32 i = 1; m->size[at] >= 5 && i <= 4; i++)
        m->tag[at + i] = (tag & PCPU_TAG_KIND) == PCPU_TAG_BIG ? size >> (7 * i - 7) & 127 : 0;
}

#endif
