/*
 * The final page tables; see paging.h.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/platform/paging.h"
#include "kernel/base/cpu.h"
#include "kernel/base/firmware.h"
#include "kernel/base/print.h"
#include "kernel/base/printf.h"
#include "kernel/platform/mmio.h"
#include "kernel/platform/pat.h"
#include "mm/map/address_map.h"

#define CPUID_1G   (1u << 26) /* CPUID 80000001h EDX: SDM vol. 2, CPUID */
#define CPUID_LA57 (1u << 16) /* CPUID 7, 0 ECX */

/* CR4 as firmware or loader left it, written by boot/entry32.asm. Not 0, so that it is in .data. */
u32 boot_entry_cr4 = 1;
u8 boot_nx_was_off = 2; /* 1: boot/check32.asm switched it on; not 0, to be in .data */

/* linker.ld */
extern char __per_cpu_start[], __per_cpu_end[];
extern char __text_start[], __text_end[], __rodata_start[], __rodata_end[];
extern char __ro_after_init_start[], __ro_after_init_end[];
extern char __data_start[], __data_end[], __boot_stack_guard[];
extern char __early_unit[], __early_unit_end[];

static const struct kernel_vm *described; /* for paging_describe(), which has no argument for it */

/* ---- memory for tables and area records ------------------------------------------------------ */

static int table_alloc(void *ctx, s32 node, u64 *pa)
{
    struct kernel_vm *vm = ctx;
    struct memblock_request req = {
        .size = PAGE_SIZE,
        .align = PAGE_SIZE,
        .min_addr = SZ_1M,
        .nodes = &node,
        .nr_nodes = node >= 0 ? 1 : 0,
    };
    struct memblock_result res;

    if (vm->pages)
        return buddy_alloc(vm->pages, node, 0, 0, pa, NULL);
    int err = memblock_alloc(vm->mb, &req, &res);
    if (!err)
        *pa = res.base;
    return err;
}

static void table_free(void *ctx, u64 pa)
{
    struct kernel_vm *vm = ctx;

    if (vm->pages)
        buddy_free(vm->pages, pa, 0); /* also a page that came from memblock */
    else
        memblock_give_back(vm->mb, pa, PAGE_SIZE);
}

static void *table_map(void *ctx, u64 pa)
{
    (void)ctx;
    return phys_to_virt(pa);
}

static struct varea *areas_alloc(void *ctx, u32 count)
{
    struct kernel_vm *vm = ctx;

    if (vm->pages)
        return small_alloc(vm->small, NODE_NONE, count * sizeof(struct varea));
    return memblock_zalloc(vm->mb, count * sizeof(struct varea), 64);
}

static void areas_free(void *ctx, struct varea *areas, u32 count)
{
    struct kernel_vm *vm = ctx;

    if (!vm->pages)
        memblock_give_back(vm->mb, virt_to_phys(areas), count * sizeof(struct varea));
    else if (areas != vm->boot_areas[0] && areas != vm->boot_areas[1])
        small_free(vm->small, areas, count * sizeof(struct varea));
}

void paging_hand_over(struct kernel_vm *vm, struct buddy *pages, struct small_mem *small)
{
    vm->boot_areas[0] = vm->areas.areas;
    vm->boot_areas[1] = vm->pcpu_window.areas;
    vm->small = small;
    vm->pages = pages;
}

/* ---- building -------------------------------------------------------------------------------- */

static bool cpu_has_1g_pages(void)
{
    u32 a, b, c, d;

    cpuid(0x80000001, 0, &a, &b, &c, &d);
    return d & CPUID_1G;
}

/* Perch never uses five levels: docs/adr/0015. */
static void say_depth(bool has_1g)
{
    u32 a, b, c, d;

    cpuid(0, 0, &a, &b, &c, &d);
    if (a >= 7)
        cpuid(7, 0, &a, &b, &c, &d);
    else
        c = 0;
    pr_info("paging: 4 levels, 1 GiB pages: %s; CPU %s 5 levels, CR4 was 0x%x at entry",
            has_1g ? "yes" : "no", c & CPUID_LA57 ? "has" : "has not", boot_entry_cr4);
    if (boot_nx_was_off == 1)
        firmware_finding(FW_CPU_NX_OFF,
                         "NX was switched off (IA32_MISC_ENABLE bit 34), and is on now");
    if (boot_entry_cr4 & CR4_LA57)
        firmware_finding(FW_CPU_FIVE_LEVELS, "the firmware ran with 5 levels of page tables");
}

