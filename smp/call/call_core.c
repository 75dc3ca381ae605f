/*
 * The protocol of cross-CPU calls; see call_core.h.
 *
 * Order: a caller sets its bit in the word, then the word's bit in the summary. The target clears
 * the summary, then the word. A caller that finds the summary empty sends the IPI. So under any
 * interleaving the target checks a word after a bit in it is set; checking an empty word is
 * harmless.
 * SPDX-License-Identifier: MIT
 */
#include "smp/call/call_core.h"

#include "kernel/base/print.h"
#include "kernel/base/string.h"

static u32 next_target(const struct call_targets *t, u32 start)
{
    u32 cpu;

    if (!t->words)
        return start <= t->cpu ? t->cpu : NR_CPUS;
    cpu = (u32)bitmap_next_set(t->words, t->nr, start);
    return cpu < t->nr ? cpu : NR_CPUS;
}

static u32 count_targets(const struct call_targets *t)
{
    u32 n = 0;

    for (u32 cpu = next_target(t, 0); cpu < NR_CPUS; cpu = next_target(t, cpu + 1))
        n++;
    return n;
}

static void post_request(const struct call_ops *ops, u32 self, u32 target)
{
    struct call_cpu *cc = ops->of(ops->ctx, target);
    u64 word_bit = 1ULL << (self / 64);

    atomic_fetch_or_explicit(&cc->callers[self / 64], 1ULL << (self % 64), memory_order_seq_cst);
    if (atomic_fetch_or_explicit(&cc->summary, word_bit, memory_order_seq_cst) == 0 &&
        target != self)
        ops->kick(ops->ctx, target);
}

/* True: the target had not taken the request and will never run it. */
static bool withdraw(const struct call_ops *ops, u32 self, u32 target)
{
    struct call_cpu *cc = ops->of(ops->ctx, target);
    u64 bit = 1ULL << (self % 64);

    return atomic_fetch_and_explicit(&cc->callers[self / 64], ~bit, memory_order_seq_cst) & bit;
}

/* After post_request(): a target that has left the online set may never check its set again. */
static void withdraw_if_gone(const struct call_ops *ops, u32 self, u32 target)
{
    struct call_cpu *own = ops->of(ops->ctx, self);

    if (ops->online(ops->ctx, target) || !withdraw(ops, self, target))
        return;
    atomic_fetch_add_explicit(&own->refused, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&own->pending, 1, memory_order_acq_rel);
}

static bool posted(const struct call_ops *ops, u32 self, u32 target)
{
    const struct call_cpu *cc = ops->of(ops->ctx, target);

    return atomic_load_explicit(&cc->callers[self / 64], memory_order_acquire) & 1ULL
                                                                                     << (self % 64);
}

static u32 pending(const struct call_cpu *own)
{
    return atomic_load_explicit(&own->pending, memory_order_acquire);
}

static void say(const struct call_ops *ops, u32 todo, u64 now, u64 since, u64 *said)
{
    if (!ops->still_waiting || now - *said <= ops->say)
        return;
    *said = now;
    ops->still_waiting(ops->ctx, todo, now - since);
}

/* Serves while it waits. True: all targets are done. False: no progress within the deadline. */
static bool wait_done(const struct call_ops *ops, const struct call_cpu *own)
{
    u32 todo = pending(own), seen = todo;
    struct patience p;
    u64 now, said;

    if (!todo)
        return true;
    now = said = ops->now(ops->ctx);
    patience_begin(&p, ops->deadline.host, ops->deadline.ticks, now);
    while (todo) {
        if (atomic_load_explicit(&own->summary, memory_order_acquire))
            ops->serve(ops->ctx);
        todo = pending(own);
        now = ops->now(ops->ctx);
        if (todo != seen) {
            seen = todo;
            said = now;
            patience_progress(&p, now);
        } else if (patience_over(&p, now)) {
            return pending(own) == 0;
        }
        say(ops, todo, now, p.since, &said);
    }
    return true;
}

static void escalate(const struct call_ops *ops, u32 self, const struct call_targets *t)
{
    for (u32 cpu = next_target(t, 0); cpu < NR_CPUS; cpu = next_target(t, cpu + 1))
        if (posted(ops, self, cpu))
            ops->nmi(ops->ctx, cpu);
}

