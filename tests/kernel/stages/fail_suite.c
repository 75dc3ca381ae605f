/*
 * A case that really fails when fail=case asks for it: what a failed case does to the verdict is
 * tested with a failed case (tests/qemu/fail-case.machine).
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/ktest.h"
#include "kernel/stages/boot_state.h"
#include "kernel/stages/fail.h"

KTEST(fail, on_request)
{
    EXPECT_FALSE(fail_case(&boot_state_get()->opt));
}
