"""tools/acpi_replay.py: what a rewritten SRAT keeps and what it must change, on ten real machines,
on made-up ones, and on damaged ones; and the machines that tools/machine.py makes of them.

The tables are taken apart here a second time, and the nodes come from EXPECTED.json, which an
independent program wrote.
SPDX-License-Identifier: MIT
"""
import json
import os
import random
import struct
import subprocess
import sys
from pathlib import Path

import pytest

import acpi_replay
import acpi_tables
import machine as machines
import qemu
from acpi_build import slit
from acpi_replay import Ram, ReplayError, replay
from acpi_tables import cpu, cpu2, lapic, memory, srat

ROOT = Path(__file__).resolve().parent.parent.parent
DATA = ROOT / "tests/data/acpi"
EXPECTED = json.loads((DATA / "EXPECTED.json").read_text())
MIB, GIB = 1 << 20, 1 << 30
RAMS = [Ram(64 * MIB, 64 * MIB, 4 * GIB), Ram(2 * GIB, 2 * GIB, 4 * GIB),
        Ram(5 * GIB, 2 * GIB, 4 * GIB), Ram(16 * GIB + 4096, 2 * GIB, 4 * GIB)]


# ---- a second decoder ---------------------------------------------------------------------------
def split(table, first=48):
    """The entries of an SRAT as byte strings."""
    out, at = [], first
    while at < len(table):
        out.append(table[at:at + table[at + 1]])
        at += table[at + 1]
    return out


def u32(entry, at):
    return int.from_bytes(entry[at:at + 4], "little")


def u64(entry, at):
    return int.from_bytes(entry[at:at + 8], "little")


def enabled(entry):
    return bool(u32(entry, {0: 4, 1: 28, 2: 12, 5: 24}[entry[0]]) & 1)


def without(entry, *fields):
    """The entry with these (offset, length) fields blanked."""
    entry = bytearray(entry)
    for at, length in fields:
        entry[at:at + length] = bytes(length)
    return bytes(entry)


# ---- made-up tables -----------------------------------------------------------------------------
def madt(*ids):
    """Each an id, or (id, flags); above 254 as type 9."""
    items = [item if isinstance(item, tuple) else (item, 1) for item in ids]
    return acpi_tables.madt(*[(lapic if apic < 256 else acpi_tables.x2apic)(apic, flags)
                              for apic, flags in items])


RAM = Ram(1 * GIB, 1 * GIB, 4 * GIB)


# ---- the ten machines ---------------------------------------------------------------------------
@pytest.fixture(params=sorted(EXPECTED))
def name(request):
    return request.param


@pytest.fixture(params=RAMS, ids=lambda ram: f"{ram.size // MIB}M")
def ram(request):
    return request.param


def test_only_ids_and_ranges_change(name, ram):
    tables = acpi_replay.read(DATA / name)
    made = replay(tables, ram)
    old, new = tables["SRAT"], made.srat
    assert len(old) == len(new) and sum(new) & 0xff == 0
    assert without(old[:48], (9, 1)) == without(new[:48], (9, 1))
    changed = 0
    for a, b in zip(split(old), split(new), strict=True):
        if not enabled(a):
            assert a == b
        elif a[0] in (0, 2):
            field = (3, 1) if a[0] == 0 else (8, 4)
            assert without(a, field) == without(b, field)
            changed += a != b
        else:
            assert without(a, (8, 16)) == without(b, (8, 16))
            changed += a != b
    assert changed
    if "SLIT" in tables:
        assert made.slit[:9] + made.slit[10:] == tables["SLIT"][:9] + tables["SLIT"][10:]
        assert sum(made.slit) & 0xff == 0
    else:
        assert made.slit is None


def test_the_kth_cpu_becomes_the_kth(name, ram):
    """CPUs by EXPECTED.json; the MADT's order read here from its bytes."""
    tables = acpi_replay.read(DATA / name)
    made, node = replay(tables, ram), {c["apic"]: c["node"] for c in EXPECTED[name]["srat"]["cpus"]}
    order = []
    for entry in split(tables["APIC"], 44):
        apic = entry[3] if entry[0] == 0 else u32(entry, 4)
        flags = u32(entry, 4 if entry[0] == 0 else 8) if entry[0] in (0, 9) else 0
        if flags & 1 and apic not in order:
            order.append(apic)
    assert made.cpus == len(order) == EXPECTED[name]["madt"]["enabled"]
    assert made.cpu_nodes == [node[apic] for apic in order]
    assert made.numbering == {int(p): n for p, n in EXPECTED[name]["srat"]["pxm_to_node"].items()}
    ids = [e[3] if e[0] == 0 else u32(e, 8) for e in split(made.srat)
           if e[0] in (0, 2) and enabled(e)]
    was = [c["apic"] for c in EXPECTED[name]["srat"]["cpus"]]
    assert ids == [order.index(apic) for apic in was]
    assert sorted(ids) == list(range(made.cpus))


