/*
 * The keys of the command line, as a table of setters. A setter returns false for a value it does
 * not take, and then has changed nothing.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/cmdline.h"

#include "kernel/base/print.h"
#include "kernel/base/printf.h"
#include "kernel/base/string.h"

static bool copy_text(char *out, size_t size, const char *value)
{
    if (strlen(value) >= size)
        return false;
    memcpy(out, value, strlen(value) + 1);
    return true;
}

/* The index of value in a NULL-terminated list; -1 when it is not there. */
static int choice(const char *const *names, const char *value)
{
    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], value) == 0)
            return i;
    return -1;
}

static bool set_bool(bool *out, const char *value)
{
    static const char *const names[] = {"off", "on", NULL};
    int i = choice(names, value);

    if (i >= 0)
        *out = i;
    return i >= 0;
}

static bool set_cpus(u32 *out, const char *value)
{
    u64 v;

    if (parse_u64(value, &v) || v == 0 || v > ~0U)
        return false;
    *out = (u32)v;
    return true;
}

static bool set_run(struct kernel_options *o, const char *value)
{
    static const char *const names[] = {"report", "tables", "test", "bench", "shell", NULL};
    const char *list = value;
    char item[sizeof(o->run)];

    if (!*value)
        return false;
    while (list_next(&list, item, sizeof(item))) {
        char *colon = strchr(item, ':');

        if (colon)
            *colon = '\0';
        if (choice(names, item) < 0)
            return false;
        if (colon && strcmp(item, "test") != 0 && strcmp(item, "bench") != 0)
            return false; /* only these two take a glob */
    }
    return copy_text(o->run, sizeof(o->run), value);
}

static bool set_end(struct kernel_options *o, const char *value)
{
    static const char *const names[] = {"poweroff", "reset", "halt", "shell", "wait", NULL};
    int i = choice(names, value);

    if (i >= 0)
        o->end = END_POWEROFF + (enum option_end)i;
    return i >= 0;
}

static bool set_exit(struct kernel_options *o, const char *value)
{
    static const char *const names[] = {"off", "isa-debug", NULL};
    int i = choice(names, value);

    if (i >= 0)
        o->exit_isa_debug = i;
    return i >= 0;
}

static bool set_console(struct kernel_options *o, const char *value)
{
    if (!*value || o->n_consoles == OPT_MAX_CONSOLES ||
        !copy_text(o->consoles[o->n_consoles], OPT_TEXT_MAX, value))
        return false;
    o->n_consoles++;
    return true;
}

static bool set_percpu_alloc(struct kernel_options *o, const char *value)
{
    static const char *const names[] = {"auto", "embed", "page", NULL};
    int i = choice(names, value);

    if (i >= 0)
        o->percpu_alloc = (enum option_percpu_alloc)i;
    return i >= 0;
}

static bool set_percpu_reserved(struct kernel_options *o, const char *value)
{
    return parse_size(value, &o->percpu_reserved) == 0;
}

static bool set_percpu_dyn(struct kernel_options *o, const char *value)
{
    u64 v;

    if (strcmp(value, "auto") == 0) {
        o->percpu_dyn = -1;
        return true;
    }
    if (parse_size(value, &v) || v > (u64)INT64_MAX)
        return false;
    o->percpu_dyn = (s64)v;
    return true;
}

/* The layout computes with masks: an atom is a power of two of at least a page. */
static bool set_percpu_atom(struct kernel_options *o, const char *value)
{
    u64 v;

    if (parse_size(value, &v) || !is_pow2(v) || v < PAGE_SIZE)
        return false;
    o->percpu_atom = v;
    return true;
}

static bool set_percpu_static(struct kernel_options *o, const char *value)
{
    return parse_size(value, &o->percpu_static) == 0;
}

static bool set_percpu_promote(struct kernel_options *o, const char *value)
{
    return set_bool(&o->percpu_promote, value);
}

static bool set_numa(struct kernel_options *o, const char *value)
{
    return set_bool(&o->numa, value);
}

