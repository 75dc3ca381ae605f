/*
 * Per-CPU references: every switch of mode, what is refused, too many puts, and threads that take
 * and drop references while one is killed.
 * Also run under TSan.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/ktest.h"
#include "percpu/sync/ref.h"
#include "tests/host/shim.h"
#include "tests/percpu/sync/sync_rig.h"

#define CPUS    4
#define FINE(r) EXPECT_STREQ(percpu_ref_verify(r) ?: "", "")

static struct sync_rig rig;
static _Atomic u32 released, confirmed;

static void on_release(struct percpu_ref *ref)
{
    (void)ref;
    released++;
}

static void on_confirm(struct percpu_ref *ref)
{
    EXPECT_FALSE(percpu_ref_tryget_live(ref));
    EXPECT_EQ(released, 0);
    confirmed++;
}

static void begin(struct percpu_ref *ref, u32 flags)
{
    rig_init(&rig, CPUS, 2);
    released = confirmed = 0;
    shim_log_reset();
    EXPECT_EQ(percpu_ref_init(ref, &rig.lib, "test", on_release, flags), 0);
    FINE(ref);
}

static void end(struct percpu_ref *ref)
{
    host_cpu_become(0);
    percpu_ref_exit(ref);
    EXPECT_EQ(host_percpu_objects(), 0);
    rig_end(&rig);
}

/* Gets on one CPU, puts on another: only the sum means something. */
KTEST(percpu_ref, the_last_put_after_kill_releases)
{
    struct percpu_ref ref;

    begin(&ref, 0);
    percpu_ref_get_many(&ref, 10);
    host_cpu_become(1);
    percpu_ref_put_many(&ref, 8);
    FINE(&ref);
    EXPECT_FALSE(percpu_ref_is_zero(&ref));
    EXPECT_FALSE(percpu_ref_is_dying(&ref));
    EXPECT_EQ(percpu_ref_kill_and_confirm(&ref, on_confirm), 0);
    EXPECT_EQ(confirmed, 1);
    EXPECT_EQ(rig.quiesced, 1);
    EXPECT_EQ(host_percpu_objects(), 0); /* no ALLOW_REINIT: the memory is not needed any more */
    EXPECT_TRUE(percpu_ref_is_dying(&ref));
    EXPECT_TRUE(percpu_ref_tryget(&ref)); /* dead, but there */
    EXPECT_FALSE(percpu_ref_tryget_live(&ref));
    FINE(&ref);
    percpu_ref_put_many(&ref, 2);
    EXPECT_EQ(released, 0);
    percpu_ref_put(&ref);
    EXPECT_EQ(released, 1);
    EXPECT_TRUE(percpu_ref_is_zero(&ref));
    EXPECT_FALSE(percpu_ref_tryget(&ref));
    EXPECT_EQ(percpu_ref_kill(&ref), -EINVAL);
    EXPECT_EQ(percpu_ref_reinit(&ref), -EINVAL);
    EXPECT_EQ(percpu_ref_switch_to_percpu(&ref), -EINVAL);
    EXPECT_EQ(shim_log_count(), 0);
    end(&ref);
}

KTEST(percpu_ref, kill_alone_releases_at_once)
{
    struct percpu_ref ref;

    begin(&ref, 0);
    EXPECT_EQ(percpu_ref_kill(&ref), 0);
    EXPECT_EQ(released, 1);
    end(&ref);
}

KTEST(percpu_ref, no_memory)
{
    struct percpu_ref ref;

    rig_init(&rig, CPUS, 2);
    rig.fail_at = 1;
    EXPECT_EQ(percpu_ref_init(&ref, &rig.lib, "test", on_release, 0), -ENOMEM);
    rig_end(&rig);
}

/* Round and round; each life sees the words go on from where they were. */
KTEST(percpu_ref, lives_again_after_reinit)
{
    struct percpu_ref ref;

    begin(&ref, PERCPU_REF_ALLOW_REINIT);
    for (u32 life = 1; life <= 5; life++) {
        for (u32 i = 0; i < 20; i++) {
            host_cpu_become(i % CPUS);
            percpu_ref_get(&ref);
            host_cpu_become((i + life) % CPUS);
            percpu_ref_put(&ref);
        }
        EXPECT_TRUE(percpu_ref_tryget_live(&ref));
        EXPECT_EQ(percpu_ref_reinit(&ref), -EINVAL); /* not dead */
        EXPECT_EQ(percpu_ref_resurrect(&ref), -EINVAL);
        EXPECT_EQ(percpu_ref_kill(&ref), 0);
        EXPECT_EQ(percpu_ref_reinit(&ref), -EBUSY); /* not gone */
        percpu_ref_put(&ref);
        EXPECT_EQ(released, life);
        EXPECT_EQ(percpu_ref_resurrect(&ref), -EBUSY); /* gone */
        EXPECT_EQ(percpu_ref_reinit(&ref), 0);
        EXPECT_FALSE(percpu_ref_is_dying(&ref));
        FINE(&ref);
    }
    EXPECT_EQ(percpu_ref_kill(&ref), 0);
    EXPECT_EQ(released, 6);
    end(&ref);
}

