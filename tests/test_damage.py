"""Damaged ACPI tables in QEMU: each boots to the end, on what can still be believed, with a finding.

A machine of two CPUs and two nodes of 256 MiB, all of its ACPI from tests/acpi_build.py. What must
come up, and on which nodes, is written beside each damage; tools/verdict.py judges. Every byte
of real tables is damaged once in tests/damage/damage_test.c: here it is shown that the whole boot holds.
SPDX-License-Identifier: MIT
"""
import json
import struct
from dataclasses import dataclass

import pytest

import machine as machines
import qemu
import verdict
from acpi_build import World, dbg2, dbg2_port, fadt, gas, hpet, put, slit, spcr
from acpi_tables import cpu, cpu2, header, ioapic, lapic, madt, memory, seal, srat, x2apic

M = 256 << 20
MADT = madt(lapic(0), lapic(1), ioapic(0))
CPUS, MEMORY = [cpu(0, 0), cpu(1, 1)], [memory(0, M, 0), memory(M, M, 1)]
SRAT = srat(*CPUS, *MEMORY)
SLIT = slit(2, [10, 21, 21, 10])
GOOD = [fadt(), MADT, SRAT, SLIT]
HALVES = [[0, 0, M - 1], [1, M, 2 * M - 1]]
WHOLE = [[0, 0, 2 * M - 1]]


@dataclass
class Case:
    """What comes up: cpus online, the node of each, and the ranges of RAM by node."""
    name: str
    finding: str                  # ids of docs/firmware-checks.md, all that are FAIL or WARN
    world: World
    cpus: int = 2
    nodes: tuple = (0, 1)         # of CPUs
    up: int = 0                   # nodes up; 0: those of the CPUs
    ranges: list = None
    expect: tuple = ()            # lines further on in the log

    def machine(self, workdir):
        return machines.Machine(
            name=f"damage-{self.name}", reason="damaged tables", cpus=2, machine="q35,acpi=off",
            mem="512M", append="run=report", online=self.cpus,
            nodes_up=self.up or len(set(self.nodes)),
            cpu_nodes=list(self.nodes), ranges=self.ranges or HALVES,
            expect=list(self.expect), forbid=[] if self.finding else ["firmware bug"],
            verdict=r"all held|held, but: \d+ firmware failures?.*" if self.finding else "all held",
            qemu=self.world.arguments(workdir))


def instead(old, *new):
    """The good tables with one replaced."""
    return World([t for table in GOOD for t in (new if table is old else [table])])


def one(name, finding, world, **more):
    """A damage that costs the topology: one node has everything."""
    return Case(name, finding, world, nodes=(0, 0), ranges=WHOLE, **more)


def cut(table, length):
    """A shorter table with a right header."""
    return seal(table[:length])


def xsdt(at, data):
    return lambda table: table[:at] + data + table[at + len(data):]


def findings(text):
    """Ids of the report that are FAIL or WARN."""
    objects = [json.loads(line) for line in text.splitlines() if line.startswith('{"n":')]
    return {o["id"] for o in objects if o["type"] == "firmware" and o["severity"] != "info"}


FAR = struct.pack("<Q", (1 << 64) - 256)

