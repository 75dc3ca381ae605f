/*
 * Bringing the application processors up; see bringup.h.
 * SPDX-License-Identifier: MIT
 */
#include "smp/start/bringup.h"

#include "kernel/base/cpu.h"
#include "kernel/base/cpu_id.h"
#include "kernel/base/cpu_local.h"
#include "kernel/base/deadline.h"
#include "kernel/base/events.h"
#include "kernel/base/firmware.h"
#include "kernel/base/print.h"
#include "kernel/base/sort.h"
#include "kernel/base/string.h"
#include "mm/map/address_map.h"
#include "smp/start/apic.h"
#include "smp/start/cpus.h"
#include "smp/start/trampoline.h"

struct bringup {
    const struct smp_config *config;
    struct smp_result *result;
    struct trampoline_table table;
    struct trampoline_data *data;
    bool arrivals_unique; /* no two APIC ids share an arrival byte */
};

/* CPUs beyond max_cpus, ready to start. The table is empty when none can be started. */
static struct {
    struct smp_config config;
    struct trampoline_table table; /* all of these CPUs; each start uses a table of one */
} left_out;

u64 smp_table_size(u32 n)
{
    return n * (u64)(sizeof(struct smp_record) + sizeof(u32));
}

/* ---- hardware for the batch ------------------------------------------------------------------ */

static void op_init(void *ctx, u32 apic_id)
{
    (void)ctx;
    apic_send(apic_id, APIC_INIT);
}

static void op_startup(void *ctx, u32 apic_id)
{
    const struct bringup *b = ctx;

    apic_send(apic_id, APIC_STARTUP(b->config->trampoline_pa >> PAGE_SHIFT));
}

static u64 op_now(void *ctx)
{
    (void)ctx;
    return rdtsc();
}

static _Atomic u8 *arrival_of(const struct bringup *b, const struct smp_record *rec)
{
    return &b->data->arrival[rec->apic_id % ARRIVALS];
}

static bool op_arrived(void *ctx, const struct smp_record *rec)
{
    const struct bringup *b = ctx;
    u8 arrival = atomic_load_explicit(arrival_of(b, rec), memory_order_relaxed);

    return b->arrivals_unique && (arrival == ARRIVAL_SEEN || arrival == ARRIVAL_STOPPED);
}

static void op_forget_arrival(void *ctx, const struct smp_record *rec)
{
    u8 arrival = rec->stop_at == STAGE_REAL_MODE ? ARRIVAL_STOP : 0;

    atomic_store_explicit(arrival_of(ctx, rec), arrival, memory_order_relaxed);
}

static void op_still_waiting(void *ctx, u32 missing, u64 ticks)
{
    const struct bringup *b = ctx;

    pr_info("smp: %u CPU%s still silent after %lu ms: a busy host, or dead", missing,
            missing == 1 ? " is" : "s are", ticks / (b->config->tsc_hz / 1000));
}

static const struct bringup_ops batch_ops = {
    .send_init = op_init,
    .send_startup = op_startup,
    .now = op_now,
    .arrived = op_arrived,
    .forget_arrival = op_forget_arrival,
    .still_waiting = op_still_waiting,
};

/* ---- the boot CPU's side --------------------------------------------------------------------- */

static int compare_records(const void *a, const void *b, void *ctx)
{
    u32 x = ((const struct smp_record *)a)->apic_id, y = ((const struct smp_record *)b)->apic_id;

    (void)ctx;
    return x < y ? -1 : x > y;
}

static bool records_sorted(const struct smp_record *rec, u32 n)
{
    for (u32 i = 1; i < n; i++)
        if (rec[i - 1].apic_id >= rec[i].apic_id)
            return false;
    return true;
}

static void apply_faults(const struct smp_config *config, struct smp_record *rec)
{
    for (u32 i = 0; i < config->nr_faults; i++) {
        if (rec->cpu < config->faults[i].cpu || rec->cpu > config->faults[i].last)
            continue;
        rec->stop_at = config->faults[i].stop_at;
        rec->early = config->faults[i].early;
        rec->silent = rec->stop_at == STAGE_NONE && !rec->early;
    }
}

/* make_record() runs on the boot CPU, and has a variable of this name. */
static u32 own_apic_id(void)
{
    return apic_id();
}

