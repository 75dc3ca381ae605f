/*
 * Random life of chunks against a model with one byte per granule. The chunk must do what
 * the model predicts of each allocation (place, number), growth and return. After an operation (of
 * big chunks: every check_every operations) all maps are compared, and pcpu_chunk_verify() must
 * agree.
 * SPDX-License-Identifier: MIT
 */
#include "tests/percpu/chunk/chunk_model.h"

/* ---- comparing ------------------------------------------------------------------------------- */

static void compare_block(struct model *m, u32 block)
{
    const struct pcpu_block *b = m->c.blocks[block];

    CHECK(m, b == m->meta[block]);
    CHECK(m, memcmp(b->tag, m->tag + block * B, B) == 0);
    for (u32 w = 0; w < PCPU_BLOCK_WORDS; w++) {
        u64 bits = 0;

        for (u32 i = 0; i < 64; i += 8) {
            u64 bytes;

            memcpy(&bytes, m->used + block * B + w * 64 + i, 8);
            bits |= bytes * 0x0102040810204080ULL >> 56 << i; /* byte k, 0 or 1, to bit k */
        }
        CHECK(m, b->taken[w] == bits);
    }
}

static void compare(struct model *m)
{
    const char *broken;
    u64 bumps = 0;

    for (u32 i = 0; i < MAX_BUMPS; i++)
        bumps += m->bump[i].n;
    broken = pcpu_chunk_verify(&m->c, bumps);

    if (broken && !m->failures++)
        ktest_fail(__FILE__, __LINE__, "verify: %s", broken);
    for (u32 i = 0; i < m->c.nr_blocks; i++) {
        CHECK(m, m->c.state[i] == m->state[i]);
        if (m->state[i] == PCPU_POPULATED)
            compare_block(m, i);
    }
}

/* ---- operations ------------------------------------------------------------------------------ */

struct request {
    u32 size, align;
    u8 tag;
};

static struct request any_request(struct model *m)
{
    struct request r = {.align = 1u << rnd(m, rnd(m, 4) ? 4 : 20)};
    u32 class, kind = rnd(m, 16);

    if (kind < 12) {
        class = kind < 3 ? 1 + rnd(m, 4) : 1 + rnd(m, PCPU_CLASSES - 1);
        r.size = pcpu_class_size(class) / PCPU_GRANULE;
        r.align = pcpu_class_align(class) / PCPU_GRANULE;
        r.tag = (u8) class;
    } else {
        r.size = 5 + rnd(m, kind < 15 ? 300 : 1 + m->n / (1 + rnd(m, 32)));
        r.tag = PCPU_TAG_BIG;
    }
    r.tag |= rnd(m, 2) ? PCPU_TAG_OWNED : 0;
    return r;
}

/* What the chunk must do for a batch: hole by hole; apart when one cannot lie beside the next. */
static u32 model_alloc(struct model *m, const struct request *r, u32 n, u32 *want)
{
    u32 done = 0, from = 0, at, end;
    bool apart = r->size & (r->align - 1);

    while (done < n && (at = model_place(m, m->used, from, r->size, r->align, &end)) != NONE) {
        do {
            model_object(m, at, r->size, r->tag);
            want[done++] = at * PCPU_GRANULE;
            at += r->size;
        } while (!apart && done < n && at + r->size <= end);
        from = apart ? 0 : end;
    }
    return done;
}

/* Takes what the chunk took: aligned places that were free, in order. */
static void model_take(struct model *m, const struct request *r, u32 n, const u32 *got)
{
    for (u32 i = 0; i < n && !m->failures; i++) {
        u32 at = got[i] / PCPU_GRANULE;

        CHECK(m, is_aligned(got[i], r->align * PCPU_GRANULE) && at + r->size <= m->n);
        CHECK(m, !i || got[i] > got[i - 1] || r->size & (r->align - 1));
        CHECK(m, next(m, m->used, 1, at) >= at + r->size);
        model_object(m, at, r->size, r->tag);
    }
}

