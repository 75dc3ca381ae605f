/*
 * The walk of each CPU, and the judgement of its pieces.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/cpu.h"
#include "kernel/base/cpu_local.h"
#include "kernel/base/print.h"
#include "kernel/base/sort.h"
#include "kernel/base/string.h"
#include "kernel/report/placement.h"
#include "mm/map/address_map.h"
#include "smp/call/call.h"
#include "smp/start/cpus.h"

#define MAX_PIECES   128 /* a page-mapped unit of Linux's size has up to 66 */
#define SHOWN_PIECES 6

/* The physical pieces of one CPU's unit, as that CPU found them. */
struct unit_walk {
    u32 number; /* the CPU's number, read through GS */
    u64 unit;   /* virtual address that GS points to */
    u32 pieces; /* all, those beyond MAX_PIECES too */
    bool hole;  /* an address of the unit is not mapped */
    struct piece {
        u64 start, end;
        s32 node;
        bool last; /* memory that is to be used last */
    } piece[MAX_PIECES];
};

struct placement_walk {
    struct boot_state *s;
    struct unit_walk *walks; /* by CPU number */
};

static bool adjoins(const struct piece *a, u64 pa, s32 node, bool last)
{
    return a->end == pa && a->node == node && a->last == last;
}

static void add_piece(struct unit_walk *out, u64 pa, u64 len, const struct memblock_region *memory)
{
    s32 node = memory ? memory->nid : NODE_NONE;
    bool last = memory && memory->flags & MEMBLOCK_LAST;
    u32 n = out->pieces;

    if (n && n <= MAX_PIECES && adjoins(&out->piece[n - 1], pa, node, last)) {
        out->piece[n - 1].end += len;
        return;
    }
    if (n < MAX_PIECES) {
        out->piece[n].start = pa;
        out->piece[n].end = pa + len;
        out->piece[n].node = node;
        out->piece[n].last = last;
    }
    out->pieces++;
}

/*
 * Runs on every CPU: looks up its own unit in its own page tables. One step a leaf of the tables
 * and a region of memory, so that an embedded unit costs a few steps and not one for each page.
 */
static void walk_own_unit(void *arg)
{
    struct placement_walk *p = arg;
    struct boot_state *s = p->s;
    struct pagetable live = pagetable_view(read_cr3(), &s->vm.src, true);
    u32 number = this_cpu_read(cpu_number_pcpu);
    struct unit_walk *out;
    u64 step;

    if (number >= s->topo.cpu_count)
        return;
    out = &p->walks[number];
    out->unit = rdmsr(MSR_GS_BASE) + (u64)(uintptr_t)__per_cpu_start;
    for (u64 off = 0; off < s->first_chunk.size_sum; off += step) {
        u64 va = out->unit + off, pa, leaf;
        const struct memblock_region *memory;

        if (pagetable_lookup(&live, va, &pa, NULL, &leaf)) {
            out->hole = true;
            break;
        }
        memory = memblock_search(&s->mb.memory, pa);
        step = MIN(leaf - (va & (leaf - 1)), s->first_chunk.size_sum - off);
        if (!memory)
            step = PAGE_SIZE;
        else /* a page belongs to the region of its first byte */
            step = MIN(step, align_up(memory->base + memory->size - pa, PAGE_SIZE));
        add_piece(out, pa, step, memory);
    }
    out->number = number;
}

/*
 * Has a node before `served` in home's order (NODE_NONE: any node) enough memory without
 * skip_flags? Enough is more than an aligned block of this chunk.
 */
static bool better_could_serve(struct boot_state *s, s32 home, s32 served, u32 skip_flags)
{
    const s32 *order = node_order_of(&s->order, home);
    u64 need = 2 * (s->first_chunk.alloc_size + s->first_chunk.atom_size);

    for (u32 i = 0; i < s->topo.node_count && order[i] != served; i++)
        if (memblock_node_without(&s->mb, order[i], skip_flags) >= need + 16 * SZ_1M)
            return true;
    return false;
}

