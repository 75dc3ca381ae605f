"""A run in Bochs is judged as one in QEMU: power-off by ACPI is its only good end.

SPDX-License-Identifier: MIT
"""
import struct

import pytest

import bochs
import machine as machines
import verdict
from conftest import ROOT
from test_runner import LOG

MACHINE = machines.Machine(name="fake", reason="a test", cpus=4, status=0, shutdown="guest-shutdown",
                           node=[machines.Node(64 << 20, [0, 1]), machines.Node(64 << 20, [2, 3])])


@pytest.fixture
def run(tmp_path, monkeypatch):
    def start(log, end, **keys):
        (tmp_path / "log").write_text(log, encoding="utf-8")
        (tmp_path / "work").mkdir()
        for name, value in (("FAKE_LOG", str(tmp_path / "log")), ("FAKE_END", end), ("FAKE_CPUS", "4"),
                            ("PERCH_BOCHS", str(ROOT / "tests/runner/fake_bochs.py"))):
            monkeypatch.setenv(name, value)
        return bochs.run("perch.iso", 4, tmp_path / "work", **keys)

    return start


def test_a_good_run(run):
    result = run(LOG, bochs.OFF)
    assert (result.status, result.ended_by) == (0, "guest-shutdown")
    assert verdict.judge(MACHINE, result)[0] == []


def test_a_triple_fault_is_a_failure(run):
    problems, _ = verdict.judge(MACHINE, run(LOG, "3rd (13) exception with no resolution"))
    assert "3rd (13) exception" in problems[0] and "status 1" in problems[0]


def test_a_cut_off_log_is_a_failure(run):
    problems, _ = verdict.judge(MACHINE, run(LOG[:LOG.index("KTAP version 1") + 60], bochs.OFF))
    assert any("KTAP" in problem for problem in problems)


def test_a_stuck_guest_is_given_up(run, monkeypatch):
    monkeypatch.setattr(bochs, "STUCK", 0.5)
    result = run(LOG, "")
    assert result.status is None and result.silent is not None
    assert "no new line" in verdict.judge(MACHINE, result)[0][0]


def test_a_line_that_ends_the_run(run):
    result = run(LOG, "", until=r"^1\.\.")
    assert result.waited and result.status is None


def bmp(width, height):
    """As SDL writes it: bottom row first, blue first. The guest's rows are (row, 1, 2)."""
    rows = [bytes((2, 1, y % 256)) * width + bytes(-3 * width % 4) for y in range(height)]
    return (b"BM" + struct.pack("<IHHI", 0, 0, 0, 54) + struct.pack("<IiiHH", 40, width, height, 1, 24)
            + bytes(24) + b"".join(reversed(rows)))


def test_the_picture_of_the_window():
    bars = bochs.BAR_ABOVE + bochs.BAR_BELOW
    image = bochs.picture(bmp(9, 20 + bars))
    assert (image.width, image.height) == (9, 20)
    assert image.pixels[:3] == bytes((bochs.BAR_ABOVE, 1, 2))
    assert image.pixels[-3:] == bytes((bochs.BAR_ABOVE + 19, 1, 2))
    assert bochs.picture(bmp(9, 20 + bars)[:-1]) is None and bochs.picture(b"BM") is None
