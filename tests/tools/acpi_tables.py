"""Made-up ACPI tables as bytes, for tests of `perch acpi`: numbers are sections of ACPI 6.5.

SPDX-License-Identifier: MIT
"""
import struct


def table(signature, body, revision=1):
    """5.2.6: header, body, checksum."""
    raw = bytearray(struct.pack("<4sIBB6s8sI4sI", signature.encode(), 36 + len(body), revision, 0,
                                b"PERCH ", b"TESTING ", 1, b"PRCH", 1) + body)
    return seal(raw)


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
