"""Perch under labgrid: one boot, and what must be in its log.

    pytest --lg-env docs/labgrid/perch-env.yaml docs/labgrid/test_perch.py

The machine boots Perch by itself once its power is switched on: from a stick, a virtual CD, or the
network. Nothing is typed.
SPDX-License-Identifier: MIT
"""
import re

import pytest

SECONDS = 600  # firmware of a large server included
START = r"Perch \S+: booted by [^\r\n]*"
END = r"perch: (?:all held|held, but|FAILED)|---\[ end of panic \]---"
CASE = re.compile(r"^  (ok|not ok) \d+ ([^\s#]+)(.*)$", re.M)


@pytest.fixture(scope="module")
def log(target):
    """The text from Perch's first line to its verdict, without carriage returns."""
    console = target.get_driver("ConsoleProtocol")
    target.get_driver("PowerProtocol").cycle()
    _, _, first, _ = console.expect(START, timeout=SECONDS)
    _, rest, last, _ = console.expect(END, timeout=SECONDS)
    return (first.group(0) + rest + last.group(0)).decode("utf-8", "replace").replace("\r", "")


def test_verdict(log):
    assert log.endswith("perch: all held")


def test_every_case(log):
    """As many results as the plans promise, and none of them bad."""
    cases = CASE.findall(log)
    promised = sum(int(n) for n in re.findall(r"^  1\.\.(\d+)$", log, re.M))
    assert cases and len(cases) == promised
    assert [name for word, name, _ in cases if word == "not ok"] == []


def test_every_cpu(log):
    """The CPUs that firmware enables are the CPUs that run, each on memory of its own node."""
    possible = int(re.search(r"setup_percpu: .*nr_cpu_ids:(\d+)", log).group(1))
    assert int(re.search(r"smp: Brought up \d+ nodes?, (\d+) CPUs?", log).group(1)) == possible
    units = dict(re.findall(r"percpu: cpu (\d+) node \d+ unit .* (ok|nearest|wrong)\b", log))
    assert len(units) == possible and "wrong" not in units.values()


def test_firmware(log):
    """Rules of ACPI that this machine's tables break; what to do is in docs/firmware-checks.md."""
    assert re.findall(r"firmware bug: .*", log) == []
