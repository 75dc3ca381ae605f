"""Memory that is not the kernel's to take, as GRUB can arrange it.

GRUB may put the kernel into any free memory below 4 GiB (docs/adr/0023).

QEMU's machines have free memory at 2 MiB, so an image asks for another place by its own header: the least
address of the relocatable tag is 64 MiB there. And an image whose tag no loader knows stands where
it is linked, over memory that GRUB was told is none (cutmem): that is said.
SPDX-License-Identifier: MIT
"""
import struct

import pytest

import iso
import machine as machines
import qemu
import verdict
from image_place import changed_iso, set_least


def boot(name, logs, tmp_path, change, firmware, **more):
    """Boots an image whose tag was changed by change(bytes, offset); returns the log's text."""
    machine = machines.Machine(name=name, reason="where the image lies", cpus=2, mem="512M",
                               firmware="bios", timeout=240, **more)
    machines.set_status(machine)
    path = changed_iso(machine, tmp_path, change, f"exit=isa-debug {machine.append}")
    args = qemu.argv(machine, tmp_path)
    args[args.index("-cdrom") + 1] = str(path)
    if firmware == "uefi":
        code, _ = qemu.ovmf()
        args += ["-drive", f"if=pflash,format=raw,readonly=on,file={code}"]
    result = qemu.run(args, machine.limits())
    log = logs / f"{name}.log"
    log.write_text(result.text, encoding="utf-8")
    problems, _ = verdict.judge(machine, result)
    assert not problems, "\n".join(problems) + f"\nthe end of {log}:\n{result.tail()}"


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_image_at_64_mib(firmware, logs, tmp_path):
    """All suites on BIOS: they know the image's address, too."""
    boot(f"image-high-{firmware}", logs, tmp_path, set_least, firmware,
         append="" if firmware == "bios" else "run=report",
         expect=[r"memory: Perch is at \[mem 0x04000000-0x04", "smp: Brought up 1 node, 2 CPUs"],
         forbid=["firmware bug", "is lost"])


def test_image_in_memory_that_is_none(logs, tmp_path, monkeypatch):
    config = iso.config
    monkeypatch.setattr(iso, "MODULES", iso.MODULES + " mmap")
    monkeypatch.setattr(iso, "config", lambda *args, **kw: "insmod mmap\ncutmem 0x300000 0x340000\n"
                        + config(*args, **kw))
    boot("image-in-reserved", logs, tmp_path,
         lambda image, at: struct.pack_into("<H", image, at, 0x7fff), "bios", append="run=report",
         verdict="held, but: 1 firmware failure",
         expect=[r"memory: the loader has put Perch at \[mem 0x00200000-0x00.*\], where 0x300000 is "
                 "not in the memory map", '"severity":"fail","id":"image-in-reserved"'])


def test_what_the_bios_keeps(logs, tmp_path, monkeypatch):
    """Base memory of 525 KiB, while the memory map says 639: nothing is put behind it, not even the
    trampoline, which takes the highest pages. GRUB writes the word when it needs the BIOS no more."""
    config = iso.config
    monkeypatch.setattr(iso, "MODULES", iso.MODULES + " memrw")
    monkeypatch.setattr(iso, "config", lambda *args, **kw: config(*args, **kw).replace(
        "    perch_mode\n}", "    perch_mode\n    write_word 0x413 0x20d\n}"))
    boot("bios-area", logs, tmp_path, lambda image, at: None, "bios", append="run=report",
         expect=[r"memory: the BIOS keeps \[mem 0x00083400-0x0009ffff\]",
                 "smp: trampoline at 0x81000", "smp: Brought up 1 node, 2 CPUs"])
