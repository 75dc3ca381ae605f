"""`perch run`: prints the log; 0 when all held, otherwise a last line that says what went wrong.

SPDX-License-Identifier: MIT
"""
import os
import subprocess
import sys

import pytest

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


def test_good_run(run, tmp_path):
    done = run(LOG, LOG=str(tmp_path / "kept"))
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith(LOG)
    assert "all held" in done.stdout.splitlines()[-1]
    assert (tmp_path / "kept").read_text(encoding="utf-8") == LOG


@pytest.mark.parametrize("old, new, more, words", [
    ("ok 1 c\nok 2", "not ok 1 c\nnot ok 2", {"FAKE_STATUS": "35"}, "a test failed"),
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
