/*
 * libFuzzer: any bytes as a CEDT. The counts promised for an allocation suffice, entries ascend,
 * windows are what the rules allow, and can be listed.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/print.h"
#include "mm/numa/cxl_windows.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
    static struct cedt_bridge bridges[2048];
    static struct cedt_window windows[2048];
    static const struct numa_topology none;
    struct cedt_records r = {.bridges = bridges, .windows = windows};

    if (len > 8192)
        return 0;
    cedt_count(data, len, &r);
    ASSERT(r.bridge_max <= 2048 && r.window_max <= 2048);
    cedt_parse(data, len, &r);
    ASSERT(r.no_room == 0);
    for (u32 i = 0; i < r.window_count; i++) {
        ASSERT(windows[i].size && windows[i].base + windows[i].size > windows[i].base);
        ASSERT(windows[i].ways && windows[i].ways <= CEDT_MAX_TARGETS);
        ASSERT(i == 0 || windows[i - 1].entry < windows[i].entry);
    }
    cxl_windows_report(&none, NULL, &r);
    return 0;
}
