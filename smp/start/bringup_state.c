/*
 * The record of one processor's start; see bringup_state.h.
 * SPDX-License-Identifier: MIT
 */
#include "smp/start/bringup_state.h"

#include "kernel/base/print.h"
#include "kernel/base/printf.h"

static const char *const stage_names[STAGES] = {
    [STAGE_NONE] = "none",
    [STAGE_REAL_MODE] = "real mode",
    [STAGE_PROTECTED_MODE] = "protected mode",
    [STAGE_LONG_MODE] = "long mode",
    [STAGE_KERNEL] = "kernel entry",
    [STAGE_TABLES] = "descriptor tables",
    [STAGE_APIC] = "local APIC",
    [STAGE_ONLINE] = "online",
};

void bringup_record_init(struct smp_record *rec, u32 cpu, u32 apic_id)
{
    *rec = (struct smp_record){.apic_id = apic_id, .cpu = cpu};
    atomic_init(&rec->word, BRING_WORD(0, BRING_IDLE));
    atomic_init(&rec->stage, STAGE_NONE);
}

/* Ends an offer, unless the processor turns it into online first. */
static bool close_record(struct smp_record *rec, enum bring_state state)
{
    u32 word = atomic_load_explicit(&rec->word, memory_order_acquire);

    do {
        if ((word & 0xff) == BRING_ONLINE)
            return false;
        ASSERT((word & 0xff) == BRING_OFFERED ||
               ((word & 0xff) == BRING_IDLE && state == BRING_HELD));
    } while (!atomic_compare_exchange_weak_explicit(&rec->word, &word, (word & ~0xffu) | state,
                                                    memory_order_acq_rel, memory_order_acquire));
    rec->best = MAX(rec->best, (u8)bringup_stage(rec));
    return true;
}

bool bringup_hold(struct smp_record *rec)
{
    return close_record(rec, BRING_HELD);
}

void bringup_offer(struct smp_record *rec, u32 attempt)
{
    ASSERT(bringup_state(rec) == BRING_HELD && attempt < 1u << 24);
    atomic_store_explicit(&rec->stage, STAGE_NONE, memory_order_relaxed);
    atomic_store_explicit(&rec->word, BRING_WORD(attempt, BRING_OFFERED), memory_order_release);
}

bool bringup_give_up(struct smp_record *rec)
{
    return close_record(rec, BRING_GIVEN_UP);
}

bool bringup_ticket_valid(u32 ticket)
{
    return (ticket & 0xff) == BRING_OFFERED;
}

bool bringup_claim(struct smp_record *rec, u32 ticket)
{
    if (!bringup_ticket_valid(ticket))
        return false;
    return atomic_compare_exchange_strong_explicit(&rec->word, &ticket,
                                                   (ticket & ~0xffu) | BRING_ONLINE,
                                                   memory_order_acq_rel, memory_order_acquire);
}

bool bringup_reach(struct smp_record *rec, enum bring_stage stage)
{
    atomic_store_explicit(&rec->stage, (u8)stage, memory_order_release);
    return rec->stop_at != stage;
}

enum bring_state bringup_state(const struct smp_record *rec)
{
    return atomic_load_explicit(&rec->word, memory_order_acquire) & 0xff;
}

enum bring_stage bringup_stage(const struct smp_record *rec)
{
    return atomic_load_explicit(&rec->stage, memory_order_acquire);
}

const char *bringup_stage_name(u32 stage)
{
    return stage < STAGES ? stage_names[stage] : "unknown";
}

int bringup_failure_text(const struct smp_record *rec, char *buf, size_t size)
{
    if (rec->best == STAGE_NONE)
        return ksnprintf(buf, size, "smp: CPU %u (APIC 0x%02x) did not answer", rec->cpu,
                         rec->apic_id);
    return ksnprintf(buf, size, "smp: CPU %u (APIC 0x%02x) stopped at stage %u (%s)", rec->cpu,
                     rec->apic_id, rec->best, bringup_stage_name(rec->best));
}

int bringup_summary_text(u32 nodes, u32 cpus, char *buf, size_t size)
{
    return ksnprintf(buf, size, "smp: Brought up %u node%s, %u CPU%s", nodes, nodes == 1 ? "" : "s",
                     cpus, cpus == 1 ? "" : "s");
}
