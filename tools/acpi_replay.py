"""A machine's SRAT and SLIT, rewritten so that QEMU can boot with them in place of its own.

Promises to tools/machine.py: replay() gives tables that keep revision, order, proximity domains,
flags, disabled entries and the SLIT's bytes; the k-th CPU that the MADT enables becomes QEMU's k-th;
memory shrinks in proportion and covers QEMU's RAM exactly. It also computes the node of each CPU
and of each byte of RAM from the rewritten bytes, so that the kernel is not its own judge.
Tables that cannot be replayed raise a ReplayError with table and place. docs/adr/0011 has the rules.

Alone: acpi_replay.py DIR|FILE OUT [RAM] writes the tables and prints their contents.
Source: ACPI 6.5, 5.2.6 (header), 5.2.12 (MADT), 5.2.16 (SRAT), 5.2.17 (SLIT).
SPDX-License-Identifier: MIT
"""
import struct
import sys
from dataclasses import dataclass, field
from pathlib import Path

import acpi_files

HEADER = 36
SRAT_FIRST, MADT_FIRST, SLIT_FIRST = 48, 44, 44
CPU, MEMORY, X2APIC, INITIATOR = 0, 1, 2, 5        # SRAT entries
LOCAL_APIC, LOCAL_X2APIC = 0, 9                    # MADT entries
NOBODY = {LOCAL_APIC: 0xff, LOCAL_X2APIC: 0xffffffff}
SIZES = {CPU: 16, MEMORY: 40, X2APIC: 24, INITIATOR: 32}
ENABLED = 1
HOTPLUG_OR_NON_VOLATILE = 6                        # flags of a memory entry
PAGE = 4096
MAX_TABLE = 0xffff                                 # of QEMU's -acpitable, header included
MAX_CPUS = 4096
WINDOW_STEP = 1 << 30
MAX_ADDRESS = 1 << 63


class ReplayError(Exception):
    """These tables cannot be replayed; the text says which and why."""


def seal(table):
    """The table with a right length and checksum."""
    table = bytearray(table)
    struct.pack_into("<I", table, 4, len(table))
    table[9] = 0
    table[9] = -sum(table) & 0xff
    return bytes(table)


def checked(data, signature, first):
    """The table without what follows it in the file; a truncated or foreign one is refused."""
    if len(data) < first:
        raise ReplayError(f"{signature}: {len(data)} bytes, the header alone needs {first}")
    if data[:4] != signature.encode():
        raise ReplayError(f"{signature}: signature is {data[:4]!r}")
    length = struct.unpack_from("<I", data, 4)[0]
    if not first <= length <= len(data):
        raise ReplayError(f"{signature}: says {length} bytes, {len(data)} are there"
                          if length > len(data) else f"{signature}: says {length} bytes")
    return bytes(data[:length])


def entries(table, first):
    """(offset, type, length) of each entry of an SRAT or MADT."""
    name, offset = table[:4].decode(), first
    while offset < len(table):
        if offset + 2 > len(table):
            return          # a stray byte, as in acpi/reader.c: there is no length in it
        kind, length = table[offset], table[offset + 1]
        if length < 2 or offset + length > len(table):
            raise ReplayError(f"{name}: entry at {offset:#x} has length {length}, "
                              f"{len(table) - offset} bytes are left")
        if name == "SRAT" and length < SIZES.get(kind, 2):
            raise ReplayError(f"SRAT: entry at {offset:#x} of type {kind} has length {length}, "
                              f"needs {SIZES[kind]}")
        yield offset, kind, length
        offset += length


def madt_cpus(madt):
    """APIC ids of the enabled CPUs, each once, in the MADT's order."""
    ids = []
    for offset, kind, length in entries(madt, MADT_FIRST):
        if kind == LOCAL_APIC and length >= 8:
            apic, flags = struct.unpack_from("<BI", madt, offset + 3)
        elif kind == LOCAL_X2APIC and length >= 16:
            apic, flags = struct.unpack_from("<II", madt, offset + 4)
        else:
            continue
        if flags & ENABLED and apic != NOBODY[kind]:
            ids.append(apic)
    return list(dict.fromkeys(ids))


