/*
 * Nodes numbered without holes; see lib.h.
 * SPDX-License-Identifier: MIT
 */
#include "percpu/lib.h"

u32 percpu_lib_parts(const s32 *cpu_node, u32 nr_cpus, u32 *cpu_part, s32 *part_node)
{
    u32 n = 0;

    for (u32 cpu = 0; cpu < nr_cpus; cpu++) {
        u32 part = 0;

        while (part < n && part_node[part] != cpu_node[cpu])
            part++;
        if (part == n)
            part_node[n++] = cpu_node[cpu];
        cpu_part[cpu] = part;
    }
    return n;
}
