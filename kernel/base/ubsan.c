/*
 * The functions that gcc 12 and clang 14 call under -fsanitize=undefined. Their arguments and data
 * are the compilers' ABI: what their code passes, and what compiler-rt's interface documents.
 *
 * Every data block begins with a place in the source. The first report overwrites its column, so
 * that a place in a loop prints one line.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/ubsan.h"

#include "kernel/base/print.h"

struct ubsan_place {
    const char *file;
    u32 line;
    u32 column;
};

struct ubsan_type {
    u16 kind;
    u16 info;
    char name[]; /* quoted by the compiler already */
};

/* The head of most data blocks. A shift's block goes on with the type of its right operand. */
struct ubsan_data {
    struct ubsan_place place;
    const struct ubsan_type *type;
};

struct ubsan_mismatch_data {
    struct ubsan_place place;
    const struct ubsan_type *type;
    u8 log_align;
    u8 kind;
};

struct ubsan_assumption_data {
    struct ubsan_place place;
    struct ubsan_place assumption;
    const struct ubsan_type *type;
};

#define REPORTED (~0U)

static u32 reports;
/*
 * Stops recursion when the log itself is undefined behaviour.
 *  - who writes: the CPU that reports: test-and-set before, clear after its line;
 *  - who reads: each CPU with a report, and that CPU again inside of its own;
 *  - which order: acquire and release, as a lock that is only tried. Who finds it set counts its
 *    report and prints nothing: the place is printed when it is next met.
 */
static bool printing;

u32 ubsan_report_count(void)
{
    return __atomic_load_n(&reports, __ATOMIC_RELAXED);
}

/* True: the caller prints. This is the place's first report, and no other report is printing. */
static bool begin_report(struct ubsan_place *place, struct ubsan_place *copy)
{
    __atomic_fetch_add(&reports, 1, __ATOMIC_RELAXED);
    if (__atomic_test_and_set(&printing, __ATOMIC_ACQUIRE))
        return false;
    *copy = *place;
    copy->column = __atomic_exchange_n(&place->column, REPORTED, __ATOMIC_RELAXED);
    if (copy->column != REPORTED)
        return true;
    __atomic_clear(&printing, __ATOMIC_RELEASE);
    return false;
}

static void print_report(struct ubsan_place *place, const char *what, const struct ubsan_type *type,
                         u64 a, u64 b)
{
    struct ubsan_place at;

    if (!begin_report(place, &at))
        return;
    if (type)
        log_line(LOG_ERR, "UBSAN: %s in %s:%u:%u (type %s, values 0x%llx 0x%llx)", what, at.file,
                 at.line, at.column, type->name, (ull)a, (ull)b);
    else
        log_line(LOG_ERR, "UBSAN: %s in %s:%u:%u", what, at.file, at.line, at.column);
    __atomic_clear(&printing, __ATOMIC_RELEASE);
}

/* A function that the compiler calls, with data d of this type. No header declares it. */
#define HANDLER(name, data_type, ...)                                                              \
    void __ubsan_handle_##name(struct data_type *d, ##__VA_ARGS__);                                \
    void __ubsan_handle_##name(struct data_type *d, ##__VA_ARGS__)

#define BINARY(name, what)                                                                         \
    HANDLER(name, ubsan_data, uintptr_t a, uintptr_t b)                                            \
    {                                                                                              \
        print_report(&d->place, what, d->type, a, b);                                              \
    }
#define UNARY(name, what)                                                                          \
    HANDLER(name, ubsan_data, uintptr_t a)                                                         \
    {                                                                                              \
        print_report(&d->place, what, d->type, a, 0);                                              \
    }
#define PLAIN(name, what)                                                                          \
    HANDLER(name, ubsan_data)                                                                      \
    {                                                                                              \
        print_report(&d->place, what, NULL, 0, 0);                                                 \
    }
/* Panics: the compiler made no code to go on with. */
#define NO_WAY_ON(name, what)                                                                      \
    HANDLER(name, ubsan_data)                                                                      \
    {                                                                                              \
        print_report(&d->place, what, NULL, 0, 0);                                                 \
        panic("UBSAN: " what);                                                                     \
    }

BINARY(add_overflow, "signed addition overflow")
BINARY(sub_overflow, "signed subtraction overflow")
BINARY(mul_overflow, "signed multiplication overflow")
UNARY(negate_overflow, "negation overflow")
BINARY(divrem_overflow, "division overflow or by zero")
BINARY(shift_out_of_bounds, "shift out of bounds")
UNARY(out_of_bounds, "array index out of bounds")
UNARY(load_invalid_value, "load of an invalid value")
UNARY(vla_bound_not_positive, "variable-length array bound not positive")
PLAIN(nonnull_arg, "null passed to a nonnull argument")
PLAIN(invalid_builtin, "zero passed to ctz() or clz()")
NO_WAY_ON(builtin_unreachable, "unreachable code reached")
NO_WAY_ON(missing_return, "function ended without a value")

HANDLER(type_mismatch_v1, ubsan_mismatch_data, uintptr_t pointer)
{
    const char *what = "object too small for its type";

    if (!pointer)
        what = "null pointer access";
    else if (d->log_align < 64 && pointer & ((1ULL << d->log_align) - 1))
        what = "misaligned access";
    print_report(&d->place, what, d->type, pointer, d->kind);
}

/* d has the attribute's place, the second argument the return statement's. */
HANDLER(nonnull_return_v1, ubsan_data, struct ubsan_place *place)
{
    (void)d;
    print_report(place, "null returned from a nonnull function", NULL, 0, 0);
}

HANDLER(pointer_overflow, ubsan_data, uintptr_t base, uintptr_t result)
{
    (void)base; /* not printed: without a type the numbers mean little */
    (void)result;
    print_report(&d->place, "pointer overflow", NULL, 0, 0);
}

HANDLER(alignment_assumption, ubsan_assumption_data, uintptr_t pointer, uintptr_t align,
        uintptr_t offset)
{
    print_report(&d->place, "assumed alignment does not hold", d->type, pointer - offset, align);
}