def test_memory_shrinks_in_proportion(name, ram):
    """No byte of RAM twice, none left; each range's share is right to a page for every range."""
    made = replay(acpi_replay.read(DATA / name), ram)
    want = EXPECTED[name]["srat"]["mem"]
    total = sum(int(m["len"], 16) for m in want)
    got = [e for e in split(made.srat) if e[0] == 1 and enabled(e)]
    taken = []
    for entry, m in zip(got, want, strict=True):
        pieces = ram.pieces(u64(entry, 8), u64(entry, 8) + u64(entry, 16))
        share = sum(b - a for a, b in pieces)
        assert u64(entry, 8) % 4096 == 0 and share >= 4096
        assert abs(share - int(m["len"], 16) * ram.size / total) <= 4096 * len(want)
        taken += pieces
    taken.sort()
    assert sum(b - a for a, b in taken) == ram.size
    assert all(a[1] <= b[0] for a, b in zip(taken, taken[1:]))
    assert taken[0][0] == 0
    assert taken[-1][1] == (ram.size if ram.size <= ram.low else ram.high + ram.size - ram.low)
    assert sum(b - a for _, a, b in made.ranges) == ram.size


def test_replayed_again_nothing_changes(name):
    """QEMU's own ids and RAM map to themselves."""
    once = replay(acpi_replay.read(DATA / name), RAM)
    ids = madt(*range(once.cpus))
    again = replay({"SRAT": once.srat, "APIC": ids}, RAM)
    assert again.srat == once.srat
    assert (again.cpu_nodes, again.ranges) == (once.cpu_nodes, once.ranges)


def test_every_truncation_is_refused(name):
    tables = acpi_replay.read(DATA / name)
    for which in tables:
        for length in range(len(tables[which])):
            with pytest.raises(ReplayError, match=f"^{which}: "):
                replay(tables | {which: tables[which][:length]}, RAM)


def test_damage_is_refused_or_replayed(name):
    """One random byte after the other: a ReplayError or a result, never another exception."""
    tables, dice = acpi_replay.read(DATA / name), random.Random(name)
    for _ in range(300):
        which = dice.choice(sorted(tables))
        broken = bytearray(tables[which])
        broken[dice.randrange(len(broken))] = dice.randrange(256)
        try:
            made = replay(tables | {which: bytes(broken)}, RAM)
        except ReplayError:
            continue
        assert len(made.cpu_nodes) == made.cpus


