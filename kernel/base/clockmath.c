/*
 * The clock's arithmetic.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/clockmath.h"

/*
 * a * b / c, by quotient and remainder of a / c: a 128-bit division would need the compiler's
 * library. The remainder is below c, and times b stays below 2^64 for the frequencies here.
 */
static u64 mul_div(u64 a, u64 b, u64 c)
{
    u64 whole = a / c, rest = a % c;

    return whole * b + rest * b / c;
}

u64 clock_ticks_to_us(u64 ticks, u64 khz)
{
    return mul_div(ticks, 1000, khz);
}

u64 clock_ticks_to_ns(u64 ticks, u64 khz)
{
    return mul_div(ticks, 1000000, khz);
}

u64 clock_us_to_ticks(u64 us, u64 khz)
{
    return mul_div(us, khz, 1000);
}

u64 clock_khz(u64 tsc, u64 ref, u64 ref_hz)
{
    return ref ? mul_div(tsc, ref_hz, ref) / 1000 : 0;
}

u64 clock_khz_cpuid(u32 denominator, u32 numerator, u32 crystal_hz, u32 base_mhz)
{
    if (!denominator || !numerator)
        return 0;
    if (!crystal_hz)
        return (u64)base_mhz * 1000;
    return (u64)crystal_hz * numerator / denominator / 1000;
}

u64 clock_span(struct clock_bracket first, struct clock_bracket last, u32 parts)
{
    u64 first_width = first.after - first.before, last_width = last.after - last.before;
    u64 span = last.before + last_width / 2 - (first.before + first_width / 2);
    u64 doubt = first_width - first_width / 2 + last_width - last_width / 2;

    return doubt <= span / parts ? span : 0;
}
