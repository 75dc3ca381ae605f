/*
 * Stage: interrupts of the boot CPU, then every other CPU on its own unit.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/stages/fail.h"
#include "kernel/stages/stages.h"
#include "kernel/stages/stage_times.h"
#include "kernel/base/cpu.h"
#include "kernel/base/deadline.h"
#include "kernel/base/print.h"
#include "kernel/base/sort.h"
#include "kernel/base/string.h"
#include "kernel/platform/cpu_stacks.h"
#include "kernel/platform/cpu_tables.h"
#include "kernel/platform/idt.h"
#include "kernel/platform/legacy_irq.h"
#include "kernel/platform/machine_check.h"
#include "kernel/platform/mmio.h"
#include "kernel/platform/panic.h"
#include "mm/map/address_map.h"
#include "smp/start/apic.h"
#include "smp/start/bringup.h"
#include "smp/call/call.h"
#include "smp/call/nmi_send.h"
#include "smp/start/cpus.h"
#include "smp/run/idle.h"
#include "smp/call/tlb.h"
#include "smp/start/trampoline.h"
#include "smp/start/trampoline_place.h"
#include "smp/run/lapic_timer.h"
#include "smp/run/vectors.h"

#define MAX_FAULTS (OPT_TEXT_MAX / 11) /* the shortest is "ap_early:1," */

/* Time before the NMI. A line of the log that a handler draws on a slow screen takes 200 ms. */
#define CALL_DEADLINE_MS 500
#define TLB_DEADLINE_MS  500

/* ---- operations for smp/ --------------------------------------------------------------------- */

static int op_cpu_prepare(void *ctx, u32 cpu, u64 *stack_top)
{
    struct boot_state *s = ctx;

    return cpu_stacks_alloc(&s->vm, &s->order, cpu, stack_top);
}

static void op_load_tables(void)
{
    cpu_tables_load();
    idt_load();
    machine_check_init_cpu();
}

static int op_map_identity(void *ctx, u64 pa, bool exec)
{
    struct boot_state *s = ctx;

    return paging_map_identity(&s->vm, pa, exec);
}

static void op_unmap_identity(void *ctx, u64 pa)
{
    struct boot_state *s = ctx;

    paging_unmap_identity(&s->vm, pa);
}

static struct smp_ops smp_ops = {
    .cpu_prepare = op_cpu_prepare,
    .cpu_load_tables = op_load_tables,
    .cpu_run = cpu_idle,
    .map_identity = op_map_identity,
    .unmap_identity = op_unmap_identity,
};

/* ---- interrupt controllers ------------------------------------------------------------------- */

static void legacy_interrupt(struct trap_frame *frame)
{
    legacy_irq_ack((u8)frame->vector);
}

static void end_unexpected(struct trap_frame *frame)
{
    if (apic_in_service((u8)frame->vector))
        apic_eoi();
}

static void corrected_error(struct trap_frame *frame)
{
    (void)frame;
    apic_eoi();
    machine_check_cmci();
}

static void *map_apic(void *ctx, u64 pa, u64 size)
{
    (void)size;
    return paging_map_local_apic(ctx, pa);
}

static void mask_legacy(struct boot_state *s)
{
    u32 lines = 0;

    legacy_irq_mask_8259();
    for (u32 v = 0; v < 16; v++)
        idt_set_handler((u8)(VEC_LEGACY_BASE + v), legacy_interrupt);
    madt_drop_ioapics(&s->madt, mmio_rules());
    for (u32 i = 0; i < s->madt.ioapic_count; i++) {
        void *regs = paging_map_mmio(&s->vm, s->madt.ioapics[i].address, MADT_IOAPIC_BYTES, PT_UC,
                                     "I/O APIC");
        if (regs)
            lines += legacy_irq_mask_ioapic(regs);
    }
    pr_info("irq: 8259 moved to vectors 0x20-0x2f and masked, %u I/O APIC lines masked", lines);
}

static void init_interrupts(struct boot_state *s)
{
    struct apic_config config = {
        .max_apic_id = 0,
        .map_mmio = map_apic,
        .ctx = &s->vm,
    };

    for (u32 cpu = 0; cpu < s->topo.cpu_count; cpu++)
        config.max_apic_id = MAX(config.max_apic_id, s->topo.cpus[cpu].apic_id);
    mask_legacy(s);
    int err = apic_init_boot(&config);
    if (!err)
        err = smp_init_vectors(idt_set_handler, nmi_register);
    if (err)
        panic("local APIC: error %d", err);
    idt_set_unexpected(end_unexpected);
    idt_set_handler(VEC_CMCI, corrected_error);
    panic_set_stop_others(smp_nmi_stop_others);
}

/* ---- the other CPUs -------------------------------------------------------------------------- */

static void init_cpumap(struct boot_state *s)
{
    u32 n = s->topo.cpu_count;
    u32 *ids = memblock_zalloc(&s->mb, n * sizeof(u32), 64);

    if (!ids)
        panic("no memory for the CPU map");
    for (u32 cpu = 0; cpu < n; cpu++)
        ids[cpu] = s->topo.cpus[cpu].apic_id;
    if (cpumap_init(&cpu_map, ids, n))
        panic("CPU map: %u CPUs", n);
    memblock_give_back(&s->mb, virt_to_phys(ids), n * sizeof(u32));
}

