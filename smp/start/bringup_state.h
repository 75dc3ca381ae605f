/*
 * The state of one application processor's start: a record that the boot CPU, the trampoline and
 * the processor itself share. It promises the boot CPU that a processor it gave up never runs,
 * however late it comes, and the log that a silent processor's last stage is known.
 *
 * One word decides: attempt << 8 | state. The boot CPU offers the record, the trampoline reads the
 * word (its ticket), and at the end of its private start the processor turns exactly this ticket
 * into BRING_ONLINE, by one compare-and-swap. Taking an offer back is the same compare-and-swap, so
 * one of the two wins. Until the claim a processor touches nothing but its own stack, its own
 * per-CPU unit and its own local APIC.
 *
 *     IDLE -> HELD -> OFFERED -> ONLINE            (claim)
 *              ^---------'  `--> GIVEN_UP          (retry: HELD again, next attempt)
 *
 * Pure. Who may call what is said below; records are sorted by APIC id, one per processor.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_START_BRINGUP_STATE_H
#define PERCH_SMP_START_BRINGUP_STATE_H

#include <stdatomic.h>
#include "kernel/base/types.h"

enum bring_state { BRING_IDLE, BRING_HELD, BRING_OFFERED, BRING_ONLINE, BRING_GIVEN_UP };

/* What a processor has reached; the trampoline writes the first three, the rest is C. */
enum bring_stage {
    STAGE_NONE,
    STAGE_REAL_MODE,      /* ran its first instruction */
    STAGE_PROTECTED_MODE, /* found its record */
    STAGE_LONG_MODE,      /* page tables of the kernel in force */
    STAGE_KERNEL,         /* own stack, GS base on its own unit */
    STAGE_TABLES,         /* GDT, TSS, IDT */
    STAGE_APIC,           /* local APIC set up; next is the claim */
    STAGE_ONLINE,
    STAGES
};

/*
 * The trampoline knows these offsets (smp/start/trampoline.inc). stage is written by the processor
 * and read by the boot CPU; stop_at is fault injection: the processor halts on reaching that stage.
 */
struct smp_record {
    _Atomic u32 word;
    u32 apic_id;
    u32 cpu;
    _Atomic u8 stage;
    u8 stop_at;
    u8 best;     /* highest stage of all attempts; boot CPU only */
    bool silent; /* fault injection: gets no start-up IPI */
    u64 stack_top;
    u64 gs_base;
    u64 first_tsc;  /* at its first instruction */
    u64 online_tsc; /* just before the claim */
    u64 reserved[2];
} ALIGNED(64);
static_assert(sizeof(struct smp_record) == 64, "the trampoline multiplies by 64");
static_assert(offsetof(struct smp_record, word) == 0, "trampoline.inc");
static_assert(offsetof(struct smp_record, stage) == 12, "trampoline.inc");
static_assert(offsetof(struct smp_record, stop_at) == 13, "trampoline.inc");
static_assert(offsetof(struct smp_record, stack_top) == 16, "trampoline.inc");
static_assert(offsetof(struct smp_record, gs_base) == 24, "trampoline.inc");
static_assert(offsetof(struct smp_record, first_tsc) == 32, "trampoline.inc");

#define BRING_WORD(attempt, state) ((u32)(attempt) << 8 | (u32)(state))

/* Boot CPU: a new record, not offered. */
void bringup_record_init(struct smp_record *rec, u32 cpu, u32 apic_id);

/*
 * Boot CPU: closes the record for a new attempt, so that no earlier run of this processor can claim
 * it any more. False: it is online already; leave it alone.
 */
bool bringup_hold(struct smp_record *rec);

/* Boot CPU: opens a held record for this attempt (1 and up), its stage back at none. */
void bringup_offer(struct smp_record *rec, u32 attempt);

/* Boot CPU: takes the offer back for good. False: too late, the processor is online. */
bool bringup_give_up(struct smp_record *rec);

/* The processor: what the trampoline read at its start; is it an offer? */
bool bringup_ticket_valid(u32 ticket);

/* The processor: true: it is online. False: the offer was taken back; it must halt for ever. */
bool bringup_claim(struct smp_record *rec, u32 ticket);

/* The processor: it has reached this stage. False: fault injection wants it to stop here. */
bool bringup_reach(struct smp_record *rec, enum bring_stage stage);

/* Any CPU. */
enum bring_state bringup_state(const struct smp_record *rec);
enum bring_stage bringup_stage(const struct smp_record *rec);

/* "real mode", "long mode"; never NULL. */
const char *bringup_stage_name(u32 stage);

/*
 * The two log lines: "smp: CPU 5 (APIC 0x05) did not answer", "smp: CPU 6 (APIC 0x06) stopped at
 * stage 3 (long mode)". Into buf; returns the length as ksnprintf.
 */
int bringup_failure_text(const struct smp_record *rec, char *buf, size_t size);

/* "smp: Brought up 4 nodes, 8 CPUs", as Linux; "1 node, 1 CPU". */
int bringup_summary_text(u32 nodes, u32 cpus, char *buf, size_t size);

#endif
