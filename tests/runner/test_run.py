"""`perch run`: prints the log; 0 when all held, otherwise a last line that says what went wrong.

SPDX-License-Identifier: MIT
"""
import os
import re
import subprocess
import sys

import pytest

import run as perch_run
from conftest import ROOT
from test_runner import LOG



@pytest.fixture
def run(tmp_path):
    def start(log, **more):
        (tmp_path / "perch.elf").write_bytes(b"")
        (tmp_path / "log").write_text(log, encoding="utf-8")
        env = dict(os.environ, BUILD=str(tmp_path), FAKE_LOG=str(tmp_path / "log"),
                   NODES="2", CPUS="4", MEM="128M", PERCH_QEMU=str(ROOT / "tests/runner/fake_qemu.py")) | more
        env.pop("PERCH_LAST", None)
        return subprocess.run([sys.executable, ROOT / "tools/run.py"], env=env,
                              capture_output=True, text=True)

    return start


def test_a_slow_run_is_not_given_up(run):
    """The limit counts from the last line: all lines together take longer."""
    pace = 8 / len(LOG.splitlines())
    done = run(LOG, PERCH_SILENCE="6", FAKE_PACE=str(pace))
    assert done.returncode == 0, done.stdout
    assert "all held in" in done.stdout.splitlines()[-1]


def test_a_silent_run_is_given_up(run):
    done = run(LOG, PERCH_SILENCE="3", FAKE_SLEEP="60")
    assert done.returncode == 1
    assert "FAILED" in done.stdout.splitlines()[-1]
    assert re.search(r"time-out: no new line for [3-9] s, \d+ s after the start", done.stdout)


@pytest.mark.parametrize("cpus, seconds", [("8", 308), ("1024", 1324)])
def test_the_limit_grows_with_cpus(cpus, seconds, monkeypatch):
    for name in ("TOPOLOGY", "TABLES", "NODES", "PERCH_SILENCE", "APPEND", "FIRMWARE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CPUS", cpus)
    machine = perch_run.chosen()
    assert perch_run.silence_of(machine) == seconds and machine.timeout >= 10 * seconds


def test_good_run(run, tmp_path):
    done = run(LOG, LOG=str(tmp_path / "kept"))
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith(LOG)
    assert "all held" in done.stdout.splitlines()[-1]
    assert (tmp_path / "kept").read_text(encoding="utf-8") == LOG


@pytest.mark.parametrize("old, new, more, words", [
    ("ok 1 c\nok 2", "not ok 1 c\nnot ok 2", {"FAKE_STATUS": "35"}, "35 (FAILED)"),
    ("Brought up 2", "Brought up 3", {}, "brought up 3 nodes"),
    ("Perch", "Perch", {"FIRMWARE": "coreboot"}, "unknown firmware"),
    ("Perch", "Perch", {"ACCEL": "hax"}, "unknown accelerator"),
    ("Perch", "Perch", {"MEM": "much"}, "not a size"),
    ("Perch", "Perch", {"TOPOLOGY": "/nonexistent.machine"}, "nonexistent"),
])
def test_bad_run(run, old, new, more, words):
    done = run(LOG.replace(old, new), **more)
    assert done.returncode != 0
    assert words in done.stdout.splitlines()[-1]
