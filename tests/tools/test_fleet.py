"""What test farms read: the LAVA jobs and the labgrid tests of docs/, against the log of a boot.

The counts must be those of the KTAP reader, for this log and for the same with a failed case; a log
that stops early must never look complete.
SPDX-License-Identifier: MIT
"""
import os
import re
import subprocess
import sys

import pytest

import ktap
import machine as machines
import qemu
from conftest import ROOT
from labgrid_replay import EndOfLog, Replay

yaml = pytest.importorskip("yaml", reason="python3-yaml is not installed")

JOBS = ["docs/lava/perch.yaml", "docs/lava/perch-qemu.yaml"]


@pytest.fixture(scope="module")
def boot(tmp_path_factory):
    """The log of a small machine with lava=on, as it comes over the wire."""
    machine = machines.blocks(2, 2, "512M")
    machine.append = "lava=on"
    result = qemu.run(qemu.argv(machine, tmp_path_factory.mktemp("boot")), machine.limits())
    assert result.status == 33
    assert ktap.parse(result.text).skipped, "a log without a skipped case shows less"
    return result.text


@pytest.fixture(params=["good", "failed"])
def text(boot, request):
    """The log itself, and with one case that failed."""
    if request.param == "good":
        return boot
    name = ktap.parse(boot).passed[-1]
    suite, case = name.split(".")
    out = re.sub(rf"(TEST_CASE_ID={re.escape(name)} RESULT=)pass", r"\1fail", boot)
    start = out.index(f"# Subtest: {suite}\n")
    part = re.sub(rf"(?m)^  ok (\d+ {case})$", r"  not ok \1", out[start:], count=1)
    part = re.sub(rf"(?m)^ok (\d+ {suite})$", r"not ok \1", part, count=1)
    out = (out[:start] + part).replace("perch: all held", "perch: FAILED")
    return out.replace("TEST_CASE_ID=perch RESULT=pass", "TEST_CASE_ID=perch RESULT=fail")


def wire(log):
    return log.replace("\n", "\r\n").encode()


def monitor(path, log):
    """What LAVA's test monitor makes of it: [(id, result)]; EndOfLog when the end never comes."""
    job = yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))
    found = []
    for one in next(a["test"] for a in job["actions"] if "test" in a)["monitors"]:
        replay = Replay(wire(log))
        replay.expect_any([one["start"]])
        while True:
            index, _, match = replay.expect_any([one["end"], one["pattern"]])
            if index == 0:
                break
            groups = {k: v.decode() for k, v in match.groupdict().items()}
            result = one.get("fixupdict", {}).get(groups["result"], groups["result"])
            assert result in ("pass", "fail", "skip", "unknown"), groups
            found.append((groups["test_case_id"], result))
    return found


def by_ktap(log):
    cases = ktap.parse(log)
    assert not cases.errors
    return ([(n, "pass") for n in cases.passed] + [(n, "fail") for n in cases.failed]
            + [(n, "skip") for n, _ in cases.skipped])


def test_lava_ktap(text):
    want = sorted((name.split(".")[1], result) for name, result in by_ktap(text))
    assert sorted(monitor(JOBS[0], text)) == want


def test_lava_signals(text):
    want = by_ktap(text) + [("perch", "pass" if "perch: all held" in text else "fail")]
    found = monitor(JOBS[1], text)
    assert sorted(found) == sorted(want)
    ids = [re.sub(r"\W+", "_", name.lower()) for name, _ in found]  # as LAVA makes them
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("path", JOBS)
def test_lava_log_that_stops(boot, path):
    with pytest.raises(EndOfLog):
        monitor(path, boot[:boot.index("perch: all held")])
    with pytest.raises(EndOfLog):
        monitor(path, "no KTAP at all\n")


def labgrid(log, tmp_path, *more):
    (tmp_path / "log").write_bytes(wire(log))
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "labgrid_replay", "-p", "no:cacheprovider",
         "-p", "no:xdist", "-c", os.devnull, *more, str(ROOT / "docs/labgrid/test_perch.py")],
        env={**os.environ, "PERCH_LOG": str(tmp_path / "log"),
             "PYTHONPATH": str(ROOT / "tests/tools"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True, text=True, cwd=tmp_path)


def test_labgrid(text, tmp_path):
    done = labgrid(text, tmp_path)
    if "perch: all held" in text:
        assert done.returncode == 0 and "4 passed" in done.stdout, done.stdout
    else:
        assert done.returncode == 1 and "2 failed, 2 passed" in done.stdout, done.stdout


SPOILT = {
    "test_every_cpu": ("nodes, 2 CPUs", "nodes, 1 CPU"),
    "test_every_case": ("  1..3\n", "  1..4\n"),
    "test_firmware": ("smp: Brought up", "firmware bug: SRAT: made up\n[    0.1] smp: Brought up"),
    "test_verdict": ("perch: all held", "---[ end of panic ]---"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_labgrid_fails(boot, tmp_path, name):
    assert SPOILT[name][0] in boot
    done = labgrid(boot.replace(*SPOILT[name], 1), tmp_path)
    assert done.returncode == 1 and f"::{name}" in done.stdout and "1 failed" in done.stdout, \
        done.stdout
