/*
 * CPU identification with the numbers of real CPUs, and which must not change page sizes in place.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/cpu_id.h"
#include "kernel/base/ktest.h"

/* "AuthenticAMD", "GenuineIntel", "HygonGenuine" as EBX, EDX, ECX. */
#define AMD   0x68747541, 0x69746e65, 0x444d4163
#define INTEL 0x756e6547, 0x49656e69, 0x6c65746e
#define HYGON 0x6f677948, 0x6e65476e, 0x656e6975

static const struct {
    u32 ebx, edx, ecx, eax1;
    const char *vendor;
    u32 family, model;
    bool safe;
} cpus[] = {
    {AMD, 0x00100f22, "AuthenticAMD", 0x10, 0x02, false}, /* Phenom */
    {AMD, 0x00100f80, "AuthenticAMD", 0x10, 0x08, false}, /* Opteron 6100 */
    {AMD, 0x00020f12, "AuthenticAMD", 0x0f, 0x21, true},  /* Opteron 200 */
    {AMD, 0x00600f12, "AuthenticAMD", 0x15, 0x01, true},  /* Opteron 6200 */
    {AMD, 0x00800f12, "AuthenticAMD", 0x17, 0x01, true},  /* EPYC 7001 */
    {AMD, 0x00a10f11, "AuthenticAMD", 0x19, 0x11, true},  /* EPYC 9004 */
    {AMD, 0x00060fb1, "AuthenticAMD", 0x0f, 0x6b, true},  /* qemu64 */
    {HYGON, 0x00900f01, "HygonGenuine", 0x18, 0x00, true},
    {INTEL, 0x000206d7, "GenuineIntel", 0x06, 0x2d, true}, /* Xeon E5-2600 */
    {INTEL, 0x000806f8, "GenuineIntel", 0x06, 0x8f, true}, /* Xeon, fourth generation */
    {INTEL, 0x00000f43, "GenuineIntel", 0x0f, 0x04, true}, /* Xeon, NetBurst */
    {INTEL, 0x00100f22, "GenuineIntel", 0x10, 0x02, true}, /* none yet: only AMD's 10h counts */
};

KTEST(cpu_id, decode_and_decide)
{
    for (size_t i = 0; i < ARRAY_SIZE(cpus); i++) {
        struct cpu_id id;

        cpu_id_decode(&id, cpus[i].ebx, cpus[i].edx, cpus[i].ecx, cpus[i].eax1);
        EXPECT_STREQ(id.vendor, cpus[i].vendor);
        EXPECT_EQ(id.family, cpus[i].family);
        EXPECT_EQ(id.model, cpus[i].model);
        EXPECT_EQ(cpu_promotion_safe(id.vendor, id.family), cpus[i].safe);
    }
}