static bool set_nr_cpus(struct kernel_options *o, const char *value)
{
    return set_cpus(&o->nr_cpus, value);
}

static bool set_possible_cpus(struct kernel_options *o, const char *value)
{
    return set_cpus(&o->possible_cpus, value);
}

static bool set_maxcpus(struct kernel_options *o, const char *value)
{
    return set_cpus(&o->maxcpus, strcmp(value, "0") == 0 ? "1" : value);
}

static bool set_loglevel(struct kernel_options *o, const char *value)
{
    u64 v;

    if (parse_u64(value, &v) || v > LOG_DEBUG + 1)
        return false;
    o->loglevel = (u32)v;
    return true;
}

static bool set_seed(struct kernel_options *o, const char *value)
{
    if (parse_u64(value, &o->seed))
        return false;
    o->has_seed = true;
    return true;
}

static bool set_strict(struct kernel_options *o, const char *value)
{
    if (strcmp(value, "firmware") != 0)
        return false;
    o->strict_firmware = true;
    return true;
}

static bool set_hotplug(struct kernel_options *o, const char *value)
{
    return set_bool(&o->hotplug, value);
}

static bool set_fail(struct kernel_options *o, const char *value)
{
    return copy_text(o->fail, sizeof(o->fail), value);
}

static bool set_soak(struct kernel_options *o, const char *value)
{
    return copy_text(o->soak, sizeof(o->soak), value);
}

static bool set_lava(struct kernel_options *o, const char *value)
{
    return set_bool(&o->lava, value);
}

static const struct {
    const char *key;
    bool (*set)(struct kernel_options *o, const char *value);
} options[] = {
    {"run", set_run},
    {"end", set_end},
    {"exit", set_exit},
    {"console", set_console},
    {"percpu_alloc", set_percpu_alloc},
    {"percpu_reserved", set_percpu_reserved},
    {"percpu_dyn", set_percpu_dyn},
    {"percpu_atom", set_percpu_atom},
    {"percpu_static", set_percpu_static},
    {"percpu_promote", set_percpu_promote},
    {"numa", set_numa},
    {"nr_cpus", set_nr_cpus},
    {"possible_cpus", set_possible_cpus},
    {"maxcpus", set_maxcpus},
    {"loglevel", set_loglevel},
    {"seed", set_seed},
    {"strict", set_strict},
    {"hotplug", set_hotplug},
    {"fail", set_fail},
    {"soak", set_soak},
    {"lava", set_lava},
};

static void set_defaults(struct kernel_options *o)
{
    memset(o, 0, sizeof(*o));
    copy_text(o->run, sizeof(o->run), "report,test");
    o->percpu_reserved = 8 * SZ_1K;
    o->percpu_dyn = 28 * SZ_1K;
    o->percpu_atom = SZ_2M;
    o->percpu_promote = true;
    o->numa = true;
    o->loglevel = LOG_INFO;
}

static void apply(struct kernel_options *o, const char *key, const char *value)
{
    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        if (strcmp(options[i].key, key) != 0)
            continue;
        if (!options[i].set(o, value ? value : ""))
            pr_warn("command line: bad value \"%s\" for %s, ignored", value ? value : "", key);
        return;
    }
    pr_warn("command line: unknown key \"%s\", ignored", key);
}

void kernel_options_parse(struct kernel_options *o, const char *cmdline)
{
    struct cmdline c;

    set_defaults(o);
    cmdline_parse(&c, cmdline ? cmdline : "");
    for (u32 i = 0; i < c.count; i++)
        apply(o, c.words[i].key, c.words[i].value);
}

bool kernel_options_run(const struct kernel_options *o, const char *what, char *glob, size_t size)
{
    const char *list = o->run;
    char item[sizeof(o->run)];

    while (list_next(&list, item, sizeof(item))) {
        char *colon = strchr(item, ':');

        if (colon)
            *colon = '\0';
        if (strcmp(item, what) != 0)
            continue;
        if (glob)
            kscnprintf(glob, size, "%s", colon ? colon + 1 : "");
        return true;
    }
    return false;
}