/* The rule: plain DRAM of the nearest node first; memory to be used last only without any DRAM. */
static const char *judge_piece(struct boot_state *s, s32 home, const struct piece *p)
{
    bool wrong;

    if (!p->last && p->node == home)
        return "ok";
    if (p->last)
        wrong = better_could_serve(s, home, NODE_NONE, MEMBLOCK_LAST) ||
                better_could_serve(s, home, p->node, 0);
    else
        wrong = better_could_serve(s, home, p->node, MEMBLOCK_LAST);
    if (wrong)
        return "wrong";
    return p->node == home ? "ok" : "nearest";
}

/* The pages of a page-mapped unit often have falling addresses: sorted, they join to one piece. */
static void join_pieces(struct unit_walk *walk)
{
    struct piece *p = walk->piece;
    u32 n = 0;

    if (walk->pieces > MAX_PIECES)
        return;
    sort(p, walk->pieces, sizeof(*p), sort_compare_u64, NULL);
    for (u32 i = 0; i < walk->pieces; i++) {
        if (n && adjoins(&p[n - 1], p[i].start, p[i].node, p[i].last))
            p[n - 1].end = p[i].end;
        else
            p[n++] = p[i];
    }
    walk->pieces = n;
}

static void print_unit(struct boot_state *s, u32 cpu, struct unit_walk *walk,
                       struct placement_totals *totals)
{
    s32 home = s->topo.cpus[cpu].node;
    bool near = true, wrong = false;

    if (walk->unit != (u64)pcpu_unit_addr(&s->first_chunk, cpu) || walk->hole) {
        pr_err("percpu: cpu %u node %d: GS leads to 0x%llx, not to its unit", cpu, home,
               (ull)walk->unit);
        totals->wrong++;
        return;
    }
    join_pieces(walk);
    for (u32 i = 0; i < walk->pieces && i < MAX_PIECES; i++) {
        const char *word = judge_piece(s, home, &walk->piece[i]);
        struct range r = {walk->piece[i].start, walk->piece[i].end};

        near &= walk->piece[i].node == home;
        wrong |= word[0] == 'w';
        if (i >= SHOWN_PIECES && word[0] != 'w')
            continue;
        pr_info("percpu: cpu %u node %d unit " RANGE_FMT " node %d %s%s", cpu, home, RANGE_ARG(r),
                walk->piece[i].node, word, walk->piece[i].last ? " (no plain DRAM left)" : "");
    }
    if (walk->pieces > SHOWN_PIECES)
        pr_info("percpu: cpu %u: %u pieces in all, %u looked at", cpu, walk->pieces,
                MIN(walk->pieces, MAX_PIECES));
    totals->units_ok += near;
    totals->wrong += wrong;
    totals->nearest += !near && !wrong;
}

void placement_prove(struct boot_state *s, struct placement_totals *totals)
{
    u64 bytes = s->topo.cpu_count * sizeof(struct unit_walk);
    struct placement_walk p = {s, small_alloc(&s->small, NODE_NONE, bytes)};
    bool late;
    u32 cpu;

    *totals = (struct placement_totals){0};
    if (!p.walks)
        panic("no memory for the placement proof");
    for (cpu = 0; cpu < s->topo.cpu_count; cpu++) { /* pieces are read as far as filled */
        memset(&p.walks[cpu], 0, offsetof(struct unit_walk, piece));
        p.walks[cpu].number = ~0u;
    }
    late = smp_call_all_copy(walk_own_unit, &p) != 0;
    if (late)
        pr_err("percpu: not every CPU looked at its unit");
    for_each_online_cpu(cpu)
    {
        if (p.walks[cpu].number != cpu) {
            pr_err("percpu: cpu %u did not find itself through GS", cpu);
            totals->wrong++;
            continue;
        }
        totals->cpus++;
        print_unit(s, cpu, &p.walks[cpu], totals);
    }
    if (!late) /* else a CPU may still write to it */
        small_free(&s->small, p.walks, bytes);
}
