/*
 * Registers of all CPUs, compared: one line for each register, whichever CPUs differ.
 * SPDX-License-Identifier: MIT
 */
#include "smp/compare/cpu_regs.h"
#include "kernel/base/ktest.h"
#include "kernel/base/firmware.h"
#include "kernel/base/string.h"
#include "tests/host/shim.h"

#define CPUS 4096

static struct cpu_regs regs[CPUS];

/* n CPUs that are alike: 8 variable MTRRs, all the rest. */
static void alike(u32 n)
{
    memset(regs, 0, sizeof(regs));
    for (u32 cpu = 0; cpu < n; cpu++)
        for (u32 reg = 0; reg < CPU_REG_MTRR_VAR + 16; reg++)
            cpu_regs_set(&regs[cpu], reg, 0x1000 + reg);
    shim_log_reset();
}

static u32 found(enum firmware_id id)
{
    return firmware_found()->count[id];
}

KTEST(cpu_regs, alike)
{
    alike(CPUS);
    EXPECT_EQ(cpu_regs_compare(regs, CPUS, false), 0);
    EXPECT_EQ(cpu_regs_compare(regs, 1, false), 0);
    EXPECT_EQ(cpu_regs_compare(regs, 0, false), 0);
    EXPECT_EQ(shim_log_count(), 0);
}

KTEST(cpu_regs, each_register_is_named)
{
    for (u32 reg = 0; reg < CPU_REGS; reg++) {
        enum firmware_id want = reg <= CPU_REG_EFER        ? FW_CPU_CONTROL
                                : reg == CPU_REG_PAT       ? FW_CPU_PAT
                                : reg == CPU_REG_MICROCODE ? FW_CPU_MICROCODE
                                                           : FW_CPU_MTRR;
        char name[32];

        alike(8);
        cpu_regs_set(&regs[5], reg, 0xabc);
        EXPECT_EQ(cpu_regs_compare(regs, 8, false), 1);
        EXPECT_EQ(shim_log_count(), 1);
        EXPECT_EQ(found(want), 1);
        EXPECT_TRUE(shim_log_contains(cpu_reg_name(reg, name, sizeof(name))));
        EXPECT_TRUE(shim_log_contains("CPU 5 has 0xabc; 1 CPU differs: 5"));
    }
}

KTEST(cpu_regs, names_and_numbers)
{
    char name[32];

    EXPECT_STREQ(cpu_reg_name(CPU_REG_MTRR_FIX, name, sizeof(name)), "IA32_MTRR_FIX64K_00000");
    EXPECT_EQ(cpu_reg_msr(CPU_REG_MTRR_FIX), 0x250);
    EXPECT_STREQ(cpu_reg_name(CPU_REG_MTRR_VAR - 1, name, sizeof(name)), "IA32_MTRR_FIX4K_F8000");
    EXPECT_EQ(cpu_reg_msr(CPU_REG_MTRR_VAR - 1), 0x26f);
    EXPECT_STREQ(cpu_reg_name(CPU_REG_MTRR_VAR + 6, name, sizeof(name)), "IA32_MTRR_PHYSBASE3");
    EXPECT_EQ(cpu_reg_msr(CPU_REG_MTRR_VAR + 6), 0x206);
    EXPECT_STREQ(cpu_reg_name(CPU_REGS - 1, name, sizeof(name)), "IA32_MTRR_PHYSMASK15");
    EXPECT_EQ(cpu_reg_msr(CPU_REG_PAT), 0x277);
    EXPECT_EQ(cpu_reg_msr(CPU_REG_CR0), 0);
}

KTEST(cpu_regs, groups)
{
    alike(512);
    for (u32 cpu = 256; cpu < 512; cpu++)
        cpu_regs_set(&regs[cpu], CPU_REG_MICROCODE, 0x2b000590);
    cpu_regs_set(&regs[3], CPU_REG_MICROCODE, 0x2b000590);
    EXPECT_EQ(cpu_regs_compare(regs, 512, false), 1);
    EXPECT_TRUE(shim_log_contains("microcode revision: CPU 0 has 0x1004, CPU 3 has 0x2b000590; "
                                  "257 CPUs differ: 3, 256-511"));
    /* A third value is said to be there; the boot CPU may be the odd one. */
    alike(4);
    for (u32 cpu = 1; cpu < 4; cpu++)
        cpu_regs_set(&regs[cpu], CPU_REG_PAT, cpu);
    EXPECT_EQ(cpu_regs_compare(regs, 4, false), 1);
    EXPECT_TRUE(shim_log_contains("CPU 1 has 0x1, others have further values; 3 CPUs differ: 1-3"));
}

