/*
 * The kernel's command line: a splitter for words "key=value", parsers for values, and struct
 * kernel_options, which has a field for every key. A mistake on the command line is logged and
 * otherwise ignored: nothing here fails. What is ignored of a known key is an event
 * (option-ignored), so that the verdict says that the run is not the one that was asked for.
 *
 * Blanks separate words; double quotes keep blanks inside a word and are removed. Of a repeated key
 * the last good value wins, but every console= counts.
 * Pure; any context; never allocates.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_CMDLINE_H
#define PERCH_BASE_CMDLINE_H

#include "kernel/base/types.h"

#define CMDLINE_MAX       2048 /* with the NUL; more is cut off, with a line */
#define CMDLINE_MAX_WORDS 128
#define OPT_MAX_CONSOLES  8
#define OPT_TEXT_MAX      64
#define OPT_RUN_MAX       256

struct cmdline {
    char text[CMDLINE_MAX];
    u32 count;
    struct {
        const char *key;
        const char *value; /* "" for "key=", NULL for a word without '=' */
    } words[CMDLINE_MAX_WORDS];
};

/* Splits text. The struct points into itself: do not copy it. */
void cmdline_parse(struct cmdline *c, const char *text);

/*
 * Parse the whole text: decimal, or hexadecimal after 0x. A size may end in K, M, G or T, or in
 * lower case, for powers of 1024. Returns 0, -EINVAL (not a number, or text after it) or -ERANGE
 * (more than 64 bits).
 */
int parse_u64(const char *text, u64 *out);
int parse_size(const char *text, u64 *out);

/*
 * Walks a comma list: copies the next item (cut to size - 1 bytes) and advances *list; false at
 * the end. An empty list has no items; "a,,b" has an empty one.
 */
bool list_next(const char **list, char *item, size_t size);
bool list_contains(const char *list, const char *item);

enum option_end {
    END_AUTO, /* poweroff under a hypervisor, wait on bare metal */
    END_POWEROFF,
    END_RESET,
    END_HALT,
    END_SHELL,
    END_WAIT,
};

enum option_percpu_alloc {
    PERCPU_ALLOC_AUTO,
    PERCPU_ALLOC_EMBED,
    PERCPU_ALLOC_PAGE,
};

struct kernel_options {
    char run[OPT_RUN_MAX]; /* comma list; default "report,test" */
    enum option_end end;
    bool exit_isa_debug;
    u32 n_consoles; /* 0: automatic */
    char consoles[OPT_MAX_CONSOLES][OPT_TEXT_MAX];
    enum option_percpu_alloc percpu_alloc;
    u64 percpu_reserved, percpu_atom; /* bytes: 8K, 2M */
    s64 percpu_dyn;                   /* bytes: 28K; below 0 ("auto"): as the layout decides */
    u64 percpu_static;                /* bytes; 0: as linked */
    bool percpu_promote;              /* full 2 MiB ranges of chunks become 2 MiB leaves */
    bool numa;
    u32 nr_cpus, possible_cpus, maxcpus; /* 0: all; maxcpus=0 is taken as 1, as Linux does */
    u32 loglevel;                        /* lines of this level and below are shown */
    bool has_seed;
    u64 seed;
    bool strict_firmware;
    bool hotplug;
    bool lava;  /* a line for LAVA after each test case */
    u64 events; /* a bit for each id of events.h that may occur in a test case */
    /* Texts that their users parse; "": not given. */
    char fail[OPT_TEXT_MAX], soak[OPT_TEXT_MAX];
    bool fail_ignored; /* a whole value of fail= was bad, so its faults are missing */
};

/* Fills every field. Logs a line for each unknown key and bad value. cmdline may be NULL. */
void kernel_options_parse(struct kernel_options *o, const char *cmdline);

/*
 * Is `what` in run=? globs (may be NULL) gets the texts after each ':' of it, separated by commas,
 * or "" when it is there without a glob: "test:smp.*,report,test:gs.*" gives "smp.*,gs.*".
 */
bool kernel_options_run(const struct kernel_options *o, const char *what, char globs[OPT_RUN_MAX]);

#endif