static void do_alloc(struct model *m)
{
    struct request r = any_request(m);
    u32 n = rnd(m, 2) ? 1 : 1 + rnd(m, MAX_BATCH), got[MAX_BATCH], want[MAX_BATCH];
    u32 done = pcpu_chunk_alloc(&m->c, r.size, r.align, r.tag, n, got);
    u32 fit = model_alloc(m, &r, n, want);

    for (u32 i = 0; i < fit; i++)
        model_object(m, want[i] / PCPU_GRANULE, r.size, 0);
    CHECK(m, (done > 0) == (fit > 0));
    /* Which unaligned holes a batch passes over is its own affair, and it may end early. */
    if (n == 1 || r.align == 1)
        CHECK(m, done <= fit && memcmp(got, want, done * sizeof(*got)) == 0);
    model_take(m, &r, done, got);
    m->done[0] += done;
    m->done[1] += done < n;
}

/* ---- bump regions ---------------------------------------------------------------------------- */

static void take_bump(struct model *m, u32 i)
{
    u32 size = 2 * (1 + rnd(m, 64)), max = size + rnd(m, 2 * B), off, at, end, n;

    n = pcpu_chunk_take_bump(&m->c, size, max, &off);
    at = model_place(m, m->used, 0, size, 2, &end);
    CHECK(m, (at == NONE) == !n);
    if (!n || m->failures)
        return;
    end = MIN(MIN(end, (u32)align_up(at + size, B)), at + max) & ~1u;
    CHECK(m, off == at * PCPU_GRANULE && n == end - at);
    model_set(m, at, n, 1);
    m->bump[i].at = at;
    m->bump[i].n = n;
    m->done[6]++;
}

/* An object, as its owner makes it. */
static void cut_bump(struct model *m, u32 i)
{
    u32 class = PCPU_CLASS_8 + rnd(m, PCPU_CLASS_ALIGNED - PCPU_CLASS_8), at = m->bump[i].at;
    u32 size = pcpu_class_size(class) / PCPU_GRANULE;
    u8 tag = (u8)(class | (rnd(m, 2) ? PCPU_TAG_OWNED : 0));

    if (m->bump[i].n < size)
        return;
    *pcpu_chunk_tag(&m->c, at * PCPU_GRANULE) = tag;
    model_set(m, at, size, 0); /* the same granules once more */
    model_object(m, at, size, tag);
    m->bump[i].at += size;
    m->bump[i].n -= size;
    m->done[7]++;
}

static void end_bump(struct model *m, u32 i)
{
    u32 at = m->bump[i].at, n = m->bump[i].n, emptied = 0;

    if (!n)
        return;
    for (u32 block = at / B; block <= (at + n - 1) / B; block++)
        emptied -= m->in_use[block] == 0;
    model_set(m, at, n, 0);
    for (u32 block = at / B; block <= (at + n - 1) / B; block++)
        emptied += m->in_use[block] == 0;
    CHECK(m, pcpu_chunk_give_bump(&m->c, at * PCPU_GRANULE, n) == emptied);
    m->bump[i].n = 0;
    m->done[8]++;
}

static void do_bump(struct model *m)
{
    u32 i = rnd(m, MAX_BUMPS);

    if (!m->bump[i].n)
        take_bump(m, i);
    else if (rnd(m, 8))
        cut_bump(m, i);
    else
        end_bump(m, i);
}

/* ---- the other way --------------------------------------------------------------------------- */

/* Up to max objects in ascending order: neighbours from some place on, or from all over. */
static u32 choose(struct model *m, u32 max, u32 *at)
{
    u32 n = 0, all_over = rnd(m, 2), g = rnd(m, m->n);

    while (n < max && (g = next(m, m->begins, 1, g)) < m->n) {
        if (n && at[n - 1] == g)
            break;
        at[n++] = g++;
        if (all_over && g < m->n)
            g += rnd(m, m->n / 16);
    }
    return n;
}

