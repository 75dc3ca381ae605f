/*
 * What the tests of damaged tables and loader blocks share: the machines, the watchdog, and what
 * must hold after any damage. The sweeps are damage_test.c (a few values of each byte, under ASan)
 * and tests/damage/every_value.c (all of them, between guard pages).
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_TESTS_DAMAGE_DAMAGE_CHECK_H
#define PERCH_TESTS_DAMAGE_DAMAGE_CHECK_H

#include <signal.h>
#include <unistd.h>

#include "boot/multiboot2.h"
#include "boot/pvh.h"
#include "kernel/base/errno.h"
#include "tests/damage/damage_world.h"
#include "tests/fuzz/boot_fuzz.h"

/* Of log for one machine, whatever its tables say; 80 CPUs have about 250. */
#define MAX_LINES 1200
#define SECONDS   120 /* of the watchdog */

static const char *const machines[] = {
    "acpi/asustek-m4a88td-v-evo-usb3-822e",
    "acpi/dell-poweredge-r820-e598",
    "acpi/evga-x299-micro-4b64",
    "acpi/hewlett-packard-proliant-dl165-g7-1979",
    "acpi/hewlett-packard-proliant-dl360-g7-60dc",
    "acpi/hewlett-packard-touchsmart-tx2-6909",
    "acpi/huanan-x99-qd4-v1-0-734c",
    "acpi/supermicro-h8dgu-57ed",
    "acpi/supermicro-h8qg6-58e8",
    "acpi/supermicro-x10dai-4a64",
    "qemu-acpi",
};

static const char *const loaders[] = {"pvh-qboot", "pvh-seabios", "multiboot2-bios",
                                      "multiboot2-uefi"};

static inline void still_running(int signal UNUSED)
{
    static const char text[] = "damage: the watchdog ended a run that does not end\n";

    if (write(2, text, sizeof(text) - 1) < 0 || text[0])
        abort();
}

static inline void watchdog(const char *name)
{
    ktest_note("%s", name);
    signal(SIGALRM, still_running);
    alarm(SECONDS);
}

/* What the machine decides when nothing is damaged, and the findings it has then. */
struct base {
    u64 decided;
    struct firmware_findings found;
};

/* Is there a finding that the whole machine has not? */
static inline bool said(const struct base *base)
{
    const struct firmware_findings *now = firmware_found(), *then = &base->found;

    for (u32 i = 0, k; i < now->nr_kept; i++) {
        for (k = 0; k < then->nr_kept; k++)
            if (now->kept[i].id == then->kept[k].id &&
                strcmp(now->kept[i].text, then->kept[k].text) == 0)
                break;
        if (k == then->nr_kept)
            return true;
    }
    return false;
}

/* One damage: true when all held. With checksums, a change must have been said. */
static inline bool holds(struct world *w, const struct base *base, bool ignore_checksums)
{
    u64 decided;

    if (!world_boot(w, ignore_checksums, &decided) || shim_log_count() > MAX_LINES)
        return false;
    return ignore_checksums || decided == base->decided || said(base);
}

/* A shorter length can have a right sum too: then nothing gives the damage away (5.2.6). */
static inline bool sum_is_right(const struct table *t)
{
    u32 length;
    u8 sum = 0;

    memcpy(&length, t->b + 4, sizeof(length));
    for (u32 i = 0; i < length && i < t->len; i++)
        sum = (u8)(sum + t->b[i]);
    return length >= ACPI_TABLE_MIN && length <= t->len && sum == 0;
}

static inline u64 number(const u8 *b)
{
    u64 value;

    memcpy(&value, b, sizeof(value));
    return value;
}

/* Records of address, length and bytes; the block itself is the first. */
static inline void load_block(struct world *w, const char *name)
{
    char path[128];
    struct table file;

    snprintf(path, sizeof(path), "tests/data/loader/%s.bin", name);
    file = read_whole(path);
    *w = (struct world){0};
    for (size_t at = 0; at + 16 <= file.len;) {
        struct table t = {0};
        size_t len = number(file.b + at + 8);

        for (size_t i = 0; i < len; i++)
            put(&t, file.b[at + 16 + i], 1);
        tighten(&t);
        world_add(w, name, number(file.b + at), t);
        at += 16 + len;
    }
    free(file.b);
}

static inline int parse_block(struct world *w, bool pvh)
{
    static struct boot_info info;
    struct phys_window window = {world_map, w};
    int err;

    shim_log_reset();
    err = pvh ? pvh_parse(&window, w->pieces[0].pa, &info)
              : multiboot2_parse(&window, w->pieces[0].pa, &info);
    fuzz_check_boot_info(&info);
    return err;
}

#endif
