/*
 * libFuzzer: any bytes as an HMAT and as an MSCT, alone and against a small machine. Structures lie
 * inside the table, in order; what the walk gives out can be read whole.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/print.h"
#include "mm/numa/numa_check.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);

static void *no_memory(void *ctx, size_t size)
{
    (void)ctx;
    (void)size;
    return NULL;
}

/* Three nodes, with distances. */
static void check_against_machine(const struct hmat *h, const struct msct_info *msct)
{
    static struct numa_node nodes[3] = {{.pxm = 0, .cpu_count = 1, .has_cpus = true},
                                        {.pxm = 1, .has_memory = true, .ram_bytes = SZ_1G},
                                        {.pxm = 5}};
    static u8 distances[9] = {10, 20, 30, 20, 10, 40, 30, 40, 10};
    static const struct srat_records srat;
    struct numa_topology t = {.node_count = 3,
                              .nodes = nodes,
                              .distances = distances,
                              .distance_source = NUMA_DISTANCE_SLIT,
                              .from_srat = true};
    struct numa_input in = {.srat = &srat};
    struct numa_check c = {.in = &in, .topo = &t, .hmat = h, .msct = msct};
    struct numa_alloc alloc = {.alloc = no_memory};

    numa_check(&c, &alloc);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
    struct msct_info msct;
    struct hmat_item item;
    struct hmat_walk w;
    struct hmat h;
    size_t end = 0;

    hmat_check(data, len, &h);
    hmat_log(&h);
    hmat_walk_begin(&w, &h);
    while (hmat_walk_next(&w, &item)) {
        const struct hmat_locality *l = &item.locality;

        ASSERT(item.offset >= end && item.length <= len - item.offset);
        end = item.offset + item.length;
        for (u32 i = 0; item.type == HMAT_LOCALITY && i < l->initiators; i++)
            for (u32 k = 0; k < l->targets; k++)
                hmat_value(l, i, k);
    }
    check_against_machine(&h, msct_check(data, len, &msct) == 0 ? &msct : NULL);
    return 0;
}
