#!/usr/bin/env python3
"""Can both doors of a kernel image be opened? Checked on the file, without booting it.

    check_image.py FILE

The Multiboot2 header (specification 2.0, 3.1) as GRUB looks for it, the PVH note as `qemu -kernel`
does, no Multiboot 1 header (QEMU would take it and then refuse the ELF64), load segments below 4 GiB
and none both writable and executable. One line per failure; status 1 when there is one.
SPDX-License-Identifier: MIT
"""
import struct
import sys

MB1_MAGIC, MB1_SEARCH = 0x1BADB002, 8192
MB2_MAGIC, MB2_SEARCH = 0xE85250D6, 32768
TAG_END, TAG_ENTRY = 0, 3
PT_LOAD, PT_NOTE = 1, 4
PF_X, PF_W = 1, 2
XEN_ELFNOTE_PHYS32_ENTRY = 18


class Segment:
    """One program header (ELF-64 object file format, figure 7)."""

    def __init__(self, data, offset):
        (self.type, self.flags, self.offset, self.vaddr, self.paddr, self.filesz, self.memsz,
         self.align) = struct.unpack_from("<IIQQQQQQ", data, offset)

    def holds(self, paddr):
        return self.paddr <= paddr < self.paddr + self.filesz


def read_segments(data, problems):
    """Program headers, or None when this is no ELF64 x86-64 executable."""
    if len(data) < 64 or data[:4] != b"\x7fELF" or data[4] != 2 or data[5] != 1:
        problems.append("not a little-endian ELF64 file")
        return None
    kind, machine = struct.unpack_from("<HH", data, 16)
    phoff, = struct.unpack_from("<Q", data, 32)
    phentsize, phnum = struct.unpack_from("<HH", data, 54)
    if kind != 2 or machine != 62:
        problems.append(f"not an x86-64 executable (type {kind}, machine {machine})")
        return None
    if phentsize != 56 or phoff + phentsize * phnum > len(data):
        problems.append("program headers are not inside the file")
        return None
    return [Segment(data, phoff + i * phentsize) for i in range(phnum)]


def check_segments(data, segments, problems):
    loads = [s for s in segments if s.type == PT_LOAD]
    if not loads:
        problems.append("no load segment")
    for s in loads:
        where = f"load segment at physical 0x{s.paddr:x}"
        if s.paddr + s.memsz > 1 << 32:
            problems.append(f"{where}: not below 4 GiB")
        if s.flags & PF_W and s.flags & PF_X:
            problems.append(f"{where}: writable and executable")
        if s.filesz > s.memsz or s.offset + s.filesz > len(data):
            problems.append(f"{where}: its bytes are not inside the file")
    return loads


def executable(loads, paddr):
    return any(s.flags & PF_X and s.holds(paddr) for s in loads)


def check_mb1(data, problems):
    for offset in range(0, min(len(data), MB1_SEARCH) - 11, 4):
        magic, flags, checksum = struct.unpack_from("<III", data, offset)
        if magic == MB1_MAGIC and (magic + flags + checksum) & 0xFFFFFFFF == 0:
            problems.append(f"Multiboot 1 header at offset 0x{offset:x}")


def find_mb2(data, problems):
    """Offset and length of the header; None without a valid one."""
    limit = min(len(data), MB2_SEARCH)
    bad = None
    for offset in range(0, limit - 15, 4):
        magic, arch, length, checksum = struct.unpack_from("<IIII", data, offset)
        if magic != MB2_MAGIC:
            continue
        if offset % 8:
            bad = bad or f"Multiboot2 header at offset 0x{offset:x}: not 8-byte aligned"
        elif (magic + arch + length + checksum) & 0xFFFFFFFF:
            bad = bad or f"Multiboot2 header at offset 0x{offset:x}: checksum is wrong"
        elif arch != 0:
            bad = bad or f"Multiboot2 header at offset 0x{offset:x}: architecture {arch}"
        elif length < 16 or offset + length > limit:
            bad = bad or f"Multiboot2 header at offset 0x{offset:x}: not in the first 32 KiB"
        else:
            return offset, length
    problems.append(bad or "no Multiboot2 header in the first 32 KiB")
    return None


def check_mb2(data, loads, problems):
    found = find_mb2(data, problems)
    if not found:
        return
    start, length = found
    offset, end, entry = start + 16, start + length, None
    while True:
        if offset + 8 > end:
            problems.append("Multiboot2 header: no end tag")
            break
        tag, _flags, size = struct.unpack_from("<HHI", data, offset)
        if size < 8 or offset + size > end:
            problems.append(f"Multiboot2 header: tag {tag} at 0x{offset:x}: size {size} is wrong")
            break
        if tag == TAG_END:
            if size != 8 or offset + size != end:
                problems.append("Multiboot2 header: the end tag is not at its end")
            break
        if tag == TAG_ENTRY:
            if size != 12:
                problems.append(f"Multiboot2 header: entry address tag of size {size}")
            else:
                entry, = struct.unpack_from("<I", data, offset + 8)
        offset += (size + 7) & ~7
    if entry is None:
        problems.append("Multiboot2 header: no entry address tag")
    elif not executable(loads, entry):
        problems.append(f"Multiboot2 entry address 0x{entry:x}: not in an executable segment")


def read_notes(data, segment, problems):
    """(owner, type, descriptor) of each note in the segment."""
    offset, end = segment.offset, segment.offset + segment.filesz
    if end > len(data):
        problems.append("note segment is not inside the file")
        return
    pad = 8 if segment.align == 8 else 4
    while offset + 12 <= end:
        namesz, descsz, kind = struct.unpack_from("<III", data, offset)
        name = offset + 12
        desc = name + (namesz + pad - 1) // pad * pad
        if desc + descsz > end:
            problems.append(f"note at 0x{offset:x}: longer than its segment")
            return
        yield data[name:name + namesz].rstrip(b"\0"), kind, data[desc:desc + descsz]
        offset = desc + (descsz + pad - 1) // pad * pad


def check_pvh(data, segments, loads, problems):
    for segment in (s for s in segments if s.type == PT_NOTE):
        for owner, kind, desc in read_notes(data, segment, problems):
            if owner != b"Xen":
                problems.append(f"note of {owner.decode('latin-1')!r} before the PVH note: "
                                "some loaders look no further")
                continue
            if kind != XEN_ELFNOTE_PHYS32_ENTRY:
                continue
            if len(desc) != 4:
                problems.append(f"PVH note: {len(desc)} bytes, not 4")
                return
            entry, = struct.unpack("<I", desc)
            if not executable(loads, entry):
                problems.append(f"PVH entry address 0x{entry:x}: not in an executable segment")
            return
    problems.append("no PVH note")


def check(data):
    """All problems of an image, as lines."""
    problems = []
    segments = read_segments(data, problems)
    if segments is None:
        return problems
    loads = check_segments(data, segments, problems)
    check_mb1(data, problems)
    check_mb2(data, loads, problems)
    check_pvh(data, segments, loads, problems)
    return problems


def main(argv):
    if len(argv) != 2:
        print("usage: check_image.py FILE", file=sys.stderr)
        return 2
    try:
        with open(argv[1], "rb") as file:
            data = file.read()
    except OSError as error:
        print(f"{argv[1]}: {error.strerror}")
        return 1
    problems = check(data)
    for problem in problems:
        print(f"{argv[1]}: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