/* After the last deadline: withdraws the request from targets that have not begun it. */
static int abandon(const struct call_ops *ops, u32 self, const struct call_targets *t,
                   struct call_cpu *own, struct call_result *result)
{
    for (u32 cpu = next_target(t, 0); cpu < NR_CPUS; cpu = next_target(t, cpu + 1)) {
        if (!withdraw(ops, self, cpu))
            continue;
        if (result->failed++ == 0)
            result->first_failed = cpu;
        atomic_fetch_sub_explicit(&own->pending, 1, memory_order_acq_rel);
    }
    /* The other targets have begun the request but are not done; their numbers are unknown. */
    if (pending(own)) {
        result->hangs = result->failed == 0;
        result->failed += pending(own);
        if (result->hangs)
            result->first_failed = t->words ? NR_CPUS : t->cpu;
    }
    return result->failed ? -ETIMEDOUT : 0;
}

static int post_and_wait(const struct call_ops *ops, u32 self, const struct call_targets *targets,
                         struct call_cpu *own, struct call_result *result)
{
    for (u32 cpu = next_target(targets, 0); cpu < NR_CPUS; cpu = next_target(targets, cpu + 1)) {
        post_request(ops, self, cpu);
        withdraw_if_gone(ops, self, cpu);
    }
    if (wait_done(ops, own))
        return 0;
    escalate(ops, self, targets);
    if (wait_done(ops, own))
        return 0;
    return abandon(ops, self, targets, own, result);
}

int call_run(const struct call_ops *ops, u32 self, const struct call_targets *targets,
             const struct call_request *request, struct call_result *result)
{
    struct call_cpu *own = ops->of(ops->ctx, self);
    int err;

    *result = (struct call_result){0};
    if (pending(own))
        return -EBUSY;
    ASSERT(request->size <= CALL_COPY_MAX);
    own->fn = request->fn;
    own->arg = request->arg;
    if (request->size)
        own->arg = memcpy(own->copy, request->arg, request->size);
    atomic_store_explicit(&own->refused, 0, memory_order_relaxed);
    atomic_store_explicit(&own->pending, count_targets(targets), memory_order_release);
    err = post_and_wait(ops, self, targets, own, result);
    result->refused = atomic_load_explicit(&own->refused, memory_order_relaxed);
    if (!err && request->size)
        memcpy(request->arg, own->copy, request->size);
    return err;
}

bool call_settle(const struct call_ops *ops, u32 self)
{
    return wait_done(ops, ops->of(ops->ctx, self));
}

static void run_request(struct call_cpu *caller)
{
    caller->fn(caller->arg);
    atomic_fetch_sub_explicit(&caller->pending, 1, memory_order_release);
}

static void refuse_request(struct call_cpu *caller)
{
    atomic_fetch_add_explicit(&caller->refused, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&caller->pending, 1, memory_order_release);
}

/* Takes one caller at a time, so that callers behind a request that hangs can still withdraw. */
static u32 take_word(const struct call_ops *ops, struct call_cpu *cc, u32 word,
                     void (*deal_with)(struct call_cpu *caller))
{
    u64 bits = atomic_load_explicit(&cc->callers[word], memory_order_seq_cst);
    u32 n = 0;

    for (; bits; bits &= bits - 1) {
        u64 bit = bits & -bits;

        if (!(atomic_fetch_and_explicit(&cc->callers[word], ~bit, memory_order_seq_cst) & bit))
            continue;
        deal_with(ops->of(ops->ctx, word * 64 + (u32)__builtin_ctzll(bit)));
        n++;
    }
    return n;
}

u32 call_serve(const struct call_ops *ops, u32 self)
{
    struct call_cpu *cc = ops->of(ops->ctx, self);
    u64 words = atomic_exchange_explicit(&cc->summary, 0, memory_order_seq_cst);
    u32 n = 0;

    for (; words; words &= words - 1)
        n += take_word(ops, cc, (u32)__builtin_ctzll(words), run_request);
    return n;
}

u32 call_serve_nmi(const struct call_ops *ops, u32 self, u32 nr)
{
    struct call_cpu *cc = ops->of(ops->ctx, self);
    u32 n = 0;

    for (u32 word = 0; word < BITMAP_WORDS(nr); word++)
        n += take_word(ops, cc, word, run_request);
    return n;
}

void call_refuse(const struct call_ops *ops, u32 self, u32 nr)
{
    struct call_cpu *cc = ops->of(ops->ctx, self);

    for (u32 word = 0; word < BITMAP_WORDS(nr); word++)
        take_word(ops, cc, word, refuse_request);
}
