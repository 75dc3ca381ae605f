/*
 * Clears object memory and pages with few instructions: stores of 8 bytes, about 1.05 instructions
 * per store for a page. For most objects, a call of memset() would cost more than the stores. The
 * stores are volatile, so that the compiler does not turn the loop into a call of memset().
 * Pure; any context.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_PERCPU_CHUNK_CLEAR_H
#define PERCH_PERCPU_CHUNK_CLEAR_H

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

#define PCPU_CASES_                                                                                \
    PCPU_CASE16_(113);                                                                             \
    PCPU_CASE16_(97);                                                                              \
    PCPU_CASE16_(81);                                                                              \
    PCPU_CASE16_(65);                                                                              \
    PCPU_CASE16_(49);                                                                              \
    PCPU_CASE16_(33);                                                                              \
    PCPU_CASE16_(17);                                                                              \
    PCPU_CASE16_(1)

#define PCPU_ROW_WORDS 64u
#define PCPU_FEW_WORDS 128u

/*
 * A piece of memory in whole words: up to 128 words before mid, then rows of 64 words up to end.
 * few: the words before mid, plus 128 when there is a row.
 */
struct pcpu_piece {
    uintptr_t mid, end;
    u32 few;
};

static inline struct pcpu_piece pcpu_piece(uintptr_t start, uintptr_t end)
{
    size_t words = (end - start) / 8;

    if (words > PCPU_FEW_WORDS) {
        u32 few = (u32)(words - 1) % PCPU_ROW_WORDS + 1 + PCPU_FEW_WORDS - PCPU_ROW_WORDS;

        return (struct pcpu_piece){start + few * 8, end, few + PCPU_FEW_WORDS};
    }
    return (struct pcpu_piece){end, end, (u32)words};
}

/* Clears rows of PCPU_ROW_WORDS, at least one, up to last. */
static ALWAYS_INLINE void pcpu_clear_rows(volatile pcpu_clear_u64 *row,
                                          const volatile pcpu_clear_u64 *last)
{
    do {
        PCPU_STORE32_(row);
        PCPU_STORE32_(row + 32);
        row += PCPU_ROW_WORDS;
    } while (row != last);
}

/*
 * Clears the piece at an offset of off bytes. Jumps into a row of stores, so that all common sizes
 * have the same small overhead.
 */
static ALWAYS_INLINE void pcpu_clear_piece(const struct pcpu_piece *p, u64 off)
{
    volatile pcpu_clear_u64 *end = (pcpu_clear_u64 *)(p->mid + off);
    u32 few = p->few;

again:
    switch (few) {
        PCPU_CASES_;
    case 0:
        break;
    default:
        pcpu_clear_rows(end, (pcpu_clear_u64 *)(p->end + off));
        few -= PCPU_FEW_WORDS;
        goto again;
    }
}

/*
 * Clears one piece in each of n units (not 0), whose offsets are in units. The place where the row
 * of stores is entered is the same each time, so it is looked up once: about 8 instructions a unit
 * beside the stores.
 */
static NOINLINE UNUSED void pcpu_clear_in_units(const struct pcpu_piece *p, u64 delta,
                                                const u64 *units, u32 n)
{
    const u64 *last = units + n;
    uintptr_t mid = p->mid + delta;
    size_t rows = p->end - p->mid;
    u32 few = p->few - (rows ? PCPU_FEW_WORDS : 0);

    do {
        volatile pcpu_clear_u64 *end = (pcpu_clear_u64 *)(mid + *units++);

        if (rows)
            pcpu_clear_rows(end, end + rows / 8);
        switch (few) {
            PCPU_CASES_;
        case 0:
            break;
        default: /* few is at most PCPU_FEW_WORDS */
            __builtin_unreachable();
        }
    } while (units != last);
}

/* Clears size bytes at p, both multiples of 4. */
static NOINLINE UNUSED void pcpu_clear(void *p, size_t size)
{
    uintptr_t start = (uintptr_t)p, end = start + size;

    if (start & 4 && size) {
        *(volatile pcpu_clear_u32 *)start = 0;
        start += 4;
    }
    if (end & 4 && start < end) {
        end -= 4;
        *(volatile pcpu_clear_u32 *)end = 0;
    }
    if (start < end) {
        struct pcpu_piece piece = pcpu_piece(start, end);

        pcpu_clear_piece(&piece, 0);
    }
}

/* Clears n whole pages at p. Not inlined, because the loop is long. */
static NOINLINE UNUSED void pcpu_clear_pages(void *p, u32 n)
{
    volatile pcpu_clear_u64 *d = p, *end = d + n * (PAGE_SIZE / 8);

    for (; d != end; d += 64) {
        PCPU_STORE32_(d);
        PCPU_STORE32_(d + 32);
    }
}

#endif
