/*
 * The module's Linux side: what linux_side.h promises, with functions that 6.12 exports to modules.
 * docs/adr/0035-inside-linux.md says which are not exported, and what is done instead.
 * SPDX-License-Identifier: MIT
 */
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/hardirq.h>
#include <linux/kernel_stat.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/topology.h>
#include <linux/vmalloc.h>
#include <asm/tlbflush.h>
#include "tools/linux-module/linux_side.h"

/* tools/linux-module/kernel/base/cpu_local.h reads these two words without Linux's headers. */
static_assert(offsetof(struct pcpu_hot, preempt_count) == 8);
static_assert(offsetof(struct pcpu_hot, cpu_number) == 12);

static atomic_long_t pages_out, pieces_out, bytes_out, windows_out;

struct linux_counts linux_counts(void)
{
    struct linux_counts c = {
        .pages = atomic_long_read(&pages_out),
        .pieces = atomic_long_read(&pieces_out),
        .bytes = atomic_long_read(&bytes_out),
        .windows = atomic_long_read(&windows_out),
    };

    return c;
}

/* ---- the machine ----------------------------------------------------------------------------- */

unsigned linux_nr_cpus(void)
{
    return nr_cpu_ids;
}

unsigned linux_nr_online(void)
{
    return num_online_cpus();
}

unsigned linux_nr_nodes(void)
{
    return nr_node_ids;
}

int linux_cpu_node(unsigned cpu)
{
    return cpu_to_node(cpu);
}

