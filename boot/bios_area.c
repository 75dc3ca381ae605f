/*
 * The end of memory that a BIOS leaves; see bios_area.h.
 * SPDX-License-Identifier: MIT
 */
#include "boot/bios_area.h"

#include "kernel/base/string.h"

#define EBDA_SEGMENT 0x40eULL
#define BASE_KIB     0x413ULL
#define LEAST        0x20000ULL /* no BIOS takes more than that from 640 KiB: 128 KiB stay */

static u64 word(const struct phys_window *w, u64 pa)
{
    const void *p = phys_map(w, pa, sizeof(u16));
    u16 value = 0;

    if (p)
        memcpy(&value, p, sizeof(value));
    return value;
}

static bool possible(u64 start)
{
    return start >= LEAST && start < BIOS_AREA_END;
}

u64 bios_area_start(const struct phys_window *w)
{
    u64 ebda = word(w, EBDA_SEGMENT) << 4, base = word(w, BASE_KIB) << 10;
    u64 start = possible(base) ? base : BIOS_AREA_END;

    return possible(ebda) ? MIN(start, ebda) : start;
}
