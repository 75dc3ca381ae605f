"""`perch test`: which tests of which kind, whether any test has the name, and one run of pytest.

    testing.py [KIND] [PATTERN]         as `make test WHAT=KIND PATTERN=...` runs it

KIND is a key of KINDS; what each kind needs built is TEST_NEEDS_KIND in tools/verbs.mk. tests/conftest.py
prints how far the run is, and the closing line `N passed, N failed`.
SPDX-License-Identifier: MIT
"""
import fnmatch
import os
import re
import shlex
import sys
import tempfile
from pathlib import Path

import child
import pace
import qemu
import suites

ROOT = Path(__file__).resolve().parent.parent
# {} is the pattern. Without an entry: tests/KIND, by -k.
KINDS = {
    "all": ["tests", "-k", "{}"],
    "unit": ["tests/test_unit.py", "-k", "unit-{}"],
    "model": ["tests/test_unit.py", "tests/spin", "-k", "model-{}"],
    "damage": ["tests/test_unit.py", "-k", "damage-{}"],
    "tsan": ["tests/test_unit.py", "-k", "tsan-{}"],
    "kernel": ["tests/test_qemu.py", "-k", "numa4-cpu8]"],
    "qemu": ["tests/test_qemu.py", "tests/test_damage.py", "tests/test_acpi_high.py",
             "tests/test_image_place.py", "tests/test_entry.py", "tests/test_mce.py", "-k", "{}"],
    "busy": ["tests/test_busy.py", "-k", "{}"],
    "huge": ["tests/test_qemu.py", "-k", "{}"],
    "bochs": ["tests/test_bochs.py", "-k", "{}"],
    "kvm": ["tests/test_kvm.py", "-k", "{}"],
    "tools": ["tests/tools", "-k", "{}"],
    "docs": ["tests/test_docs.py", "-k", "{}"],
    "runner": ["tests/runner", "-k", "{}"],
    "lint": ["tests/lint", "-k", "{}"],
    "fuzz": ["tests/fuzz", "-k", "{}"],
}
BOOTS = ("all", "kernel", "qemu", "huge", "kvm", "docs", "tools")  # kinds whose limits follow the host
CLOSING = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$")
NO_TESTS = 5  # pytest's status


def pytest(kind, pattern, *more):
    """The command of a run."""
    words = [word.replace("{}", pattern) for word in KINDS[kind]]
    python = shlex.split(os.environ.get("PYTEST") or f"{sys.executable} -m pytest")
    return [*python, "-q", *more, *(word for word in words)]


def environment(kind, pattern):
    """What a kind tells the tests."""
    env = dict(os.environ)
    if kind == "kernel":
        env["PERCH_KTEST"] = pattern
    if kind == "kvm":
        env["PERCH_KVM"] = "always"
    if kind == "huge":
        env["PERCH_MACHINES"] = "tests/qemu/huge"
    return env


def nothing_has(kind, pattern):
    """Why the pattern names no test; "" when it does. Nothing needs to be built for it."""
    if not pattern:
        return ""
    if kind == "kernel":
        names = [f"{suite}.{case}" for suite, cases in suites.cases().items()
                 for case in cases]
        found = fnmatch.filter(names, f"*{pattern}*")
        return "" if found else f"no case of the kernel's suites has {pattern!r} in its name"
    done = child.output(pytest(kind, pattern, "--collect-only"), cwd=ROOT,
                        env=environment(kind, pattern))
    if done.returncode == 0:
        return ""
    if done.returncode == NO_TESTS:
        kinds = "" if kind == "all" else f" of the kind {kind}"
        return f"no test{kinds} has {pattern!r} in its name"
    errors = [line for line in (done.stderr + done.stdout).splitlines() if "ERROR" in line.upper()]
    return f"{pattern!r}: {errors[0] if errors else f'pytest ended with {done.returncode}'}"


def main(kind, pattern, strict=False):
    """Status of one run; its last line is the closing line."""
    env = environment(kind, pattern)
    if kind in BOOTS and "PERCH_SILENCE" not in env and "PERCH_PACE" not in env:
        factor = pace.factor(qemu.binary())
        env["PERCH_PACE"] = f"{factor:.2f}"
        child.write(f"perch: test: limits are {factor:.1f} times those of a quiet host: a boot "
                    f"of 8 CPUs may be silent for {factor * pace.limits(8)[0]:.0f} s")
    jobs = os.environ.get("JOBS") or str(os.cpu_count())
    command = pytest(kind, pattern, "-n", jobs, f"--basetemp={tempfile.gettempdir()}/t")
    status, line = child.relay(command, cwd=ROOT, env=env)
    closing = CLOSING.match(line)
    if not closing:
        child.write(f"perch: test: pytest ended with {status} and without a closing line")
        child.write("0 passed, 1 failed")
        return child.FAILED
    if status or int(closing[2]):
        return child.FAILED
    return child.HELD_BUT if strict and closing[3] else child.HELD


if __name__ == "__main__":
    child.die_with_parent()
    child.guard("test", lambda: main((sys.argv[1:] + ["all"])[0] or "all",
                                     (sys.argv[2:] + [""])[0]))
