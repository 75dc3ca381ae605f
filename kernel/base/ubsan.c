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

void __ubsan_handle_add_overflow(struct ubsan_data *d, uintptr_t a, uintptr_t b);
void __ubsan_handle_sub_overflow(struct ubsan_data *d, uintptr_t a, uintptr_t b);
void __ubsan_handle_mul_overflow(struct ubsan_data *d, uintptr_t a, uintptr_t b);
void __ubsan_handle_negate_overflow(struct ubsan_data *d, uintptr_t a);
void __ubsan_handle_divrem_overflow(struct ubsan_data *d, uintptr_t a, uintptr_t b);
void __ubsan_handle_shift_out_of_bounds(struct ubsan_shift_data *d, uintptr_t a, uintptr_t b);
void __ubsan_handle_out_of_bounds(struct ubsan_data *d, uintptr_t index);
void __ubsan_handle_type_mismatch_v1(struct ubsan_mismatch_data *d, uintptr_t pointer);
void __ubsan_handle_load_invalid_value(struct ubsan_data *d, uintptr_t value);
void __ubsan_handle_vla_bound_not_positive(struct ubsan_data *d, uintptr_t bound);
void __ubsan_handle_pointer_overflow(struct ubsan_data *d, uintptr_t base, uintptr_t result);
void __ubsan_handle_nonnull_arg(struct ubsan_data *d);
void __ubsan_handle_nonnull_return_v1(struct ubsan_data *d, struct ubsan_place *place);
void __ubsan_handle_nullability_arg(struct ubsan_data *d);
void __ubsan_handle_nullability_return_v1(struct ubsan_data *d, struct ubsan_place *place);
void __ubsan_handle_invalid_builtin(struct ubsan_data *d);
void __ubsan_handle_implicit_conversion(struct ubsan_shift_data *d, uintptr_t from, uintptr_t to);
void __ubsan_handle_alignment_assumption(struct ubsan_assumption_data *d, uintptr_t pointer,
                                         uintptr_t align, uintptr_t offset);
void __ubsan_handle_builtin_unreachable(struct ubsan_data *d) NORETURN;
void __ubsan_handle_missing_return(struct ubsan_data *d) NORETURN;

void __ubsan_handle_add_overflow(struct ubsan_data *d, uintptr_t a, uintptr_t b)
{
    report(&d->place, "signed addition overflow", d->type, a, b);
}

void __ubsan_handle_sub_overflow(struct ubsan_data *d, uintptr_t a, uintptr_t b)
{
    report(&d->place, "signed subtraction overflow", d->type, a, b);
}

void __ubsan_handle_mul_overflow(struct ubsan_data *d, uintptr_t a, uintptr_t b)
{
    report(&d->place, "signed multiplication overflow", d->type, a, b);
}

void __ubsan_handle_negate_overflow(struct ubsan_data *d, uintptr_t a)
{
    report(&d->place, "negation overflow", d->type, a, 0);
}

void __ubsan_handle_divrem_overflow(struct ubsan_data *d, uintptr_t a, uintptr_t b)
{
    report(&d->place, "division overflow or by zero", d->type, a, b);
}

void __ubsan_handle_shift_out_of_bounds(struct ubsan_shift_data *d, uintptr_t a, uintptr_t b)
{
    report(&d->place, "shift out of bounds", d->left, a, b);
}

void __ubsan_handle_out_of_bounds(struct ubsan_data *d, uintptr_t index)
{
    report(&d->place, "array index out of bounds", d->type, index, 0);
}

void __ubsan_handle_type_mismatch_v1(struct ubsan_mismatch_data *d, uintptr_t pointer)
{
    const char *what = "object too small for its type";

    if (!pointer)
        what = "null pointer access";
    else if (d->log_align < 64 && pointer & ((1ULL << d->log_align) - 1))
        what = "misaligned access";
    report(&d->place, what, d->type, pointer, d->kind);
}

void __ubsan_handle_load_invalid_value(struct ubsan_data *d, uintptr_t value)
{
    report(&d->place, "load of an invalid value", d->type, value, 0);
}

void __ubsan_handle_vla_bound_not_positive(struct ubsan_data *d, uintptr_t bound)
{
    report(&d->place, "variable-length array bound not positive", d->type, bound, 0);
}

void __ubsan_handle_pointer_overflow(struct ubsan_data *d, uintptr_t base, uintptr_t result)
{
    (void)base; /* this data has no type to say what the numbers mean */
    (void)result;
    report(&d->place, "pointer overflow", NULL, 0, 0);
}

void __ubsan_handle_nonnull_arg(struct ubsan_data *d)
{
    report(&d->place, "null passed to a nonnull argument", NULL, 0, 0);
}

void __ubsan_handle_nonnull_return_v1(struct ubsan_data *d, struct ubsan_place *place)
{
    (void)d; /* the attribute's place; the statement's comes beside it */
    report(place, "null returned from a nonnull function", NULL, 0, 0);
}

void __ubsan_handle_nullability_arg(struct ubsan_data *d)
{
    report(&d->place, "null passed to a _Nonnull argument", NULL, 0, 0);
}

void __ubsan_handle_nullability_return_v1(struct ubsan_data *d, struct ubsan_place *place)
{
    (void)d;
    report(place, "null returned from a _Nonnull function", NULL, 0, 0);
}

void __ubsan_handle_invalid_builtin(struct ubsan_data *d)
{
    report(&d->place, "zero passed to ctz() or clz()", NULL, 0, 0);
}

void __ubsan_handle_implicit_conversion(struct ubsan_shift_data *d, uintptr_t from, uintptr_t to)
{
    report(&d->place, "implicit conversion changed the value", d->left, from, to);
}

void __ubsan_handle_alignment_assumption(struct ubsan_assumption_data *d, uintptr_t pointer,
                                         uintptr_t align, uintptr_t offset)
{
    report(&d->place, "assumed alignment does not hold", d->type, pointer - offset, align);
}

/* These two are called where no code follows: the compiler gave up on what comes next. */
void __ubsan_handle_builtin_unreachable(struct ubsan_data *d)
{
    report(&d->place, "unreachable code reached", NULL, 0, 0);
    panic("UBSAN: unreachable code reached");
}

void __ubsan_handle_missing_return(struct ubsan_data *d)
{
    report(&d->place, "function ended without a value", NULL, 0, 0);
    panic("UBSAN: function ended without a value");
}
