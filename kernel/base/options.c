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
        if (colon && ((strcmp(item, "test") != 0 && strcmp(item, "bench") != 0) || !colon[1]))
            return false; /* only these two take a glob, and an empty one would match nothing */
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
    if (parse_size(value, &v) || v < 20 * SZ_1K || v > SZ_1M)
        return false;
    *dyn = (s64)v;
    return true;
}

/* A power of two, because the layout computes with masks. */
static bool set_percpu_atom(void *field, const char *value)
{
    u64 v;

    if (parse_size(value, &v) || !is_pow2(v) || v < PAGE_SIZE || v > 16 * SZ_1M)
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

/* The first chunk needs multiples of its granule; 1 MiB is more than any kernel's static area. */
static bool set_area(void *field, const char *value)
{
    u64 v;

    if (parse_size(value, &v) || v % 8 != 0 || v > SZ_1M)
        return false;
    *(u64 *)field = v;
    return true;
}

static bool set_text(void *field, const char *value)
{
    return *value && copy_text(field, OPT_TEXT_MAX, value);
}

#define FIELD(key_, set_, field_, takes_)                                                          \
    {                                                                                              \
        (key_), (set_), offsetof(struct kernel_options, field_), (takes_)                          \
    }

static const struct {
    const char *key;
    bool (*set)(void *field, const char *value);
    size_t offset;     /* of the field; 0: the setter gets the whole struct */
    const char *takes; /* the values it accepts, for a user */
} options[] = {
    FIELD("run", set_run, run, "a list of report, test, test:GLOB, bench, bench:GLOB"),
    FIELD("end", set_end, end, "poweroff, reset, halt, shell, wait"),
    FIELD("exit", set_exit, exit_isa_debug, "isa-debug, off"),
    {"console", set_console, 0, "up to 8 of 1 to 63 characters each"},
    FIELD("percpu_alloc", set_percpu_alloc, percpu_alloc, "auto, embed, page"),
    FIELD("percpu_reserved", set_area, percpu_reserved, "0 to 1M, a multiple of 8"),
    FIELD("percpu_dyn", set_percpu_dyn, percpu_dyn, "auto, 20K to 1M"),
    FIELD("percpu_atom", set_percpu_atom, percpu_atom, "a power of 2, 4K to 16M"),
    FIELD("percpu_static", set_area, percpu_static, "0 to 1M, a multiple of 8"),
    FIELD("percpu_promote", set_bool, percpu_promote, "on, off"),
    FIELD("numa", set_bool, numa, "on, off"),
    FIELD("nr_cpus", set_cpus, nr_cpus, "1 to 4294967295"),
    FIELD("possible_cpus", set_cpus, possible_cpus, "1 to 4294967295"),
    FIELD("maxcpus", set_maxcpus, maxcpus, "0 to 4294967295"),
    FIELD("loglevel", set_loglevel, loglevel, "0 to 8"),
    {"seed", set_seed, 0, "a number"},
    FIELD("events", set_events, events, "a list of events"),
    FIELD("strict", set_strict, strict_firmware, "firmware"),
    FIELD("hotplug", set_bool, hotplug, "on, off"),
    FIELD("fail", set_text, fail, "1 to 63 characters"),
    FIELD("soak", set_text, soak, "1 to 63 characters"),
    FIELD("lava", set_bool, lava, "on, off"),
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
        if (options[i].set((char *)o + options[i].offset, value))
            return;
        event_count(EVENT_OPTION_IGNORED);
        o->fail_ignored |= strcmp(key, "fail") == 0;
        pr_warn("command line: bad value \"%s\" for %s, ignored: it takes %s", value, key,
                options[i].takes);
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

bool kernel_options_run(const struct kernel_options *o, const char *what, char globs[OPT_RUN_MAX])
{
    const char *list = o->run;
    char item[sizeof(o->run)], all[OPT_RUN_MAX] = "";
    bool found = false, every = false;
    size_t len = 0;

    while (list_next(&list, item, sizeof(item))) {
        char *colon = strchr(item, ':');

        if (colon)
            *colon = '\0';
        if (strcmp(item, what) != 0)
            continue;
        found = true;
        every |= !colon;
        if (colon)
            len +=
                (size_t)kscnprintf(all + len, sizeof(all) - len, "%s%s", len ? "," : "", colon + 1);
    }
    if (globs)
        kscnprintf(globs, OPT_RUN_MAX, "%s", every ? "" : all);
    return found;
}