static void do_free(struct model *m, u32 max)
{
    u32 at[MAX_BATCH], offs[MAX_BATCH], n = choose(m, 1 + rnd(m, max), at), emptied = 0;

    for (u32 i = 0; i < n; i++) {
        offs[i] = at[i] * PCPU_GRANULE;
        CHECK(m, pcpu_chunk_object_size(&m->c, offs[i]) == m->size[at[i]] * PCPU_GRANULE);
        for (u32 block = at[i] / B; block <= (at[i] + m->size[at[i]] - 1) / B; block++)
            emptied -= m->in_use[block] == 0;
        model_object(m, at[i], m->size[at[i]], 0);
        for (u32 block = at[i] / B; block <= (at[i] + m->size[at[i]] - 1) / B; block++)
            emptied += m->in_use[block] == 0;
    }
    CHECK(m, pcpu_chunk_free(&m->c, n, offs) == emptied);
    m->done[2] += n;
}

/* Flips who has an object, as magazines do. */
static void do_owner(struct model *m)
{
    u32 at;

    if (choose(m, 1, &at)) {
        *pcpu_chunk_tag(&m->c, at * PCPU_GRANULE) ^= PCPU_TAG_OWNED;
        m->tag[at] ^= PCPU_TAG_OWNED;
    }
}

static struct pcpu_block *clean_meta(void)
{
    struct pcpu_block *meta = malloc(sizeof(*meta));

    pcpu_block_init(meta);
    return meta;
}

/* As after pcpu_block_init(). */
static bool is_clean(const struct pcpu_block *meta)
{
    struct pcpu_block *clean = clean_meta();
    bool same = memcmp(clean, meta, sizeof(*clean)) == 0;

    free(clean);
    return same;
}

/* What becomes of BUSY blocks. */
struct settle {
    u32 n[3];
    u32 blocks[3][512];
    struct pcpu_block *metas[512];
};
enum { POPULATE, UNTAKE, UNPOPULATE };

static void do_settle(struct model *m)
{
    static struct settle s;
    bool all = rnd(m, 2); /* long runs, or short ones */

    memset(s.n, 0, sizeof(s.n));
    for (u32 i = 0; i < m->c.nr_blocks; i++) {
        u32 how;

        if (m->state[i] != PCPU_BUSY || (!all && rnd(m, 2)))
            continue;
        how = !rnd(m, all ? 64 : 8) ? UNPOPULATE : m->meta[i] && rnd(m, 2) ? UNTAKE : POPULATE;
        if (how == POPULATE)
            s.metas[s.n[how]] = m->meta[i] = m->meta[i] ? m->meta[i] : clean_meta();
        s.blocks[how][s.n[how]++] = i;
        model_state(m, i, how == UNPOPULATE ? PCPU_UNPOPULATED : PCPU_POPULATED);
    }
    pcpu_chunk_populate_done(&m->c, s.n[POPULATE], s.blocks[POPULATE], s.metas);
    pcpu_chunk_unpopulate_cancel(&m->c, s.n[UNTAKE], s.blocks[UNTAKE]);
    pcpu_chunk_unpopulate_done(&m->c, s.n[UNPOPULATE], s.blocks[UNPOPULATE], s.metas);
    for (u32 k = 0; k < s.n[UNPOPULATE]; k++) {
        struct pcpu_block **meta = &m->meta[s.blocks[UNPOPULATE][k]];

        CHECK(m, s.metas[k] == *meta);
        CHECK(m, !*meta || is_clean(*meta));
        free(*meta);
        *meta = NULL;
    }
}

static void do_grow(struct model *m)
{
    struct request r = any_request(m);
    u32 first, count, busy, expect = 0, end;
    u32 at = model_place(m, m->used_any, 0, r.size, r.align, &end);
    int err = pcpu_chunk_grow(&m->c, r.size, r.align, &first, &count, &busy);

    CHECK(m, err == (at == NONE ? -ENOSPC : 0));
    if (err || at == NONE)
        return;
    CHECK(m, first == at / B);
    CHECK(m, first + count - 1 == (at + r.size - 1) / B);
    for (u32 block = first; block < first + count && block < m->c.nr_blocks; block++) {
        if (m->state[block] == PCPU_UNPOPULATED) {
            model_state(m, block, PCPU_BUSY);
            expect++;
        }
    }
    CHECK(m, busy == expect);
    m->done[3] += busy;
}