CASES = [
    Case("none", "", World(GOOD), expect=("ACPI: SRAT: Node 1 PXM 1 ",)),

    # SRAT
    one("srat-checksum", "table-checksum", instead(SRAT, put(SRAT, 60, 0x55, again=False))),
    one("srat-says-more", "table-length", instead(SRAT, put(SRAT, 4, b"\xff\xff\xff\xff"))),
    one("srat-header-only", "srat-short", instead(SRAT, cut(SRAT, 40))),
    Case("srat-truncated", "srat-entry-cut srat-uncovered", instead(SRAT, cut(SRAT, len(SRAT) - 8)),
         ranges=WHOLE),
    Case("srat-zero-length", "srat-entry-cut srat-uncovered",
         instead(SRAT, srat(*CPUS, MEMORY[0], bytes(2), MEMORY[1])), ranges=WHOLE),
    Case("srat-entry-short", "srat-entry-length",
         instead(SRAT, srat(*CPUS, *MEMORY, bytes([0, 8]) + bytes(6)))),
    Case("srat-memory-overlaps", "srat-overlap",
         instead(SRAT, srat(*CPUS, MEMORY[0], memory(0, 2 * M, 1)))),
    Case("srat-cpu-twice", "srat-cpu-conflict", instead(SRAT, srat(cpu(1, 0), *CPUS, *MEMORY))),
    Case("srat-cpu-unknown", "srat-cpu-unknown",
         instead(SRAT, srat(*CPUS, cpu2(0x70000000, 1), *MEMORY))),

    # SLIT
    Case("slit-short", "slit-short", instead(SLIT, cut(SLIT, 47))),
    Case("slit-huge", "slit-short", instead(SLIT, slit(1 << 32, [10, 21, 21, 10]))),
    Case("slit-zero", "slit-remote-low", instead(SLIT, slit(2, [10, 0, 21, 10]))),

    # MADT
    Case("madt-overrun", "madt-entry-cut", instead(MADT, madt(lapic(0), lapic(1), b"\0\x40")),
         expect=("smp: Brought up 2 nodes, 2 CPUs",)),
    Case("madt-cut-cpu", "madt-entry-cut srat-cpu-unknown",
         instead(MADT, cut(madt(lapic(0), lapic(1)), 58)), cpus=1, nodes=(0,), up=2),
    Case("madt-twice-a-cpu", "madt-cpu-duplicate",
         instead(MADT, madt(lapic(0), lapic(1), lapic(1), lapic(0)))),
    Case("madt-no-boot-cpu", "madt-boot-cpu srat-cpu-unknown",
         instead(MADT, madt(lapic(1), ioapic(0)))),
    Case("madt-no-cpu", "madt-no-cpu", instead(MADT, madt(ioapic(0))), cpus=1, nodes=(0,), up=2),
    Case("madt-second", "madt-second", instead(MADT, MADT, madt(lapic(0)))),
    Case("madt-x2apic-nobody", "", instead(MADT, madt(lapic(0), lapic(1), lapic(255),
                                                      x2apic(0xffffffff)))),

    # the other tables
    Case("fadt-short", "fadt-short", World([cut(fadt(), 80), *GOOD[1:]])),
    Case("fadt-length", "fadt-length", World([cut(fadt(), 200), *GOOD[1:]])),
    Case("dsdt-in-the-rom", "table-length", World([fadt(0xfffffff0), *GOOD[1:]])),

    # addresses where no device and no table can be; the CPUs here have 40 bits
    Case("x-dsdt-beyond", "table-unreachable",
         World([put(fadt(), 140, struct.pack("<Q", 1 << 41)), *GOOD[1:]]),
         expect=("DSDT at 0x20000000000 cannot be reached",)),
    Case("x-dsdt-in-the-hole", "table-unreachable",
         World([put(fadt(), 140, struct.pack("<Q", 0x8000000000)), *GOOD[1:]]),
         expect=("DSDT at 0x8000000000 cannot be reached",)),
    Case("x-dsdt-in-the-apic", "table-unreachable",
         World([put(fadt(), 140, struct.pack("<Q", 0xfee00000)), *GOOD[1:]]),
         expect=("DSDT at 0xfee00000 cannot be reached",)),
    Case("fadt-reset-in-the-kernel", "fadt-register",
         World([put(put(fadt(), 113, 4), 116, gas(0, 0x220000) + b"\6"), *GOOD[1:]]),
         expect=("firmware bug: FACP: reset register at 0x220000: that is Perch itself",)),
    Case("fadt-pm1-in-the-apic", "fadt-register",
         World([put(fadt(), 172, gas(0, 0xfee00300, 16, 2)), *GOOD[1:]]),
         expect=("FACP: PM1a control at 0xfee00300: that is the local APIC: not used",)),
    Case("ioapic-in-the-kernel", "madt-ioapic-address",
         instead(MADT, madt(lapic(0), lapic(1), ioapic(0), ioapic(1, 0x240000))),
         expect=("MADT: I/O APIC 1 at 0x240000: that is Perch itself: not touched",
                 "irq: .* 24 I/O APIC lines masked")),
    Case("ioapic-in-the-apic", "madt-ioapic-address",
         instead(MADT, madt(lapic(0), lapic(1), ioapic(0, 0xfee00000))),
         expect=("MADT: I/O APIC 0 at 0xfee00000: that is the local APIC: not touched",
                 "irq: .* 0 I/O APIC lines masked")),
    Case("hpet-in-ram", "hpet-address", World([*GOOD, hpet(0x8000000)]),
         expect=("firmware bug: HPET: base address 0x8000000: that is RAM: not used",)),
    Case("hpet-beyond", "hpet-address", World([*GOOD, hpet(1 << 50)]),
         expect=("HPET: base address 0x4000000000000: beyond the CPU's physical addresses",)),
    Case("spcr-in-ram", "spcr-address", World([*GOOD, spcr(0, 0x8000000, interface=0x12)]),
         expect=("console: SPCR: refused: that is RAM",)),
    Case("spcr-in-the-apic", "spcr-address", World([*GOOD, spcr(0, 0xfee00000, interface=0x12)]),
         expect=("console: SPCR: refused: that is the local APIC",)),
    Case("dbg2-beyond", "dbg2-address", World([*GOOD, dbg2(dbg2_port(0, 1 << 41))]),
         expect=("console: DBG2: refused: beyond the CPU's physical addresses",)),

    Case("hmat-zero-length", "hmat-structure-cut",
         World([*GOOD, seal(header("HMAT", 2) + bytes(4) + bytes(8))])),
    Case("spcr-short", "spcr-short", World([*GOOD, cut(spcr(1, 0x3f8), 50)])),
    Case("spcr-rubbish", "spcr-address", World([*GOOD, spcr(0, (1 << 64) - 8, interface=0x12)]),
         expect=("console: SPCR: refused: no room for the registers",)),
    Case("spcr-nothing-there", "", World([*GOOD, spcr(1, 0x7000)]),
         expect=("console: SPCR: port 0x7000: refused: no UART answers there",)),
    Case("dbg2-nowhere", "dbg2-device", World([*GOOD, dbg2(count=255, offset=0xfffffff0)])),
    Case("dbg2-runs-over", "dbg2-device", World([*GOOD, put(dbg2(dbg2_port(1, 0x3f8)), 45, 0xff)])),

    # RSDP, XSDT
    Case("xsdt-entries", "table-length table-unreachable xsdt-null-entry",
         World(GOOD, extra=[FAR, bytes(8), struct.pack("<Q", 0x1234567)])),
    Case("xsdt-half-entry", "xsdt-length", World(GOOD, extra=[b"\x12\x34\x56"])),
    Case("xsdt-foreign", "xsdt-signature",
         World(GOOD, rsdt=GOOD, damage_xsdt=xsdt(0, b"TDSX"))),
    Case("rsdp-second-checksum", "rsdp-checksum",
         World(GOOD, rsdt=GOOD, checksums=(True, False))),
    Case("no-root", "table-length xsdt-unusable",
         World(GOOD, damage_xsdt=xsdt(4, b"\x10\0\0\0")), cpus=1, nodes=(0,), ranges=WHOLE),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_damage(case, logs, tmp_path):
    machine = case.machine(tmp_path)
    qemu.check_needs(machine)
    result = qemu.run(qemu.argv(machine, tmp_path), machine.limits())
    machine.status = 33 if verdict.said(result.text) == "all held" else 39
    log = logs / f"{machine.name}.log"
    log.write_text(result.text, encoding="utf-8")
    problems, _ = verdict.judge(machine, result)
    found, want = findings(result.text), set(case.finding.split())
    problems += [] if found == want else [f"found {sorted(found)}, not {sorted(want)}"]
    assert not problems, "\n".join(problems) + f"\nthe end of {log}:\n{result.tail()}"