KTEST(percpu_ref, resurrected_while_referenced)
{
    struct percpu_ref ref;

    begin(&ref, PERCPU_REF_ALLOW_REINIT);
    percpu_ref_get(&ref);
    EXPECT_EQ(percpu_ref_kill(&ref), 0);
    EXPECT_EQ(percpu_ref_resurrect(&ref), 0);
    percpu_ref_put(&ref);
    EXPECT_EQ(released, 0);
    EXPECT_TRUE(percpu_ref_tryget_live(&ref));
    percpu_ref_put(&ref);
    FINE(&ref);
    EXPECT_EQ(percpu_ref_kill(&ref), 0);
    EXPECT_EQ(released, 1);
    end(&ref);
}

KTEST(percpu_ref, born_atomic_or_dead)
{
    struct percpu_ref ref;

    begin(&ref, PERCPU_REF_INIT_ATOMIC);
    percpu_ref_get(&ref);
    EXPECT_EQ(*per_cpu_ptr(percpu_ref_words(ref.mode), 0), 0);
    percpu_ref_put(&ref);
    EXPECT_EQ(percpu_ref_kill_and_confirm(&ref, on_confirm), 0);
    EXPECT_EQ(confirmed, 1);
    EXPECT_EQ(released, 1);
    EXPECT_EQ(percpu_ref_reinit(&ref), 0);
    EXPECT_TRUE(ref.mode & PERCPU_REF_ATOMIC); /* still forced */
    EXPECT_EQ(percpu_ref_switch_to_percpu(&ref), 0);
    EXPECT_FALSE(ref.mode & PERCPU_REF_MODE);
    FINE(&ref);
    end(&ref);

    begin(&ref, PERCPU_REF_INIT_DEAD);
    EXPECT_TRUE(percpu_ref_is_dying(&ref) && percpu_ref_is_zero(&ref));
    EXPECT_FALSE(percpu_ref_tryget(&ref));
    EXPECT_EQ(percpu_ref_kill(&ref), -EINVAL);
    EXPECT_EQ(percpu_ref_reinit(&ref), 0);
    EXPECT_FALSE(ref.mode & PERCPU_REF_MODE);
    EXPECT_EQ(percpu_ref_kill(&ref), 0);
    EXPECT_EQ(released, 1);
    end(&ref);
}

KTEST(percpu_ref, switches_while_alive)
{
    struct percpu_ref ref;

    begin(&ref, PERCPU_REF_ALLOW_REINIT);
    percpu_ref_get_many(&ref, 3);
    EXPECT_EQ(percpu_ref_switch_to_atomic(&ref, NULL), 0);
    EXPECT_EQ(ref.count, 4);
    EXPECT_EQ(percpu_ref_switch_to_atomic(&ref, NULL), 0);
    percpu_ref_put(&ref);
    FINE(&ref);
    EXPECT_EQ(percpu_ref_switch_to_percpu(&ref), 0);
    EXPECT_EQ(percpu_ref_switch_to_percpu(&ref), 0);
    host_cpu_become(2);
    percpu_ref_put_many(&ref, 2);
    FINE(&ref);
    EXPECT_EQ(percpu_ref_kill(&ref), 0);
    EXPECT_EQ(released, 1);
    end(&ref);
}

/* A CPU that does not answer: nothing is concluded, and the same may be tried again. */
KTEST(percpu_ref, failed_grace_period)
{
    struct percpu_ref ref;

    begin(&ref, PERCPU_REF_ALLOW_REINIT);
    percpu_ref_get(&ref);
    rig.quiesce_err = -ETIMEDOUT;
    EXPECT_EQ(percpu_ref_switch_to_atomic(&ref, NULL), -ETIMEDOUT);
    FINE(&ref);
    percpu_ref_put(&ref);
    percpu_ref_get(&ref);
    EXPECT_EQ(percpu_ref_switch_to_percpu(&ref), 0);
    EXPECT_FALSE(ref.mode & PERCPU_REF_MODE);
    EXPECT_EQ(percpu_ref_kill_and_confirm(&ref, on_confirm), -ETIMEDOUT);
    EXPECT_EQ(confirmed, 0);
    FINE(&ref);
    EXPECT_EQ(percpu_ref_reinit(&ref), -EINVAL);
    percpu_ref_put(&ref);
    EXPECT_EQ(released, 0);
    rig.quiesce_err = 0;
    EXPECT_EQ(percpu_ref_kill_and_confirm(&ref, on_confirm), 0);
    EXPECT_EQ(confirmed, 1);
    EXPECT_EQ(released, 1);
    end(&ref);
}