/* CPUs that fail on purpose: fail=ap_silent:5,ap_stage:6:3. Other words belong to other stages. */
static u32 parse_faults(const struct boot_state *s, struct smp_fault *faults)
{
    const char *list = s->opt.fail;
    char item[OPT_TEXT_MAX];
    u32 n = 0;

    while (list_next(&list, item, sizeof(item))) {
        struct smp_fault fault;
        int err = smp_fault_parse(item, strlen(item), &fault);

        if (err == -ENOENT)
            continue;
        if (err)
            fail_refuse(item, "not understood");
        else if (!fault.cpu || fault.last >= s->topo.cpu_count)
            fail_refuse(item, "no such CPU is started");
        else
            faults[n++] = fault;
    }
    return n;
}

/* Memory for the trampoline and the start records. False: none is free below their limits. */
static bool smp_memory(struct boot_state *s, struct smp_config *config)
{
    struct memblock_request table = {
        .size = smp_table_size(s->topo.cpu_count), .align = PAGE_SIZE, .max_addr = SZ_4G};
    struct memblock_result res;

    if (trampoline_place(&s->mb, &config->trampoline_pa))
        return false;
    if (memblock_alloc(&s->mb, &table, &res)) {
        pr_err("smp: no memory below 4 GiB for the start records: only the boot CPU runs");
        return false;
    }
    config->table_pa = res.base;
    config->table = phys_to_virt(res.base);
    return true;
}

static u32 online_nodes(const struct boot_state *s)
{
    u32 n = 0;

    /* As in Linux: a node with memory, a generic initiator or an online CPU counts. */
    for (u32 node = 0; node < s->topo.node_count; node++) {
        bool runs = s->topo.nodes[node].has_memory || s->topo.nodes[node].has_initiator;
        u32 cpu;

        for_each_online_cpu(cpu) runs |= s->topo.cpus[cpu].node == (s32)node;
        n += runs;
    }
    return n;
}

/*
 * The median time from a CPU's first instruction to online. The median, because under QEMU's
 * -icount all CPUs share one counter: a single span may include instructions of other CPUs.
 */
static u64 median_ap_ticks(const struct smp_result *r)
{
    static u64 spans[NR_CPUS];
    u32 n = 0;

    for (u32 i = 0; i < r->nr_records; i++)
        if (bringup_state(&r->records[i]) == BRING_ONLINE)
            spans[n++] = r->records[i].online_tsc - r->records[i].first_tsc;
    sort(spans, n, sizeof(spans[0]), sort_compare_u64, NULL);
    return n ? spans[n / 2] : 0;
}

static void note_smp(const struct smp_result *r)
{
    u32 started = r->nr_records ? r->nr_records : 1;

    stage_note("smp_prepare", r->prepare_ticks);
    stage_note("smp_prepare_per_cpu", r->prepare_ticks / started);
    stage_note("smp_init_per_cpu", r->batch.init_ticks / started);
    stage_note("smp_startup_per_cpu", r->batch.startup_ticks / started);
    stage_note("smp_total", r->batch.total_ticks);
    stage_note("smp_ap_min", r->ap_ticks_min);
    stage_note("smp_ap_median", median_ap_ticks(r));
    stage_note("smp_ap_max", r->ap_ticks_max);
}

static void flush_self(void *arg)
{
    (void)arg;
    flush_tlb_local();
}

/*
 * The other CPUs started through the trampoline's identity mapping. The tables no longer have it,
 * but TLBs may: so the memory is given back only after a flush on every CPU.
 */
static void retire_trampoline(struct boot_state *s, const struct smp_config *config,
                              const struct smp_result *result)
{
    if (smp_call_all(flush_self, NULL) || result->trampoline_in_use)
        return;
    memblock_give_back(&s->mb, config->trampoline_pa, TRAMPOLINE_SIZE);
}

static void set_deadlines(bool hypervisor)
{
    u64 ms = tsc_khz_now() * (hypervisor ? HYPERVISOR_FACTOR : 1);

    struct patience_host *host = patience_host();

    call_kind_set_deadline(&smp_calls, (struct call_deadline){CALL_DEADLINE_MS * ms, host});
    call_kind_set_deadline(&tlb_calls, (struct call_deadline){TLB_DEADLINE_MS * ms, host});
    smp_calls.ops.say = tlb_calls.ops.say = CALL_SAY_MS * tsc_khz_now();
}

void stage_smp(struct boot_state *s)
{
    struct smp_fault faults[MAX_FAULTS];
    struct smp_config config = {
        .ops = &smp_ops,
        .max_cpus = s->opt.maxcpus,
        .tsc_hz = tsc_khz_now() * 1000,
        .hypervisor = cpu_has_hypervisor(),
        .faults = faults,
        .nr_faults = parse_faults(s, faults),
    };
    static struct smp_result result;
    char text[80];

    smp_ops.ctx = s;
    init_interrupts(s);
    init_cpumap(s);
    stage_done("irq");

    result.online = 1;
    if (s->topo.cpu_count > 1 && smp_memory(s, &config)) {
        set_deadlines(config.hypervisor);
        int err = smp_bring_up(&config, &result);
        if (err)
            pr_err("smp: the other CPUs cannot be started (%d)", err);
        note_smp(&result);
        if (result.online > 1 && !lapic_timer_hz())
            pr_warn("smp: the local APIC's timer does not count: idle CPUs keep what they hold");
    }
    machine_check_report_left();
    local_irq_enable();
    if (config.trampoline_pa)
        retire_trampoline(s, &config, &result);
    bringup_summary_text(online_nodes(s), result.online, text, sizeof(text));
    pr_info("%s", text);
}
