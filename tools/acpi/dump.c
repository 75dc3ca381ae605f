/*
 * Raw tables from files; see dump.h.
 * SPDX-License-Identifier: MIT
 */
#include "tools/acpi/dump.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "acpi/reader.h"
#include "acpi/root.h"
#include "tools/acpi/objects.h"

static const char names[DUMP_COUNT][5] = {
    [DUMP_FACP] = "FACP", [DUMP_APIC] = "APIC", [DUMP_SRAT] = "SRAT",
    [DUMP_SLIT] = "SLIT", [DUMP_HMAT] = "HMAT", [DUMP_MSCT] = "MSCT",
    [DUMP_CEDT] = "CEDT", [DUMP_SPCR] = "SPCR", [DUMP_DBG2] = "DBG2",
};

/* Forms of a file's name, the one that counts first. Sysfs writes no ending. */
static const char endings[][5] = {".bin", "", ".dat"};

const char *dump_name(enum dump_which which)
{
    return names[which];
}

enum dump_which dump_find(const char *sig)
{
    int i = 0;

    while (i < DUMP_COUNT && memcmp(names[i], sig, 4) != 0)
        i++;
    return (enum dump_which)i;
}

void dump_append(struct dump_table *t, const void *bytes, size_t count)
{
    if (!count || t->len > ACPI_TABLE_MAX)
        return;
    /* Always exactly its size, so that a sanitizer sees one byte too far. */
    t->data = must_realloc(t->data, t->len + count);
    memcpy(t->data + t->len, bytes, count);
    t->len += count;
}

static u32 stated_length(const struct dump_table *t)
{
    return (u32)t->data[4] | (u32)t->data[5] << 8 | (u32)t->data[6] << 16 | (u32)t->data[7] << 24;
}

int dump_check(struct dump_table *t, const char *label, const char *sig)
{
    u8 sum;

    if (t->len < ACPI_TABLE_MIN)
        return complain(label, "%zu bytes, and a table has at least %u", t->len, ACPI_TABLE_MIN);
    if (t->len > ACPI_TABLE_MAX)
        return complain(label, "longer than %u bytes", ACPI_TABLE_MAX);
    if (memcmp(t->data, sig, 4) != 0)
        return complain(label, "its signature is \"%.4s\", not \"%s\"", (char *)t->data, sig);
    if (stated_length(t) != t->len)
        return complain(label, "%zu bytes, but its header says %u", t->len, stated_length(t));
    sum = acpi_sum(t->data, t->len);
    t->usable = sum == 0;
    if (sum)
        firmware_finding_in(FW_TABLE_CHECKSUM, sig,
                            "checksum 0x%02x at offset 0x9, not 0x%02x: not used", t->data[9],
                            (u8)(t->data[9] - sum));
    return 0;
}

void dump_second(enum dump_which which, const char *second, const char *first)
{
    firmware_finding_in(which == DUMP_APIC ? FW_MADT_SECOND : FW_TABLE_SECOND, names[which],
                        "%.80s is a second one, %.80s is used", second, first);
}

static int read_table(struct dump_table *t, const char *path, const char *sig)
{
    FILE *f = fopen(path, "rb");
    u8 piece[4096];
    size_t got;
    int err;

    if (!f)
        return complain(path, "%s%s", strerror(errno),
                        errno == EACCES ? " (the tables in /sys are for root: sudo)" : "");
    errno = 0;
    while (t->len <= ACPI_TABLE_MAX && (got = fread(piece, 1, sizeof(piece), f)) > 0)
        dump_append(t, piece, got);
    err = ferror(f) ? (errno ? errno : EIO) : 0;
    fclose(f);
    return err ? complain(path, "%s", strerror(err)) : dump_check(t, path, sig);
}

/* ---- a folder -------------------------------------------------------------------------------- */

/* A file of the folder that is a table by its name. */
struct named {
    enum dump_which which;
    u32 form;   /* index in endings[] */
    u32 number; /* of several tables of a kind: SRAT1, SRAT2; 0: none */
    char *name;
};

struct folder {
    struct named *files;
    size_t count;
};

/* Is this a table's name in one of the forms? */
static bool parse_name(const char *name, struct named *n)
{
    char sig[4], *end;

    if (strlen(name) < 4)
        return false;
    for (int i = 0; i < 4; i++)
        sig[i] = name[i] >= 'a' && name[i] <= 'z' ? (char)(name[i] - 'a' + 'A') : name[i];
    n->which = dump_find(sig);
    if (n->which == DUMP_COUNT)
        return false;
    /* DBG2 ends with a digit: the number begins behind the signature. */
    end = (char *)name + 4;
    n->number = *end >= '0' && *end <= '9' ? (u32)strtoul(end, &end, 10) : 0;
    for (n->form = 0; n->form < ARRAY_SIZE(endings); n->form++)
        if (strcasecmp(end, endings[n->form]) == 0)
            /* Without an ending only as sysfs writes it. */
            return *end || memcmp(name, names[n->which], 4) == 0;
    return false;
}

static int in_order(const void *a, const void *b)
{
    const struct named *x = a, *y = b;

    if (x->which != y->which)
        return x->which < y->which ? -1 : 1;
    if (x->form != y->form)
        return x->form < y->form ? -1 : 1;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Files by table, the one that counts first; errno. */
static int list(struct folder *f, const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    struct named n;
    int err;

    if (!d)
        return errno;
    while (errno = 0, (e = readdir(d))) {
        if (!parse_name(e->d_name, &n))
            continue;
        n.name = must_strdup(e->d_name);
        f->files = must_realloc(f->files, (f->count + 1) * sizeof(*f->files));
        f->files[f->count++] = n;
    }
    err = errno;
    closedir(d);
    if (f->count)
        qsort(f->files, f->count, sizeof(*f->files), in_order);
    return err;
}

/* Files of one table: the first is read; a further one in the same form is a finding. */
static int read_files(struct dump *d, const char *dir, const struct named *n, size_t count)
{
    size_t size = strlen(dir) + strlen(n->name) + 2;
    char *path = must_calloc(1, size);
    int status;

    snprintf(path, size, "%s/%s", dir, n->name);
    status = read_table(&d->t[n->which], path, names[n->which]);
    for (size_t i = 1; i < count && !status; i++)
        if (n[i].form == n->form)
            dump_second(n->which, n[i].name, n->name);
    free(path);
    return status;
}

static int read_folder(struct dump *d, const char *dir)
{
    struct folder f = {0};
    int err = list(&f, dir), status = err ? complain(dir, "%s", strerror(err)) : 0;

    if (!status && !f.count)
        status = complain(dir, "no table here: SRAT.bin, SRAT or srat.dat and others are wanted");
    for (size_t i = 0, next; i < f.count && !status; i = next) {
        for (next = i + 1; next < f.count && f.files[next].which == f.files[i].which; next++)
            ;
        status = read_files(d, dir, &f.files[i], next - i);
    }
    for (size_t i = 0; i < f.count; i++)
        free(f.files[i].name);
    free(f.files);
    return status;
}

int dump_read(struct dump *d, const char *path)
{
    struct stat st;
    int status;

    *d = (struct dump){0};
    if (stat(path, &st))
        status = complain(path, "%s", strerror(errno));
    else if (S_ISDIR(st.st_mode))
        status = read_folder(d, path);
    else if (S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode))
        status = dump_read_text(d, path);
    else
        status = complain(path, "neither a folder nor a file");
    if (status)
        dump_free(d);
    return status;
}

void dump_free(struct dump *d)
{
    for (int i = 0; i < DUMP_COUNT; i++)
        free(d->t[i].data);
    *d = (struct dump){0};
}