int linux_distance(unsigned from_cpu, unsigned to_cpu)
{
    return node_distance(cpu_to_node(from_cpu), cpu_to_node(to_cpu));
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* One by one, as Linux's own allocator takes them. */
unsigned linux_pages_get(int node, unsigned n, unsigned long *pas)
{
    unsigned i;

    for (i = 0; i < n; i++) {
        struct page *page = alloc_pages_node(node, GFP_KERNEL | __GFP_NOWARN, 0);

        if (!page)
            break;
        pas[i] = page_to_pfn(page) << PAGE_SHIFT;
    }
    atomic_long_add(i, &pages_out);
    return i;
}

void linux_pages_put(unsigned n, const unsigned long *pas)
{
    for (unsigned i = 0; i < n; i++)
        __free_page(pfn_to_page(pas[i] >> PAGE_SHIFT));
    atomic_long_sub(n, &pages_out);
}

int linux_page_node(unsigned long pa)
{
    return page_to_nid(pfn_to_page(pa >> PAGE_SHIFT));
}

void *linux_page_map(unsigned long pa)
{
    return __va(pa);
}

/* kmalloc() aligns to the size only when that is a power of two. */
void *linux_mem_get(int node, unsigned long size)
{
    void *p = kvmalloc_node(roundup_pow_of_two(max(size, 64ul)), GFP_KERNEL | __GFP_NOWARN, node);

    if (p) {
        atomic_long_inc(&pieces_out);
        atomic_long_add(size, &bytes_out);
    }
    return p;
}

void linux_mem_put(void *p, unsigned long size)
{
    if (!p)
        return;
    atomic_long_dec(&pieces_out);
    atomic_long_sub(size, &bytes_out);
    kvfree(p);
}

/* ---- the window ------------------------------------------------------------------------------ */

static void *window;
static unsigned long window_bytes;

static pte_t *entry_of(unsigned long va)
{
    pgd_t *pgd = pgd_offset_pgd(__va(read_cr3_pa()), va);

    return pte_offset_kernel(pmd_offset(pud_offset(p4d_offset(pgd, va), va), va), va);
}

/*
 * A module can neither reserve addresses without pages (get_vm_area) nor make tables (init_mm). But
 * vmap() does both for pages that it is given: one page, as often as the window has room, whose
 * entries are cleared again.
 */
int linux_window_make(unsigned long bytes, unsigned long *va)
{
    unsigned long n = bytes >> PAGE_SHIFT;
    struct page **pages = kvmalloc_array(n, sizeof(*pages), GFP_KERNEL);
    struct page *page = alloc_page(GFP_KERNEL);

    if (pages && page) {
        for (unsigned long i = 0; i < n; i++)
            pages[i] = page;
        window = vmap(pages, n, VM_MAP, PAGE_KERNEL);
        window_bytes = bytes;
    }
    if (window) {
        for (unsigned long i = 0; i < n; i++)
            set_pte(entry_of((unsigned long)window + i * PAGE_SIZE), __pte(0));
        linux_flush();
        atomic_long_inc(&windows_out);
        *va = (unsigned long)window;
    }
    if (page)
        __free_page(page);
    kvfree(pages);
    return window ? 0 : -ENOMEM;
}

void linux_window_drop(void)
{
    if (!window)
        return;
    vunmap(window);
    window = NULL;
    atomic_long_dec(&windows_out);
}

void *linux_table(unsigned long va)
{
    return entry_of(va & PMD_MASK);
}

void linux_entry_set(void *table, unsigned index, unsigned long pa, int writable)
{
    set_pte((pte_t *)table + index,
            pfn_pte(pa >> PAGE_SHIFT, writable ? PAGE_KERNEL : PAGE_KERNEL_RO));
}

unsigned long linux_entry_get(const void *table, unsigned index)
{
    pte_t entry = READ_ONCE(((const pte_t *)table)[index]);

    return pte_none(entry) ? 0 : pte_pfn(entry) << PAGE_SHIFT;
}

unsigned long linux_entry_clear(void *table, unsigned index)
{
    unsigned long pa = linux_entry_get(table, index);

    set_pte((pte_t *)table + index, __pte(0));
    return pa;
}

/* flush_tlb_kernel_range() is not exported. This also forgets what other PCIDs have. */
static void flush_here(void *unused)
{
    __flush_tlb_all();
}

void linux_flush(void)
{
    on_each_cpu(flush_here, NULL, 1);
}

/* ---- CPUs ------------------------------------------------------------------------------------ */

void linux_call_all(void (*fn)(void *arg), void *arg)
{
    on_each_cpu(fn, arg, 1);
}

struct worker {
    void (*fn)(void *arg, unsigned index);
    void *arg;
    unsigned index;
    struct task_struct *task;
    struct completion *go, done;
};

static int work(void *data)
{
    struct worker *w = data;

    wait_for_completion(w->go);
    w->fn(w->arg, w->index);
    complete(&w->done);
    return 0;
}

static int start(struct worker *w, unsigned cpu, struct completion *go)
{
    w->go = go;
    init_completion(&w->done);
    w->task = kthread_create_on_node(work, w, cpu_to_node(cpu), "perch/%u", cpu);
    if (IS_ERR(w->task))
        return PTR_ERR(w->task);
    get_task_struct(w->task);
    kthread_bind(w->task, cpu);
    wake_up_process(w->task);
    return 0;
}

static void nothing(void *arg, unsigned index)
{
}

/* After an error those that were started end without work. */
int linux_on_cpus(unsigned n, void (*fn)(void *arg, unsigned index), void *arg)
{
    struct worker *workers = kcalloc(n, sizeof(*workers), GFP_KERNEL);
    DECLARE_COMPLETION_ONSTACK(go);
    unsigned started = 0;
    int cpu, err = workers ? 0 : -ENOMEM;

    cpus_read_lock();
    for_each_online_cpu(cpu)
    {
        if (err || started == n)
            break;
        workers[started] = (struct worker){.fn = fn, .arg = arg, .index = started};
        err = start(&workers[started], cpu, &go);
        started += !err;
    }
    if (!err && started < n)
        err = -ENODEV;
    for (unsigned i = 0; err && i < started; i++)
        workers[i].fn = nothing;
    complete_all(&go);
    for (unsigned i = 0; i < started; i++) {
        wait_for_completion(&workers[i].done);
        kthread_stop(workers[i].task);
        put_task_struct(workers[i].task);
    }
    cpus_read_unlock();
    kfree(workers);
    return err;
}

void linux_nap(unsigned times)
{
    if (times < 1000)
        cond_resched();
    else
        usleep_range(20, 100);
}

unsigned long linux_ns(void)
{
    return ktime_get_ns();
}

unsigned linux_interrupts(void)
{
    return this_cpu_read(irq_stat.apic_timer_irqs) + this_cpu_read(irq_stat.irq_resched_count) +
           this_cpu_read(irq_stat.irq_call_count) + this_cpu_read(kstat.irqs_sum);
}

/* ---- the log --------------------------------------------------------------------------------- */

void linux_print(int level, const char *line)
{
    if (level <= 3)
        pr_err("perch: %s\n", line);
    else if (level == 4)
        pr_warn("perch: %s\n", line);
    else
        pr_info("perch: %s\n", line);
}

void linux_bug(const char *text)
{
    pr_emerg("perch: %s\n", text);
    BUG();
}

/* ---- Linux's own allocator ------------------------------------------------------------------- */

void *linux_percpu_alloc(unsigned long size, unsigned long align)
{
    return (void __force *)__alloc_percpu(size, align);
}

void linux_percpu_free(void *p)
{
    free_percpu((void __percpu __force *)p);
}

void *linux_percpu_copy(void *p, unsigned cpu)
{
    return per_cpu_ptr((void __percpu __force *)p, cpu);
}

/* ---- loading --------------------------------------------------------------------------------- */

static unsigned cpus = 1, pairs = 2000, rounds = 5;
static char *ops = "pair,trace,fork,storm,remote";
module_param(cpus, uint, 0444);
MODULE_PARM_DESC(cpus, "threads of the storms, each on a CPU");
module_param(pairs, uint, 0444);
MODULE_PARM_DESC(pairs, "pairs of each size, and of each thread of a storm");
module_param(rounds, uint, 0444);
MODULE_PARM_DESC(rounds, "turns of both allocators in a storm");
module_param(ops, charp, 0444);
MODULE_PARM_DESC(ops, "which: pair,trace,fork,storm,remote");

static int __init begin(void)
{
    if (boot_cpu_has(X86_FEATURE_XENPV)) /* CLI and page tables are the hypervisor's there */
        return -ENODEV;
    return module_begin(cpus, ops, pairs, rounds);
}

static void __exit end(void)
{
    module_end();
}

module_init(begin);
module_exit(end);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("Perch's per-CPU allocator beside Linux's");