static struct kernel_section section(const char *start, const char *end, u32 prot, const char *name)
{
    u64 va = (u64)(uintptr_t)start;

    return (struct kernel_section){va, image_to_phys(start),
                                   align_up((u64)(uintptr_t)end, PAGE_SIZE) - va, prot, name};
}

/* The page below the boot stack stays unmapped: it is the stack's guard page. */
static int map_image(struct kernel_vm *vm)
{
    const struct kernel_section sections[] = {
        section(__per_cpu_start, __per_cpu_end, 0, "per-CPU template"),
        section(__text_start, __text_end, PT_X, "text"),
        section(__rodata_start, __rodata_end, 0, "rodata"),
        section(__ro_after_init_start, __ro_after_init_end, 0, "ro_after_init"),
        section(__data_start, __boot_stack_guard, PT_W, "data"),
        section(__boot_stack_guard + PAGE_SIZE, __early_unit, PT_W, "boot stack"),
        section(__early_unit, __early_unit_end, PT_W, "early per-CPU unit"),
    };

    return kernel_map_build(&vm->pt, sections, ARRAY_SIZE(sections));
}

/* The image without its data: no mapping of it may be writable. */
static struct range image_ro(void)
{
    return (struct range){mmio_rules()->image.start, image_to_phys(__ro_after_init_end)};
}

static void init_areas(struct kernel_vm *vm)
{
    vm->storage = (struct vspace_storage){areas_alloc, areas_free, vm};
    if (vspace_init(&vm->areas, "virtual areas", VAREA_BASE, VAREA_SIZE, vm->area_slots,
                    VM_FIRST_AREAS, &vm->storage) ||
        vspace_init(&vm->pcpu_window, "per-CPU window", PCPU_WINDOW_BASE, PCPU_WINDOW_SIZE,
                    vm->window_slots, VM_FIRST_AREAS, &vm->storage))
        panic("virtual areas: bad window");
}

void paging_init(struct kernel_vm *vm, struct memblock *mb, const struct range *ranges, u32 n)
{
    struct range ro = image_ro();

    vm->mb = mb;
    vm->src = (struct page_source){table_alloc, table_free, table_map, vm};
    init_areas(vm);
    say_depth(cpu_has_1g_pages());
    int err = pagetable_init(&vm->pt, &vm->src, NODE_NONE, cpu_has_1g_pages(), true);
    if (!err)
        err = direct_map_build(&vm->pt, ranges, n, &ro, 1, &vm->direct);
    if (!err)
        err = map_image(vm);
    if (err)
        panic("page tables: error %d", err);

    pat_set();
    write_cr3(vm->pt.root_pa);
    flush_tlb_local(); /* also drops global entries, should the boot tables have any */
    described = vm;
    memblock_set_current_limit(mb, PHYS_LIMIT);
}

/* ---- users of virtual areas ------------------------------------------------------------------ */

static void *map_device(struct kernel_vm *vm, u64 pa, u64 size, u32 cache, const char *name)
{
    struct vspace_map_args args = {
        .prot = PT_W | PT_G | cache, .node = NODE_NONE, .tag = {name, VAREA_NO_OWNER}};
    u64 va;

    paging_lock(vm);
    int err = vspace_map_range(&vm->areas, &vm->pt, pa, size, &args, &va);
    paging_unlock(vm);
    if (err) {
        pr_err("mmio: %s at 0x%lx cannot be mapped (%d)", name, pa, err);
        return NULL;
    }
    return (void *)va;
}

void *paging_map_mmio(struct kernel_vm *vm, u64 pa, u64 size, u32 cache, const char *name)
{
    enum mmio_verdict v = mmio_allowed(mmio_rules(), pa, size);

    if (v == MMIO_OK)
        return map_device(vm, pa, size, cache, name);
    pr_err("mmio: %s at 0x%lx refused: %s", name, pa, mmio_verdict_text(v));
    return NULL;
}