@dataclass
class Cpu:
    offset: int
    kind: int
    apic: int
    pxm: int
    enabled: bool


@dataclass
class Memory:
    offset: int
    base: int
    length: int
    pxm: int
    flags: int
    window: bool = False    # see mark_windows()

    @property
    def enabled(self):
        return bool(self.flags & ENABLED)

    @property
    def end(self):
        return self.base + self.length

    def counts(self):
        """Enabled, not empty, and inside 64 bits: the others stay as they are."""
        return self.enabled and self.length and self.end < 1 << 64


@dataclass
class Srat:
    cpus: list = field(default_factory=list)
    memory: list = field(default_factory=list)
    domains: list = field(default_factory=list)  # enabled ones as first seen, CPUs before memory


def parse_srat(srat):
    """Its entries. Up to revision 1 a domain has 8 bits (5.2.16.1, 5.2.16.2)."""
    wide, out, first, later = srat[8] >= 2, Srat(), [], []
    for offset, kind, _ in entries(srat, SRAT_FIRST):
        if kind == CPU:
            low, apic, flags, _, high = struct.unpack_from("<BBIB3s", srat, offset + 2)
            pxm = low | (int.from_bytes(high, "little") << 8 if wide else 0)
        elif kind == X2APIC:
            pxm, apic, flags = struct.unpack_from("<III", srat, offset + 4)
        elif kind == INITIATOR:
            pxm, flags = struct.unpack_from("<I16xI", srat, offset + 4)
        elif kind == MEMORY:
            pxm, _, base, length, _, flags = struct.unpack_from("<IHQQII", srat, offset + 2)
            pxm &= 0xffffffff if wide else 0xff
            out.memory.append(Memory(offset, base, length, pxm, flags))
            if flags & ENABLED and base + length < 1 << 64:
                later.append(pxm)
            continue
        else:
            continue
        if kind != INITIATOR:
            out.cpus.append(Cpu(offset, kind, apic, pxm, bool(flags & ENABLED)))
        if flags & ENABLED and (kind != X2APIC or apic != NOBODY[LOCAL_X2APIC]):
            first.append(pxm)
    out.domains = list(dict.fromkeys(first + later))
    return out


class Ram:
    """QEMU's RAM: bytes 0 to low below 4 GiB, the rest from high on."""

    def __init__(self, size, low, high):
        self.size, self.low, self.high = size, low, high

    def start(self, offset):
        """Physical address of the byte at this offset of the RAM."""
        return offset if offset < self.low else offset - self.low + self.high

    def end(self, offset):
        """Physical address after the first `offset` bytes of the RAM."""
        return offset if offset <= self.low else offset - self.low + self.high

    def pieces(self, start, end):
        """The RAM in a physical range."""
        parts = [(max(start, a), min(end, b))
                 for a, b in ((0, min(self.low, self.size)),
                              (self.high, self.high + max(0, self.size - self.low)))]
        return [(a, b) for a, b in parts if a < b]


def mark_windows(memory):
    """
    A hot-pluggable or non-volatile range that overlaps another domain's is a window for memory to
    come. It gets no RAM, because RAM of two nodes is what the machine has not.
    """
    flagged = [m for m in memory if m.counts() and m.flags & HOTPLUG_OR_NON_VOLATILE]
    for m in flagged:
        m.window = any(o.counts() and o.pxm != m.pxm and o.base < m.end and m.base < o.end
                       for o in memory)
    return [m for m in memory if m.window]


