"""The ISO in Bochs (tools/bochs.py): every suite on 1, 4 and 8 CPUs, and build/perch.iso as it is, menu
and all, with the screen in use. Skipped where Bochs is not installed.
SPDX-License-Identifier: MIT
"""
from pathlib import Path

import pytest

import bochs
import iso
import machine as machines
import qemu
import verdict
from conftest import BUILD

MEGS = 512
# These never run under QEMU's TCG, where an unknown MSR reads as 0.
MUST_RUN = ("trap.unknown_msr",)


def machine_of(name, cpus, **keys):
    """One node of MEGS, as Bochs has it."""
    return machines.Machine(name=name, reason="A second emulator: TLBs and MSRs of its own.", cpus=cpus,
                            mem=f"{MEGS}M", firmware="bios", emulator="bochs", status=0, shutdown="guest-shutdown",
                            **keys)


def boot(machine, image, logs, tmp_path, record_property, **keys):
    """Boots it, judges it, and returns the parsed KTAP."""
    result = bochs.run(image, machine.cpus, tmp_path, MEGS, **keys)
    log = Path(logs, f"{machine.name}.log")
    log.write_text(result.text, encoding="utf-8")
    problems, cases = verdict.judge(machine, result)
    record_property("ktap", cases.counts())
    record_property("skips", [(f"{machine.name}: {case}", why) for case, why in cases.skipped])
    record_property("seconds", round(result.seconds, 1))
    if problems:
        pytest.fail(f"{machine.name}: {machine.reason}\n" + "\n".join(problems)
                    + f"\nthe last 20 lines of {log}:\n{result.tail()}", pytrace=False)
    return cases


def need(display):
    try:
        bochs.check(display)
    except qemu.Missing as why:
        pytest.skip(str(why))


@pytest.mark.parametrize("cpus", (8, 4, 1))
def test_suites(cpus, logs, tmp_path, record_property):
    need("sdl2")
    machine = machine_of(f"bochs-cpu{cpus}", cpus, append="run=report,test end=poweroff")
    image = iso.cached(qemu.image(machine), machine.append, BUILD / "iso-cache", "text")
    cases = boot(machine, image, logs, tmp_path, record_property)
    for case in MUST_RUN:
        assert case in cases.passed, f"{case} did not run"


def test_plain_iso_with_its_screen(logs, tmp_path, record_property):
    """The menu's time-out, 1024x768 in 32 bits, and the page of the verdict read from the window."""
    need("sdl2")
    machine = machine_of("bochs-iso", 2, menu=True, screen=["Perch: all held", "CPUs +2 of 2 online"],
                         expect=["console: screen: 1024x768, 32 bits at 0xe0000000: chosen"])
    boot(machine, BUILD / "perch.iso", logs, tmp_path, record_property, screen=True)


def test_plain_iso_without_a_mode(logs, tmp_path, record_property):
    """This display has 256 colours only: GRUB would take a mode with a palette, and crash in it."""
    need("rfb")
    waits = "screen: this page stays"
    machine = machine_of("bochs-iso-text", 1, menu=True, until=waits,
                         expect=["console: screen: 80x25 letters at 0xb8000: chosen"])
    boot(machine, BUILD / "perch.iso", logs, tmp_path, record_property, display="rfb", until=waits)