/* How long a list may get: most are short, some take whatever there is. */
static u32 any_max(struct model *m)
{
    return 1 + rnd(m, rnd(m, 8) ? 16 : m->c.nr_blocks);
}

static void do_reserve(struct model *m)
{
    u32 blocks[512], max = any_max(m), n = pcpu_chunk_grow_reserve(&m->c, max, blocks), k = 0;

    for (u32 i = 0; i < m->c.nr_blocks && k < max; i++) {
        if (m->state[i] != PCPU_UNPOPULATED)
            continue;
        CHECK(m, k < n && blocks[k] == i);
        k++;
        model_state(m, i, PCPU_BUSY);
    }
    CHECK(m, k == n);
    m->done[4] += n;
}

static void do_return(struct model *m)
{
    u32 blocks[512], max = any_max(m), n = pcpu_chunk_take_empty(&m->c, max, blocks), k = 0;

    for (u32 i = m->c.nr_blocks; i-- && k < max && !m->region;) {
        if (m->state[i] != PCPU_POPULATED || m->in_use[i])
            continue;
        CHECK(m, k < n && blocks[n - 1 - k] == i);
        k++;
        model_state(m, i, PCPU_BUSY);
    }
    CHECK(m, k == n);
    m->done[5] += n;
}

/* ---- lives ----------------------------------------------------------------------------------- */

static void model_make(struct model *m, const struct shape *s)
{
    u32 end = s->end ? s->end : s->blocks * PCPU_BLOCK_SIZE, first = s->start / PCPU_BLOCK_SIZE;

    memset(m, 0, sizeof(*m));
    m->n = s->blocks * B;
    m->least_free = m->n;
    m->seed = s->seed;
    m->region = s->end;
    m->memory = aligned_alloc(64, pcpu_chunk_bytes(s->blocks));
    m->used = malloc(ROOM(m->n));
    m->used_any = malloc(ROOM(m->n));
    m->tag = calloc(ROOM(m->n), 1);
    m->begins = calloc(ROOM(m->n), 1);
    m->size = calloc(m->n, sizeof(u32));
    m->in_use = calloc(s->blocks, sizeof(u32));
    m->state = calloc(s->blocks, 1);
    m->meta = calloc(s->blocks, sizeof(*m->meta));
    for (u32 i = 0; i < s->blocks; i++)
        model_state(m, i, m->region ? PCPU_ABSENT : PCPU_UNPOPULATED);
    if (!m->region) {
        pcpu_chunk_init(&m->c, s->blocks, m->memory);
        return;
    }
    for (u32 i = first; i * PCPU_BLOCK_SIZE < end; i++) {
        m->meta[i] = malloc(sizeof(struct pcpu_block));
        model_state(m, i, PCPU_POPULATED);
        m->in_use[i] = B;
    }
    memset(m->used, 1, m->n);
    memset(m->used_any, 1, m->n);
    model_set(m, s->start / PCPU_GRANULE, (end - s->start) / PCPU_GRANULE, 0);
    pcpu_chunk_init_region(&m->c, s->blocks, m->memory, s->start, end, m->meta + first);
}

static void model_end(struct model *m)
{
    for (u32 i = 0; i < m->c.nr_blocks; i++)
        free(m->meta[i]);
    free(m->memory);
    free(m->used);
    free(m->used_any);
    free(m->tag);
    free(m->begins);
    free(m->size);
    free(m->in_use);
    free(m->state);
    free(m->meta);
}

/* Allocating and freeing take turns at having the upper hand, so that it fills and drains. */
static void step(struct model *m, bool filling)
{
    u32 k = rnd(m, 32);

    if (k < (filling ? 3u : 1u))
        do_bump(m);
    else if (k < (filling ? 16u : 7u))
        do_alloc(m);
    else if (k < 23)
        do_free(m, filling ? MAX_BATCH / 5 : MAX_BATCH);
    else if (k < 25)
        do_owner(m);
    else if (k < 28)
        do_settle(m);
    else if (k < 30)
        do_grow(m);
    else if (k < 31 && filling)
        do_reserve(m);
    else
        do_return(m);
}

