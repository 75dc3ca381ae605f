/*
 * Vendor, family and model of a CPU, decoded from CPUID's registers, and the errata that no feature
 * bit shows. The caller reads CPUID, so that a test can decode any CPU on any other.
 * Pure; any context.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_CPU_ID_H
#define PERCH_BASE_CPU_ID_H

#include "kernel/base/types.h"

struct cpu_id {
    char vendor[13]; /* "GenuineIntel", "AuthenticAMD", ... */
    u32 family;      /* base family and extended family added up, as the vendors number them */
    u32 model;
    u32 stepping;
};

/* ebx, edx, ecx: of CPUID leaf 0; eax1: EAX of leaf 1 (SDM vol 2, CPUID; APM vol 3, appendix E). */
void cpu_id_decode(struct cpu_id *id, u32 ebx, u32 edx, u32 ecx, u32 eax1);

/* AMD, or Hygon, whose CPUs are AMD's. */
bool cpu_vendor_is_amd(const char *vendor);

/*
 * May the page size of an address change while CPUs use it? Not on AMD family 10h: by erratum 383
 * (Revision Guide for AMD Family 10h Processors, 41322) TLB entries of both sizes cause a machine
 * check.
 */
bool cpu_promotion_safe(const char *vendor, u32 family);

#endif
