"""When a boot is given up: a busy host gets more time, a hang is found all the same.

SPDX-License-Identifier: MIT
"""
import shutil
import time

import pytest

import pace
import qemu
from conftest import ROOT

FAKE = str(ROOT / "tests/runner/fake_qemu.py")


@pytest.fixture
def boot(monkeypatch, tmp_path):
    """boot(factors, sleep, limits): one line, then silence; factors: what is measured, in turn."""
    (tmp_path / "log").write_text("one line\n", encoding="utf-8")
    monkeypatch.setenv("FAKE_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("PERCH_QEMU", FAKE)
    monkeypatch.delenv("PERCH_PACE", raising=False)
    monkeypatch.delenv("PERCH_SILENCE", raising=False)

    def start(factors, sleep, limits, **more):
        pace.factor.cache_clear()
        monkeypatch.setattr(pace, "measure", lambda *_: factors.pop(0))
        monkeypatch.setenv("FAKE_SLEEP", str(sleep))
        for name, value in more.items():
            monkeypatch.setenv(name, value)
        try:
            return qemu.run([FAKE], limits)
        finally:
            pace.factor.cache_clear()

    return start


def test_a_hang_on_a_quiet_host_is_found(boot):
    result = boot([1.0, 1.0], 60, (2, 100))
    assert result.status is None and result.silent >= 2 and result.seconds < 30


def test_a_slow_host_has_more_time(boot):
    assert boot([20.0], 4, (2, 100)).status == 33


def test_load_that_came_later_counts(boot):
    """Measured once more before the boot is given up."""
    factors = [1.0, 20.0]
    assert boot(factors, 5, (2, 100)).status == 33 and factors == []


def test_a_hang_on_the_slowest_host_is_found(boot):
    result = boot([20.0], 60, (0.1, 100))
    assert result.status is None and 2 <= result.silent < 30


def test_lines_for_ever_are_not_a_life_for_ever(boot, tmp_path):
    (tmp_path / "log").write_text("a line\n" * 10000, encoding="utf-8")
    result = boot([1.0, 1.0, 1.0], 0, (30, 8), FAKE_PACE="0.05")
    assert result.status is None and result.silent is None and 8 <= result.seconds < 60


def test_limits_of_machines():
    assert pace.limits(8) == (62, 620) and pace.limits(1024) == (316, 3160)
    assert pace.limits(8, takes=240) == (62, 2400) and pace.limits(8, slower=5)[0] == 310


@pytest.mark.skipif(not shutil.which("qemu-system-x86_64"), reason="no QEMU")
def test_the_guest_that_is_timed():
    """It counts and ends QEMU by itself, without any code of Perch."""
    start = time.monotonic()
    seconds = pace.seconds("qemu-system-x86_64")
    assert seconds is not None and 0.1 < seconds <= time.monotonic() - start
    assert pace.seconds("false") is None and pace.measure("false") == 1.0