KTEST(cpu_regs, long_lists_are_cut)
{
    alike(CPUS);
    for (u32 cpu = 1; cpu < CPUS; cpu += 2)
        cpu_regs_set(&regs[cpu], CPU_REG_MTRR_DEF_TYPE, 0);
    EXPECT_EQ(cpu_regs_compare(regs, CPUS, false), 1);
    EXPECT_EQ(shim_log_count(), 1);
    EXPECT_TRUE(shim_log_contains("2048 CPUs differ: 1, 3, 5, 7, "));
    EXPECT_TRUE(shim_log_contains(", ..."));
    EXPECT_FALSE(shim_log_contains("..., ..."));
}

/* One CPU has two variable MTRRs more, another was never online. */
KTEST(cpu_regs, absent_registers_and_cpus)
{
    alike(6);
    cpu_regs_set(&regs[4], CPU_REG_MTRR_VAR + 16, 6);
    regs[2] = (struct cpu_regs){0};
    EXPECT_EQ(cpu_regs_compare(regs, 6, false), 1);
    EXPECT_TRUE(shim_log_contains("IA32_MTRR_PHYSBASE8: CPU 0 has none, CPU 4 has 0x6"));
    regs[0] = (struct cpu_regs){0};
    shim_log_reset();
    EXPECT_EQ(cpu_regs_compare(regs, 6, false), 1);
    EXPECT_TRUE(shim_log_contains("CPU 1 has none, CPU 4 has 0x6"));
}

KTEST(cpu_regs, everything_differs)
{
    alike(2);
    for (u32 reg = 0; reg < CPU_REGS; reg++)
        cpu_regs_set(&regs[1], reg, ~0ULL);
    EXPECT_EQ(cpu_regs_compare(regs, 2, false), CPU_REGS);
    EXPECT_EQ(found(FW_CPU_MTRR), CPU_REGS - CPU_REG_MTRR_CAP);
}

/* QEMU: INIT clears MTRRs. One INFO under a hypervisor; a WARN a register on bare metal. */
KTEST(cpu_regs, mtrrs_as_after_reset)
{
    alike(8);
    for (u32 cpu = 2; cpu < 8; cpu++)
        for (u32 reg = CPU_REG_MTRR_DEF_TYPE; reg < CPU_REG_MTRR_VAR + 16; reg++)
            cpu_regs_set(&regs[cpu], reg, 0);
    EXPECT_EQ(cpu_regs_compare(regs, 8, true), 1);
    EXPECT_EQ(found(FW_CPU_MTRR_RESET), 1);
    EXPECT_EQ(found(FW_CPU_MTRR), 0);
    EXPECT_TRUE(shim_log_contains("MTRRs of 6 CPUs are as after reset, CPU 0's are set: 2-7"));
    shim_log_reset();
    EXPECT_EQ(cpu_regs_compare(regs, 8, false), 1 + 11 + 16);
    EXPECT_EQ(found(FW_CPU_MTRR_RESET), 0);
    EXPECT_EQ(found(FW_CPU_MTRR), 1 + 11 + 16);
    /* One that has something set is not forgiven, nor the capabilities of any. */
    cpu_regs_set(&regs[7], CPU_REG_MTRR_VAR, 6);
    cpu_regs_set(&regs[6], CPU_REG_MTRR_CAP, 6);
    shim_log_reset();
    EXPECT_EQ(cpu_regs_compare(regs, 8, true), 1 + 1 + 1 + 11 + 16);
    EXPECT_TRUE(
        shim_log_contains("IA32_MTRRCAP: CPU 0 has 0x1005, CPU 6 has 0x6; 1 CPU differs: 6"));
    EXPECT_TRUE(shim_log_contains("IA32_MTRR_PHYSBASE0: CPU 0 has 0x1012, CPU 7 has 0x6; 1 CPU"));
    /* All are as after reset: qboot. */
    alike(4);
    for (u32 cpu = 0; cpu < 4; cpu++)
        memset(&regs[cpu].value[CPU_REG_MTRR_DEF_TYPE], 0, 8 * (CPU_REGS - CPU_REG_MTRR_DEF_TYPE));
    EXPECT_EQ(cpu_regs_compare(regs, 4, true), 0);
    EXPECT_EQ(shim_log_count(), 0);
}
