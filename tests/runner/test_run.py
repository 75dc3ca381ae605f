"""`perch run`: prints the log; 0 when all held, otherwise a last line that says what went wrong.

SPDX-License-Identifier: MIT
"""
import os
import re
import subprocess
import sys

import pytest

from conftest import ROOT
from test_runner import LOG, MACHINE



@pytest.fixture
def run(tmp_path):
    def start(log, **more):
        (tmp_path / "perch.elf").write_bytes(b"")
        (tmp_path / "log").write_text(log, encoding="utf-8")
        env = dict(os.environ, BUILD=str(tmp_path), FAKE_LOG=str(tmp_path / "log"),
                   NODES="2", CPUS="4", MEM="128M", PERCH_QEMU=str(ROOT / "tests/runner/fake_qemu.py")) | more
        env = {"PERCH_PACE": "1"} | env
        return subprocess.run([sys.executable, ROOT / "tools/run.py"], env=env,
                              capture_output=True, text=True)

    return start


def test_a_slow_run_is_not_given_up(run):
    """The limit counts from the last line: all lines together take longer."""
    pace = 8 / len(LOG.splitlines())
    done = run(LOG, PERCH_SILENCE="6", FAKE_PACE=str(pace))
    assert done.returncode == 0, done.stdout
    assert "all held (in" in done.stdout.splitlines()[-1]


def test_a_silent_run_is_given_up(run):
    done = run(LOG, PERCH_SILENCE="3", FAKE_SLEEP="60")
    assert done.returncode == 1
    assert "FAILED" in done.stdout.splitlines()[-1]
    assert re.search(r"time-out: no new line for [3-9] s, \d+ s after the start", done.stdout)


def test_good_run(run, tmp_path):
    done = run(LOG, LOG=str(tmp_path / "kept"))
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith(LOG)
    assert "all held" in done.stdout.splitlines()[-1]
    assert (tmp_path / "kept").read_text(encoding="utf-8") == LOG


@pytest.mark.parametrize("old, new, more, words", [
    ("ok 1 c\nok 2", "not ok 1 c\nnot ok 2", {"FAKE_STATUS": "35"}, "35 (FAILED)"),
    ("Brought up 2", "Brought up 3", {}, "brought up 3 nodes"),
])
def test_bad_run(run, old, new, more, words):
    done = run(LOG.replace(old, new), **more)
    assert done.returncode == 1
    assert words in done.stdout.splitlines()[-1]


SHAPE = {"NODES": "", "CPUS": "", "MEM": ""}


@pytest.mark.parametrize("more, words", [
    ({"FIRMWARE": "coreboot"}, "unknown firmware"),
    ({"ACCEL": "hax"}, "unknown accelerator"),
    ({"MEM": "much"}, "--mem much: not a size"),
    ({"MEM": "1"}, "--mem 1: from 8M to 1000G"),
    ({"MEM": "7M"}, "from 8M"),
    ({"MEM": "2T"}, "to 1000G"),
    ({"MEM": "8M", "NODES": "9"}, "from 9M"),
    ({"NODES": "0"}, "--nodes 0: a number from 1 to 128"),
    ({"NODES": "129"}, "from 1 to 128"),
    ({"CPUS": "-1"}, "--cpus -1: a number from 1 to 4096"),
    ({"CPUS": "4097"}, "from 1 to 4096"),
    ({"CPUS": "two"}, "--cpus two: a number"),
    ({**SHAPE, "TOPOLOGY": "/nonexistent.machine"}, "nonexistent"),
    ({"TOPOLOGY": "tests/qemu/percpu-page.machine"}, "--topology goes without --nodes"),
    ({"LOG": "/nonexistent/log"}, "No such file or directory: '/nonexistent/log'"),
])
def test_wrong_usage(run, more, words):
    done = run(LOG, **more)
    assert done.returncode == 2 and done.stderr == ""
    assert done.stdout.count("\n") == 1 and words in done.stdout


def test_what_runs_is_named(run):
    """The case after the last one with a result; its name is in the sources of the suites."""
    log = LOG[:LOG.index("KTAP")] + """\
KTAP version 1
1..1
  KTAP version 1
  # Subtest: smp
  1..9
  ok 1 a_cancelled_timer_does_not_fire
"""
    done = run(log, PERCH_NOTICE="1", PERCH_SILENCE="12", FAKE_SLEEP="90")
    said = [line for line in done.stdout.splitlines() if "no new line" in line]
    case = "smp.call_all_runs_once_on_every_cpu"
    assert any(re.search(r"^perch: run: no new line for \d+ s \(given up after 12 s\); running: "
                         + case, line) for line in said), said
    assert f"running: {case}" in done.stdout.splitlines()[-1]


