/*
 * Checks the invariants of a finished first chunk from its tables alone; see setup_first_chunk.h.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/first/setup_first_chunk.h"

static const char *verify_sizes(const struct pcpu_first_chunk *fc)
{
    if (!fc->base_addr || !is_aligned((uintptr_t)fc->base_addr, PAGE_SIZE))
        return "base is not a page";
    if (!fc->unit_size || !is_aligned(fc->unit_size, PAGE_SIZE) ||
        fc->unit_size < PCPU_MIN_UNIT_SIZE || fc->unit_size < fc->size_sum)
        return "unit size";
    if (!fc->alloc_size || fc->alloc_size % fc->unit_size || !is_pow2(fc->atom_size) ||
        !is_aligned(fc->alloc_size, fc->atom_size))
        return "block size";
    if (fc->static_area.start != 0 || fc->static_area.end != fc->reserved_area.start ||
        fc->reserved_area.end < fc->reserved_area.start ||
        fc->reserved_area.end != fc->dyn_area.start || fc->dyn_area.end != fc->size_sum ||
        fc->dyn_area.start > fc->dyn_area.end)
        return "regions do not follow each other";
    return NULL;
}

static const char *verify_groups(const struct pcpu_first_chunk *fc)
{
    u64 units = 0;
    bool at_base = false;

    for (u32 i = 0; i < fc->nr_groups; i++) {
        u64 start = fc->group_offsets[i], end = start + fc->group_sizes[i];

        if (fc->group_sizes[i] != fc->group_units[i] * (u64)fc->unit_size || end <= start)
            return "group size";
        if (fc->group_sizes[i] % fc->alloc_size || !is_aligned(start, fc->atom_size))
            return "group is not whole blocks";
        for (u32 j = 0; j < i; j++)
            if (start < fc->group_offsets[j] + fc->group_sizes[j] && fc->group_offsets[j] < end)
                return "groups overlap";
        at_base |= start == 0;
        units += fc->group_units[i];
    }
    if (!at_base)
        return "no group at the base";
    return units == fc->nr_units ? NULL : "number of units";
}

static const char *verify_units(const struct pcpu_first_chunk *fc)
{
    u32 unit = 0, used = 0;

    for (u32 i = 0; i < fc->nr_groups; i++) {
        for (u32 j = 0; j < fc->group_units[i]; j++, unit++) {
            u32 cpu = fc->unit_cpu[unit];

            if (cpu == PCPU_NO_CPU)
                continue;
            if (cpu >= fc->nr_cpus || fc->unit_map[cpu] != unit)
                return "the two unit maps differ";
            if (fc->unit_off[cpu] != fc->group_offsets[i] + j * (u64)fc->unit_size)
                return "unit offset";
            if (fc->unit_off[cpu] < fc->unit_off[fc->low_unit_cpu] ||
                fc->unit_off[cpu] > fc->unit_off[fc->high_unit_cpu])
                return "lowest or highest unit";
            used++;
        }
    }
    return used == fc->nr_cpus ? NULL : "a CPU has no unit";
}

const char *pcpu_first_chunk_verify(const struct pcpu_first_chunk *fc)
{
    const char *bad;

    if (!fc->tables || !fc->nr_cpus || !fc->nr_groups)
        return "not set up";
    if (fc->low_unit_cpu >= fc->nr_cpus || fc->high_unit_cpu >= fc->nr_cpus)
        return "lowest or highest unit";
    bad = verify_sizes(fc);
    if (!bad)
        bad = verify_groups(fc);
    return bad ? bad : verify_units(fc);
}
