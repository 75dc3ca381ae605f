"""Every machine file of tests/qemu, tests/qemu/linux and tests/qemu/replay: boots it, and lets
tools/verdict.py judge it.

PERCH_MACHINES names other folders: tests/qemu/huge, as `perch test huge` does.

SPDX-License-Identifier: MIT
"""
import os
import re
from pathlib import Path

import pytest

import machine as machines
import qemu
import verdict
from conftest import ROOT


def slow_first(path):
    """The order in which two workers are done soonest: long time limits first."""
    limit = re.search(r"^timeout = (\d+)", path.read_text(encoding="utf-8"), re.M)
    return -int(limit.group(1)) if limit else 0, path.stem


FOLDERS = os.environ.get("PERCH_MACHINES", "tests/qemu tests/qemu/linux tests/qemu/replay").split()
FILES = sorted((path for folder in FOLDERS for path in (ROOT / folder).glob("*.machine")),
               key=slow_first)


@pytest.mark.parametrize("path", [pytest.param(p, id=p.stem) for p in FILES])
def test_machine(path, logs, tmp_path, record_property):
    machine = machines.load(path)
    try:
        qemu.check_needs(machine)
    except qemu.Missing as why:
        if "not built" in str(why):
            pytest.fail(str(why), pytrace=False)
        pytest.skip(f"{machine.name}: {why}")
    suites = os.environ.get("PERCH_KTEST")
    more = f"run=test:*{suites}*" if suites else ""
    if machine.golden and not suites and "run=" not in machine.append:
        more = "run=report,test:placement.*"  # what a layout decides; the suites run elsewhere
    result = qemu.run(qemu.argv(machine, tmp_path, extra_append=more), machine.limits(),
                      until=machine.until, measure=bool(machine.host_memory),
                      screen=qemu.Screen(tmp_path) if machine.screen else None)
    if machine.shutdown:
        result.ended_by = qemu.ended_by(tmp_path)
    log = Path(logs, f"{machine.name}.log")
    log.write_text(result.text, encoding="utf-8")
    problems, cases = verdict.judge(machine, result)
    record_property("ktap", cases.counts() if machine.verdict and "test case" not in machine.verdict else (0, 0, 0))
    record_property("skips", [(f"{machine.name}: {case}", why) for case, why in cases.skipped])
    record_property("seconds", round(result.seconds, 1))
    if problems:
        pytest.fail(f"{machine.name}: {machine.reason}\n" + "\n".join(problems)
                    + f"\nthe last 20 lines of {log}:\n{result.tail()}", pytrace=False)
