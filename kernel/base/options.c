/*
 * The keys of the command line, as a table of setters. A setter gets the field that the table names
 * for its key. It returns false for a bad value, and has changed nothing then.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/cmdline.h"

#include "kernel/base/events.h"
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

/*
 * Writes first + the index of value in names, a NULL-terminated list, to a bool or an enum of size
 * bytes (little endian). False: value is not in the list.
 */
static bool set_choice(void *field, size_t size, u32 first, const char *const *names,
                       const char *value)
{
    for (u32 i = first; *names; i++, names++) {
        if (strcmp(*names, value) == 0) {
            memcpy(field, &i, size);
            return true;
        }
    }
    return false;
}

static bool set_run(void *field, const char *value)
{
    static const char *const names[] = {"report", "tables", "test", "bench", "shell", NULL};
    const char *list = value;
    char item[OPT_RUN_MAX];
    u32 index;

    if (!*value)
        return false;
    while (list_next(&list, item, sizeof(item))) {
        char *colon = strchr(item, ':');

        if (colon)
            *colon = '\0';
        if (!set_choice(&index, sizeof(index), 0, names, item))
            return false;
        if (colon && strcmp(item, "test") != 0 && strcmp(item, "bench") != 0)
            return false; /* only these two take a glob */
    }
    return copy_text(field, OPT_RUN_MAX, value);
}

static bool set_end(void *field, const char *value)
{
    static const char *const names[] = {"poweroff", "reset", "halt", "shell", "wait", NULL};

    return set_choice(field, sizeof(enum option_end), END_POWEROFF, names, value);
}

static bool set_exit(void *field, const char *value)
{
    static const char *const names[] = {"off", "isa-debug", NULL};

    return set_choice(field, sizeof(bool), 0, names, value);
}

static bool set_console(void *options, const char *value)
{
    struct kernel_options *o = options;

    if (!*value || o->n_consoles == OPT_MAX_CONSOLES ||
        !copy_text(o->consoles[o->n_consoles], OPT_TEXT_MAX, value))
        return false;
    o->n_consoles++;
    return true;
}

static bool set_percpu_alloc(void *field, const char *value)
{
    static const char *const names[] = {"auto", "embed", "page", NULL};

    return set_choice(field, sizeof(enum option_percpu_alloc), PERCPU_ALLOC_AUTO, names, value);
}

static bool set_percpu_dyn(void *field, const char *value)
{
    s64 *dyn = field;
    u64 v;

    if (strcmp(value, "auto") == 0) {
        *dyn = -1;
        return true;
    }
    if (parse_size(value, &v) || v > (u64)INT64_MAX)
        return false;
    *dyn = (s64)v;
    return true;
}

/* A power of two, because the layout computes with masks. */
static bool set_percpu_atom(void *field, const char *value)
{
    u64 v;

    if (parse_size(value, &v) || !is_pow2(v) || v < PAGE_SIZE)
        return false;
    *(u64 *)field = v;
    return true;
}

static bool set_loglevel(void *field, const char *value)
{
    u64 v;

    if (parse_u64(value, &v) || v > LOG_DEBUG + 1)
        return false;
    *(u32 *)field = (u32)v;
    return true;
}

static bool set_seed(void *options, const char *value)
{
    struct kernel_options *o = options;

    if (parse_u64(value, &o->seed))
        return false;
    o->has_seed = true;
    return true;
}

static bool set_strict(void *field, const char *value)
{
    if (strcmp(value, "firmware") != 0)
        return false;
    *(bool *)field = true;
    return true;
}

static bool set_bool(void *field, const char *value)
{
    static const char *const names[] = {"off", "on", NULL};

    return set_choice(field, sizeof(bool), 0, names, value);
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

/* A list of ids of events.h. */
static bool set_events(void *field, const char *value)
{
    u64 ids = 0;
    char item[OPT_TEXT_MAX];

    while (list_next(&value, item, sizeof(item))) {
        enum event_id id = event_find(item);

        if (id == EVENT_NR_IDS)
            return false;
        ids |= 1ULL << id;
    }
    if (!ids)
        return false;
    *(u64 *)field = ids;
    return true;
}

static bool set_size(void *field, const char *value)
{
    return parse_size(value, field) == 0;
}

static bool set_text(void *field, const char *value)
{
    return copy_text(field, OPT_TEXT_MAX, value);
}

#define FIELD(key_, set_, field_)                                                                  \
    {                                                                                              \
        (key_), (set_), offsetof(struct kernel_options, field_)                                    \
    }

static const struct {
    const char *key;
    bool (*set)(void *field, const char *value);
    size_t offset; /* of the field; 0: the setter gets the whole struct */
} options[] = {
    FIELD("run", set_run, run),
    FIELD("end", set_end, end),
    FIELD("exit", set_exit, exit_isa_debug),
    {"console", set_console, 0},
    FIELD("percpu_alloc", set_percpu_alloc, percpu_alloc),
    FIELD("percpu_reserved", set_size, percpu_reserved),
    FIELD("percpu_dyn", set_percpu_dyn, percpu_dyn),
    FIELD("percpu_atom", set_percpu_atom, percpu_atom),
    FIELD("percpu_static", set_size, percpu_static),
    FIELD("percpu_promote", set_bool, percpu_promote),
    FIELD("numa", set_bool, numa),
    FIELD("nr_cpus", set_cpus, nr_cpus),
    FIELD("possible_cpus", set_cpus, possible_cpus),
    FIELD("maxcpus", set_maxcpus, maxcpus),
    FIELD("loglevel", set_loglevel, loglevel),
    {"seed", set_seed, 0},
    FIELD("events", set_events, events),
    FIELD("strict", set_strict, strict_firmware),
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
        if (!options[i].set((char *)o + options[i].offset, value))
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
