/*
 * Cross-CPU calls without a lock. Each CPU has one outgoing request, and a set of callers that wait
 * for this CPU. A caller publishes its request, enters itself into the target's set, kicks the
 * target if the set was empty, and serves its own set while it waits. So two CPUs that call each
 * other cannot block each other. A target takes callers out of its set one at a time, in the order
 * of their numbers.
 *
 * One request per CPU is enough: calls are made with interrupts on, never from a handler, and a
 * called function makes no call. A call to all CPUs needs no more memory than a call to one.
 *
 * A target that does not answer in time gets an NMI. If that does not help, the caller takes itself
 * out of the set by one atomic operation, so the target never runs a request whose caller has given
 * up. If the target has already taken the request and hangs in it, the caller's only request stays
 * in use until the target is done: further calls return -EBUSY.
 *
 * A CPU may go off-line at any time. It first leaves the online set and then refuses the callers in
 * its set. A caller first enters the target's set, then checks that the target is online, and
 * withdraws if it is not. Both orders are sequentially consistent, so one of the two sees the
 * other: no request is forgotten, and none runs on a CPU that is off-line.
 *
 * Pure: state by pointer, the IPI by ops; C11 atomics.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_CALL_CALL_CORE_H
#define PERCH_SMP_CALL_CALL_CORE_H

#include <stdatomic.h>
#include "kernel/base/bitmap.h"
#include "kernel/base/errno.h"
#include "kernel/base/patience.h"
#include "kernel/base/types.h"

#define CALL_WORDS BITMAP_WORDS(NR_CPUS)
static_assert(CALL_WORDS <= 64, "one summary word");

#define CALL_COPY_MAX 64 /* bytes of an argument that is copied */

typedef void (*call_fn)(void *arg);

/*
 * What the targets run. size 0: they get arg itself, which must live as long as they can, so for
 * ever: a target that has begun when the caller gives up ends at any time later. Else they get the
 * caller's copy of the size bytes at arg, which lies in its struct call_cpu, and the bytes are
 * copied back when all targets are done. After a failure nothing is, so the memory at arg is free.
 */
struct call_request {
    call_fn fn;
    void *arg;
    u32 size; /* at most CALL_COPY_MAX */
};

/*
 * One per CPU, on its node. A request goes to its target and back:
 *  - who writes: the caller its `fn`, `arg` and `pending`, while no target has the request; then
 *    its bit in the target's `callers`, then that word's bit in `summary`. The target clears
 *    `summary`, then takes single bits; each bit is cleared once, by the target or by the caller
 *    that withdraws. When the function has returned the target lowers `pending`;
 *  - who reads: the target `fn` and `arg`, after it has taken the bit; the caller `pending`;
 *  - which order: bits are sequentially consistent read-modify-writes. Taking a bit acquires the
 *    request; setting it before the summary, and clearing it after, loses none. With the online
 *    set, in the same order, either the caller sees that the target has left, or the target sees
 *    the bit and refuses. Lowering `pending` releases what the function did, and the caller, who
 *    waits for 0, acquires it; only then does it change the request again.
 */
struct call_cpu {
    /* Callers that wait for this CPU. Each word that is not empty has its bit in `summary`. */
    _Atomic u64 summary ALIGNED(64);
    _Atomic u64 callers[CALL_WORDS];
    /* This CPU's own request. */
    _Atomic u32 pending ALIGNED(64); /* targets that have not finished it */
    _Atomic u32 refused;             /* targets that went off-line instead */
    call_fn fn;
    void *arg;
    u64 copy[CALL_COPY_MAX / 8];
};

struct call_ops {
    struct call_cpu *(*of)(void *ctx, u32 cpu);
    void (*kick)(void *ctx, u32 cpu);   /* make cpu call call_serve() soon */
    void (*nmi)(void *ctx, u32 cpu);    /* the same for a CPU that did not react to kick */
    u64 (*now)(void *ctx);              /* ticks; called in every turn of a wait, so it may yield */
    void (*serve)(void *ctx);           /* call_serve() for this CPU, as its interrupt does */
    bool (*online)(void *ctx, u32 cpu); /* sequentially consistent */
    /* Called every `say` ticks without an answer, so that the log shows life. May be NULL. */
    void (*still_waiting)(void *ctx, u32 pending, u64 ticks);
    void *ctx;
    u64 say;
    struct call_deadline {
        u64 ticks; /* until the NMI, and again until the failure */
        /* On a busy host longer (kernel/base/patience.h); NULL: exact. */
        struct patience_host *host;
    } deadline;
};

/* The targets: a set of CPUs below nr, or one CPU when words is NULL. */
struct call_targets {
    const u64 *words; /* BITMAP_WORDS(nr) */
    u32 nr;
    u32 cpu;
};

struct call_result {
    u32 failed;       /* targets that did not run the request, or hang in it */
    u32 first_failed; /* one such target; NR_CPUS: unknown; only valid when failed > 0 */
    bool hangs;       /* that target has begun the request and does not finish */
    u32 refused;      /* targets that went off-line before they ran it; not an error */
};

/*
 * Runs the request on every target, in parallel, and waits for them. self may be a target; it
 * serves itself through ops->serve while it waits. 0; -ETIMEDOUT: *result names the target; -EBUSY:
 * an earlier request of this CPU still hangs, its argument stays as it is.
 */
int call_run(const struct call_ops *ops, u32 self, const struct call_targets *targets,
             const struct call_request *request, struct call_result *result) MUST_CHECK;

/* Runs all requests that wait for CPU self. Interrupts off. Returns how many ran. */
u32 call_serve(const struct call_ops *ops, u32 self);

/*
 * The same from an NMI, for requests that may run there. The NMI may have interrupted call_serve()
 * after it took the summary, so this checks every caller below nr.
 */
u32 call_serve_nmi(const struct call_ops *ops, u32 self, u32 nr);

/*
 * CPU self has left the online set: refuses the requests of all callers below nr that wait for it.
 * Interrupts off.
 */
void call_refuse(const struct call_ops *ops, u32 self, u32 nr);

/*
 * Waits until CPU self's own last request is done everywhere. False: the deadline passed, the
 * request hangs, and what it points to must stay.
 */
bool call_settle(const struct call_ops *ops, u32 self);

#endif
