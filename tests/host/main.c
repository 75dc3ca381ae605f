/*
 * main() of a hosted test program: runs the cases linked into it whose "suite.name" matches the
 * glob in argv[1] (all without one). Status 0 when none failed, 1 when one did, 2 when none ran.
 * A fuzz target brings its own main, and then the linker leaves this file out.
 * SPDX-License-Identifier: MIT
 */
#include "kernel/base/ktest.h"

int main(int argc, char **argv)
{
    struct ktest_totals totals = {0};

    ktest_run(argc > 1 ? argv[1] : NULL, &totals);
    if (totals.failed)
        return 1;
    return totals.passed + totals.skipped ? 0 : 2;
}
