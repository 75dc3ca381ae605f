/*
 * From the address of a copy to its chunk, CPU, offset and page. See percpu.h.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/alloc/alloc.h"
#include "percpu/alloc/alloc_lookup.h"

/* The group of addr in the chunk at base; `group` is tried first. nr_groups: none. */
static u32 group_at(const struct pcpu_first_chunk *fc, u64 base, u64 addr, u32 group)
{
    if (addr - base - fc->group_offsets[group] < fc->group_sizes[group])
        return group;
    /* Groups smaller than 2 MiB share slots. */
    for (u32 g = 0; g < fc->nr_groups; g++)
        if (addr - base - fc->group_offsets[g] < fc->group_sizes[g])
            return g;
    return fc->nr_groups;
}

static enum percpu_where part_of_first(const struct pcpu_allocator *a, u64 off)
{
    const struct pcpu_dchunk *ch = pcpu_fixed_chunk(a, off);

    if (off < a->fc->static_area.end)
        return PERCPU_STATIC;
    if (!ch)
        return PERCPU_NOWHERE;
    return ch == a->first ? PERCPU_IN_FIRST : PERCPU_IN_RESERVED;
}

static int locate_unit(const struct pcpu_allocator *a, u64 base, u64 addr, u32 guess,
                       struct percpu_location *loc)
{
    const struct pcpu_first_chunk *fc = a->fc;
    u32 g = group_at(fc, base, addr, guess);
    u64 in_group;

    if (g == fc->nr_groups)
        return -ENOENT;
    in_group = addr - base - fc->group_offsets[g];
    loc->cpu = fc->unit_cpu[a->group_unit0[g] + (u32)(in_group / a->unit_size)];
    loc->off = in_group % a->unit_size;
    return loc->cpu == PCPU_NO_CPU ? -ENOENT : 0;
}

int pcpu_decode(struct pcpu_allocator *a, u64 addr, struct percpu_location *loc)
{
    u64 slot = (addr - a->window_base) >> PCPU_SLOT_SHIFT;
    const struct pcpu_fc_slot *fc_slot;
    struct pcpu_dchunk *ch;
    u64 irq = local_irq_save();
    int err = -ENOENT;

    *loc = (struct percpu_location){0};
    ch = pcpu_chunk_at(a, addr);
    fc_slot = ch ? NULL : pcpu_find_fc_slot(a, addr);
    if (ch) {
        err = locate_unit(a, ch->base, addr, pcpu_leaf_of(a, slot)->group[slot % PCPU_LEAF_SLOTS],
                          loc);
        loc->where = PERCPU_IN_CHUNK;
        loc->chunk = ch->number;
    } else if (fc_slot->slot) {
        err = locate_unit(a, a->first_base, addr, fc_slot->group, loc);
        if (!err) {
            loc->where = part_of_first(a, loc->off);
            err = loc->where == PERCPU_NOWHERE ? -ENOENT : 0;
            loc->chunk = loc->where == PERCPU_IN_RESERVED ? PCPU_CHUNK_RESERVED : PCPU_CHUNK_FIRST;
        }
    }
    local_irq_restore(irq);
    if (err)
        *loc = (struct percpu_location){0};
    return err;
}

u64 pcpu_to_phys(struct pcpu_allocator *a, u64 addr)
{
    struct percpu_location loc;
    struct pcpu_dchunk *ch;
    u64 pa = ~0ULL, irq;

    if (pcpu_decode(a, addr, &loc))
        return pa;
    if (loc.where != PERCPU_IN_CHUNK)
        return a->ops->phys ? a->ops->phys(a->ops->ctx, addr) : pa;
    irq = local_irq_save(); /* the chunk stays */
    ch = pcpu_chunk_at(a, addr);
    if (!ch || pcpu_backing_lookup(&ch->backing, loc.cpu, loc.off, &pa))
        pa = ~0ULL;
    local_irq_restore(irq);
    return pa;
}
