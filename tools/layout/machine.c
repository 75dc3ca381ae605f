/*
 * From JSON to a checked machine; see machine.h. Keys and meaning: docs/percpu.md, `perch layout`.
 * SPDX-License-Identifier: MIT
 */
#include "tools/layout/machine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/layout_rules.h"

static bool PRINTF(2, 3) bad(struct layout_machine *m, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(m->error, sizeof(m->error), fmt, ap);
    va_end(ap);
    return false;
}

static bool check_keys(const struct json *top, struct layout_machine *m)
{
    static const char *const known[] = {"static",   "reserved", "dyn", "atom",
                                        "cpu_node", "distance", "mode"};

    if (top->type != JSON_OBJECT)
        return bad(m, "the file must hold an object, not %s", json_type_name(top->type));
    for (size_t i = 0; i < top->count; i++) {
        size_t k = 0;

        while (k < ARRAY_SIZE(known) && strcmp(known[k], top->keys[i]) != 0)
            k++;
        if (k == ARRAY_SIZE(known))
            return bad(m, "unknown key \"%.60s\"", top->keys[i]);
    }
    for (size_t k = 0; k < ARRAY_SIZE(known); k++)
        if (!json_get(top, known[k]) && strcmp(known[k], "distance") != 0 &&
            strcmp(known[k], "mode") != 0)
            return bad(m, "\"%s\" is missing", known[k]);
    return true;
}

static bool read_int(const struct json *top, const char *key, s64 *out, struct layout_machine *m)
{
    const struct json *v = json_get(top, key);

    if (v->type != JSON_INT)
        return bad(m, "\"%s\" must be an integer, not %s", key, json_type_name(v->type));
    *out = v->num;
    return true;
}

static bool read_sizes(const struct json *top, struct layout_machine *m)
{
    if (!read_int(top, "static", &m->static_size, m) ||
        !read_int(top, "reserved", &m->reserved_size, m) ||
        !read_int(top, "dyn", &m->dyn_size, m) || !read_int(top, "atom", &m->atom_size, m))
        return false;
    /* A negative number is a large one without a sign, and refused. */
    if (!layout_static_ok((u64)m->static_size))
        return bad(m, "\"static\" is %lld, must be at least 1", (long long)m->static_size);
    if (!layout_reserved_ok((u64)m->reserved_size))
        return bad(m, "\"reserved\" is %lld, must be 0 or more, and a multiple of %u",
                   (long long)m->reserved_size, LAYOUT_RESERVED_STEP);
    if (!layout_atom_ok((u64)m->atom_size))
        return bad(m, "\"atom\" is %lld, must be a power of two, %llu or more",
                   (long long)m->atom_size, (unsigned long long)PAGE_SIZE);
    return true;
}

static bool read_mode(const struct json *top, struct layout_machine *m)
{
    const struct json *v = json_get(top, "mode");

    m->page_mode = false;
    if (!v)
        return true;
    if (v->type != JSON_STRING)
        return bad(m, "\"mode\" must be a string, not %s", json_type_name(v->type));
    m->page_mode = strcmp(v->text, "page") == 0;
    if (!m->page_mode && strcmp(v->text, "embed") != 0)
        return bad(m, "\"mode\" is \"%.60s\", must be \"embed\" or \"page\"", v->text);
    return true;
}

static int compare_s64(const void *a, const void *b)
{
    s64 x = *(const s64 *)a, y = *(const s64 *)b;

    return (x > y) - (x < y);
}

/* Sorted, each number once; the count. */
static u32 sort_nodes(const struct json *cpus, s64 *nodes)
{
    u32 n = 0;

    for (size_t i = 0; i < cpus->count; i++)
        nodes[i] = cpus->items[i].num;
    qsort(nodes, cpus->count, sizeof(nodes[0]), compare_s64);
    for (size_t i = 0; i < cpus->count; i++)
        if (!n || nodes[n - 1] != nodes[i])
            nodes[n++] = nodes[i];
    return n;
}

