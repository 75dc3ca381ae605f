"""Every hosted program, judged by its KTAP: tests/unit and tests/model under ASan and UBSan,
tests/tsan under TSan, tests/damage fast and between guard pages.

SPDX-License-Identifier: MIT
"""
import subprocess

import pytest

import ktap
import tsan_run
from conftest import BUILD, ROOT

KINDS = {"unit": "_test", "model": "_model", "tsan": "_test", "damage": ""}
FOLDERS = {"unit": "host/unit", "model": "host/model", "tsan": "tsan", "damage": "sweep/damage"}
SECONDS = 300


def programs():
    for kind, suffix in KINDS.items():
        for source in sorted((ROOT / "tests" / kind).glob(f"*{suffix}.c")):
            yield pytest.param(kind, source.stem, id=f"{kind}-{source.stem}")


@pytest.mark.parametrize("kind, name", programs())
def test_hosted(kind, name, logs, record_property):
    program = BUILD / FOLDERS[kind] / name
    assert program.exists(), f"{program} is not built"
    command = tsan_run.command(program) if kind == "tsan" else [program]
    log = logs / f"{kind}-{name}.log"
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
