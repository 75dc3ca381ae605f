/*
 * What is said about a row of samples. See workloads.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/string.h"
#include "tools/linux-module/workloads.h"

static void sift(u32 *v, u32 at, u32 n)
{
    for (u32 child; (child = 2 * at + 1) < n; at = child) {
        u32 old = v[at];

        child += child + 1 < n && v[child + 1] > v[child];
        if (v[child] <= old)
            return;
        v[at] = v[child];
        v[child] = old;
    }
}

/* Heap sort: 20,000 samples, no memory of its own. */
static void sort_up(u32 *v, u32 n)
{
    for (u32 i = n / 2; i-- > 0;)
        sift(v, i, n);
    for (u32 end = n; end > 1;) {
        u32 top = v[0];

        v[0] = v[--end];
        v[end] = top;
        sift(v, 0, end);
    }
}

struct summary summary_of(u32 *samples, u32 n)
{
    struct summary s = {0};
    u64 sum = 0;

    sort_up(samples, n);
    while (n && samples[n - 1] == DISTURBED)
        n--;
    if (!n)
        return s;
    for (u32 i = 0; i < n; i++)
        sum += samples[i];
    s.n = n;
    s.mean = (u32)(sum / n);
    s.median = samples[n / 2];
    s.p99 = samples[(u64)n * 99 / 100];
    s.max = samples[n - 1];
    return s;
}

bool list_has(const char *list, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = list; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (!strncmp(at, word, len) && (at[len] == ',' || !at[len]))
            return true;
    }
    return false;
}
