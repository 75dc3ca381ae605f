/*
 * The run-time half of -fsanitize=undefined for gcc 12 and clang 14: the functions the compilers
 * call, with the arguments and data they pass (the ABI as documented by the compilers' own emitted
 * code and by compiler-rt's interface). See ubsan.h.
 *
 * Every data block begins with the place in the source; its column is overwritten at the first
 * report, so that a place in a loop prints one line.
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

/* The heads that matter; what follows in some handlers' data is not looked at. */
struct ubsan_data {
    struct ubsan_place place;
    const struct ubsan_type *type;
};

struct ubsan_shift_data {
    struct ubsan_place place;
    const struct ubsan_type *left;
    const struct ubsan_type *right;
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

typedef unsigned long long ull;

static u32 reports;
static bool printing; /* somewhere; the log may itself contain undefined behaviour */

u32 ubsan_report_count(void)
{
    return __atomic_load_n(&reports, __ATOMIC_RELAXED);
}

/* True when the caller shall print: the first report of this place, and nobody is at it now. */
static bool begin(struct ubsan_place *place, struct ubsan_place *copy)
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

static void report(struct ubsan_place *place, const char *what, const struct ubsan_type *type,
                   u64 a, u64 b)
{
    struct ubsan_place at;

    if (!begin(place, &at))
        return;
    if (type)
        log_line(LOG_ERR, "UBSAN: %s in %s:%u:%u (type %s, values 0x%llx 0x%llx)", what, at.file,
                 at.line, at.column, type->name, (ull)a, (ull)b);
    else
        log_line(LOG_ERR, "UBSAN: %s in %s:%u:%u", what, at.file, at.line, at.column);
    __atomic_clear(&printing, __ATOMIC_RELEASE);
}

/* A function that the compiler calls, with data d of this type. Nobody else declares it. */
#define HANDLER(name, data_type, ...)                                                              \
    void __ubsan_handle_##name(struct data_type *d, ##__VA_ARGS__);                                \
    void __ubsan_handle_##name(struct data_type *d, ##__VA_ARGS__)

#define BINARY(name, what)                                                                         \
    HANDLER(name, ubsan_data, uintptr_t a, uintptr_t b)                                            \
    {                                                                                              \
        report(&d->place, what, d->type, a, b);                                                    \
    }
#define UNARY(name, what)                                                                          \
    HANDLER(name, ubsan_data, uintptr_t a)                                                         \
    {                                                                                              \
        report(&d->place, what, d->type, a, 0);                                                    \
    }
#define PLAIN(name, what)                                                                          \
    HANDLER(name, ubsan_data)                                                                      \
    {                                                                                              \
        report(&d->place, what, NULL, 0, 0);                                                       \
    }
/* d has the attribute's place; the statement's comes beside it. */
#define RETURN(name, what)                                                                         \
    HANDLER(name, ubsan_data, struct ubsan_place *place)                                           \
    {                                                                                              \
        (void)d;                                                                                   \
        report(place, what, NULL, 0, 0);                                                           \
    }
/* Called where no code follows: the compiler gave up on what comes next. */
#define NO_WAY_ON(name, what)                                                                      \
    HANDLER(name, ubsan_data)                                                                      \
    {                                                                                              \
        report(&d->place, what, NULL, 0, 0);                                                       \
        panic("UBSAN: " what);                                                                     \
    }

BINARY(add_overflow, "signed addition overflow")
BINARY(sub_overflow, "signed subtraction overflow")
BINARY(mul_overflow, "signed multiplication overflow")
UNARY(negate_overflow, "negation overflow")
BINARY(divrem_overflow, "division overflow or by zero")
UNARY(out_of_bounds, "array index out of bounds")
UNARY(load_invalid_value, "load of an invalid value")
UNARY(vla_bound_not_positive, "variable-length array bound not positive")
PLAIN(nonnull_arg, "null passed to a nonnull argument")
RETURN(nonnull_return_v1, "null returned from a nonnull function")
PLAIN(nullability_arg, "null passed to a _Nonnull argument")
RETURN(nullability_return_v1, "null returned from a _Nonnull function")
PLAIN(invalid_builtin, "zero passed to ctz() or clz()")
NO_WAY_ON(builtin_unreachable, "unreachable code reached")
NO_WAY_ON(missing_return, "function ended without a value")

HANDLER(shift_out_of_bounds, ubsan_shift_data, uintptr_t a, uintptr_t b)
{
    report(&d->place, "shift out of bounds", d->left, a, b);
}

HANDLER(type_mismatch_v1, ubsan_mismatch_data, uintptr_t pointer)
{
    const char *what = "object too small for its type";

    if (!pointer)
        what = "null pointer access";
    else if (d->log_align < 64 && pointer & ((1ULL << d->log_align) - 1))
        what = "misaligned access";
    report(&d->place, what, d->type, pointer, d->kind);
}

HANDLER(pointer_overflow, ubsan_data, uintptr_t base, uintptr_t result)
{
    (void)base; /* this data has no type to say what the numbers mean */
    (void)result;
    report(&d->place, "pointer overflow", NULL, 0, 0);
}

HANDLER(implicit_conversion, ubsan_shift_data, uintptr_t from, uintptr_t to)
{
    report(&d->place, "implicit conversion changed the value", d->left, from, to);
}

HANDLER(alignment_assumption, ubsan_assumption_data, uintptr_t pointer, uintptr_t align,
        uintptr_t offset)
{
    report(&d->place, "assumed alignment does not hold", d->type, pointer - offset, align);
}
