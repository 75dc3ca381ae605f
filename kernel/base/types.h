/*
 * Fixed-width names, attributes and small arithmetic that every file of Perch may use.
 * Needs only the freestanding C headers, so it means the same in the kernel and in a hosted test.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_TYPES_H
#define PERCH_BASE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;
typedef unsigned long long ull; /* what %llx and %llu take: a u64 may be a long */

/* A physical address is a u64; a virtual address as a number is a uintptr_t. */

#define static_assert _Static_assert

#define PACKED        __attribute__((packed))
#define ALIGNED(n)    __attribute__((aligned(n)))
#define NORETURN      __attribute__((noreturn))
#define NOINLINE      __attribute__((noinline))
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define MUST_CHECK    __attribute__((warn_unused_result))
#define UNUSED        __attribute__((unused))
#define SECTION(s)    __attribute__((section(s), used))
#define PRINTF(f, a)  __attribute__((format(printf, f, a)))

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define PAGE_SHIFT 12
#define PAGE_SIZE  4096ULL
#define SZ_1K      0x400ULL
#define SZ_1M      0x100000ULL
#define SZ_2M      0x200000ULL
#define SZ_1G      0x40000000ULL
#define SZ_4G      0x100000000ULL

/* Limits of the kernel; the layout code takes its sizes as arguments. */
#define NR_CPUS   4096
#define MAX_NODES 1024

#define NODE_NONE (-1)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* align is a power of two; align_up(x) wraps when x is within align of the type's end. */
static inline u64 align_down(u64 x, u64 align)
{
    return x & ~(align - 1);
}

static inline u64 align_up(u64 x, u64 align)
{
    return (x + align - 1) & ~(align - 1);
}

static inline bool is_aligned(u64 x, u64 align)
{
    return (x & (align - 1)) == 0;
}

static inline bool is_pow2(u64 x)
{
    return x && !(x & (x - 1));
}

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#endif