def place_windows(windows, ram):
    """[(entry, base, length)]: above all RAM, as they lie to each other."""
    top = -(-ram.end(ram.size) // WINDOW_STEP) * WINDOW_STEP
    shift = max(0, top - min((m.base for m in windows), default=top))
    return [(m, m.base + shift, min(m.length, MAX_ADDRESS - m.base - shift)) for m in windows]


def shrink(memory, ram):
    """
    Address -> offset in the RAM, for every start and end of a range. The part between two of them
    shrinks in proportion when a range covers it, and to nothing when none does.
    """
    ranges = [m for m in memory if m.counts() and not m.window]
    if not ranges:
        raise ReplayError("SRAT: no enabled memory range" + (
            " but hot-pluggable ones that overlap" if any(m.window for m in memory) else ""))
    edges = sorted({m.base for m in ranges} | {m.end for m in ranges})
    covered = [any(m.base <= a and b <= m.end for m in ranges) for a, b in zip(edges, edges[1:])]
    total = sum(b - a for a, b, yes in zip(edges, edges[1:], covered) if yes)
    if ram.size < PAGE * sum(covered):
        raise ReplayError(f"SRAT: {sum(covered)} memory ranges do not fit {ram.size} bytes of RAM")
    at, sum_before, left, out = 0, 0, sum(covered), {edges[0]: 0}
    for a, b, yes in zip(edges, edges[1:], covered):
        if yes:
            sum_before, left = sum_before + b - a, left - 1
            at = max(at + PAGE, sum_before * ram.size // total // PAGE * PAGE)
            at = ram.size if not left else min(at, ram.size - left * PAGE)
        out[b] = at
    return out


def renumber(parsed, ids):
    """Old APIC id -> QEMU's, for every enabled CPU of the SRAT; unknown ids come after all others."""
    new = {apic: k for k, apic in enumerate(ids)}
    for cpu in parsed.cpus:
        if cpu.enabled and cpu.apic != NOBODY[LOCAL_X2APIC]:
            new.setdefault(cpu.apic, len(new))
    return new


def rewrite_srat(srat, ids, ram):
    """The SRAT with QEMU's APIC ids and RAM."""
    parsed, out = parse_srat(srat), bytearray(srat)
    new = renumber(parsed, ids)
    for cpu in parsed.cpus:
        if not cpu.enabled or cpu.apic not in new:
            continue
        if cpu.kind == X2APIC:
            struct.pack_into("<I", out, cpu.offset + 8, new[cpu.apic])
        elif new[cpu.apic] < 0xff:
            out[cpu.offset + 3] = new[cpu.apic]
        else:
            raise ReplayError(f"SRAT: entry at {cpu.offset:#x} has 8 bits for APIC ids, its CPU "
                              f"would be number {new[cpu.apic]}")
    for m, base, length in place_windows(mark_windows(parsed.memory), ram):
        struct.pack_into("<QQ", out, m.offset + 8, base, length)
    place = shrink(parsed.memory, ram)
    for m in parsed.memory:
        if m.counts() and not m.window:
            base, end = ram.start(place[m.base]), ram.end(place[m.end])
            struct.pack_into("<QQ", out, m.offset + 8, base, end - base)
    return seal(out)


def memory_map(parsed, ram):
    """[(node, start, end)] of the RAM: where two ranges overlap, the earlier entry counts."""
    number = {pxm: node for node, pxm in enumerate(parsed.domains)}
    taken = []
    for m in filter(Memory.counts, parsed.memory):
        parts = ram.pieces(m.base, m.end)
        for _, a, b in taken:
            parts = [p for x, y in parts for p in ((x, min(y, a)), (max(x, b), y)) if p[0] < p[1]]
        taken += [(number[m.pxm], a, b) for a, b in parts]
    return sorted(taken, key=lambda part: part[1])


def cpu_nodes(parsed, count, with_memory):
    """
    Node of each of QEMU's CPUs, whose ids are 0 to count - 1. The later of two entries counts; CPUs
    without an entry are assigned round-robin to the nodes with memory.
    """
    number = {pxm: node for node, pxm in enumerate(parsed.domains)}
    said = {cpu.apic: number[cpu.pxm] for cpu in parsed.cpus if cpu.enabled and cpu.pxm in number}
    spare, nodes = 0, []
    for apic in range(count):
        if apic not in said:
            nodes.append(with_memory[spare % len(with_memory)])
            spare += 1
        else:
            nodes.append(said[apic])
    return nodes


def slit_distances(slit):
    """[[domain, domain, distance]]; refuses only a missing matrix."""
    n = struct.unpack_from("<Q", slit, HEADER)[0]
    if n * n > len(slit) - SLIT_FIRST:
        raise ReplayError(f"SLIT: {n} localities need {SLIT_FIRST + n * n} bytes, "
                          f"{len(slit)} are there")
    return [[i, j, slit[SLIT_FIRST + n * i + j]] for i in range(n) for j in range(n)]


@dataclass
class Replay:
    srat: bytes
    slit: bytes | None
    cpus: int
    numbering: dict     # proximity domain -> node
    cpu_nodes: list
    ranges: list        # (node, start, end)
    dist: list          # [domain, domain, distance]


def replay(tables, ram):
    """
    tables: {"SRAT": bytes, "APIC": bytes, "SLIT": bytes}, the first compulsory. Without a MADT the
    SRAT's enabled CPUs count. ram: Ram.
    """
    if "SRAT" not in tables:
        raise ReplayError("no SRAT: without one there is nothing to replay")
    source = parse_srat(checked(tables["SRAT"], "SRAT", SRAT_FIRST))
    ids = [cpu.apic for cpu in source.cpus if cpu.enabled and cpu.apic != NOBODY[LOCAL_X2APIC]]
    if "APIC" in tables:
        ids = madt_cpus(checked(tables["APIC"], "APIC", MADT_FIRST))
    ids = list(dict.fromkeys(ids))
    if not 1 <= len(ids) <= MAX_CPUS:
        raise ReplayError(f"{'APIC' if 'APIC' in tables else 'SRAT'}: {len(ids)} enabled CPUs, "
                          f"QEMU takes 1 to {MAX_CPUS}")
    srat = rewrite_srat(checked(tables["SRAT"], "SRAT", SRAT_FIRST), ids, ram)
    slit = seal(checked(tables["SLIT"], "SLIT", SLIT_FIRST)) if "SLIT" in tables else None
    for name, table in (("SRAT", srat), ("SLIT", slit or b"")):
        if len(table) > MAX_TABLE:
            raise ReplayError(f"{name}: {len(table)} bytes, QEMU takes {MAX_TABLE}")
    parsed = parse_srat(srat)
    ranges = memory_map(parsed, ram)
    return Replay(srat, slit, len(ids), {pxm: node for node, pxm in enumerate(parsed.domains)},
                  cpu_nodes(parsed, len(ids), sorted({node for node, _, _ in ranges})), ranges,
                  slit_distances(slit) if slit else [])


def read(path):
    """SRAT, APIC and SLIT in one of the forms of acpi_files.py; those that are missing are left out."""
    try:
        return acpi_files.read(path, ("SRAT", "APIC", "SLIT"))
    except acpi_files.FilesError as error:
        raise ReplayError(str(error)) from None


def main(directory, out, size="2048"):
    ram = int(size) << 20
    low = min(ram, 0x80000000 if ram >= 0xb0000000 else 0xb0000000)
    try:
        made = replay(read(directory), Ram(ram, low, 1 << 32))
    except (ReplayError, OSError) as error:
        print(f"acpi_replay: {error}", file=sys.stderr)
        return 2
    for name, table in (("SRAT", made.srat), ("SLIT", made.slit)):
        if table:
            Path(out, f"{name}.bin").write_bytes(table)
    print(f"{made.cpus} CPUs on nodes {made.cpu_nodes}")
    for node, start, end in made.ranges:
        print(f"node {node} [mem {start:#x}-{end - 1:#x}]")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