def test_a_log_that_cannot_be_written(run):
    """A full disk ends the run with one line, and QEMU with it."""
    done = run(LOG, LOG="/dev/full", FAKE_SLEEP="60")
    assert done.returncode == 3
    assert done.stderr == "perch: run: /dev/full: No space left on device\n"


def test_the_log_is_written_line_by_line(run, tmp_path):
    """It has what came, although the run is given up, and although nobody waits for its end."""
    done = run(LOG, LOG=str(tmp_path / "kept"), PERCH_SILENCE="12", FAKE_SLEEP="90")
    assert done.returncode == 1
    assert (tmp_path / "kept").read_text(encoding="utf-8") == LOG


DOUBT = LOG.replace("perch: all held", "perch: held, but: 2 firmware failures")
RED = LOG.replace("perch: all held", "perch: FAILED: 1 of 4 CPUs did not start")


@pytest.mark.parametrize("log, status, strict, want, words", [
    (LOG, "33", "1", 0, "all held (in "),
    (DOUBT, "39", "", 0, "held, but: 2 firmware failures (in "),
    (DOUBT, "39", "1", 4, "held, but: 2 firmware failures (in "),
    (RED, "35", "1", 1, "FAILED: 1 of 4 CPUs did not start (after "),
    (RED, "33", "", 1, "FAILED: 1 of 4 CPUs did not start (after "),
    (LOG, "37", "", 1, "FAILED: QEMU status 37 (panic)"),
])
def test_the_kernels_verdict_is_the_runners(run, log, status, strict, want, words):
    done = run(log, FAKE_STATUS=status, STRICT=strict)
    assert done.returncode == want, done.stdout
    assert done.stdout.splitlines()[-1].startswith(f"perch: run: {words}")


def test_a_failure_that_a_machine_file_expects_is_one(run, tmp_path):
    """Of `perch test` that is a pass; who runs the machine is told what the kernel says."""
    text = MACHINE + 'verdict = "FAILED: .* did not start"\n'
    (tmp_path / "red.machine").write_text(text, encoding="utf-8")
    done = run(RED, FAKE_STATUS="35", TOPOLOGY=str(tmp_path / "red.machine"), **SHAPE)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith("perch: run: FAILED: 1 of 4 CPUs did not start")


def test_end_without_a_last_line(run):
    """QEMU's status 0 is that of a power-off and of a triple fault: the last line decides."""
    cut = LOG.replace("perch: all held\n", "\n")
    assert run(LOG, APPEND="exit=off", FAKE_STATUS="0").returncode == 0
    for log, more in ((cut, {"APPEND": "exit=off", "FAKE_STATUS": "0"}), (LOG, {"FAKE_STATUS": "0"}),
                      (cut, {"FAKE_STATUS": "33"})):
        done = run(log, **more)
        assert done.returncode == 1, done.stdout
        assert done.stdout.splitlines()[-1].startswith("perch: run: FAILED: ")


PANIC = LOG[:LOG.index("KTAP")] + """\
[    0.200000] panic: CPU 2: page fault (vector 14)
[    0.200000]   rip 0xffffffff80201234
[    0.200000] panic: CPU 3: NMI (vector 2)
[    0.200000] ---[ end of panic ]---
"""
REFUSED = "perch: this CPU has no NX bit, or the firmware disabled it\n"


@pytest.mark.parametrize("log, more, words", [
    (PANIC, {"FAKE_STATUS": "37"}, "panic: CPU 2: page fault (vector 14): QEMU status 37"),
    (PANIC, {"FAKE_STATUS": "0"}, "panic: CPU 2: page fault (vector 14): QEMU status 0"),
    (PANIC, {"FAKE_SLEEP": "90", "PERCH_SILENCE": "12"}, "panic: CPU 2: page fault (vector 14): time-out: no new line"),
    (REFUSED, {"FAKE_STATUS": "37"}, "perch: this CPU has no NX bit, or the firmware disabled it: QEMU status 37"),
    (PANIC, {"FAKE_STATUS": "37", "APPEND": "fail=panic"}, "panic: CPU 2: page fault (vector 14)"),
])
def test_the_last_line_names_the_panic(run, log, more, words):
    done = run(log, **more)
    assert done.returncode == 1, done.stdout
    assert done.stdout.splitlines()[-1].startswith(f"perch: run: FAILED: {words}")
