"""`perch acpi`: ten real machines against the decode of a program that shares no code with Perch
(tests/data/acpi/EXPECTED.json), the form of the output, and bad input.

The program under test is $PERCH_ACPI, else perch-acpi in the build directory.
SPDX-License-Identifier: MIT
"""
import json
import os
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import acpi_replay
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
    assert "neither a folder with tables nor the text of acpidump" in refused(tmp_path / "file")
    assert "neither a folder nor a file" in refused("/dev/zero")
    (tmp_path / "empty").mkdir()
    assert "no table here" in refused(tmp_path / "empty")
    (tmp_path / "SRAT.bin").mkdir()
    assert "SRAT.bin" in refused(tmp_path)


def test_arguments(tmp_path):
    refused = run()
    assert (refused.returncode, refused.stdout) == (2, "") and "expected a folder" in refused.stderr
    for words in ([tmp_path, tmp_path], ["--txt", tmp_path], ["--text"]):
        assert run(*words).returncode == 2
    assert run("--help").returncode == 0 and "usage: perch acpi [" in run("--help").stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_output_that_cannot_be_written():
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([PROGRAM, DATA / "supermicro-x10dai-4a64"], stdout=full,
                              stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 3 and done.stderr.count("\n") == 1


def test_strict():
    """Status 4 when a finding is a failure; what is printed stays the same."""
    cases = {CASES_DIR / "30-srat-cpu-missing": 4, DATA / "hewlett-packard-touchsmart-tx2-6909": 0}
    for folder, status in cases.items():
        done, plain = run("--strict", folder), run(folder)
        assert (done.returncode, plain.returncode) == (status, 0) and done.stdout == plain.stdout
        assert run(folder, "--text", "--strict").returncode == status


# ---- the forms in which people have tables -----------------------------------------------------
R820 = DATA / "dell-poweredge-r820-e598"


def tables_of(folder):
    return {p.stem: p.read_bytes() for p in folder.glob("*.bin")}


def as_text(tables, ending="\n", offset=0):
    """What acpidump prints; each as (name, bytes)."""
    lines = []
    for name, raw in tables:
        lines += [f"{name} @ 0x{0x7ffe1000 + offset:016X}"]
        for at in range(0, len(raw), 16):
            part = raw[at:at + 16]
            seen = "".join(chr(b) if 32 <= b < 127 else "." for b in part)
            lines.append(f"{at:8X}: ".replace("       0", "    0000", 1) if at == 0 else
                         f"{at:04X}: ".rjust(10))
            lines[-1] += "".join(f"{b:02X} " for b in part).ljust(48) + " " + seen
        lines.append("")
    return ending.join(lines) + ending


def in_each_form(tmp_path, tables):
    """A folder or file for each form."""
    for form, name in (("bin", "{}.bin"), ("sysfs", "{}"), ("dat", "{}.dat")):
        (tmp_path / form).mkdir()
        for sig, raw in tables.items():
            file = name.format(sig.lower() if form == "dat" else sig)
            (tmp_path / form / file).write_bytes(raw)
        yield tmp_path / form
    for form, ending in (("unix.txt", "\n"), ("dos.txt", "\r\n")):
        (tmp_path / form).write_bytes(as_text(tables.items(), ending).encode())
        yield tmp_path / form


@pytest.mark.parametrize("name", ["dell-poweredge-r820-e598", "evga-x299-micro-4b64"])
def test_every_form_says_the_same(name, tmp_path):
    wanted = run(DATA / name).stdout
    for path in in_each_form(tmp_path, {k: v for k, v in tables_of(DATA / name).items()
                                        if k != "MCFG2"}):
        done = run(path)
        assert (done.returncode, done.stderr) == (0, "") and done.stdout == wanted, path
        assert acpi_replay.read(path) == acpi_replay.read(DATA / name)


@pytest.mark.skipif(not shutil.which("acpidump") or not shutil.which("acpixtract"),
                    reason="no acpidump and acpixtract here")
def test_what_the_real_acpidump_writes(tmp_path):
    text = "".join(subprocess.run(["acpidump", "-f", file], capture_output=True, text=True,
                                  check=True).stdout for file in sorted(R820.glob("*.bin")))
    (tmp_path / "dump.txt").write_text(text, "utf-8")
    wanted = run(R820).stdout
    assert run(tmp_path / "dump.txt").stdout == wanted
    subprocess.run(["acpixtract", "-a", "dump.txt"], cwd=tmp_path, capture_output=True, check=True)
    assert (tmp_path / "srat.dat").is_file() and run(tmp_path).stdout == wanted
    assert acpi_replay.read(tmp_path / "dump.txt") == acpi_replay.read(R820)


def test_sysfs_with_two_of_a_kind(tmp_path):
    """The first by number counts, 2 before 10; its subfolders are ignored; the second is named."""
    near = t.slit([[10, 12], [12, 10]])
    for name, raw in {"SRAT1": tables_of(R820)["SRAT"], "SRAT2": t.srat(t.cpu(0, 0)),
                      "APIC2": t.madt(t.lapic(5)), "APIC10": t.madt(t.lapic(6)), "SLIT": near,
                      "DBG2": t.dbg2(), "SSDT1": b"", "apic": b"?"}.items():
        (tmp_path / name).write_bytes(raw)
    for folder in ("data", "dynamic"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "SRAT").write_bytes(b"rubbish")
    got = decode(tmp_path)
    assert [x["pxm"] for x in of(got, "node")] == [1, 2, 3, 4]
    assert of(got, "cpu", "apic") == [5] and len(of(got, "console")) == 1
    second = [(x["severity"], x["id"], x["table"], x["text"]) for x in of(got, "firmware")
              if "second" in x["id"]]
    assert second == [("fail", "madt-second", "APIC", "APIC10 is a second one, APIC2 is used"),
                      ("warn", "table-second", "SRAT", "SRAT2 is a second one, SRAT1 is used")]
    assert acpi_replay.read(tmp_path) == {"SRAT": tables_of(R820)["SRAT"], "SLIT": near,
                                          "APIC": t.madt(t.lapic(5))}


def test_dos_text_without_the_characters(tmp_path):
    """A line that ends with its last byte: the CR before the LF is none of it."""
    lines = [f"    {at:04X}: " + " ".join(f"{b:02X}" for b in GOOD[at:at + 16]) for at in range(0, len(GOOD), 16)]
    (tmp_path / "dump").write_bytes("\r\n".join(["SRAT @ 0x7FFE1000", *lines, ""]).encode())
    assert of(decode(tmp_path / "dump"), "srat-cpu", "apic") == [0]


def test_text_with_two_of_a_kind_and_other_tables(tmp_path):
    text = ("RSD PTR @ 0x000f0490\n    0000: 52 53 44 20 50 54 52 20  RSD PTR \n\n"
            + as_text([("DSDT", bytes(range(256)) * 600), ("SRAT", GOOD),
                       ("SRAT", t.srat(t.cpu(9, 9)))]))
    (tmp_path / "dump").write_text(text, "utf-8")
    got = decode(tmp_path / "dump")
    assert of(got, "srat-cpu", "apic") == [0]
    assert "table-second" in of(got, "firmware", "id")
    assert acpi_replay.read(tmp_path / "dump") == {"SRAT": GOOD}


@pytest.mark.parametrize("text, words", [
    ("", "neither a folder with tables"),
    ("hello\n    0000: 53 52\n", "neither a folder with tables"),
    (as_text([("DSDT", b"DSDT" + bytes(32))]), "none of its 1 tables"),
    (as_text([("SRAT", GOOD)]).replace("    0010:", "    0020:"), "line 3: offset 0x20, but 16"),
    (as_text([("SRAT", GOOD)]).rsplit("\n", 4)[0] + "\n", "its header says"),
    (as_text([("SRAT", GOOD)]).replace("53 52", "5X 52"), "offset 0x10, but 0"),
    (as_text([("APIC", GOOD)]), "signature"),
])
def test_text_that_is_not_whole(text, words, tmp_path):
    (tmp_path / "dump").write_text(text, "utf-8")
    assert words in refused(tmp_path / "dump")


def test_any_damage_of_the_text_ends_in_an_answer(tmp_path):
    """Status 0, or 2 with one line and nothing on stdout."""
    dice, whole = random.Random(9), as_text(sorted(tables_of(R820).items())).encode()
    for _ in range(40):
        text = bytearray(whole)
        for _ in range(dice.randrange(1, 6)):
            at, kind = dice.randrange(len(text)), dice.randrange(3)
            if kind == 0:
                text[at] = dice.randrange(256)
            elif kind == 1:
                del text[at:at + dice.randrange(1, 200)]
            else:
                text[at:at] = bytes(dice.randrange(256) for _ in range(dice.randrange(1, 20)))
        (tmp_path / "dump").write_bytes(text)
        done = subprocess.run([PROGRAM, tmp_path / "dump"], capture_output=True, timeout=30, check=False)
        assert done.returncode in (0, 2)
        if done.returncode:
            assert not done.stdout and done.stderr.count(b"\n") == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_table_that_only_root_may_read(tmp_path):
    (tmp_path / "SRAT").write_bytes(GOOD)
    (tmp_path / "SRAT").chmod(0)
    assert "sudo" in refused(tmp_path)


# ---- for a person ------------------------------------------------------------------------------
@pytest.mark.parametrize("name", EXPECTED)
def test_text_says_what_the_objects_say(name):
    """Nodes, CPUs, bytes, distances and findings of --text beside the JSON of the same folder."""
    done, got = run("--text", DATA / name), decode(DATA / name)
    assert (done.returncode, done.stderr) == (0, "")
    text = done.stdout
    enabled = [x for x in of(got, "cpu") if x["enabled"]]
    nodes = dict(re.findall(r"^node (\d+) \(domain (\d+)\): ", text, re.M))
    assert {int(n): int(p) for n, p in nodes.items()} == dict(of(got, "node", "node", "pxm"))
    for node, block in zip(nodes, re.split(r"^node \d+ \(", text, flags=re.M)[1:]):
        ids = []
        for words in re.findall(r"^    APIC ids((?: .*\n(?:            .*\n)*))", block, re.M):
            for word in words.split():
                first, _, last = word.partition("-")
                ids += range(int(first, 16), int(last or first, 16) + 1)
        assert ids == sorted(x["apic"] for x in enabled if x["node"] == int(node))
        ranges = re.findall(r"\[mem (0x\w+)-(0x\w+)\]", block.split("\ndistances")[0])
        assert [(int(a, 16), int(b, 16) - int(a, 16) + 1) for a, b in ranges] == [
            (x["base"], x["length"]) for x in of(got, "memory") if x["node"] == int(node)]
    rows = [[int(n) for n in row.split()] for row in re.findall(r"^ +\d+:((?: +\d+)+)$", text, re.M)]
    wide = len(nodes)
    assert sum(rows, []) == of(got, "distance", "value") and all(len(r) == wide for r in rows)
    shown = re.findall(r"^    (FAIL|WARN|INFO) ([\w-]+): (\w+): (.*)$", text, re.M)
    assert sorted((s.lower(), i, tab, words) for s, i, tab, words in shown) == sorted(
        of(got, "firmware", "severity", "id", "table", "text"))
    order = ["FAIL", "WARN", "INFO"]
    assert [s for s, *_ in shown] == sorted((s for s, *_ in shown), key=order.index)


def test_text_of_what_is_missing(tmp_path):
    """No SRAT; CPUs in no entry; many nodes; more findings than are kept."""
    text = run("--text", write_tables(tmp_path, APIC=t.madt(t.lapic(0), t.lapic(4)))).stdout
    assert "one node (no SRAT), 2 CPUs" in text and "memory unknown" in text
    assert "APIC ids 0x00 0x04" in text and "findings: 0 fail, 0 warn, 0 info" in text
    text = run("--text", CASES_DIR / "30-srat-cpu-missing").stdout
    assert re.search(r"in no SRAT entry: 2 CPUs\n    APIC ids 0x06-0x07\n", text)
    many = write_tables(tmp_path, SRAT=t.srat(
        *(t.cpu2(i, i) for i in range(40)), *(t.memory(i * MIB, MIB, i) for i in range(40)),
        *[t.memory(2**64 - 4096, 8192, 0)] * 20))
    text = run("--text", many).stdout
    assert "40 x 40: too wide" in text and "FAIL srat-wraps: 4 more of the same" in text