/* Fills a record, unless the CPU cannot be started. */
static bool make_record(struct bringup *b, u32 cpu, struct smp_record *rec)
{
    const struct smp_ops *ops = b->config->ops;
    u32 apic_id = cpu_map.apic_id[cpu], boot_id = own_apic_id();
    int err;

    if (!apic_id_reachable(apic_mode(), apic_id)) {
        firmware_finding(FW_CPU_UNREACHABLE, "CPU %u (APIC 0x%02x) left out: its id needs x2APIC",
                         cpu, apic_id);
        b->result->unreachable++;
        return false;
    }
    if (apic_id == boot_id) { /* its INIT would reset the machine */
        firmware_finding(FW_MADT_CPU_DUPLICATE, "CPU %u has the boot CPU's id 0x%02x: left out",
                         cpu, apic_id);
        b->result->unprepared++;
        return false;
    }
    bringup_record_init(rec, cpu, apic_id);
    rec->gs_base = __per_cpu_offset[cpu];
    err = ops->cpu_prepare(ops->ctx, cpu, &rec->stack_top);
    if (err) {
        pr_err("smp: CPU %u (APIC 0x%02x) left out: no stack (error %d)", cpu, apic_id, -err);
        b->result->unprepared++;
        return false;
    }
    apply_faults(b->config, rec);
    return true;
}

/* `count` records and their ids, from `first` on. */
static struct trampoline_table part_of_table(const struct trampoline_table *all, u32 first,
                                             u32 count)
{
    return (struct trampoline_table){
        .records = all->records + first,
        .ids = all->ids + first,
        .records_pa = all->records_pa + first * sizeof(struct smp_record),
        .ids_pa = all->ids_pa + first * sizeof(u32),
        .count = count,
    };
}

/* Fills records: first the CPUs to start, sorted by APIC id, then those left out. */
static int build_table(struct bringup *b)
{
    u32 limit = b->config->max_cpus ? b->config->max_cpus - 1 : NR_CPUS;
    struct smp_record *rec = b->config->table;
    u32 cpu, n = 0, late = 0;

    for_each_possible_cpu(cpu)
    {
        if (cpu_is_online(cpu) || !make_record(b, cpu, &rec[n + late]))
            continue;
        if (n < limit)
            n++;
        else
            late++;
    }
    b->result->not_started = late;
    if (!records_sorted(rec, n))
        sort(rec, n, sizeof(struct smp_record), compare_records, NULL);
    if (!records_sorted(rec, n)) {
        pr_err("smp: two CPUs have the same APIC id");
        return -EINVAL;
    }
    struct trampoline_table all = {
        .records = rec,
        .ids = (u32 *)&rec[n + late],
        .records_pa = b->config->table_pa,
        .ids_pa = b->config->table_pa + (n + late) * sizeof(struct smp_record),
    };
    for (u32 i = 0; i < n + late; i++)
        all.ids[i] = rec[i].apic_id;
    b->table = part_of_table(&all, 0, n);
    left_out.table = part_of_table(&all, n, late);
    b->arrivals_unique = n == 0 || b->table.ids[n - 1] - b->table.ids[0] < ARRIVALS;
    return 0;
}

static int map_trampoline(const struct smp_config *config)
{
    const struct smp_ops *ops = config->ops;
    int err = ops->map_identity(ops->ctx, config->trampoline_pa, true);

    if (err)
        return err;
    err = ops->map_identity(ops->ctx, config->trampoline_pa + PAGE_SIZE, false);
    if (err)
        ops->unmap_identity(ops->ctx, config->trampoline_pa);
    return err;
}

/* Keeps the pages for left_out, and for late processors, which must find code that stops them. */
static void release_trampoline(const struct bringup *b)
{
    const struct smp_ops *ops = b->config->ops;

    if (b->result->trampoline_in_use)
        return;
    ops->unmap_identity(ops->ctx, b->config->trampoline_pa);
    ops->unmap_identity(ops->ctx, b->config->trampoline_pa + PAGE_SIZE);
}

static bool is_old_cpu(void)
{
    struct cpu_id id = cpu_id_own();

    return bringup_old_cpu(id.vendor, id.family);
}

static int run_batch(struct bringup *b)
{
    const struct smp_config *config = b->config;
    struct bringup_batch batch = {
        .rec = b->table.records,
        .n = b->table.count,
        .ops = &batch_ops,
        .ctx = b,
        .times = bringup_default_times(config->tsc_hz / 1000, config->hypervisor, is_old_cpu()),
        .host = patience_host(),
    };
    int err = trampoline_fill(config->trampoline_pa, phys_to_virt(config->trampoline_pa), b->data,
                              apic_mode() == APIC_MODE_X2, &b->table);

    if (err)
        return err;
    bringup_run(&batch, &b->result->batch);
    event_add(EVENT_AP_RETRY, b->result->batch.retried);
    event_add(EVENT_AP_STARTUP, b->result->batch.second_startup);
    b->result->unknown = atomic_load(&b->data->unknown);
    return 0;
}

/*
 * If a processor was given up, it may still enter the trampoline, which is then never written
 * again. So the CPUs left out can no longer be started.
 */
