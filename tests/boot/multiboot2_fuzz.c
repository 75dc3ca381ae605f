/*
 * Fuzz target: the input is memory at FUZZ_BASE, and the Multiboot2 information begins there.
 * SPDX-License-Identifier: MIT
 */
#include "boot/multiboot2.h"
#include "tests/fuzz/boot_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_memory mem = {data, size};
    struct phys_window w = {fuzz_map, &mem, NULL};
    static struct boot_info info;

    shim_log_reset();
    (void)!multiboot2_parse(&w, FUZZ_BASE, &info);
    fuzz_check_boot_info(&info);
    return 0;
}
