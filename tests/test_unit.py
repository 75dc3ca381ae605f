"""Every hosted program, judged by its KTAP: unit and model tests under ASan and UBSan, tests of what
runs on many CPUs under TSan, tests/damage fast and between guard pages.

SPDX-License-Identifier: MIT
"""
import subprocess

import pytest

import ktap
import tsan_run
from conftest import BUILD, ROOT

# The kind is the end of the source's name; where the Makefile builds it.
BUILT = {"unit": "host", "model": "host", "tsan": "tsan", "damage": "sweep"}
SECONDS = 300


def programs():
    """(kind, source without .c), of everything that the Makefile finds by the same names."""
    tests = ROOT / "tests"
    units = sorted(tests.rglob("*_test.c"))
    twice = [path for path in units if "Also run under TSan." in path.read_text(encoding="utf-8")]
    for kind, sources in {"unit": units, "model": sorted(tests.rglob("*_model.c")),
                          "tsan": sorted(tests.rglob("*_tsan.c")) + twice,
                          "damage": [tests / "damage/every_value.c"]}.items():
        for source in sources:
            yield pytest.param(kind, source.relative_to(ROOT).with_suffix(""),
                               id=f"{kind}-{source.stem}")


@pytest.mark.parametrize("kind, name", programs())
def test_hosted(kind, name, logs, record_property):
    program = BUILD / BUILT[kind] / name
    assert program.exists(), f"{program} is not built"
    command = tsan_run.command(program) if kind == "tsan" else [program]
    log = logs / f"{kind}-{name.name}.log"
    with log.open("wb") as out:
        try:
            status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                    cwd=ROOT, timeout=SECONDS).returncode
        except subprocess.TimeoutExpired:
            status = "time-out"
    text = log.read_text("utf-8", "replace")
    cases = ktap.parse(text)
    record_property("ktap", cases.counts())
    record_property("skips", cases.skipped)
    problems = cases.errors + cases.failures()
    if not cases.found:
        problems.append("no KTAP")
    if status != 0:
        problems.append(f"status {status}")
    tail = "\n".join(text.splitlines()[-20:])
    assert not problems, "\n".join(problems) + f"\nthe last 20 lines of {log}:\n{tail}"