static void drain(struct model *m)
{
    for (u32 i = 0; i < MAX_BUMPS; i++)
        end_bump(m, i);
    while (m->objects && !m->failures)
        do_free(m, MAX_BATCH);
    CHECK(m, m->region || m->c.nr_empty == m->c.nr_populated);
    do_return(m);
}

static void live(const struct shape *s)
{
    static struct model m;

    model_make(&m, s);
    compare(&m);
    for (u32 i = 0; i < s->ops && !m.failures; i++) {
        step(&m, i / (s->blocks * 24) % 3 != 2);
        if (i % (s->blocks * 24 * 9) == 0)
            drain(&m);
        if (m.c.nr_populated * 2 >= s->blocks || m.region)
            m.least_free = MIN(m.least_free, m.c.free_granules);
        if (i % s->check_every == 0)
            compare(&m);
        if (m.failures)
            ktest_note("%u blocks, operation %u", s->blocks, i);
    }
    compare(&m);
    EXPECT_LT(m.least_free, m.n / 20); /* it really was nearly full */
    ktest_note("%llu allocated, %llu times refused, %llu freed, %llu + %llu grown, %llu returned",
               (unsigned long long)m.done[0], (unsigned long long)m.done[1],
               (unsigned long long)m.done[2], (unsigned long long)m.done[3],
               (unsigned long long)m.done[4], (unsigned long long)m.done[5]);
    ktest_note("%llu bump regions, %llu cut from them, %llu given back",
               (unsigned long long)m.done[6], (unsigned long long)m.done[7],
               (unsigned long long)m.done[8]);
    EXPECT_LT(s->ops / 4, m.done[0]);
    EXPECT_TRUE(m.done[6] && m.done[7] && m.done[8]);
    EXPECT_LT(0, m.done[1]);
    EXPECT_TRUE(m.region || (m.done[3] + m.done[4] && m.done[5]));
    model_end(&m);
}

KTEST(chunk_model, blocks_8)
{
    live(&(struct shape){.blocks = 8, .ops = 60000, .check_every = 1, .seed = 1});
}

KTEST(chunk_model, blocks_10)
{
    live(&(struct shape){.blocks = 10, .ops = 60000, .check_every = 1, .seed = 2});
}

KTEST(chunk_model, block_1)
{
    live(&(struct shape){.blocks = 1, .ops = 100000, .check_every = 1, .seed = 3});
}

KTEST(chunk_model, blocks_64)
{
    live(&(struct shape){.blocks = 64, .ops = 60000, .check_every = 16, .seed = 4});
}

KTEST(chunk_model, blocks_128)
{
    live(&(struct shape){.blocks = 128, .ops = 50000, .check_every = 64, .seed = 5});
}

KTEST(chunk_model, blocks_512)
{
    live(&(struct shape){.blocks = 512, .ops = 50000, .check_every = 512, .seed = 6});
}

/* The dynamic area of a first chunk, and a reserved area inside one block and over two. */
KTEST(chunk_model, regions)
{
    live(&(struct shape){.blocks = 16,
                         .start = 4 * 4096 + 2052,
                         .end = 11 * 4096 + 100,
                         .ops = 40000,
                         .check_every = 1,
                         .seed = 7});
    live(&(struct shape){.blocks = 3,
                         .start = 4096 + 36,
                         .end = 4096 + 3000,
                         .ops = 60000,
                         .check_every = 1,
                         .seed = 8});
    live(&(struct shape){.blocks = 4,
                         .start = 4096 + 2340,
                         .end = 2 * 4096 + 1000,
                         .ops = 60000,
                         .check_every = 1,
                         .seed = 9});
    live(&(struct shape){.blocks = 200,
                         .start = 30 * 4096 + 4,
                         .end = 200 * 4096,
                         .ops = 20000,
                         .check_every = 128,
                         .seed = 10});
}
