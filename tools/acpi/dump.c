/*
 * Raw tables from files; see dump.h.
 * SPDX-License-Identifier: MIT
 */
#include "tools/acpi/dump.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "acpi/reader.h"
#include "acpi/root.h"
#include "tools/acpi/objects.h"

static const char names[DUMP_COUNT][5] = {
    [DUMP_FACP] = "FACP", [DUMP_APIC] = "APIC", [DUMP_SRAT] = "SRAT",
    [DUMP_SLIT] = "SLIT", [DUMP_HMAT] = "HMAT", [DUMP_MSCT] = "MSCT",
    [DUMP_CEDT] = "CEDT", [DUMP_SPCR] = "SPCR", [DUMP_DBG2] = "DBG2",
};

static u32 stated_length(const struct dump_table *t)
{
    return (u32)t->data[4] | (u32)t->data[5] << 8 | (u32)t->data[6] << 16 | (u32)t->data[7] << 24;
}

/* Is this file the table that its name says? (ACPI 6.5, 5.2.6) */
static int check(struct dump_table *t, const char *path, const char *sig)
{
    u8 sum;

    if (t->len < ACPI_TABLE_MIN)
        return complain(path, "%zu bytes, and a table has at least %u", t->len, ACPI_TABLE_MIN);
    if (t->len > ACPI_TABLE_MAX)
        return complain(path, "longer than %u bytes", ACPI_TABLE_MAX);
    if (memcmp(t->data, sig, 4) != 0)
        return complain(path, "its signature is \"%.4s\", not \"%s\"", (char *)t->data, sig);
    if (stated_length(t) != t->len)
        return complain(path, "%zu bytes, but its header says %u", t->len, stated_length(t));
    sum = acpi_sum(t->data, t->len);
    t->usable = sum == 0;
    if (sum)
        firmware_finding_in(FW_TABLE_CHECKSUM, sig,
                            "checksum 0x%02x at offset 0x9, not 0x%02x: not used", t->data[9],
                            (u8)(t->data[9] - sum));
    return 0;
}

/* A missing file is no error: the table is then not there. */
static int read_table(struct dump_table *t, const char *path, const char *sig)
{
    FILE *f = fopen(path, "rb");
    u8 piece[4096];
    size_t got;
    int err;

    if (!f)
        return errno == ENOENT ? 0 : complain(path, "%s", strerror(errno));
    errno = 0;
    /* Always exactly its size, so that a sanitizer sees one byte too far. */
    while (t->len <= ACPI_TABLE_MAX && (got = fread(piece, 1, sizeof(piece), f)) > 0) {
        t->data = must_realloc(t->data, t->len + got);
        memcpy(t->data + t->len, piece, got);
        t->len += got;
    }
    err = ferror(f) ? (errno ? errno : EIO) : 0;
    fclose(f);
    return err ? complain(path, "%s", strerror(err)) : check(t, path, sig);
}

int dump_read(struct dump *d, const char *dir)
{
    size_t size = strlen(dir) + 16;
    char *path = must_calloc(1, size);
    int status = 0, found = 0;
    struct stat st;

    *d = (struct dump){0};
    if (stat(dir, &st))
        status = complain(dir, "%s", strerror(errno));
    else if (!S_ISDIR(st.st_mode))
        status = complain(dir, "not a folder; give the one that has SRAT.bin and the others");
    for (int i = 0; i < DUMP_COUNT && !status; i++) {
        snprintf(path, size, "%s/%s.bin", dir, names[i]);
        status = read_table(&d->t[i], path, names[i]);
        found += d->t[i].data != NULL;
    }
    if (!status && !found)
        status = complain(dir, "no table here: SRAT.bin, SLIT.bin, APIC.bin and others are wanted");
    free(path);
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
