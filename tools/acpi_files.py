"""Raw ACPI tables in the forms in which people have them, for programs in Python.

Promises read(): the bytes of each table that is wanted and there, as the file has them. The forms are those of
tools/acpi/dump.h: a folder of SRAT.bin, of SRAT or SRAT1 and SRAT2 (/sys/firmware/acpi/tables), or of srat.dat
(`acpidump -b`); or the text of `acpidump`. Of two tables with one name the first is read.
SPDX-License-Identifier: MIT
"""
import re
from pathlib import Path

ENDINGS = (".bin", "", ".dat")        # the form that counts first


class FilesError(Exception):
    """A line that says what is wrong with a file."""


def from_folder(directory, names):
    best = {}
    for path in directory.iterdir():
        # The signature DBG2 ends with a digit; a number behind it is that of several tables.
        match = re.fullmatch(r"(.{4})(\d*)(\.bin|\.dat|)", path.name, re.IGNORECASE)
        if not match or match[1].upper() not in names:
            continue
        name, ending = match[1].upper(), match[3].lower()
        if ending or match[1] == name:
            key = (ENDINGS.index(ending), int(match[2] or 0), path.name)
            if name not in best or key < best[name][0]:
                best[name] = (key, path)
    return {name: path.read_bytes() for name, (_, path) in best.items()}


def from_text(path, names):
    """The text of acpidump: `SRAT @ 0x...`, then lines `    0000: 53 52 ..` and the same as characters."""
    out, here, seen = {}, None, False
    for number, line in enumerate(path.read_text("latin-1").splitlines(), 1):
        if re.match(r"\S.{3,} @ 0x", line):
            name, here, seen = line[:4], bytearray(), True
            if name in names:
                out.setdefault(name, here)
            continue
        match = re.match(r" *([0-9A-Fa-f]+):((?: [0-9A-Fa-f]{2}(?= |$)){0,16})", line)
        if not match or here is None:
            continue
        if int(match[1], 16) != len(here):
            raise FilesError(f"{path}: line {number}: offset {int(match[1], 16):#x}, but {len(here)} bytes of "
                             f"{name} came before it")
        here += bytes.fromhex(match[2])
    if not seen:
        raise FilesError(f"{path}: neither a folder with tables nor the text of acpidump")
    return {name: bytes(raw) for name, raw in out.items()}


def read(path, names):
    """{"SRAT": bytes, ...} of the names that are there."""
    path = Path(path)
    if path.is_dir():
        return from_folder(path, names)
    if not path.exists():
        raise FilesError(f"{path}: no such directory or file")
    if not path.is_file() and not path.is_fifo():
        raise FilesError(f"{path}: neither a folder nor a file")
    return from_text(path, names)
