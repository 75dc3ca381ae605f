"""`perch acpi`: ten real machines against the decode of a program that shares no code with Perch
(tests/data/acpi/EXPECTED.json), the form of the output, and bad input.

The program under test is $PERCH_ACPI, else perch-acpi in the build directory.
SPDX-License-Identifier: MIT
"""
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

import acpi_tables as t

ROOT = Path(__file__).resolve().parent.parent.parent
DATA = ROOT / "tests/data/acpi"
CASES_DIR = ROOT / "tests/data/cases"
BUILD = ROOT / os.environ.get("BUILD", "build")
PROGRAM = os.environ.get("PERCH_ACPI") or str(BUILD / "perch-acpi")
EXPECTED = json.loads((DATA / "EXPECTED.json").read_text("utf-8"))
MIB = 1 << 20


def run(*args):
    return subprocess.run([PROGRAM, *args], capture_output=True, text=True, timeout=30, check=False)


def decode(folder):
    done = run(folder)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def write_tables(tmp_path, **tables):
    folder = tmp_path / "tables"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, raw in tables.items():
        (folder / f"{name}.bin").write_bytes(raw)
    return folder


def decode_tables(tmp_path, **tables):
    return decode(write_tables(tmp_path, **tables))


def of(objects, kind, *fields):
    """The objects of a type; with fields, their values only (a tuple when there are several)."""
    found = [x for x in objects if x["type"] == kind]
    if len(fields) == 1:
        return [x[fields[0]] for x in found]
    return [tuple(x[f] for f in fields) for x in found] if fields else found


