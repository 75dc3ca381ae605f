"""Made-up ACPI tables as bytes: numbers are sections of ACPI 6.5.

Put together from the specification and from nothing of tools/, which is tested with them.
SPDX-License-Identifier: MIT
"""
import struct


def header(signature, revision=1):
    """5.2.6; seal() fills in length and checksum."""
    return struct.pack("<4sIBB6s8sI4sI", signature.encode(), 0, revision, 0, b"PERCH ",
                       b"TESTING ", 1, b"PRCH", 1)


def table(signature, body, revision=1):
    return seal(header(signature, revision) + body)


def seal(raw):
    """The same bytes with the length and the checksum that they should have."""
    raw = bytearray(raw)
    struct.pack_into("<I", raw, 4, len(raw))
    raw[9] = 0
    raw[9] = -sum(raw) & 0xff
    return bytes(raw)


def lapic(apic, enabled=1, uid=None):
    """5.2.12.2"""
    return struct.pack("<BBBBI", 0, 8, (apic if uid is None else uid) & 0xff, apic, enabled)


def x2apic(apic, enabled=1):
    """5.2.12.12"""
    return struct.pack("<BBHIII", 9, 16, 0, apic, enabled, apic)


def madt(*entries, revision=4):
    """5.2.12"""
    return table("APIC", struct.pack("<II", 0xfee00000, 1) + b"".join(entries), revision)


def srat(*entries, reserved=1, revision=3):
    """5.2.16"""
    return table("SRAT", struct.pack("<IQ", reserved, 0) + b"".join(entries), revision)


def cpu(apic, pxm, flags=1):
    """5.2.16.1"""
    high = (pxm >> 8).to_bytes(3, "little")
    return struct.pack("<BBBBIB3sI", 0, 16, pxm & 0xff, apic, flags, 0, high, 0)


def cpu2(apic, pxm, flags=1, reserved=0):
    """5.2.16.3"""
    return struct.pack("<BBHIIIII", 2, 24, reserved, pxm, apic, flags, 0, 0)


def memory(base, length, pxm, flags=1):
    """5.2.16.2"""
    return struct.pack("<BBIHQQIIQ", 1, 40, pxm, 0, base, length, 0, flags, 0)


def initiator(pxm, flags=1):
    """5.2.16.6"""
    return struct.pack("<BBBBI16sII", 5, 32, 0, 1, pxm, bytes(16), flags, 0)


def slit(rows, extra=b""):
    """5.2.17"""
    return table("SLIT", struct.pack("<Q", len(rows)) + b"".join(map(bytes, rows)) + extra)


def ioapic(number, address=0xfec00000):
    """5.2.12.3"""
    return struct.pack("<BBBBII", 1, 12, number, 0, address, 24 * number)


def hmat(*structures, reserved=0, revision=2):
    """5.2.28"""
    return table("HMAT", struct.pack("<I", reserved) + b"".join(structures), revision)


def proximity(initiator, domain, flags=1, base=0, reserved=0):
    """5.2.28.3; base: revision 1 only"""
    return struct.pack("<HHIHHIIIQQ", 0, 0, 40, flags, 0, initiator, domain, reserved, base, 0)


def locality(rows, data=0, unit=1000, flags=0, initiators=None, targets=None, length=None):
    """5.2.28.4; rows of entries, of each initiator to each target"""
    initiators = list(range(len(rows))) if initiators is None else initiators
    targets = list(range(len(rows[0]))) if targets is None else targets
    body = b"".join(struct.pack("<I", pxm) for pxm in initiators + targets)
    body += b"".join(struct.pack("<H", value) for row in rows for value in row)
    size = 32 + len(body) if length is None else length
    return struct.pack("<HHIBBBBIIIQ", 1, 0, size, flags, data, 0, 0, len(initiators),
                       len(targets), 0, unit) + body


def side_cache(domain, attributes=0x00401111, handles=(), size=1 << 30, length=None):
    """5.2.28.5; the attributes: one level, direct, write back, lines of 64"""
    size_of = 32 + 2 * len(handles) if length is None else length
    return struct.pack("<HHIIIQIHH", 2, 0, size_of, domain, 0, size, attributes, 0,
                       len(handles)) + b"".join(struct.pack("<H", h) for h in handles)


def msct(highest, *ranges, offset=56):
    """5.2.19; ranges: (first, last)"""
    body = struct.pack("<IIIQ", offset, highest, 0, (1 << 46) - 1)
    body += b"".join(struct.pack("<BBIIIQ", 1, 22, a, b, 16, 1 << 40) for a, b in ranges)
    return table("MSCT", body)


def spcr(address=0x3f8, baud=7, revision=2):
    """Microsoft's SPCR, revision 2: a 16550 at a port"""
    body = struct.pack("<B3xBBBBQBBIBBBBBBHHBBBIBI", 0, 1, 8, 0, 1, address, 2, 4, 4, baud, 0, 1,
                       0, 3, 0, 0xffff, 0xffff, 0, 0, 0, 0, 0, 0)
    return table("SPCR", body, revision)


def dbg2(count=1, record=None, address=0x3f8):
    """Microsoft's DBG2: one serial device at a port, without a name"""
    if record is None:
        record = struct.pack("<BHBHHHHHHHHH", 0, 38, 1, 0, 0, 0, 0, 0x8000, 0, 0, 22, 34)
        record += struct.pack("<BBBBQI", 1, 8, 0, 1, address, 8)
    return table("DBG2", struct.pack("<II", 44, count) + record, 0)


def fadt(length=276):
    """5.2.9: nothing but zeros"""
    return table("FACP", bytes(length - 36), 6)
