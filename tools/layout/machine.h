/*
 * The machine that `perch layout` is asked about: what the JSON file says, checked completely, so
 * that the layout code only ever sees what a real machine could give it.
 * Hosted only.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TOOLS_LAYOUT_MACHINE_H
#define PERCH_TOOLS_LAYOUT_MACHINE_H

#include "kernel/base/types.h"
#include "tools/layout/json.h"

#define LAYOUT_MAX_CPUS  8192
#define LAYOUT_MAX_NODES 1024

struct layout_machine {
    s64 static_size, reserved_size, dyn_size, atom_size; /* bytes; dyn negative: automatic */
    bool page_mode;
    u32 nr_cpus, nr_nodes;
    u32 *cpu_node;   /* CPU -> index of its node in sorted order */
    u8 *distance;    /* [nr_nodes * nr_nodes], NULL: 10 and 20 */
    char error[200]; /* what is wrong with it */
};

/* False and m->error when something is wrong. Free by layout_machine_free in either case. */
bool layout_machine_read(const struct json *top, struct layout_machine *m);
void layout_machine_free(struct layout_machine *m);

#endif
