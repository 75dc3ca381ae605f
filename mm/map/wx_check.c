/*
 * The W^X proof. The contract is in mm/map/wx_check.h.
 * SPDX-License-Identifier: MIT
 */
#include "mm/map/wx_check.h"
#include "kernel/base/errno.h"
#include "kernel/base/print.h"

struct wx_walk {
    const struct wx_policy *policy;
    struct wx_result *result;
};

const char *wx_kind_name(enum wx_kind kind)
{
    static const char *const names[WX_KINDS] = {
        [WX_WRITE_EXEC] = "writable and executable",
        [WX_ALIAS] = "writable alias of read-only memory",
        [WX_EXEC_OUTSIDE] = "executable outside the kernel's text",
        [WX_EXEC_MEMORY] = "executable, leads to other memory",
        [WX_USER] = "user bit set",
    };

    return kind < WX_KINDS ? names[kind] : "unknown";
}

static void found(struct wx_result *res, enum wx_kind kind, const struct pt_leaf *leaf)
{
    if (res->violations < WX_REPORTED)
        res->first[res->violations] = (struct wx_violation){kind, *leaf};
    res->violations++;
    res->by_kind[kind]++;
}

static void check_exec(const struct wx_walk *w, const struct pt_leaf *leaf)
{
    for (u32 i = 0; i < w->policy->n_exec; i++) {
        const struct wx_exec *x = &w->policy->exec[i];

        /* Inclusive ends: the leaf may be the last of the address space. */
        if (leaf->va < x->va.start || leaf->va + (leaf->size - 1) > x->va.end - 1)
            continue;
        if (leaf->pa != x->pa + (leaf->va - x->va.start))
            found(w->result, WX_EXEC_MEMORY, leaf);
        return;
    }
    found(w->result, WX_EXEC_OUTSIDE, leaf);
}

static int check_leaf(void *ctx, const struct pt_leaf *leaf)
{
    const struct wx_walk *w = ctx;
    const struct range memory = {leaf->pa, leaf->pa + leaf->size};

    w->result->leaves++;
    w->result->bytes += leaf->size;
    if ((leaf->prot & PT_W) && (leaf->prot & PT_X))
        found(w->result, WX_WRITE_EXEC, leaf);
    if (leaf->prot & PT_X) {
        w->result->exec_bytes += leaf->size;
        check_exec(w, leaf);
    }
    for (u32 i = 0; (leaf->prot & PT_W) && i < w->policy->n_ro; i++) {
        if (range_overlaps(memory, w->policy->ro[i])) {
            found(w->result, WX_ALIAS, leaf);
            break;
        }
    }
    if (leaf->user_any)
        found(w->result, WX_USER, leaf);
    return 0;
}

int wx_check(const struct pagetable *pt, const struct wx_policy *policy, struct wx_result *result)
{
    struct wx_walk w = {policy, result};
    int err;

    *result = (struct wx_result){0};
    err = pagetable_walk(pt, 0, 0, check_leaf, &w);
    if (err) {
        pr_err("wx: a page table cannot be read: error %d", err);
        return err;
    }
    for (u64 i = 0; i < MIN(result->violations, (u64)WX_REPORTED); i++) {
        const struct wx_violation *v = &result->first[i];

        pr_err("wx: 0x%016llx -> " RANGE_FMT ": %s (entry 0x%016llx)", (ull)v->leaf.va,
               (ull)v->leaf.pa, (ull)(v->leaf.pa + v->leaf.size - 1), wx_kind_name(v->kind),
               (ull)v->leaf.entry);
    }
    if (result->violations)
        pr_err("wx: %llu violations in %llu leaves", (ull)result->violations, (ull)result->leaves);
    return result->violations ? -EINVAL : 0;
}
