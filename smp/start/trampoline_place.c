/*
 * Pages below 1 MiB for the trampoline; see trampoline_place.h.
 * SPDX-License-Identifier: MIT
 */
#include "smp/start/trampoline_place.h"

#include "kernel/base/firmware.h"
#include "kernel/base/print.h"
#include "smp/start/trampoline.h"

int trampoline_place(struct memblock *mb, u64 *pa)
{
    struct memblock_request req = {
        .size = TRAMPOLINE_SIZE, .align = PAGE_SIZE, .min_addr = PAGE_SIZE, .max_addr = SZ_1M};
    struct memblock_result res;
    int err = memblock_alloc(mb, &req, &res);

    if (err) {
        firmware_finding(FW_MEMORY_LOW,
                         "no %u free pages in a row below 1 MiB for the start of "
                         "CPUs: only the boot CPU runs",
                         (u32)(TRAMPOLINE_SIZE / PAGE_SIZE));
        return err;
    }
    *pa = res.base;
    pr_info("smp: trampoline at 0x%lx", *pa);
    return 0;
}