/* One put too many: found at the switch, or by the put itself; named once; never released. */
KTEST(percpu_ref, too_many_puts_are_named)
{
    struct percpu_ref ref;

    begin(&ref, 0);
    percpu_ref_put_many(&ref, 3);
    EXPECT_STREQ(percpu_ref_verify(&ref), "fewer than no references");
    EXPECT_EQ(percpu_ref_kill(&ref), 0);
    EXPECT_EQ(released, 0);
    EXPECT_EQ(shim_log_count(), 1);
    EXPECT_STREQ(shim_log_line(0), "percpu_ref: test: more puts than gets: -2 references; it is "
                                   "not released");
    end(&ref);

    begin(&ref, PERCPU_REF_INIT_ATOMIC);
    EXPECT_EQ(percpu_ref_kill(&ref), 0);
    EXPECT_EQ(released, 1);
    percpu_ref_put(&ref);
    percpu_ref_put(&ref);
    EXPECT_EQ(released, 1);
    EXPECT_EQ(shim_log_matches("test: more puts than gets: -1"), 1);
    EXPECT_EQ(shim_log_count(), 1);
    end(&ref);
}

/* ---- threads --------------------------------------------------------------------------------- */

#define LIVES 60

/* An object of which each user checks that it is there, and release clears it. */
static struct {
    struct percpu_ref ref;
    _Atomic u32 stop, bad, uses;
    _Atomic u64 life; /* number of the life, 0 while released */
    u64 payload;      /* not atomic: written by release and by the owner only */
} obj;

static void release_obj(struct percpu_ref *ref)
{
    (void)ref;
    obj.payload = 0;
    obj.life = 0;
    released++;
}

static void use(bool live)
{
    if (!(live ? percpu_ref_tryget_live(&obj.ref) : percpu_ref_tryget(&obj.ref)))
        return;
    percpu_ref_get_many(&obj.ref, 2);
    if (obj.payload == 0)
        obj.bad++;
    percpu_ref_put(&obj.ref);
    percpu_ref_put_many(&obj.ref, 2);
    obj.uses++;
}

static void owner(void)
{
    for (u64 life = 1; life <= LIVES; life++) {
        u32 before = obj.uses;

        while (obj.uses - before < 50)
            cpu_relax();
        if (life % 3 == 0 && percpu_ref_switch_to_atomic(&obj.ref, NULL))
            obj.bad++;
        if (life % 6 == 0 && percpu_ref_switch_to_percpu(&obj.ref))
            obj.bad++;
        if (percpu_ref_kill(&obj.ref))
            obj.bad++;
        if (life % 4 == 0 && percpu_ref_resurrect(&obj.ref) == 0)
            continue; /* was still in use: the same life goes on */
        while (obj.life)
            cpu_relax();
        obj.payload = life + 1;
        obj.life = life + 1;
        if (percpu_ref_reinit(&obj.ref))
            obj.bad++;
        if (life % 3 == 0 && percpu_ref_switch_to_percpu(&obj.ref))
            obj.bad++;
    }
    obj.stop = 1;
}

static void users_and_an_owner(void *arg)
{
    (void)arg;
    if (cpu_number() == 0)
        owner();
    for (u32 i = 0; !obj.stop; i++)
        use(i % 16); /* seldom a tryget: many would keep a dead one for ever */
}

KTEST(percpu_ref, threads_use_while_it_is_killed)
{
    rig_init(&rig, CPUS, 2);
    obj.stop = obj.bad = obj.uses = released = 0;
    obj.payload = obj.life = 1;
    EXPECT_EQ(percpu_ref_init(&obj.ref, &rig.lib, "obj", release_obj, PERCPU_REF_ALLOW_REINIT), 0);
    host_cpus_run(CPUS, users_and_an_owner, NULL);
    host_cpu_become(0);
    EXPECT_EQ(obj.bad, 0);
    FINE(&obj.ref);
    EXPECT_GE(released, LIVES - LIVES / 4);
    EXPECT_EQ(percpu_ref_switch_to_atomic(&obj.ref, NULL), 0);
    EXPECT_EQ(obj.ref.count, 1);
    end(&obj.ref);
}
