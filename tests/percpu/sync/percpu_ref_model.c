/*
 * Per-CPU references as a state machine: every state that 2 CPUs with up to 3 references can bring
 * one into is reached, and every operation is done in each of them, against a model that is one
 * number. Grace periods may fail, and while one is waited for, a reader that looked before the
 * change acts on what it saw, or one that looks after it does.
 * SPDX-License-Identifier: MIT
 */
#include <string.h>
#include "kernel/base/ktest.h"
#include "percpu/sync/ref.h"
#include "tests/percpu/sync/sync_rig.h"

#define CPUS     2
#define MAX_REFS 3
#define SPREAD   3 /* words stay within -SPREAD..SPREAD */
#define STATES   200000
#define HASH     (1u << 19)

/* All of it: the implementation's and the model's. */
struct state {
    u64 mode, word[CPUS], base;
    s64 count;
    bool biased, killed, force_atomic;
    /* the model */
    u8 refs;    /* the users' */
    u8 initial; /* the initial one is there */
    u8 dying;   /* somebody asked for a kill */
};

enum during { QUIET, LATE_GET, LATE_PUT, NEW_GET, NEW_PUT, DURINGS };

static struct sync_rig rig;
static struct percpu_ref ref;
static struct state now, queue[STATES];
static u32 known, table[HASH];
static u64 *words, done, refused;
static u32 released, confirmed;
static enum during during;
static bool was_local; /* the mode word before the operation was per-CPU */

static void on_release(struct percpu_ref *r)
{
    (void)r;
    released++;
}

static void on_confirm(struct percpu_ref *r)
{
    (void)r;
    confirmed++;
}

static void save(struct state *s)
{
    *s = now;
    s->mode = ref.mode & PERCPU_REF_MODE;
    s->count = ref.count;
    s->base = ref.base;
    s->biased = ref.biased;
    s->killed = ref.killed;
    s->force_atomic = ref.force_atomic;
    for (u32 cpu = 0; cpu < CPUS; cpu++)
        s->word[cpu] = *per_cpu_ptr(words, cpu);
}

static void load(const struct state *s)
{
    now = *s;
    ref.mode = (uintptr_t)words | s->mode;
    ref.count = s->count;
    ref.base = s->base;
    ref.biased = s->biased;
    ref.killed = s->killed;
    ref.force_atomic = s->force_atomic;
    for (u32 cpu = 0; cpu < CPUS; cpu++)
        *per_cpu_ptr(words, cpu) = s->word[cpu];
    released = confirmed = 0;
    was_local = !s->mode;
}

static bool same(const struct state *a, const struct state *b)
{
    return a->mode == b->mode && a->word[0] == b->word[0] && a->word[1] == b->word[1] &&
           a->base == b->base && a->count == b->count && a->biased == b->biased &&
           a->killed == b->killed && a->force_atomic == b->force_atomic && a->refs == b->refs &&
           a->initial == b->initial && a->dying == b->dying;
}

static void note(void)
{
    struct state s;
    u64 h;

    save(&s);
    for (u32 cpu = 0; cpu < CPUS; cpu++)
        if ((s64)s.word[cpu] > SPREAD || (s64)s.word[cpu] < -SPREAD)
            return;
    h = s.mode + 5 * s.word[0] + 77 * s.word[1] + 1001 * s.base + 31 * (u64)s.count +
        s.biased * 4099u + s.killed * 9001u + s.force_atomic * 40009u + s.refs * 70001u +
        s.initial * 90001u + s.dying * 110017u;
    for (h *= 0x9e3779b97f4a7c15ULL;; h += 1ULL << 45) {
        u32 *slot = &table[h >> 45];

        if (*slot && same(&queue[*slot - 1], &s))
            return;
        if (*slot)
            continue;
        if (known < STATES) {
            queue[known] = s;
            *slot = ++known;
        }
        return;
    }
}

/* After each operation: the references are the model's, and it was released when they went. */
static void check(u32 before)
{
    s64 refs = ref.count;
    const char *why = percpu_ref_verify(&ref);

    for (u32 cpu = 0; ref.biased && cpu < CPUS; cpu++)
        refs += (s64)*per_cpu_ptr(words, cpu);
    if (ref.biased)
        refs -= PERCPU_REF_BIAS + (s64)ref.base;
    EXPECT_EQ(refs, now.refs + now.initial);
    EXPECT_EQ(released, before && now.refs + now.initial == 0);
    EXPECT_EQ(percpu_ref_is_dying(&ref), now.dying);
    EXPECT_EQ(percpu_ref_is_zero(&ref), now.refs + now.initial == 0);
    EXPECT_STREQ(why ? why : "", "");
    note();
    done++;
}

