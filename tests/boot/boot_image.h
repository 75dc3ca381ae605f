/*
 * Builds the memory of a pretended loader for the tests of boot/: a page-backed window at
 * IMAGE_BASE that is exactly as long as what was put into it, so that ASan sees a read beyond it.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TESTS_BOOT_BOOT_IMAGE_H
#define PERCH_TESTS_BOOT_BOOT_IMAGE_H

#include <stdlib.h>
#include "boot/boot_info.h"
#include "kernel/base/phys_window.h"
#include "kernel/base/string.h"

#define IMAGE_BASE 0x8000ULL

struct image {
    u8 *bytes; /* allocated, size bytes */
    size_t size;
};

static inline void image_resize(struct image *m, size_t size)
{
    m->bytes = realloc(m->bytes, size ? size : 1);
    if (!m->bytes)
        abort();
    if (size > m->size)
        memset(m->bytes + m->size, 0, size - m->size);
    m->size = size;
}

/* Appends, returns the offset. */
static inline size_t image_put(struct image *m, const void *data, size_t len)
{
    size_t off = m->size;

    image_resize(m, off + len);
    memcpy(m->bytes + off, data, len);
    return off;
}

static inline void image_set32(struct image *m, size_t off, u32 v)
{
    memcpy(m->bytes + off, &v, sizeof(v));
}

static inline const void *image_map(void *ctx, u64 pa, size_t len)
{
    const struct image *m = ctx;
    u64 off = pa - IMAGE_BASE;

    return pa >= IMAGE_BASE && off <= m->size && len <= m->size - off ? m->bytes + off : NULL;
}

static inline void image_free(struct image *m)
{
    free(m->bytes);
    *m = (struct image){0};
}

#endif
