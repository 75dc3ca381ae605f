/*
 * CPU identification.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/cpu_id.h"
#include "kernel/base/string.h"

void cpu_id_decode(struct cpu_id *id, u32 ebx, u32 edx, u32 ecx, u32 eax1)
{
    const u32 words[3] = {ebx, edx, ecx};
    u32 base = eax1 >> 8 & 0xf;

    memcpy(id->vendor, words, 12);
    id->vendor[12] = '\0';
    id->family = base == 0xf ? base + (eax1 >> 20 & 0xff) : base;
    id->model = eax1 >> 4 & 0xf;
    if (base == 0xf || base == 6)
        id->model |= eax1 >> 12 & 0xf0;
    id->stepping = eax1 & 0xf;
}

bool cpu_vendor_is_amd(const char *vendor)
{
    return strcmp(vendor, "AuthenticAMD") == 0 || strcmp(vendor, "HygonGenuine") == 0;
}

bool cpu_promotion_safe(const char *vendor, u32 family)
{
    return strcmp(vendor, "AuthenticAMD") != 0 || family != 0x10;
}
