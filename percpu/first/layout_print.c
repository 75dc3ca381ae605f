/*
 * Log lines of the first chunk's layout; see layout_print.h.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/first/layout_print.h"

#include "kernel/base/printf.h"
#include "kernel/base/string.h"
#include "percpu/first/layout.h"

#define MAP_PREFIX  "pcpu-alloc: "
#define SHORT_LINE  256 /* buffer on the stack; longer lines need other memory */
#define LINE_TARGET 60  /* Linux's width of the blocks on a line */
#define MAX_DASHES  8

/* A line under construction, cut off at size. */
struct line {
    char *text;
    size_t len, size;
};

#define put(l, ...)                                                                                \
    ((l)->len += (size_t)kscnprintf((l)->text + (l)->len, (l)->size - (l)->len, __VA_ARGS__))

static u32 decimal_digits(u32 n)
{
    u32 digits = 1;

    while (n /= 10)
        digits++;
    return digits;
}

void pcpu_log_embedded(const struct pcpu_alloc_info *ai)
{
    pr_info("percpu: Embedded %zu pages/cpu s%zu r%zu d%zu u%zu", pcpu_size_sum(ai) >> PAGE_SHIFT,
            ai->static_size, ai->reserved_size, ai->dyn_size, ai->unit_size);
}

void pcpu_log_paged(const struct pcpu_alloc_info *ai)
{
    pr_info("percpu: %zu 4K pages/cpu s%zu r%zu d%zu", ai->unit_size >> PAGE_SHIFT, ai->static_size,
            ai->reserved_size, ai->dyn_size);
}

void pcpu_log_possible(u32 nr_cpus)
{
    char text[SHORT_LINE] = "";
    struct line l = {text, 0, sizeof(text)};
    u32 words = (nr_cpus + 31) / 32;

    for (u32 word = words; word-- > 0;) {
        u32 bits = word == words - 1 ? nr_cpus - word * 32 : 32;

        put(&l, "%0*x%s", (int)(bits + 3) / 4, (u32)((1ULL << bits) - 1), word ? "," : "");
    }
    pr_err("percpu: cpu_possible_mask=%s", text);
}

/* How the map is printed. */
struct map_format {
    enum log_level level;
    u32 group_digits, cpu_digits;
    u64 upa;             /* units per block */
    u64 blocks_per_line; /* a power of two */
    char unused[MAX_DASHES + 1];
};

static void choose_format(struct map_format *f, enum log_level level,
                          const struct pcpu_alloc_info *ai)
{
    u64 width;

    f->level = level;
    f->group_digits = decimal_digits(ai->nr_groups);
    f->cpu_digits = decimal_digits(ai->nr_cpus);
    f->upa = ai->alloc_size / ai->unit_size;
    width = f->upa * (f->cpu_digits + 1) + f->group_digits + 3;
    for (f->blocks_per_line = 1; 2 * f->blocks_per_line * width <= LINE_TARGET;)
        f->blocks_per_line *= 2;
    memset(f->unused, '-', MAX_DASHES);
    f->unused[MIN(f->cpu_digits, MAX_DASHES)] = '\0';
}

/* Length of the longest line of the map, with the NUL. */
static size_t longest_line(const struct map_format *f)
{
    u64 block = f->group_digits + 3 + f->upa * (f->cpu_digits + 1);

    return sizeof(MAP_PREFIX) + f->blocks_per_line * block;
}

static void flush_line(const struct map_format *f, struct line *l)
{
    while (l->len && l->text[l->len - 1] == ' ')
        l->text[--l->len] = '\0';
    log_line(f->level, "%s", l->text);
    l->len = 0;
    put(l, MAP_PREFIX);
}

/* Makes room for an entry, on a new line if necessary. */
static void make_room(const struct map_format *f, struct line *l, size_t chars)
{
    if (l->len + chars >= l->size && l->len > sizeof(MAP_PREFIX) - 1)
        flush_line(f, l);
}

static void print_block(const struct map_format *f, struct line *l, u32 group, const u32 *cpus)
{
    make_room(f, l, f->group_digits + 3 + f->cpu_digits + 1);
    put(l, "[%0*u] ", (int)f->group_digits, group);
    for (u64 i = 0; i < f->upa; i++) {
        make_room(f, l, f->cpu_digits + 1);
        if (cpus[i] == PCPU_NO_CPU)
            put(l, "%s ", f->unused);
        else
            put(l, "%0*u ", (int)f->cpu_digits, cpus[i]);
    }
}

static void print_map(const struct map_format *f, struct line *l, const struct pcpu_alloc_info *ai)
{
    u64 block = 0;

    put(l, MAP_PREFIX);
    for (u32 group = 0; group < ai->nr_groups; group++) {
        const struct pcpu_group *g = &ai->groups[group];

        for (u64 unit = 0; unit + f->upa <= g->nr_units; unit += f->upa, block++) {
            if (block && block % f->blocks_per_line == 0)
                flush_line(f, l);
            print_block(f, l, group, g->cpu_map + unit);
        }
    }
    if (block)
        flush_line(f, l);
}

void pcpu_dump_alloc_info(const struct pcpu_env *env, enum log_level level,
                          const struct pcpu_alloc_info *ai)
{
    char short_text[SHORT_LINE];
    struct map_format f;
    struct line l = {short_text, 0, sizeof(short_text)};
    size_t need;

    if (!ai->unit_size || !ai->atom_size || ai->alloc_size < ai->unit_size) {
        log_line(level, "pcpu-alloc: unit %zu, atom %zu and block %zu bytes make no layout",
                 ai->unit_size, ai->atom_size, ai->alloc_size);
        return;
    }
    log_line(level, "pcpu-alloc: s%zu r%zu d%zu u%zu alloc=%zu*%zu", ai->static_size,
             ai->reserved_size, ai->dyn_size, ai->unit_size, ai->alloc_size / ai->atom_size,
             ai->atom_size);
    choose_format(&f, level, ai);
    need = longest_line(&f);
    if (env->line_max && need > env->line_max + 1)
        need = env->line_max + 1;
    if (need > sizeof(short_text)) {
        l.text = env->alloc(env->ctx, need, 64);
        l.size = need;
        if (!l.text)
            l = (struct line){short_text, 0, sizeof(short_text)};
    } else if (env->line_max) {
        l.size = need;
    }
    print_map(&f, &l, ai);
    if (l.text != short_text)
        env->free(env->ctx, l.text, need);
}