void *paging_map_local_apic(struct kernel_vm *vm, u64 pa)
{
    return map_device(vm, pa, PAGE_SIZE, PT_UC, "local APIC");
}

int paging_map_stack(struct kernel_vm *vm, u64 pa, u64 size, const char *name, u32 cpu, u64 *top)
{
    struct vspace_map_args args = {
        .prot = PT_W | PT_G,
        .node = memblock_addr_nid(vm->mb, pa),
        .guard = PAGE_SIZE,
        .tag = {name, (s32)cpu},
    };
    u64 va;

    paging_lock(vm);
    int err = vspace_map_range(&vm->areas, &vm->pt, pa, size, &args, &va);
    paging_unlock(vm);
    if (!err)
        *top = va + size;
    return err;
}

int paging_map_identity(struct kernel_vm *vm, u64 pa, bool exec)
{
    paging_lock(vm);
    int err = pagetable_map_page(&vm->pt, pa, pa, exec ? PT_X : PT_W, NODE_NONE);

    paging_unlock(vm);
    if (!err && exec)
        vm->trampoline_pa = pa;
    return err;
}

void paging_unmap_identity(struct kernel_vm *vm, u64 pa)
{
    struct pt_flush flush = PT_FLUSH_NONE;

    paging_lock(vm);
    int err = pagetable_unmap(&vm->pt, pa, PAGE_SIZE, PT_KEEP_TABLES, &flush);
    paging_unlock(vm);
    if (err)
        panic("trampoline page 0x%lx cannot be unmapped", pa);
    flush_tlb_local();
    if (vm->trampoline_pa == pa)
        vm->trampoline_pa = 0;
}

int paging_prove_wx(const struct kernel_vm *vm, struct wx_result *result)
{
    struct pagetable live = pagetable_view(read_cr3(), &vm->src, true);
    struct range ro = image_ro();
    u64 text = (u64)(uintptr_t)__text_start;
    struct wx_exec exec[2] = {
        {{text, (u64)(uintptr_t)__text_end}, image_to_phys(__text_start)},
        {{vm->trampoline_pa, vm->trampoline_pa + PAGE_SIZE}, vm->trampoline_pa},
    };
    struct wx_policy policy = {exec, vm->trampoline_pa ? 2 : 1, &ro, 1};
    int err = wx_check(&live, &policy, result);

    if (!err)
        pr_info("paging: W^X holds: %lu leaves, %lu KiB executable, image read-only in the "
                "direct map too",
                result->leaves, (result->exec_bytes / 1024));
    return err;
}

/* The parts of the image where a wild access may end up. */
static const char *describe_image(u64 addr)
{
    static const struct {
        const char *start, *end;
        const char *name;
    } parts[] = {
        {__per_cpu_start, __per_cpu_end, "per-CPU template, read-only"},
        {__text_start, __text_end, "kernel text"},
        {__rodata_start, __rodata_end, "kernel rodata"},
        {__ro_after_init_start, __ro_after_init_end, "read-only after the first stages"},
        {__boot_stack_guard, __boot_stack_guard + PAGE_SIZE, "guard page below the boot stack"},
        {__early_unit, __early_unit_end, "early per-CPU unit, retired"},
    };

    for (u32 i = 0; i < ARRAY_SIZE(parts); i++)
        if (addr >= (u64)(uintptr_t)parts[i].start && addr < (u64)(uintptr_t)parts[i].end)
            return parts[i].name;
    return NULL;
}

int paging_describe(u64 addr, char *buf, size_t size)
{
    const char *part = describe_image(addr);

    if (part)
        return ksnprintf(buf, size, "%s", part);
    if (addr < PAGE_SIZE)
        return ksnprintf(buf, size, "null pointer");
    if (addr >= DIRECT_MAP_BASE && addr < DIRECT_MAP_BASE + DIRECT_MAP_SIZE)
        return ksnprintf(buf, size, "direct map, physical 0x%llx: not usable memory",
                         addr - DIRECT_MAP_BASE);
    if (!described)
        return 0;
    int len = vspace_describe(&described->areas, addr, buf, size);
    return len ? len : vspace_describe(&described->pcpu_window, addr, buf, size);
}
