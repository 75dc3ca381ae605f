/*
 * Clearing of object memory and of pages, for everybody in percpu/: few instructions for few bytes
 * as for many. Plain stores of 8 bytes, about 1.05 instructions per 8 bytes for a page, and no
 * call: most of what is cleared is smaller than what memset() needs to get going. The stores are
 * volatile, because the compiler would make a call of memset() out of such a loop.
 * Pure; any context.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_CLEAR_H
#define PERCH_PERCPU_CLEAR_H

#include "kernel/base/types.h"

typedef u64 __attribute__((may_alias)) pcpu_clear_u64;
typedef u32 __attribute__((may_alias)) pcpu_clear_u32;

#define PCPU_STORE8_(p)                                                                            \
    do {                                                                                           \
        (p)[0] = 0;                                                                                \
        (p)[1] = 0;                                                                                \
        (p)[2] = 0;                                                                                \
        (p)[3] = 0;                                                                                \
        (p)[4] = 0;                                                                                \
        (p)[5] = 0;                                                                                \
        (p)[6] = 0;                                                                                \
        (p)[7] = 0;                                                                                \
    } while (0)

#define PCPU_STORE32_(p)                                                                           \
    do {                                                                                           \
        PCPU_STORE8_(p);                                                                           \
        PCPU_STORE8_((p) + 8);                                                                     \
        PCPU_STORE8_((p) + 16);                                                                    \
        PCPU_STORE8_((p) + 24);                                                                    \
    } while (0)

#define PCPU_CASE_(n)                                                                              \
    case n:                                                                                        \
        end[-(n)] = 0;                                                                             \
        __attribute__((fallthrough))
#define PCPU_CASE4_(n)                                                                             \
    PCPU_CASE_((n) + 3);                                                                           \
    PCPU_CASE_((n) + 2);                                                                           \
    PCPU_CASE_((n) + 1);                                                                           \
    PCPU_CASE_(n)
#define PCPU_CASE16_(n)                                                                            \
    PCPU_CASE4_((n) + 12);                                                                         \
    PCPU_CASE4_((n) + 8);                                                                          \
    PCPU_CASE4_((n) + 4);                                                                          \
    PCPU_CASE4_(n)

/*
 * The n words before end: a jump into a row of stores, so that an object of any common size costs
 * the same few instructions around its stores.
 */
static ALWAYS_INLINE void pcpu_clear_words(volatile pcpu_clear_u64 *end, size_t n)
{
    for (; n > 64; n -= 64) {
        end -= 64;
        PCPU_STORE32_(end);
        PCPU_STORE32_(end + 32);
    }
    switch (n) {
        PCPU_CASE16_(49);
        PCPU_CASE16_(33);
        PCPU_CASE16_(17);
        PCPU_CASE16_(1);
    default:
        break;
    }
}

/* size bytes at p, both multiples of 4. */
static NOINLINE UNUSED void pcpu_clear(void *p, size_t size)
{
    if (((uintptr_t)p & 4) && size) {
        *(volatile pcpu_clear_u32 *)p = 0;
        p = (u8 *)p + 4;
        size -= 4;
    }
    if (size & 4)
        *(volatile pcpu_clear_u32 *)((u8 *)p + size - 4) = 0;
    size &= ~(size_t)7;
    pcpu_clear_words((pcpu_clear_u64 *)((u8 *)p + size), size / 8);
}

/* n whole pages at p. A function of its own: the loop is half a page of code. */
static NOINLINE UNUSED void pcpu_clear_pages(void *p, u32 n)
{
    volatile pcpu_clear_u64 *d = p, *end = d + n * (PAGE_SIZE / 8);

    for (; d != end; d += 64) {
        PCPU_STORE32_(d);
        PCPU_STORE32_(d + 32);
    }
}

static inline void pcpu_clear_page(void *p)
{
    pcpu_clear_pages(p, 1);
}

#endif
