/*
 * The list of findings; printing and keeping one.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/firmware.h"

#include <stdarg.h>

#include "kernel/base/print.h"
#include "kernel/base/printf.h"
#include "kernel/base/string.h"

#define BUG  true
#define NOTE false
static const struct firmware_kind kinds[FIRMWARE_NR_IDS] = {
#define FIRMWARE_KIND(name, id, class, form, table)                                                \
    [FW_##name] = {id, table, FIRMWARE_##class, form},
    FIRMWARE_IDS(FIRMWARE_KIND)
#undef FIRMWARE_KIND
};

const struct firmware_kind *firmware_kind(enum firmware_id id)
{
    ASSERT((u32)id < FIRMWARE_NR_IDS);
    return &kinds[id];
}

const char *firmware_severity(enum firmware_id id)
{
    static const char names[FIRMWARE_NR_CLASSES][5] = {"fail", "warn", "info"};

    return names[firmware_kind(id)->class];
}

u32 firmware_total(const struct firmware_findings *f, enum firmware_class class)
{
    u32 n = 0;

    for (u32 id = 0; id < FIRMWARE_NR_IDS; id++)
        n += kinds[id].class == class ? f->count[id] : 0;
    return n;
}

/* The MADT's signature is APIC; the log uses its name. */
static void log_finding(enum firmware_id id, const char *table, const char *text)
{
    const char *begin = kinds[id].bug ? "firmware bug: " : "";

    if (strcmp(table, "APIC") == 0)
        table = "MADT";
    if (kinds[id].class == FIRMWARE_INFO)
        pr_info("%s%s: %s", begin, table, text);
    else
        pr_warn("%s%s: %s", begin, table, text);
}

/* Logs a finding and keeps it in f. table: NULL for the one of the list. */
static void PRINTF(4, 0) keep_finding(struct firmware_findings *f, enum firmware_id id,
                                      const char *table, const char *fmt, va_list ap)
{
    const struct firmware_kind *kind = firmware_kind(id);
    struct firmware_kept *k = &f->kept[f->nr_kept];

    if (!table)
        table = kind->table;
    if (f->count[id]++ >= FIRMWARE_LINES || f->nr_kept == FIRMWARE_MAX_KEPT) {
        if (f->count[id] == f->shown[id] + 1)
            log_finding(id, table, "more of the same is only counted");
        return;
    }
    k->id = id;
    ksnprintf(k->table, sizeof(k->table), "%s", table);
    kvsnprintf(k->text, sizeof(k->text), fmt, ap);
    f->nr_kept++;
    f->shown[id]++;
    log_finding(id, k->table, k->text);
}

/* ---- the program's own collector ------------------------------------------------------------- */

void firmware_finding_in(enum firmware_id id, const char *table, const char *fmt, ...)
{
    u64 flags = firmware_collector_lock();
    va_list ap;

    va_start(ap, fmt);
    keep_finding(firmware_collector(), id, table, fmt, ap);
    va_end(ap);
    firmware_collector_unlock(flags);
}

const struct firmware_findings *firmware_found(void)
{
    return firmware_collector();
}