static bool read_cpus(const struct json *top, struct layout_machine *m)
{
    const struct json *v = json_get(top, "cpu_node");
    s64 *nodes;

    if (v->type != JSON_ARRAY)
        return bad(m, "\"cpu_node\" must be an array, not %s", json_type_name(v->type));
    if (v->count < 1 || v->count > LAYOUT_MAX_CPUS)
        return bad(m, "\"cpu_node\" has %zu CPUs, must have 1 to %d", v->count, LAYOUT_MAX_CPUS);
    for (size_t i = 0; i < v->count; i++)
        if (v->items[i].type != JSON_INT)
            return bad(m, "\"cpu_node\"[%zu] must be an integer, not %s", i,
                       json_type_name(v->items[i].type));
    nodes = malloc(v->count * sizeof(*nodes));
    m->cpu_node = malloc(v->count * sizeof(*m->cpu_node));
    if (!nodes || !m->cpu_node) {
        free(nodes);
        return bad(m, "out of memory");
    }
    m->nr_cpus = (u32)v->count;
    m->nr_nodes = sort_nodes(v, nodes);
    for (size_t i = 0; i < v->count; i++) {
        const s64 *found =
            bsearch(&v->items[i].num, nodes, m->nr_nodes, sizeof(*nodes), compare_s64);

        m->cpu_node[i] = (u32)(found - nodes);
    }
    free(nodes);
    if (m->nr_nodes > LAYOUT_MAX_NODES)
        return bad(m, "\"cpu_node\" names %u nodes, at most %d are possible", m->nr_nodes,
                   LAYOUT_MAX_NODES);
    return true;
}

static bool read_distance_row(const struct json *row, u32 i, struct layout_machine *m)
{
    if (row->type != JSON_ARRAY)
        return bad(m, "\"distance\"[%u] must be an array, not %s", i, json_type_name(row->type));
    if (row->count != m->nr_nodes)
        return bad(m, "\"distance\"[%u] has %zu entries, must have one for each of %u nodes", i,
                   row->count, m->nr_nodes);
    for (u32 j = 0; j < m->nr_nodes; j++) {
        const struct json *v = &row->items[j];

        if (v->type != JSON_INT)
            return bad(m, "\"distance\"[%u][%u] must be an integer, not %s", i, j,
                       json_type_name(v->type));
        if (!layout_distance_ok(i, j, (u64)v->num))
            return bad(m, "\"distance\"[%u][%u] is %lld, must be %s", i, j, (long long)v->num,
                       i == j ? "10: a node's distance to itself" : "0 to 255");
        m->distance[(size_t)i * m->nr_nodes + j] = (u8)v->num;
    }
    return true;
}

static bool read_distance(const struct json *top, struct layout_machine *m)
{
    const struct json *v = json_get(top, "distance");

    if (!v || v->type == JSON_NULL)
        return true;
    if (v->type != JSON_ARRAY)
        return bad(m, "\"distance\" must be an array, not %s", json_type_name(v->type));
    if (v->count != m->nr_nodes)
        return bad(m, "\"distance\" has %zu rows, must have one for each of %u nodes", v->count,
                   m->nr_nodes);
    m->distance = malloc((size_t)m->nr_nodes * m->nr_nodes);
    if (!m->distance)
        return bad(m, "out of memory");
    for (u32 i = 0; i < m->nr_nodes; i++)
        if (!read_distance_row(&v->items[i], i, m))
            return false;
    return true;
}

bool layout_machine_read(const struct json *top, struct layout_machine *m)
{
    memset(m, 0, sizeof(*m));
    return check_keys(top, m) && read_sizes(top, m) && read_mode(top, m) && read_cpus(top, m) &&
           read_distance(top, m);
}

void layout_machine_free(struct layout_machine *m)
{
    free(m->cpu_node);
    free(m->distance);
    memset(m, 0, sizeof(*m));
}
