"""A fault before the console is chosen: an image whose first parser is an undefined instruction.

SPDX-License-Identifier: MIT
"""
import os
import re
import subprocess
from pathlib import Path

ELF = Path(os.environ.get("BUILD", "build")) / "perch.elf"


def broken_image(path, function):
    """A copy of the image in which the function begins with UD2."""
    names = subprocess.run(["nm", ELF], check=True, capture_output=True, text=True).stdout
    address = int(re.search(rf"^([0-9a-f]+) T {function}$", names, re.M)[1], 16)
    heads = subprocess.run(["readelf", "-lW", ELF], check=True, capture_output=True, text=True).stdout
    image = bytearray(ELF.read_bytes())
    for head in re.finditer(r"LOAD\s+0x([0-9a-f]+) 0x([0-9a-f]+) 0x[0-9a-f]+ 0x([0-9a-f]+)", heads):
        offset, start, size = (int(word, 16) for word in head.groups())
        if start <= address < start + size:
            at = offset + address - start
            image[at:at + 2] = b"\x0f\x0b"
    path.write_bytes(image)
    return path


def test_panic_before_the_console(tmp_path):
    elf = broken_image(tmp_path / "broken.elf", "pvh_parse")
    done = subprocess.run(
        ["qemu-system-x86_64", "-M", "q35,smm=off", "-cpu", "max", "-accel", "tcg", "-m", "256M",
         "-display", "none", "-nodefaults", "-no-reboot", "-serial", "stdio", "-kernel", elf,
         "-device", "isa-debug-exit,iobase=0xf4,iosize=0x4"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 37
    assert "panic: CPU 0: invalid opcode" in done.stdout
    assert "pvh_parse+0x0" in done.stdout