/* ---- operations ------------------------------------------------------------------------------ */

/* What happens between a change of the mode and the end of the grace period, on CPU 1. */
static void meanwhile(void)
{
    u32 cpu = host_cpu_number;

    if ((during == LATE_GET || during == LATE_PUT) && !was_local)
        return; /* nobody had seen it per-CPU */
    if ((during == LATE_GET || during == NEW_GET) ? now.refs == MAX_REFS : now.refs == 0)
        return;
    host_cpu_become(1);
    if (during == LATE_GET)
        this_cpu_add(*words, 1);
    if (during == LATE_PUT)
        this_cpu_add(*words, -1);
    if (during == NEW_GET)
        percpu_ref_get(&ref);
    if (during == NEW_PUT)
        percpu_ref_put(&ref);
    if (during != QUIET)
        now.refs += during == LATE_GET || during == NEW_GET ? 1 : -1;
    host_cpu_become(cpu);
}

static void readers(const struct state *s, u32 cpu)
{
    u32 all = s->refs + s->initial;

    host_cpu_become(cpu);
    for (u32 n = 1; all && s->refs + n <= MAX_REFS; n++) {
        load(s);
        percpu_ref_get_many(&ref, n);
        now.refs += n;
        check(all);
    }
    for (u32 n = 1; n <= s->refs; n++) {
        load(s);
        now.refs -= n;
        percpu_ref_put_many(&ref, n);
        check(all);
    }
    if (s->refs == MAX_REFS)
        return;
    load(s);
    EXPECT_EQ(percpu_ref_tryget(&ref), all != 0);
    now.refs += all != 0;
    check(all);
    load(s);
    EXPECT_EQ(percpu_ref_tryget_live(&ref), !s->dying);
    now.refs += !s->dying;
    check(all);
}

static void kill(const struct state *s, int gp)
{
    u32 all = s->refs + s->initial;
    int want = s->killed ? -EINVAL : gp;

    load(s);
    rig.quiesce_err = gp;
    EXPECT_EQ(percpu_ref_kill_and_confirm(&ref, on_confirm), want);
    EXPECT_EQ(confirmed, want == 0);
    now.dying = 1;
    if (!want)
        now.initial = 0;
    refused += want != 0;
    check(all);
}

static void to_atomic(const struct state *s, int gp)
{
    int want = s->biased ? gp : 0;

    load(s);
    rig.quiesce_err = gp;
    EXPECT_EQ(percpu_ref_switch_to_atomic(&ref, on_confirm), want);
    EXPECT_EQ(confirmed, want == 0);
    EXPECT_TRUE(ref.mode & PERCPU_REF_ATOMIC);
    check(s->refs + s->initial);
}

static void owners(const struct state *s)
{
    u32 all = s->refs + s->initial;
    int want;

    host_cpu_become(0);
    load(s);
    EXPECT_EQ(percpu_ref_switch_to_percpu(&ref), 0);
    EXPECT_EQ(!(ref.mode & PERCPU_REF_MODE), !s->dying);
    check(all);

    load(s);
    want = !s->killed ? -EINVAL : s->refs ? -EBUSY : 0;
    EXPECT_EQ(percpu_ref_reinit(&ref), want);
    now.initial |= !want;
    now.dying &= want != 0;
    check(all);

    load(s);
    want = !s->killed ? -EINVAL : s->refs ? 0 : -EBUSY;
    EXPECT_EQ(percpu_ref_resurrect(&ref), want);
    now.initial |= !want;
    now.dying &= want != 0;
    check(all);
}

KTEST(percpu_ref_model, every_state_and_operation)
{
    rig_init(&rig, CPUS, 1);
    rig.in_quiesce = meanwhile;
    REQUIRE_EQ(percpu_ref_init(&ref, &rig.lib, "model", on_release, PERCPU_REF_ALLOW_REINIT), 0);
    words = percpu_ref_words(ref.mode);
    now = (struct state){.initial = 1};
    note();
    for (u32 i = 0; i < known; i++) {
        readers(&queue[i], 0);
        readers(&queue[i], 1);
        host_cpu_become(0);
        for (during = QUIET; during < DURINGS; during++) {
            kill(&queue[i], 0);
            to_atomic(&queue[i], 0);
        }
        kill(&queue[i], -ETIMEDOUT);
        to_atomic(&queue[i], -ETIMEDOUT);
        owners(&queue[i]);
    }
    ktest_note("%u states, %llu operations", known, (unsigned long long)done);
    EXPECT_LT(known, STATES);
    EXPECT_GE(known, 5000);
    EXPECT_NE(refused, 0);
    load(&queue[0]);
    percpu_ref_exit(&ref);
    rig_end(&rig);
}
