"""A QEMU machine whose firmware hands over made-up ACPI tables and no others, and the tables of it.

Structures come from acpi_tables.py; here is what such a machine needs beside them. A damaged table
is damaged after seal(), or sealed again when the damage must survive the checksum.

World: `-machine acpi=off` leaves the fw_cfg files etc/acpi/tables, etc/acpi/rsdp and
etc/table-loader free, so they can be ours: firmware (qboot, SeaBIOS, OVMF) loads them as it does
QEMU's, and every byte from the RSDP on is what the test wants. `-acpitable` is no way to do this: QEMU
puts length and checksum right and keeps its own root table and MADT.
Source: ACPI 6.5, 5.2; QEMU docs/specs/acpi_bios_linker (hw/acpi/bios-linker-loader.c).
SPDX-License-Identifier: MIT
"""
import struct
from dataclasses import dataclass, field

from acpi_tables import header, seal, table

TABLES, RSDP = b"etc/acpi/tables", b"etc/acpi/rsdp"


def put(table, at, data, again=True):
    """The table with these bytes replaced; sealed again unless told otherwise."""
    data = data if isinstance(data, bytes) else bytes([data])
    new = table[:at] + data + table[at + len(data):]
    assert len(new) == len(table), "replaces, never grows"
    if not again:
        return new
    fixed = bytearray(new)   # the checksum only: the length may be the damage
    fixed[9] = 0
    fixed[9] = -sum(fixed) & 0xff
    return bytes(fixed)


# ---- SLIT, FADT ---------------------------------------------------------------------------------
def slit(n, matrix):
    return table("SLIT", struct.pack("<Q", n) + bytes(matrix))


def fadt(dsdt=0):
    """Revision 3 of QEMU's q35: PM1 at 0x604, PM timer at 0x608."""
    body = bytearray(244 - 36)
    struct.pack_into("<II", body, 0, 0, dsdt)
    struct.pack_into("<I", body, 64 - 36, 0x604)
    struct.pack_into("<I", body, 76 - 36, 0x608)
    body[91 - 36] = 4
    return table("FACP", body, 3)


def hpet(address):
    """IA-PC HPET 1.0a, 3.2.4: block id, address, number, minimum tick, protection."""
    return table("HPET", struct.pack("<I", 0x8086a201) + gas(0, address, 64, 0) + bytes(4), 1)


# ---- SPCR, DBG2 (Microsoft's specifications) ----------------------------------------------------
def gas(space, address, width=8, access=1):
    """ACPI 6.5, 5.2.3.2."""
    return struct.pack("<BBBBQ", space, width, 0, access, address)


def spcr(space, address, interface=0, baud=7):
    return table("SPCR", bytes([interface, 0, 0, 0]) + gas(space, address) + bytes(6)
                 + bytes([baud]) + bytes(5) + b"\xff\xff\xff\xff" + bytes(12), 2)


def dbg2(*devices, count=None, offset=44):
    count = len(devices) if count is None else count
    return table("DBG2", struct.pack("<II", offset, count) + b"".join(devices), 0)


def dbg2_port(space, address):
    """A 16550: one address, one size, the name "." behind them."""
    body = gas(space, address) + struct.pack("<I", 8) + b".\0"
    return struct.pack("<BHBHHHHHHHHH", 0, 22 + len(body), 1, 2, 38, 0, 0, 0x8000, 0, 0, 22,
                       34) + body


# ---- a machine with these tables ----------------------------------------------------------------
def rsdp(revision=2):
    """Pointers and checksums are the firmware's to fill in."""
    return b"RSD PTR \0PERCH " + bytes([revision]) + struct.pack("<IIQB3x", 0, 36, 0, 0)


def _entry(command, fmt, *values):
    return struct.pack("<I" + fmt, command, *values).ljust(128, b"\0")


def _pointer(dest, source, offset, size):
    return _entry(2, "56s56sIB", dest, source, offset, size)


def _checksum(name, offset, start, length):
    return _entry(3, "56sIII", name, offset, start, length)


@dataclass
class World:
    """
    tables: what the XSDT lists, in order. extra: raw 8-byte XSDT entries behind them. damage_xsdt: from
    bytes of the sealed XSDT to bytes (its pointers are filled in later, and the checksum follows
    them). rsdt: an RSDT too, with the tables of this list. checksums: the RSDP's two are computed.
    """
    tables: list
    extra: list = field(default_factory=list)
    rsdt: list | None = None
    damage_xsdt: object = None
    checksums: tuple = (True, True)

    def _root(self, blob, script, signature, size, tables, at):
        offset = len(blob)
        blob += seal(header(signature, 1) + bytes(size * len(tables))
                     + (b"".join(self.extra) if size == 8 else b""))
        length = len(blob) - offset
        if size == 8 and self.damage_xsdt:
            blob[offset:] = self.damage_xsdt(bytes(blob[offset:]))
        blob[offset + 9] = 0
        for i, table in enumerate(tables):
            place = offset + 36 + size * i
            blob[place:place + size] = at[table].to_bytes(size, "little")
            script.append(_pointer(TABLES, TABLES, place, size))
        script.append(_checksum(TABLES, offset + 9, offset, length))
        blob += bytes(-len(blob) % 16)
        return offset

    def files(self):
        """{fw_cfg name: contents}"""
        blob, script, at = bytearray(), [], {}
        script = [_entry(1, "56sIB", RSDP, 16, 2), _entry(1, "56sIB", TABLES, 64, 1)]
        for table in self.tables + (self.rsdt or []):
            at[table] = len(blob)
            blob += table + bytes(-len(table) % 16)
        root = bytearray(rsdp())
        if self.rsdt is not None:
            struct.pack_into("<I", root, 16, self._root(blob, script, "RSDT", 4, self.rsdt, at))
            script.append(_pointer(RSDP, TABLES, 16, 4))
        struct.pack_into("<Q", root, 24, self._root(blob, script, "XSDT", 8, self.tables, at))
        script.append(_pointer(RSDP, TABLES, 24, 8))
        if self.checksums[0]:
            script.append(_checksum(RSDP, 8, 0, 20))
        if self.checksums[1]:
            script.append(_checksum(RSDP, 32, 0, 36))
        return {TABLES.decode(): bytes(blob), RSDP.decode(): bytes(root),
                "etc/table-loader": b"".join(script)}

    def arguments(self, workdir):
        """QEMU's, beside `-machine ...,acpi=off`."""
        args = []
        for name, data in self.files().items():
            path = workdir / name.replace("/", "-")
            path.write_bytes(data)
            args += ["-fw_cfg", f"name={name},file={path}"]
        return args
