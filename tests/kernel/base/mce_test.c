/*
 * Machine check banks, decoded: severities by SDM vol. 3, table 17-6, kinds by 17.9, MSR numbers
 * of both kinds of banks, and the line that a panic shows.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/ktest.h"
#include "kernel/base/mce.h"
#include "kernel/base/string.h"

#define XEON_CAP (0x14ULL | MCG_CAP_CMCI | MCG_CAP_SER | MCG_CAP_LMCE) /* 20 banks */

static struct mce_machine xeon(void)
{
    return mce_machine("GenuineIntel", 6, 0x8f, XEON_CAP, false);
}

static struct mce_machine epyc(void)
{
    return mce_machine("AuthenticAMD", 0x19, 0x11, 0x20 | MCG_CAP_CTL, true);
}

KTEST(mce, what_a_cpu_has)
{
    struct mce_machine x = xeon(), e = epyc();
    struct mce_machine core2 = mce_machine("GenuineIntel", 6, 0x17, 6 | MCG_CAP_CTL, true);
    struct mce_machine k10 = mce_machine("AuthenticAMD", 0x10, 2, XEON_CAP, false);

    EXPECT_EQ(x.banks, 20);
    EXPECT_TRUE(x.cmci && x.ser && x.lmce && !x.amd && !x.smca && !x.ctl);
    EXPECT_EQ(x.first_ctl, 0);
    EXPECT_EQ(e.banks, 32);
    EXPECT_TRUE(e.amd && e.smca && e.ctl && !e.cmci && !e.ser);
    EXPECT_EQ(core2.first_ctl, 1);
    EXPECT_FALSE(core2.smca);
    EXPECT_TRUE(k10.amd && !k10.cmci && !k10.ser && !k10.lmce);
}

/* IA32_MC32_CTL would be 480h, IA32_VMX_BASIC. */
KTEST(mce, banks_end_before_other_registers)
{
    struct mce_machine m = mce_machine("GenuineIntel", 6, 0x8f, 0xff, false);

    EXPECT_EQ(m.banks, 32);
    EXPECT_EQ(mce_msr(&m, m.banks - 1, MCE_MISC), 0x47f);
    EXPECT_EQ(mce_machine("AuthenticAMD", 0x1a, 2, 0xff, true).banks, 64);
    EXPECT_EQ(mce_machine("AuthenticAMD", 0x15, 2, 0xff, false).banks, 32);
}

KTEST(mce, registers)
{
    struct mce_machine x = xeon(), e = epyc();

    EXPECT_EQ(mce_msr(&x, 0, MCE_CTL), 0x400);
    EXPECT_EQ(mce_msr(&x, 3, MCE_STATUS), 0x40d);
    EXPECT_EQ(mce_msr(&x, 3, MCE_ADDR), 0x40e);
    EXPECT_EQ(mce_msr(&x, 3, MCE_MISC), 0x40f);
    EXPECT_EQ(mce_msr(&e, 0, MCE_CTL), 0xc0002000);
    EXPECT_EQ(mce_msr(&e, 5, MCE_STATUS), 0xc0002051);
    EXPECT_EQ(mce_msr(&e, 31, MCE_ADDR), 0xc00021f2);
    EXPECT_EQ(mce_msr(&e, 31, MCE_MISC), 0xc00021f3);
}

KTEST(mce, severity)
{
    struct mce_machine x = xeon(), e = epyc();
    struct mce_machine old = mce_machine("GenuineIntel", 6, 0x0f, 6, false);
    u64 uc = MCI_VAL | MCI_UC | MCI_EN;

    EXPECT_EQ(mce_severity(&x, 0), MCE_NONE);
    EXPECT_EQ(mce_severity(&x, ~MCI_VAL), MCE_NONE);
    EXPECT_EQ(mce_severity(&x, MCI_VAL | MCI_EN), MCE_CORRECTED);
    EXPECT_EQ(mce_severity(&x, MCI_VAL | MCI_DEFERRED), MCE_CORRECTED); /* a count on Intel */
    EXPECT_EQ(mce_severity(&x, uc), MCE_DEFERRED);                      /* UCNA */
    EXPECT_EQ(mce_severity(&x, uc | MCI_S), MCE_UNCORRECTED);           /* SRAO */
    EXPECT_EQ(mce_severity(&x, uc | MCI_S | MCI_AR), MCE_UNCORRECTED);  /* SRAR */
    EXPECT_EQ(mce_severity(&x, uc | MCI_PCC), MCE_FATAL);
    EXPECT_EQ(mce_severity(&old, uc), MCE_UNCORRECTED);
    EXPECT_EQ(mce_severity(&e, MCI_VAL | MCI_DEFERRED), MCE_DEFERRED);
    EXPECT_EQ(mce_severity(&e, uc), MCE_UNCORRECTED);
    EXPECT_EQ(mce_severity(&e, uc | MCI_PCC), MCE_FATAL);
}

KTEST(mce, corrected_count)
{
    struct mce_machine x = xeon(), e = epyc();

    EXPECT_EQ(mce_corrected_count(&x, MCI_VAL | 7ULL << 38), 7);
    EXPECT_EQ(mce_corrected_count(&x, MCI_VAL | 0x7fffULL << 38), 0x7fff);
    EXPECT_EQ(mce_corrected_count(&x, MCI_VAL), 1);
    EXPECT_EQ(mce_corrected_count(&e, MCI_VAL | 7ULL << 38), 1); /* other bits there */
}

KTEST(mce, kinds)
{
    static const struct {
        u16 code;
        const char *text;
    } kinds[] = {
        {0x0000, "no code"},
        {0x0005, "internal parity error"},
        {0x0400, "internal timer error"},
        {0x0e0b, "I/O error"},
        {0x0401, "internal error"},
        {0x000f, "cache hierarchy error"},
        {0x0019, "TLB error"},
        {0x009f, "memory controller error"},
        {0x109f, "memory controller error"}, /* filtering */
        {0x0135, "cache hierarchy error"},
        {0x0290, "extended memory error"},
        {0x0e0f, "bus or interconnect error"},
        {0x0040, "unknown kind"},
        {0x8000, "unknown kind"},
    };

    for (u32 i = 0; i < ARRAY_SIZE(kinds); i++)
        EXPECT_STREQ(mce_code_text(0xffffffff00000000ULL | kinds[i].code), kinds[i].text);
}

KTEST(mce, line)
{
    struct mce_machine x = xeon();
    struct mce_record bad = {9, 0xbe0000000000009fULL, 0x12345000, 0x8c};
    struct mce_record good = {3, MCI_VAL | MCI_OVER | 0x0135, 0x1234, 0x8c};
    char text[200];

    mce_text(&x, &bad, text, sizeof(text));
    EXPECT_STREQ(text, "bank 9: uncorrected, processor context corrupt: memory controller error; "
                       "status 0xbe0000000000009f, address 0x12345000, misc 0x8c");
    mce_text(&x, &good, text, sizeof(text));
    EXPECT_STREQ(text, "bank 3: corrected: cache hierarchy error; status 0xc000000000000135, "
                       "address none, misc none, earlier errors lost");
    EXPECT_TRUE(mce_text(&x, &good, text, 20) > 20);
    EXPECT_EQ(strlen(text), 19);
}