static int start_all(struct bringup *b)
{
    struct smp_result *r = b->result;
    int err;

    if (!b->table.count && !left_out.table.count)
        return 0;
    err = map_trampoline(b->config);
    if (err)
        return err;
    if (b->table.count)
        err = run_batch(b);
    if (err || r->batch.given_up || r->unknown)
        left_out.table.count = 0;
    r->trampoline_in_use = r->batch.given_up || r->unknown || left_out.table.count;
    release_trampoline(b);
    return err;
}

static void say_failed(const struct smp_record *rec)
{
    char text[80];

    bringup_failure_text(rec, text, sizeof(text));
    pr_err("%s", text);
}

/* Logs how long the boot waited for all failed processors, which share one deadline. */
static void say_given_up(const struct smp_config *config, const struct bringup_result *r)
{
    u64 ms = config->tsc_hz / 1000;

    if (r->given_up)
        pr_warn("smp: %u CPU%s given up after %lu ms without progress, %lu ms after the first INIT",
                r->given_up, r->given_up == 1 ? "" : "s", r->silent_ticks / ms,
                r->total_ticks / ms);
}

/* Also enters CPUs in the online set: one may be between its claim and its own entry. */
static void collect_result(const struct bringup *b)
{
    const struct smp_record *first_failed = NULL;
    struct smp_result *r = b->result;

    r->ap_ticks_min = r->batch.online ? ~0ULL : 0;
    for (u32 i = 0; i < b->table.count; i++) {
        const struct smp_record *rec = &b->table.records[i];
        u64 ticks = rec->online_tsc - rec->first_tsc;

        if (bringup_state(rec) != BRING_ONLINE) {
            say_failed(rec);
            first_failed = first_failed ? first_failed : rec;
            continue;
        }
        cpumap_set(&cpu_map, CPU_ONLINE, rec->cpu);
        r->ap_ticks_min = MIN(r->ap_ticks_min, ticks);
        r->ap_ticks_max = MAX(r->ap_ticks_max, ticks);
    }
    say_given_up(b->config, &r->batch);
    if (first_failed)
        firmware_finding(FW_CPU_SILENT, "%u enabled CPUs did not start, the first is APIC 0x%02x",
                         r->batch.given_up, first_failed->apic_id);
    if (r->unknown)
        pr_warn("smp: %u processors came that no table lists", r->unknown);
    r->records = b->table.records;
    r->nr_records = b->table.count;
}

int smp_bring_up(const struct smp_config *config, struct smp_result *result)
{
    u64 start = rdtsc();
    struct bringup b = {
        .config = config,
        .result = result,
        .data = phys_to_virt(config->trampoline_pa + PAGE_SIZE),
    };
    int err;

    *result = (struct smp_result){.online = 1};
    smp_ap_use(config->ops);
    left_out.config = *config;
    left_out.config.faults = NULL; /* copied to the records; the list may go away */
    err = build_table(&b);
    result->prepare_ticks = rdtsc() - start;
    if (!err)
        err = start_all(&b);
    if (err) {
        left_out.table.count = 0;
        return err;
    }
    collect_result(&b);
    result->online = cpus_online();
    return 0;
}

/* ---- one CPU, at run time -------------------------------------------------------------------- */

static bool alone_with_its_id(u32 cpu)
{
    u32 other;

    for_each_possible_cpu(other) if (other != cpu &&
                                     cpu_map.apic_id[other] == cpu_map.apic_id[cpu]) return false;
    return true;
}

/* The CPU's index in left_out.table; the table's count when it cannot be started. */
static u32 left_out_index(u32 cpu)
{
    const struct trampoline_table *t = &left_out.table;
    u32 i = 0;

    while (i < t->count && (t->records[i].cpu != cpu ||
                            bringup_state(&t->records[i]) != BRING_IDLE || !alone_with_its_id(cpu)))
        i++;
    return i;
}

bool smp_can_start(u32 cpu)
{
    return left_out_index(cpu) < left_out.table.count;
}

int smp_start_one(u32 cpu)
{
    struct smp_result result = {0};
    struct bringup b = {
        .config = &left_out.config,
        .result = &result,
        .data = phys_to_virt(left_out.config.trampoline_pa + PAGE_SIZE),
        .arrivals_unique = true,
    };
    u32 i = left_out_index(cpu);
    int err;

    if (i == left_out.table.count)
        return -ENODEV;
    b.table = part_of_table(&left_out.table, i, 1);
    err = run_batch(&b);
    if (!err && !result.batch.given_up)
        return 0;
    left_out.table.count = 0; /* it may still run: the trampoline is not written again */
    if (err)
        return err;
    say_failed(b.table.records);
    say_given_up(b.config, &result.batch);
    return -ETIMEDOUT;
}
