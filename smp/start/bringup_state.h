/*
 * The record of one application processor's start, shared by the boot CPU, the trampoline and the
 * processor. Promises that a given-up processor never goes online, however late it runs, and that
 * the last stage of a failed processor is known.
 *
 * One word decides: attempt << 8 | state. The boot CPU offers the record. The trampoline reads the
 * word; this is the processor's ticket. At the end of its start the processor claims: it turns
 * exactly this ticket into BRING_ONLINE, by one compare-and-swap. Taking an offer back is a
 * compare-and-swap on the same word, so one of the two wins. Until its claim a processor writes
 * only to its own stack, its own per-CPU unit and its own local APIC.
 *
 *     IDLE -> HELD -> OFFERED -> ONLINE            (claim)
 *              ^---------'  `--> GIVEN_UP          (retry: HELD again, next attempt)
 *
 * HELD lasts only until the next offer: the trampoline waits for that.
 *
 * Pure. The caller of each function is given below. Records are sorted by APIC id, one per CPU.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_SMP_START_BRINGUP_STATE_H
#define PERCH_SMP_START_BRINGUP_STATE_H

#include <stdatomic.h>
#include "kernel/base/types.h"

enum bring_state { BRING_IDLE, BRING_HELD, BRING_OFFERED, BRING_ONLINE, BRING_GIVEN_UP };

/* How far a processor has come. Assembly writes the stages up to STAGE_KERNEL, C the rest. */
enum bring_stage {
    STAGE_NONE,
    STAGE_REAL_MODE,      /* ran its first instruction */
    STAGE_PROTECTED_MODE, /* found its record */
    STAGE_LONG_MODE,      /* runs on the kernel's page tables */
    STAGE_KERNEL,         /* has its own stack and per-CPU unit */
    STAGE_TABLES,         /* GDT, TSS and IDT loaded */
    STAGE_APIC,           /* local APIC set up; the claim is next */
    STAGE_ONLINE,
    STAGES
};

/*
 * The trampoline uses these offsets (smp/start/trampoline.inc).
 *  - who writes: the boot CPU fills the record before it offers it, and takes the offer back; the
 *    processor claims, and writes its `stage` and times;
 *  - who reads: the processor the record, after it has read an offer in `word`; the boot CPU
 *    `stage` at any time, the times after the claim;
 *  - which order: an offer is released, and x86 loads stay in order, so the trampoline's loads
 *    after that of `word` are of this attempt or a later one. The claim and the taking back are
 *    compare-and-swaps of one word, acquire and release: one wins, and the boot CPU that sees
 *    ONLINE sees all that the processor did before.
 */
struct smp_record {
    _Atomic u32 word;
    u32 apic_id;
    u32 cpu;
    _Atomic u8 stage; /* written by the processor, read by the boot CPU */
    u8 stop_at;       /* fault injection: the processor halts at this stage */
    u8 best;          /* highest stage of all attempts; boot CPU only */
    bool silent;      /* fault injection: gets no start-up IPI */
    u64 stack_top;
    u64 gs_base;
    u64 first_tsc;  /* at its first instruction */
    u64 online_tsc; /* just before the claim */
    bool early; /* fault injection: gets its start-up IPI while its record is held, and no other */
    u64 reserved[1];
} ALIGNED(64);
static_assert(sizeof(struct smp_record) == 64, "the trampoline multiplies by 64");
static_assert(offsetof(struct smp_record, word) == 0, "trampoline.inc");
static_assert(offsetof(struct smp_record, stage) == 12, "trampoline.inc");
static_assert(offsetof(struct smp_record, stop_at) == 13, "trampoline.inc");
static_assert(offsetof(struct smp_record, stack_top) == 16, "trampoline.inc");
static_assert(offsetof(struct smp_record, gs_base) == 24, "trampoline.inc");
static_assert(offsetof(struct smp_record, first_tsc) == 32, "trampoline.inc");

#define BRING_WORD(attempt, state) ((u32)(attempt) << 8 | (u32)(state))

/* Boot CPU: initialises a record; it is not offered yet. */
void bringup_record_init(struct smp_record *rec, u32 cpu, u32 apic_id);

/*
 * Boot CPU: closes the record before a new attempt, so that the processor can no longer claim it
 * with an older ticket. False: the processor is online already.
 */
bool bringup_hold(struct smp_record *rec);

/* Boot CPU: offers a held record for this attempt (1 and up), with the stage reset to none. */
void bringup_offer(struct smp_record *rec, u32 attempt);

/* Boot CPU: takes the offer back for good. False: the processor is online already. */
bool bringup_give_up(struct smp_record *rec);

/* The processor: was the word that the trampoline read an offer? */
bool bringup_ticket_valid(u32 ticket);

/* The processor: true: it is online. False: the offer was taken back, and it must halt. */
bool bringup_claim(struct smp_record *rec, u32 ticket);

/* The processor: notes that it has reached this stage. False: fault injection stops it here. */
bool bringup_reach(struct smp_record *rec, enum bring_stage stage);

/* Any CPU. */
enum bring_state bringup_state(const struct smp_record *rec);
enum bring_stage bringup_stage(const struct smp_record *rec);

/* "real mode", "long mode"; never NULL. */
const char *bringup_stage_name(u32 stage);

/*
 * Writes "smp: CPU 5 (APIC 0x05) did not answer" or "smp: CPU 6 (APIC 0x06) stopped at stage 3
 * (long mode)" into buf. Returns the length, as ksnprintf().
 */
int bringup_failure_text(const struct smp_record *rec, char *buf, size_t size);

/* "smp: Brought up 4 nodes, 8 CPUs", as Linux prints it. Returns the length. */
int bringup_summary_text(u32 nodes, u32 cpus, char *buf, size_t size);

#endif