def test_every_machine_is_tried():
    assert len(EXPECTED) == 10 and all((DATA / name / "SRAT.bin").is_file() for name in EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_real_machine(name):
    want, got = EXPECTED[name], decode(DATA / name)
    srat, madt, slit = want["srat"], want["madt"], want.get("slit")
    pxm_to_node = {int(pxm): node for pxm, node in srat["pxm_to_node"].items()}

    assert dict(of(got, "node", "pxm", "node")) == pxm_to_node
    enabled = of(got, "cpu", "enabled")
    assert enabled.count(True) == madt["enabled"] and enabled.count(False) == madt["disabled"]
    assert max(x["apic"] for x in of(got, "cpu") if x["enabled"]) == madt["max_apic"]
    node_of = {x["apic"]: x["node"] for x in srat["cpus"]}
    assert all(x["node"] == node_of[x["apic"]] for x in of(got, "cpu") if x["enabled"])

    def in_use(kind, *fields):
        return sorted(tuple(x[f] for f in fields) for x in of(got, kind) if x["enabled"])

    assert in_use("srat-cpu", "apic", "pxm", "node") == sorted(
        (x["apic"], x["pxm"], x["node"]) for x in srat["cpus"])
    ranges = [(int(x["base"], 16), int(x["len"], 16), x["pxm"], x["node"], x["hotplug"],
               x["nonvolatile"]) for x in srat["mem"]]
    assert in_use("srat-memory", "base", "length", "pxm", "node", "hotplug",
                  "nonvolatile") == sorted(ranges)
    raw = of(got, "srat-cpu", "enabled") + of(got, "srat-memory", "enabled")
    assert len(raw) + sum(srat["other_types"].values()) == srat["entries"]
    assert raw.count(False) == srat["disabled"]
    check_memory(got, ranges)
    check_distances(got, slit, pxm_to_node)
    assert not [x for x in of(got, "firmware") if x["severity"] == "fail"]


def check_memory(got, ranges):
    """Every byte is on the node that the SRAT says; what was joined does not overlap."""
    memory = of(got, "memory", "base", "length", "node")
    assert memory == sorted(memory)
    assert all(a + n <= b for (a, n, _), (b, _, _) in zip(memory, memory[1:]))
    for base, length, _, node, *_ in ranges:
        home = [n for b, size, n in memory if b <= base and base + length <= b + size]
        assert home == [node]


def check_distances(got, slit, pxm_to_node):
    value = {(a, b): (v, s) for a, b, v, s in of(got, "distance", "from", "to", "value", "source")}
    if not slit:
        assert not of(got, "slit")
        want = {(a, b): (10 if a == b else 20, "default")
                for a in pxm_to_node.values() for b in pxm_to_node.values()}
    else:
        assert of(got, "slit", "n", "rows") == [(slit["n"], slit["matrix"])]
        want = {(na, nb): (slit["matrix"][pa][pb], "slit")
                for pa, na in pxm_to_node.items() for pb, nb in pxm_to_node.items()}
    assert value == want


def test_form_and_order():
    done = run(DATA / "dell-poweredge-r820-e598")
    keys = []
    for line in done.stdout.splitlines():
        x = json.loads(line)
        assert line == json.dumps(x, separators=(",", ":")) and list(x)[0] == "type"
        number = next((v for v in x.values() if type(v) is int), 0)
        keys.append((x["type"], number))
    assert keys == sorted(keys) and len(keys) > 200


def test_output_is_the_same_each_time():
    assert len({run(DATA / "supermicro-h8qg6-58e8").stdout for _ in range(3)}) == 1


@pytest.mark.parametrize("name", ["SRAT", "SLIT", "APIC", "SPCR"])
def test_one_table_alone(name, tmp_path):
    shutil.copy(DATA / "dell-poweredge-r820-e598" / f"{name}.bin", tmp_path)
    got = decode(tmp_path)
    assert of(got, "node", "node") == ([0, 1, 2, 3] if name == "SRAT" else [0])
    assert len(of(got, "cpu")) == {"SRAT": 80, "APIC": 96}.get(name, 0)
    assert {x["uid"] for x in of(got, "cpu")} == {None} or name != "SRAT"
    assert len(of(got, "slit")) == (name == "SLIT")
    assert len(of(got, "console")) == (name == "SPCR")
    assert {x["severity"] for x in of(got, "firmware")} <= {"info"}


def test_other_files_are_left_alone(tmp_path):
    folder = tmp_path / "m"
    shutil.copytree(DATA / "evga-x299-micro-4b64", folder)
    before = decode(folder)
    (folder / "MCFG2.bin").write_bytes(b"rubbish")
    (folder / "SSDT7.bin").write_bytes(b"")
    (folder / "README").write_text("x")
    assert decode(folder) == before


def test_domains_in_order_of_cpus_then_memory(tmp_path):
    got = decode_tables(tmp_path, APIC=t.madt(t.lapic(0), t.lapic(1)), SRAT=t.srat(
        t.memory(0, MIB, 9), t.cpu(1, 0x12345), t.cpu2(0, 70000), t.memory(MIB, MIB, 70000)))
    assert of(got, "node", "pxm") == [0x12345, 70000, 9]
    assert of(got, "cpu", "apic", "node") == [(0, 1), (1, 0)]
    assert of(got, "memory", "base", "node") == [(0, 2), (MIB, 1)]


def test_wrong_checksum_is_not_used_but_shown(tmp_path):
    raw = bytearray(t.srat(t.cpu(0, 3), t.memory(0, MIB, 3)))
    raw[-1] ^= 1
    got = decode_tables(tmp_path, SRAT=bytes(raw), APIC=t.madt(t.lapic(0)))
    assert of(got, "node", "pxm") == [0] and of(got, "cpu", "node") == [None]
    assert of(got, "srat-cpu", "pxm", "node") == [(3, None)]
    assert of(got, "firmware", "severity", "id", "table") == [("fail", "table-checksum", "SRAT")]


def test_four_thousand_cpus(tmp_path):
    ids = [i * 251 + 7 for i in range(4096)]
    got = decode_tables(
        tmp_path, APIC=t.madt(*map(t.x2apic, ids), revision=5),
        SRAT=t.srat(*(t.cpu2(a, i % 256) for i, a in enumerate(ids)),
                    *(t.memory(i << 30, 1 << 30, i) for i in range(256))))
    assert len(of(got, "cpu")) == 4096 and len(of(got, "distance")) == 65536
    assert of(got, "cpu", "node") == [i % 256 for i in range(4096)]


# ---- bad input ---------------------------------------------------------------------------------
def refused(*args):
    done = run(*args)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("perch acpi: ") and done.stderr.count("\n") == 1
    return done.stderr


GOOD = t.srat(t.cpu(0, 0), t.memory(0, MIB, 0))
BAD_FILES = {
    "empty": (b"", "0 bytes"),
    "short": (GOOD[:35], "35 bytes"),
    "cut": (GOOD[:-1], "its header says"),
    "longer": (GOOD + b"\0", "its header says"),
    "another": (t.madt(), "signature"),
    "text": (b"SRAT @ 0x0000\n    0000: 53 52 41 54 B0 00 00 00\n", "its header says"),
    "large": (t.srat() + bytes(16 << 20), "longer than"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_file_that_is_no_table(case, tmp_path):
    raw, words = BAD_FILES[case]
    (tmp_path / "SRAT.bin").write_bytes(raw)
    (tmp_path / "APIC.bin").write_bytes(t.madt(t.lapic(0)))
    text = refused(tmp_path)
    assert words in text and "SRAT.bin" in text


def test_no_folder(tmp_path):
    assert "No such file" in refused(tmp_path / "nowhere")
    (tmp_path / "file").write_bytes(GOOD)
    assert "not a folder" in refused(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    assert "no table here" in refused(tmp_path / "empty")
    (tmp_path / "SRAT.bin").mkdir()
    assert "SRAT.bin" in refused(tmp_path)


def test_arguments(tmp_path):
    refused()
    refused(tmp_path, tmp_path)
    assert run("--help").returncode == 0 and "usage: perch acpi DIR" in run("--help").stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_output_that_cannot_be_written():
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([PROGRAM, DATA / "supermicro-x10dai-4a64"], stdout=full,
                              stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
