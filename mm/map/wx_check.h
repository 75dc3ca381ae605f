/*
 * A proof, by walking page tables as the CPU would, that no memory can be both written and
 * executed: no leaf allows both, executable leaves are at the addresses of the policy and map the
 * memory of the policy, and no leaf can write to memory that it lists as read-only. For the boot
 * (on the live CR3) and for tests. Pure; reads tables only; any CPU; the tables must not change
 * during the walk.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_MM_MAP_WX_CHECK_H
#define PERCH_MM_MAP_WX_CHECK_H

#include "kernel/base/range.h"
#include "mm/map/pagetable.h"

/* Addresses that may be executed, and the memory they must map (kernel text, trampoline). */
struct wx_exec {
    struct range va;
    u64 pa; /* of va.start */
};

struct wx_policy {
    const struct wx_exec *exec;
    u32 n_exec;
    const struct range *ro; /* physical: kernel text, rodata; no leaf may write to it */
    u32 n_ro;
};

enum wx_kind {
    WX_WRITE_EXEC,   /* one leaf is writable and executable */
    WX_ALIAS,        /* a writable leaf maps memory of ro */
    WX_EXEC_OUTSIDE, /* executable, but in no range of exec */
    WX_EXEC_MEMORY,  /* in a range of exec, but maps other memory */
    WX_USER,         /* the user bit is set in the leaf or above it */
    WX_KINDS
};

struct wx_violation {
    enum wx_kind kind;
    struct pt_leaf leaf;
};

#define WX_REPORTED 8

struct wx_result {
    u64 leaves;     /* walked */
    u64 bytes;      /* mapped by them */
    u64 exec_bytes; /* executable */
    u64 violations; /* a leaf may count in several kinds */
    u64 by_kind[WX_KINDS];
    struct wx_violation first[WX_REPORTED]; /* in order of address */
};

/*
 * Walks all leaves of pt. Prints the first WX_REPORTED violations with their addresses, and their
 * number. 0: W^X holds; -EINVAL: violations; -EFAULT: a table could not be read.
 */
int wx_check(const struct pagetable *pt, const struct wx_policy *policy,
             struct wx_result *result) MUST_CHECK;

/* The words of the printed line. For tests. */
const char *wx_kind_name(enum wx_kind kind);

#endif
