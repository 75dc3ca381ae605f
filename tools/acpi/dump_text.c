/*
 * The text of acpidump: for each table a line "SRAT @ 0x...", then lines "    0000: 53 52 ..", up
 * to 16 bytes each, followed by the same as characters. See dump.h.
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/acpi/dump.h"
#include "tools/acpi/objects.h"

#define LINE_BYTES 16

struct text {
    struct dump *d;
    const char *path;
    unsigned line;
    enum dump_which which;          /* of the lines that follow; DUMP_COUNT: not wanted */
    char *first[DUMP_COUNT], *here; /* the heads "SRAT @ 0x..", of the first and of this one */
    struct dump_table skipped;
    u32 tables;
};

static struct dump_table *table(struct text *t)
{
    return t->which == DUMP_COUNT ? &t->skipped : &t->d->t[t->which];
}

/* The table that ends here: is it whole? */
static int finish(struct text *t)
{
    char label[4200];
    int status = 0;

    if (t->which != DUMP_COUNT) {
        snprintf(label, sizeof(label), "%.4000s: %.60s", t->path, t->here);
        status = dump_check(&t->d->t[t->which], label, dump_name(t->which));
        t->first[t->which] = t->here;
    } else {
        free(t->here);
    }
    t->which = DUMP_COUNT;
    t->here = NULL;
    free(t->skipped.data);
    t->skipped = (struct dump_table){0};
    return status;
}

/* "SRAT @ 0x000000007ffe1234"; older ones have "RSD PTR @ 0x000f0490" too. */
static bool is_head(const char *line)
{
    const char *at = strstr(line, " @ 0x");

    return at && at >= line + 4 && *line != ' ';
}

static int begin(struct text *t, const char *line)
{
    int status = finish(t);

    t->tables++;
    t->here = must_strdup(line);
    t->which = dump_find(line);
    if (t->which != DUMP_COUNT && t->first[t->which]) {
        dump_second(t->which, line, t->first[t->which]);
        t->which = DUMP_COUNT;
    }
    return status;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Bytes " 53 52 41"; two blanks end them, and the same as characters follows. */
static size_t bytes_of(const char *p, u8 *out)
{
    size_t n = 0;

    while (n < LINE_BYTES && p[0] == ' ' && digit(p[1]) >= 0 && digit(p[2]) >= 0 &&
           (p[3] == ' ' || !p[3])) {
        out[n++] = (u8)(digit(p[1]) << 4 | digit(p[2]));
        p += 3;
    }
    return n;
}

/* A line of bytes; any other line says nothing. */
static int take_line(struct text *t, const char *line)
{
    struct dump_table *to = table(t);
    u8 bytes[LINE_BYTES];
    unsigned long offset;
    char *end;

    if (is_head(line))
        return begin(t, line);
    if (!t->here || digit(line[strspn(line, " ")]) < 0)
        return 0;
    offset = strtoul(line, &end, 16);
    if (*end != ':')
        return 0;
    if (offset != to->len) {
        char label[4200];

        snprintf(label, sizeof(label), "%.4000s: line %u", t->path, t->line);
        return complain(label, "offset 0x%lx, but %zu bytes of %.4s came before it", offset,
                        to->len, t->here);
    }
    dump_append(to, bytes, bytes_of(end + 1, bytes));
    return 0;
}

int dump_read_text(struct dump *d, const char *path)
{
    struct text t = {.d = d, .path = path, .which = DUMP_COUNT};
    FILE *f = fopen(path, "rb");
    char *line = NULL;
    size_t size = 0;
    ssize_t len;
    int status = 0, found = 0;

    if (!f)
        return complain(path, "%s", strerror(errno));
    while (!status && (len = getline(&line, &size, f)) > 0) {
        while (len && (line[len - 1] == '\n' || line[len - 1] == '\r'))
            line[--len] = '\0';
        t.line++;
        status = take_line(&t, line);
    }
    if (!status && ferror(f))
        status = complain(path, "%s", strerror(errno));
    fclose(f);
    free(line);
    if (!status)
        status = finish(&t);
    for (int i = 0; i < DUMP_COUNT; i++) {
        found += t.first[i] != NULL;
        free(t.first[i]);
    }
    free(t.here);
    free(t.skipped.data);
    if (!status && !t.tables)
        return complain(path, "neither a folder with tables nor the text of acpidump");
    if (!status && !found)
        return complain(path, "none of its %u tables is looked at: SRAT, SLIT, APIC and others are",
                        t.tables);
    return status;
}
