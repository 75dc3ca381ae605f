/*
 * Events: what Perch's own safety nets caught. Each retry, escalation, fall-back, quarantine and
 * lost line is counted under an id, so that a run which only held by a net says so. Programs rely
 * on the text ids: when the meaning of one changes, it gets a new name.
 *
 * X(name, id, class, text). Class: NOTED (counted and reported, the run may hold) or DOUBT (the
 * verdict becomes "held, but", and its line names the id). Whatever ends a run FAILED has its own
 * line and is no event.
 *
 * The counters are atomic and never go down. Any CPU, any context, also from an NMI; no lock.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_EVENTS_H
#define PERCH_BASE_EVENTS_H

#include "kernel/base/types.h"

/* clang-format off */
#define EVENT_IDS(X)                                                                               \
    X(AP_RETRY,         "ap-retry",         NOTED, "second INIT and start-up sent to a CPU")       \
    X(AP_STARTUP,       "ap-startup",       NOTED, "second start-up IPI sent to a silent CPU")     \
    X(CALL_NMI,         "call-nmi",         NOTED, "cross-CPU call only answered to an NMI")       \
    X(APIC_BUSY,        "apic-busy",        NOTED, "order that a local APIC did not send in time") \
    X(TLB_NMI,          "tlb-nmi",          NOTED, "TLB shoot-down only answered to an NMI")       \
    X(NODE_FALLBACK,    "node-fallback",    NOTED, "page taken from another node than asked for")  \
    X(PAGE_MODE,        "page-mode",        NOTED, "first chunk built of single pages instead")    \
    X(PAGES_LOST,       "pages-lost",       DOUBT, "page quarantined after a failed flush")        \
    X(ADDRESSES_LOST,   "addresses-lost",   DOUBT, "addresses of a chunk that no flush freed")     \
    X(LOG_LOST,         "log-lost",         NOTED, "line that the log dropped")                    \
    X(CONSOLE_STALLED,  "console-stalled",  NOTED, "console that took nothing for its time-out")   \
    X(CONSOLE_LOST,     "console-lost",     DOUBT, "byte of the log that a console never took")    \
    X(MCE_CORRECTED,    "mce-corrected",    DOUBT, "machine check that the hardware corrected")    \
    X(MCE_UNCORRECTED,  "mce-uncorrected",  DOUBT, "uncorrected error without a machine check")    \
    X(OPTION_IGNORED,   "option-ignored",   DOUBT, "value on the command line that was ignored")   \
    X(IRQ_UNEXPECTED,   "irq-unexpected",   NOTED, "interrupt at a vector that nothing uses")
/* clang-format on */

enum event_id {
#define EVENT_ENUM(name, id, class, text) EVENT_##name,
    EVENT_IDS(EVENT_ENUM)
#undef EVENT_ENUM
        EVENT_NR_IDS,
};

enum event_class { EVENT_CLASS_NOTED, EVENT_CLASS_DOUBT };

struct event_kind {
    const char *id, *text;
    enum event_class class;
};

const struct event_kind *event_kind(enum event_id id);

/* The id of this text; EVENT_NR_IDS: there is none. */
enum event_id event_find(const char *id);

/* Counts n events of one id. */
void event_add(enum event_id id, u64 n);

static inline void event_count(enum event_id id)
{
    event_add(id, 1);
}

/* All events of this id since the start. */
u64 event_total(enum event_id id);

/*
 * Of event_total(), those that a test caused on purpose: they do not touch the verdict.
 * event_excuse() moves n of the others there; n must not be larger than their number.
 */
u64 event_excused(enum event_id id);
void event_excuse(enum event_id id, u64 n);

/* Those that no test caused on purpose. */
static inline u64 event_unexcused(enum event_id id)
{
    return event_total(id) - event_excused(id);
}

#endif
