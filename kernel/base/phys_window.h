/*
 * A window through which pure code reads physical memory. In the kernel it is the boot tables, the
 * early window or the direct map; in a hosted test it is a buffer. map() returns a pointer to len
 * bytes at pa, or NULL when it cannot map all of them. The pointer is valid until the next stage
 * (docs/adr/0003); nothing is given back.
 * Pure. Context: the window's; in the kernel, the boot CPU until the direct map exists.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_PHYS_WINDOW_H
#define PERCH_BASE_PHYS_WINDOW_H

#include "kernel/base/types.h"

struct phys_window {
    const void *(*map)(void *ctx, u64 pa, size_t len);
    void *ctx;
    /* Does the memory map list all these bytes? NULL: it is not known. */
    bool (*listed)(void *ctx, u64 pa, size_t len);
};

static inline const void *phys_map(const struct phys_window *w, u64 pa, size_t len)
{
    return w->map(w->ctx, pa, len);
}

static inline bool phys_listed(const struct phys_window *w, u64 pa, size_t len)
{
    return !w->listed || w->listed(w->ctx, pa, len);
}

#endif
