/*
 * JSON lines in order; see objects.h.
 * SPDX-License-Identifier: MIT
 */
#include "tools/acpi/objects.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void out_of_memory(void)
{
    fputs("perch acpi: out of memory\n", stderr);
    exit(1);
}

void *must_calloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);

    if (!p)
        out_of_memory();
    return p;
}

char *must_strdup(const char *text)
{
    size_t size = strlen(text) + 1;

    return memcpy(must_calloc(1, size), text, size);
}

void *must_realloc(void *p, size_t size)
{
    p = realloc(p, size);
    if (!p)
        out_of_memory();
    return p;
}

static void grow(struct objects *all)
{
    all->max = all->max ? 2 * all->max : 256;
    all->o = must_realloc(all->o, all->max * sizeof(*all->o));
}

FILE *objects_begin(struct objects *all, const char *type, u64 number)
{
    struct object *o;

    if (all->count == all->max)
        grow(all);
    o = &all->o[all->count];
    *o = (struct object){.type = type, .number = number, .made = all->count};
    all->count++;
    all->open = open_memstream(&o->text, &o->size);
    if (!all->open)
        out_of_memory();
    fprintf(all->open, "{\"type\":\"%s\"", type);
    return all->open;
}

void objects_end(struct objects *all)
{
    fputs("}\n", all->open);
    if (fclose(all->open))
        out_of_memory();
    all->open = NULL;
}

void objects_add(struct objects *all, const char *type, u64 number, const char *fmt, ...)
{
    FILE *f = objects_begin(all, type, number);
    va_list ap;

    va_start(ap, fmt);
    vfprintf(f, fmt, ap);
    va_end(ap);
    objects_end(all);
}

void put_json(FILE *f, const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(f, "\\%c", *c);
        else if (*c >= ' ' && *c <= '~')
            fputc(*c, f);
        else
            fprintf(f, "\\u%04x", *c);
    }
}

static int in_order(const void *a, const void *b)
{
    const struct object *x = a, *y = b;
    int types = strcmp(x->type, y->type);

    if (types)
        return types;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return x->made < y->made ? -1 : 1;
}

void objects_print(struct objects *all, FILE *to)
{
    if (all->count)
        qsort(all->o, all->count, sizeof(*all->o), in_order);
    for (size_t i = 0; i < all->count; i++) {
        fwrite(all->o[i].text, 1, all->o[i].size, to);
        free(all->o[i].text);
    }
    free(all->o);
    *all = (struct objects){0};
}
