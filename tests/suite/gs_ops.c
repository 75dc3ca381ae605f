/*
 * One function per this_cpu_* operation, operand size and kind of operand, for
 * tests/tools/test_gs_disasm.py to disassemble: gsop_OP_BYTES_KIND. They are never called. KIND is
 * "var" (a static variable, argument in a register), "imm" (the same, constant argument) or "ptr"
 * (what a dynamic per-CPU pointer leads to). localop_OP: the operations of percpu/sync/local.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/cpu_local.h"
#include "percpu/sync/local.h"

DEFINE_PER_CPU(u8, gsop_var_1);
DEFINE_PER_CPU(u16, gsop_var_2);
DEFINE_PER_CPU(u32, gsop_var_4);
DEFINE_PER_CPU(u64, gsop_var_8);

#define KEPT __attribute__((used, noinline))

/* Prototypes keep -Wmissing-prototypes quiet where it is on, and the functions in the image. */
#define STORE_OP(op, n, type)                                                                      \
    KEPT void gsop_##op##_##n##_var(type x);                                                       \
    void gsop_##op##_##n##_var(type x)                                                             \
    {                                                                                              \
        this_cpu_##op(gsop_var_##n, x);                                                            \
    }                                                                                              \
    KEPT void gsop_##op##_##n##_imm(void);                                                         \
    void gsop_##op##_##n##_imm(void)                                                               \
    {                                                                                              \
        this_cpu_##op(gsop_var_##n, 7);                                                            \
    }                                                                                              \
    KEPT void gsop_##op##_##n##_ptr(type *p, type x);                                              \
    void gsop_##op##_##n##_ptr(type *p, type x)                                                    \
    {                                                                                              \
        this_cpu_##op(*p, x);                                                                      \
    }

#define UNARY_OP(op, n, type)                                                                      \
    KEPT void gsop_##op##_##n##_var(void);                                                         \
    void gsop_##op##_##n##_var(void)                                                               \
    {                                                                                              \
        this_cpu_##op(gsop_var_##n);                                                               \
    }                                                                                              \
    KEPT void gsop_##op##_##n##_ptr(type *p);                                                      \
    void gsop_##op##_##n##_ptr(type *p)                                                            \
    {                                                                                              \
        this_cpu_##op(*p);                                                                         \
    }

#define READ_OP(n, type)                                                                           \
    KEPT type gsop_read_##n##_var(void);                                                           \
    type gsop_read_##n##_var(void)                                                                 \
    {                                                                                              \
        return this_cpu_read(gsop_var_##n);                                                        \
    }                                                                                              \
    KEPT type gsop_read_##n##_ptr(type *p);                                                        \
    type gsop_read_##n##_ptr(type *p)                                                              \
    {                                                                                              \
        return this_cpu_read(*p);                                                                  \
    }

#define VALUE_OP(op, n, type)                                                                      \
    KEPT type gsop_##op##_##n##_var(type x);                                                       \
    type gsop_##op##_##n##_var(type x)                                                             \
    {                                                                                              \
        return this_cpu_##op(gsop_var_##n, x);                                                     \
    }                                                                                              \
    KEPT type gsop_##op##_##n##_imm(void);                                                         \
    type gsop_##op##_##n##_imm(void)                                                               \
    {                                                                                              \
        return this_cpu_##op(gsop_var_##n, 7);                                                     \
    }                                                                                              \
    KEPT type gsop_##op##_##n##_ptr(type *p, type x);                                              \
    type gsop_##op##_##n##_ptr(type *p, type x)                                                    \
    {                                                                                              \
        return this_cpu_##op(*p, x);                                                               \
    }

#define CMPXCHG_OP(n, type)                                                                        \
    KEPT type gsop_cmpxchg_##n##_var(type a, type b);                                              \
    type gsop_cmpxchg_##n##_var(type a, type b)                                                    \
    {                                                                                              \
        return this_cpu_cmpxchg(gsop_var_##n, a, b);                                               \
    }                                                                                              \
    KEPT type gsop_cmpxchg_##n##_ptr(type *p, type a, type b);                                     \
    type gsop_cmpxchg_##n##_ptr(type *p, type a, type b)                                           \
    {                                                                                              \
        return this_cpu_cmpxchg(*p, a, b);                                                         \
    }                                                                                              \
    KEPT bool gsop_try_cmpxchg_##n##_var(type *old, type b);                                       \
    bool gsop_try_cmpxchg_##n##_var(type *old, type b)                                             \
    {                                                                                              \
        return this_cpu_try_cmpxchg(gsop_var_##n, old, b);                                         \
    }                                                                                              \
    KEPT bool gsop_try_cmpxchg_##n##_ptr(type *p, type *old, type b);                              \
    bool gsop_try_cmpxchg_##n##_ptr(type *p, type *old, type b)                                    \
    {                                                                                              \
        return this_cpu_try_cmpxchg(*p, old, b);                                                   \
    }

#define ALL_OPS(n, type)                                                                           \
    READ_OP(n, type)                                                                               \
    STORE_OP(write, n, type)                                                                       \
    STORE_OP(add, n, type)                                                                         \
    STORE_OP(sub, n, type)                                                                         \
    STORE_OP(and, n, type)                                                                         \
    STORE_OP(or, n, type)                                                                          \
    UNARY_OP(inc, n, type)                                                                         \
    UNARY_OP(dec, n, type)                                                                         \
    VALUE_OP(xchg, n, type)                                                                        \
    VALUE_OP(add_return, n, type)                                                                  \
    CMPXCHG_OP(n, type)

ALL_OPS(1, u8)
ALL_OPS(2, u16)
ALL_OPS(4, u32)
ALL_OPS(8, u64)

#define LOCAL_OP(type, op, params, ...)                                                            \
    KEPT type localop_##op params;                                                                 \
    type localop_##op params                                                                       \
    {                                                                                              \
        return local_##op(__VA_ARGS__);                                                            \
    }

LOCAL_OP(s64, read, (const local_t *l), l)
LOCAL_OP(void, set, (local_t * l, s64 i), l, i)
LOCAL_OP(void, inc, (local_t * l), l)
LOCAL_OP(void, dec, (local_t * l), l)
LOCAL_OP(void, add, (local_t * l, s64 i), l, i)
LOCAL_OP(void, sub, (local_t * l, s64 i), l, i)
LOCAL_OP(bool, sub_and_test, (local_t * l, s64 i), l, i)
LOCAL_OP(bool, dec_and_test, (local_t * l), l)
LOCAL_OP(bool, inc_and_test, (local_t * l), l)
LOCAL_OP(bool, add_negative, (local_t * l, s64 i), l, i)
LOCAL_OP(s64, add_return, (local_t * l, s64 i), l, i)
LOCAL_OP(s64, sub_return, (local_t * l, s64 i), l, i)
LOCAL_OP(s64, cmpxchg, (local_t * l, s64 a, s64 b), l, a, b)
LOCAL_OP(s64, xchg, (local_t * l, s64 i), l, i)
LOCAL_OP(bool, inc_not_zero, (local_t * l), l)
