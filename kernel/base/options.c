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

/* ---- setters of one type, for the field that the table names ------------------------------- */

static bool set_bool(void *field, const char *value)
{
    static const char *const names[] = {"off", "on", NULL};
    int i = choice(names, value);

    if (i >= 0)
        *(bool *)field = i;
    return i >= 0;
}

static bool set_cpus(void *field, const char *value)
{
    u64 v;

    if (parse_u64(value, &v) || v == 0 || v > ~0U)
        return false;
    *(u32 *)field = (u32)v;
    return true;
}

static bool set_maxcpus(void *field, const char *value)
{
    return set_cpus(field, strcmp(value, "0") == 0 ? "1" : value);
}

static bool set_size(void *field, const char *value)
{
    return parse_size(value, field) == 0;
}

static bool set_text(void *field, const char *value)
{
    return copy_text(field, OPT_TEXT_MAX, value);
}

#define KEY(key_, set_)                                                                            \
    {                                                                                              \
        .key = (key_), .set = (set_)                                                               \
    }
#define FIELD(key_, set_, field_)                                                                  \
    {                                                                                              \
        .key = (key_), .set_field = (set_), .offset = offsetof(struct kernel_options, field_)      \
    }

/* Either set, or set_field for the field at offset. */
static const struct {
    const char *key;
    bool (*set)(struct kernel_options *o, const char *value);
    bool (*set_field)(void *field, const char *value);
    size_t offset;
} options[] = {
    KEY("run", set_run),
    KEY("end", set_end),
    KEY("exit", set_exit),
    KEY("console", set_console),
    KEY("percpu_alloc", set_percpu_alloc),
    FIELD("percpu_reserved", set_size, percpu_reserved),
    KEY("percpu_dyn", set_percpu_dyn),
    KEY("percpu_atom", set_percpu_atom),
    FIELD("percpu_static", set_size, percpu_static),
    FIELD("percpu_promote", set_bool, percpu_promote),
    FIELD("numa", set_bool, numa),
    FIELD("nr_cpus", set_cpus, nr_cpus),
    FIELD("possible_cpus", set_cpus, possible_cpus),
    FIELD("maxcpus", set_maxcpus, maxcpus),
    KEY("loglevel", set_loglevel),
    KEY("seed", set_seed),
    KEY("strict", set_strict),
    FIELD("hotplug", set_bool, hotplug),
    FIELD("fail", set_text, fail),
    FIELD("soak", set_text, soak),
    FIELD("lava", set_bool, lava),
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
        if (!value)
            value = "";
        if (!(options[i].set ? options[i].set(o, value)
                             : options[i].set_field((char *)o + options[i].offset, value)))
            pr_warn("command line: bad value \"%s\" for %s, ignored", value, key);
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
