"""Whether KVM can be used: every way in which it cannot has its one line, and a slow one its limits.

SPDX-License-Identifier: MIT
"""
import pytest

import kvm
from conftest import ROOT
from test_runner import LOG


@pytest.fixture
def probe(tmp_path, monkeypatch):
    """probe(FAKE_STATUS=..., ...): the answer with the program that stands in for QEMU."""
    def run(**env):
        (tmp_path / "perch.elf").write_bytes(b"")
        (tmp_path / "log").write_text(LOG, encoding="utf-8")
        monkeypatch.setattr(kvm.qemu, "BUILD", tmp_path)
        monkeypatch.setenv("PERCH_QEMU", str(ROOT / "tests/runner/fake_qemu.py"))
        monkeypatch.setenv("FAKE_LOG", str(tmp_path / "log"))
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        kvm.probe.cache_clear()
        answer = kvm.probe()
        kvm.probe.cache_clear()
        return answer

    (tmp_path / "device").write_bytes(b"")
    monkeypatch.setattr(kvm, "DEVICE", tmp_path / "device")
    return run


def test_no_device(probe, monkeypatch, tmp_path):
    monkeypatch.setattr(kvm, "DEVICE", tmp_path / "none")
    assert probe().why == f"there is no {tmp_path / 'none'}"


def test_a_device_that_cannot_be_opened(probe, monkeypatch, tmp_path):
    (tmp_path / "folder").mkdir()  # root may open every file
    monkeypatch.setattr(kvm, "DEVICE", tmp_path / "folder")
    assert "cannot be opened: Is a directory" in probe().why


def test_a_device_that_opens_and_fails(probe):
    assert probe(FAKE_STATUS="1").why == "QEMU ends with status 1: it said nothing"


def test_a_kernel_that_does_not_boot(probe, monkeypatch):
    monkeypatch.setattr(kvm, "SECONDS", 4)
    why = probe(FAKE_SLEEP="60").why
    assert why.startswith("KVM boots no kernel within 4 s; its last line: ")


def test_one_that_works(probe):
    answer = probe()
    assert answer.why == "" and 1 <= answer.slower < 20


def test_limits_follow_the_speed(probe, monkeypatch):
    monkeypatch.setattr(kvm, "boot", lambda accel: kvm.qemu.Result(
        status=33, seconds=40.0 if accel == "kvm" else 2.0))
    answer = probe()
    assert answer.slower == 20 and answer.limit(90) == 1800
    assert answer.seconds() > kvm.DEFAULT_RUN
