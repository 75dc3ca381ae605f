"""tools/check_image.py on a small good image, and on that image with one thing wrong at a time.

SPDX-License-Identifier: MIT
"""
import struct
import subprocess
import sys

import pytest

import check_image
from conftest import ROOT

TEXT, DATA = 0x200000, 0x300000
HEADER, NOTE, CODE = 0x1000, 0x1800, 0x1900


def mb2(tags, magic=check_image.MB2_MAGIC, arch=0, error=0):
    length = 16 + len(tags)
    return struct.pack("<IIII", magic, arch, length, -(magic + arch + length) + error
                       & 0xFFFFFFFF) + tags


def tag(kind, payload=b"", size=None):
    data = struct.pack("<HHI", kind, 0, 8 + len(payload) if size is None else size) + payload
    return data + bytes(-len(data) % 8)


def note(owner=b"Xen\0", kind=18, desc=struct.pack("<I", TEXT + 0x900)):
    return (struct.pack("<III", len(owner), len(desc), kind) + owner + bytes(-len(owner) % 4)
            + desc + bytes(-len(desc) % 4))


GOOD_TAGS = tag(1, bytes(4)) + tag(3, struct.pack("<I", TEXT + 0x900)) + tag(0)


def image(header=mb2(GOOD_TAGS), notes=note(), at=HEADER, text_flags=5, data_paddr=DATA, early=b"",
          ident=b"\x7fELF\2\1\1", machine=62, extra_file=0):
    """One executable segment with header, note and code, one writable one, one note segment."""
    segments = [
        (1, text_flags, 0x1000, TEXT, TEXT, 0x1000, 0x1000, 0x1000),
        (1, 6, 0x2000, data_paddr, data_paddr, 0x100 + extra_file, 0x1000 + extra_file, 0x1000),
        (4, 4, NOTE, 0, 0, len(notes), len(notes), 4),
    ]
    out = bytearray(0x9100)
    out[0:len(ident)] = ident
    struct.pack_into("<HHIQQQIHHHHHH", out, 16, 2, machine, 1, TEXT, 64, 0, 0, 64, 56,
                     len(segments), 64, 0, 0)
    for i, segment in enumerate(segments):
        struct.pack_into("<IIQQQQQQ", out, 64 + 56 * i, *segment)
    out[0x400:0x400 + len(early)] = early
    out[at:at + len(header)] = header
    out[NOTE:NOTE + len(notes)] = notes
    return bytes(out)


def test_good():
    assert check_image.check(image()) == []


def test_other_xen_notes_and_mb1_magic_without_checksum_are_fine():
    assert check_image.check(image(notes=note(kind=6, desc=b"perch\0") + note())) == []
    assert check_image.check(image(early=struct.pack("<III", check_image.MB1_MAGIC, 3, 5))) == []


OUTSIDE = struct.pack("<I", DATA)
BAD = [
    ("no Multiboot2 header", image(header=b"")),
    ("no Multiboot2 header", image(at=0x9000)),
    ("not 8-byte aligned", image(at=HEADER + 4)),
    ("checksum is wrong", image(header=mb2(GOOD_TAGS, error=1))),
    ("architecture 4", image(header=mb2(GOOD_TAGS, arch=4))),
    ("not in the first 32 KiB", image(at=0x7FE8)),
    ("no end tag", image(header=mb2(GOOD_TAGS[:-8]))),
    ("size 4 is wrong", image(header=mb2(tag(5, size=4) + GOOD_TAGS))),
    ("size 4096 is wrong", image(header=mb2(tag(5, size=4096) + GOOD_TAGS))),
    ("not at its end", image(header=mb2(GOOD_TAGS + tag(0)))),
    ("no entry address tag", image(header=mb2(tag(0)))),
    ("entry address tag of size 8", image(header=mb2(tag(3) + tag(0)))),
    ("Multiboot2 entry address 0x300000", image(header=mb2(tag(3, OUTSIDE) + tag(0)))),
    ("no PVH note", image(notes=b"")),
    ("no PVH note", image(notes=note(kind=17))),
    ("PVH note: 8 bytes", image(notes=note(desc=bytes(8)))),
    ("PVH entry address 0x300000", image(notes=note(desc=OUTSIDE))),
    ("note of 'GNU' before the PVH note", image(notes=note(owner=b"GNU\0", kind=3) + note())),
    ("longer than its segment", image(notes=struct.pack("<III", 4, 99, 18) + b"Xen\0")),
    ("writable and executable", image(text_flags=7)),
    ("not below 4 GiB", image(data_paddr=0xFFFFF800)),
    ("not inside the file", image(extra_file=0x10000)),
    ("Multiboot 1 header at offset 0x400",
     image(early=struct.pack("<III", check_image.MB1_MAGIC, 3, -(check_image.MB1_MAGIC + 3)
                             & 0xFFFFFFFF))),
    ("not a little-endian ELF64", image(ident=b"\x7fELF\1\1\1")),
    ("not an x86-64 executable", image(machine=3)),
    ("not a little-endian ELF64", b""),
]


@pytest.mark.parametrize("text, data", BAD, ids=[f"{i}-{text}" for i, (text, _) in enumerate(BAD)])
def test_bad(text, data):
    problems = check_image.check(data)
    assert any(text in problem for problem in problems), problems


def test_every_cut_is_survived():
    data = image()
    for size in range(0, len(data), 37):
        check_image.check(data[:size])


def test_command(tmp_path):
    good, bad = tmp_path / "good.elf", tmp_path / "bad.elf"
    good.write_bytes(image())
    bad.write_bytes(image(notes=b""))
    tool = [sys.executable, ROOT / "tools" / "check_image.py"]
    assert subprocess.run(tool + [good], check=False).returncode == 0
    run = subprocess.run(tool + [bad], capture_output=True, text=True, check=False)
    assert run.returncode == 1 and run.stdout == f"{bad}: no PVH note\n"
    assert subprocess.run(tool + [tmp_path / "none"], capture_output=True,
                          check=False).returncode == 1