# ---- made-up machines ---------------------------------------------------------------------------
def test_ids_with_holes_disabled_and_unknown():
    made = replay({"SRAT": srat(cpu(4, 7), cpu(0, 2), cpu(9, 7, flags=0), cpu2(300, 2), cpu(6, 9),
                                memory(0, GIB, 2), memory(GIB, GIB, 7)),
                   "APIC": madt(0, (2, 0), 4, 300, (9, 0), 4)}, RAM)
    ids = [e[3] if e[0] == 0 else u32(e, 8) for e in split(made.srat) if e[0] in (0, 2)]
    assert ids == [1, 0, 9, 2, 3]          # 6 is in no MADT: behind all of QEMU's
    assert made.cpus == 3
    assert made.numbering == {7: 0, 2: 1, 9: 2}
    assert made.cpu_nodes == [1, 0, 1]
    assert made.ranges == [(1, 0, GIB // 2), (0, GIB // 2, GIB)]


def test_cpu_without_entry_goes_round_the_nodes_with_memory():
    made = replay({"SRAT": srat(cpu(3, 5), memory(0, GIB, 1), memory(GIB, GIB, 2)),
                   "APIC": madt(0, 1, 2, 3)}, RAM)
    assert made.numbering == {5: 0, 1: 1, 2: 2}
    assert made.cpu_nodes == [1, 2, 1, 0]


def test_domains_have_8_bits_up_to_revision_1():
    tables = [cpu(0, 0x101), cpu(1, 1), memory(0, GIB, 0x301)]
    assert replay({"SRAT": srat(*tables, revision=1)}, RAM).numbering == {1: 0}
    assert replay({"SRAT": srat(*tables, revision=2)}, RAM).numbering == {0x101: 0, 1: 1, 0x301: 2}


def test_overlap_stays_and_the_earlier_entry_has_it():
    made = replay({"SRAT": srat(cpu(0, 0), memory(0, 3 * GIB, 0), memory(2 * GIB, 2 * GIB, 1))}, RAM)
    first, second = [e for e in split(made.srat) if e[0] == 1]
    assert (u64(first, 8), u64(first, 16)) == (0, 768 * MIB)
    assert (u64(second, 8), u64(second, 16)) == (512 * MIB, 512 * MIB)
    assert made.ranges == [(0, 0, 768 * MIB), (1, 768 * MIB, GIB)]


def test_a_window_of_another_node_gets_no_ram():
    """A non-volatile range in another domain's hot-plug window (QEMU's own), and above all RAM."""
    ram = Ram(3 * GIB, 2 * GIB, 4 * GIB)
    tables = acpi_replay.read(ROOT / "tests/data/cases/42-qemu-nvdimm-other-node")
    made = replay(tables, ram)
    old = [e for e in split(tables["SRAT"]) if e[0] == 1 and enabled(e)][-2:]
    new = [e for e in split(made.srat) if e[0] == 1 and enabled(e)][-2:]
    assert [u64(e, 8) - u64(new[0], 8) for e in new] == [u64(e, 8) - u64(old[0], 8) for e in old]
    assert [u64(e, 16) for e in new] == [u64(e, 16) for e in old]
    assert not any(ram.pieces(u64(e, 8), u64(e, 8) + u64(e, 16)) for e in new)
    assert {node for node, _, _ in made.ranges} == {0, 1}
    assert sum(b - a for _, a, b in made.ranges) == 3 * GIB


def test_a_hot_pluggable_range_alone_is_ram():
    made = replay({"SRAT": srat(cpu(0, 0), memory(0, GIB, 0), memory(GIB, GIB, 1, flags=3))}, RAM)
    assert made.ranges == [(0, 0, GIB // 2), (1, GIB // 2, GIB)]
    with pytest.raises(ReplayError, match="but hot-pluggable ones that overlap"):
        replay({"SRAT": srat(cpu(0, 0), memory(0, GIB, 0, flags=3), memory(0, GIB, 1, flags=3))}, RAM)


def test_a_stray_byte_stays():
    table = srat(cpu(0, 0), memory(0, 3 * GIB, 0), b"\7")
    made = replay({"SRAT": table, "APIC": acpi_tables.madt(lapic(0), b"\0")}, RAM)
    assert len(made.srat) == len(table) and made.srat[-1] == 7 and made.cpus == 1


def test_empty_wrapping_and_disabled_ranges_stay():
    odd = [memory(0x123000, 0, 0), memory((1 << 64) - 4096, 8192, 0), memory(5, 77, 3, flags=0)]
    made = replay({"SRAT": srat(cpu(0, 0), *odd, memory(0, 9 * GIB, 0))}, RAM)
    assert split(made.srat)[1:4] == odd
    assert made.ranges == [(0, 0, GIB)]


def test_a_range_across_the_hole_below_4_gib():
    ram = Ram(4 * GIB, 2 * GIB, 4 * GIB)
    made = replay({"SRAT": srat(cpu(0, 0), memory(0, GIB, 0), memory(8 * GIB, 3 * GIB, 1))}, ram)
    assert made.ranges == [(0, 0, GIB), (1, GIB, 2 * GIB), (1, 4 * GIB, 6 * GIB)]
    exact = replay({"SRAT": srat(cpu(0, 0), memory(0, GIB, 0), memory(8 * GIB, GIB, 1))}, ram)
    assert exact.ranges == [(0, 0, 2 * GIB), (1, 4 * GIB, 6 * GIB)]


def test_a_tiny_range_keeps_a_page():
    made = replay({"SRAT": srat(cpu(0, 0), memory(0, 1, 0), memory(1 << 40, 1 << 40, 1),
                                memory(1 << 42, 1, 2))}, RAM)
    assert made.ranges == [(0, 0, 4096), (1, 4096, GIB - 4096), (2, GIB - 4096, GIB)]


@pytest.mark.parametrize("tables, words", [
    ({}, "no SRAT"),
    ({"SRAT": b""}, "SRAT: 0 bytes"),
    ({"SRAT": srat(cpu(0, 0))}, "no enabled memory"),
    ({"SRAT": srat(memory(0, GIB, 0))}, "SRAT: 0 enabled CPUs"),
    ({"SRAT": slit(1, [10]) + bytes(8)}, "signature is b'SLIT'"),
    ({"SRAT": srat(cpu(0, 0), memory(0, GIB, 0), bytes([0, 0]))}, "length 0"),
    ({"SRAT": srat(cpu(0, 0), memory(0, GIB, 0), bytes([0, 16]))}, "2 bytes are left"),
    ({"SRAT": srat(cpu(0, 0), memory(0, GIB, 0), bytes([1, 8]) + bytes(6))}, "needs 40"),
    ({"SRAT": srat(cpu(0, 0), memory(0, GIB, 0)), "APIC": madt((0, 0))}, "APIC: 0 enabled CPUs"),
    ({"SRAT": srat(cpu(0, 0), memory(0, GIB, 0)), "APIC": madt(*range(256, 256 + 4097))},
     "APIC: 4097 enabled CPUs"),
    ({"SRAT": srat(cpu(9, 0), memory(0, GIB, 0)), "APIC": madt(*range(256, 256 + 255), 9)},
     "8 bits for APIC ids"),
    ({"SRAT": srat(*[cpu2(i, 0) for i in range(2729)], memory(0, GIB, 0))}, "QEMU takes 65535"),
    ({"SRAT": srat(cpu(0, 0), memory(0, GIB, 0)), "SLIT": slit(2, [10, 20, 20])}, "2 localities"),
    ({"SRAT": srat(cpu(0, 0), memory(0, GIB, 0)), "SLIT": slit(1 << 40, [10])}, "localities need"),
    ({"SRAT": srat(cpu(0, 0), *[memory(i * GIB, GIB, i) for i in range(257)])}, "do not fit"),
])
def test_what_cannot_be_replayed(tables, words):
    ram = Ram(256 * 4096, 256 * 4096, 4 * GIB) if words == "do not fit" else RAM
    with pytest.raises(ReplayError, match=words):
        replay(tables, ram)


# ---- as machines --------------------------------------------------------------------------------
def load(tmp_path, text):
    path = tmp_path / "m.machine"
    path.write_text('reason = "a test"\n' + text, encoding="utf-8")
    return machines.load(path)


def test_machine_file(tmp_path):
    m = load(tmp_path, 'tables = "supermicro-h8dgu-57ed"\nmem = "2G"')
    assert (m.cpus_online(), m.nodes_online()) == (24, 4)
    assert sum(b - a for parts in m.node_ranges().values() for a, b in parts) == 2 * GIB
    assert sorted(m.node_ranges()) == [0, 3]
    assert m.cpu_node(12) == 3 and m.homes(12) == {3}
    assert m.homes(6) == {0, 3}            # no memory of its own, both others at distance 16
    args = qemu.smp_args(m) + qemu.numa_args(m) + qemu.replay_args(m, tmp_path)
    assert "-numa" not in args and args.count("-acpitable") == 2
    assert (tmp_path / "srat.bin").read_bytes() == m.replayed.srat
    off = load(tmp_path, 'tables = "supermicro-h8dgu-57ed"\nappend = "numa=off"')
    assert (off.nodes_online(), off.cpu_node(12), list(off.node_ranges())) == (1, 0, [0])


@pytest.mark.parametrize("text, words", [
    ('tables = "no-such-machine"', "no such directory"),
    ('tables = "supermicro-h8dgu-57ed"\ncpus = 25', "the tables enable 24"),
    ('tables = "supermicro-h8dgu-57ed"\ndist = [[0, 1, 20]]', "tables: goes with none of"),
    ('tables = "supermicro-h8dgu-57ed"\nnode = [{ mem = "1G", cpus = "0" }]', "goes with none"),
    ('cpus = 1\nreplayed = 1', "replayed: unknown key"),
])
def test_bad_machine_file(tmp_path, text, words):
    with pytest.raises(machines.MachineError, match=words):
        load(tmp_path, text)


@pytest.mark.parametrize("more, words", [
    ({"TABLES": "/nonexistent"}, "no such directory"),
    ({"TABLES": "BAD"}, "SRAT: says 100 bytes, 60 are there"),
    ({"TABLES": "EMPTY"}, "no SRAT"),
    ({"TABLES": "EMPTY", "NODES": "2"}, "--tables goes without --nodes"),
])
def test_perch_run_says_what_is_wrong(tmp_path, more, words):
    for directory in ("BAD", "EMPTY"):
        (tmp_path / directory).mkdir()
    whole = srat(cpu(0, 0))[:4] + struct.pack("<I", 100) + srat(cpu(0, 0))[8:60]
    (tmp_path / "BAD/SRAT.bin").write_bytes(whole)
    env = {key: value for key, value in os.environ.items()
           if key not in ("PERCH_LAST", "TOPOLOGY", "NODES", "CPUS", "MEM")} | more
    done = subprocess.run([sys.executable, ROOT / "tools/run.py"], env=env, cwd=tmp_path,
                          capture_output=True, text=True)
    assert done.returncode == 2
    assert words in done.stdout.splitlines()[-1]


def test_the_tool_alone(tmp_path):
    """DIR OUT: two tables; and a damaged one is a line on stderr and status 2."""
    tool = [sys.executable, ROOT / "tools/acpi_replay.py"]
    done = subprocess.run([*tool, DATA / "supermicro-h8dgu-57ed", tmp_path, "512"],
                          capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("24 CPUs")
    assert sum((tmp_path / "SRAT.bin").read_bytes()) & 0xff == 0
    (tmp_path / "SRAT.bin").write_bytes(b"SRAT")
    done = subprocess.run([*tool, tmp_path, tmp_path], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("acpi_replay: SRAT: 4 bytes")
