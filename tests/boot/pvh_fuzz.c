/*
 * Fuzz target: the input is memory at FUZZ_BASE, and the PVH start information begins there.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include "boot/pvh.h"
#include "tests/fuzz/boot_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t rounded = align_up(size ? size : 1, PAGE_SIZE); /* strings are mapped page by page */
    u8 *pages = calloc(1, rounded);
    struct fuzz_memory mem = {pages, rounded};
    struct phys_window w = {fuzz_map, &mem, NULL};
    static struct boot_info info;

    if (!pages)
        return 0;
    if (size)
        memcpy(pages, data, size);
    shim_log_reset();
    (void)!pvh_parse(&w, FUZZ_BASE, &info);
    fuzz_check_boot_info(&info);
    free(pages);
    return 0;
}
