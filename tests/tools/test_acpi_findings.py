"""Each finding about tables: a machine that has it, and has no other but those named with it; and a
clean machine that has none. What only a running kernel can find is tested elsewhere.

SPDX-License-Identifier: MIT
"""
import json
import os
import random
import re
import struct

import pytest

import acpi_tables as t
from test_acpi import CASES_DIR, DATA, ROOT, decode, decode_tables, of, run, write_tables

MIB = 1 << 20
CPUS = [t.cpu(0, 0), t.cpu(1, 1)]
MEMORY = [t.memory(0, 64 * MIB, 0), t.memory(64 * MIB, 64 * MIB, 1)]
NEAR_FAR = [[50, 120], [120, 50]]  # nanoseconds


def clean():
    return {
        "FACP": t.fadt(),
        "APIC": t.madt(t.lapic(0), t.lapic(1), t.ioapic(0), t.ioapic(1, 0xfec01000)),
        "SRAT": t.srat(*CPUS, *MEMORY),
        "SLIT": t.slit([[10, 20], [20, 10]]),
        "HMAT": t.hmat(t.proximity(0, 0), t.proximity(1, 1), t.locality(NEAR_FAR),
                       t.locality([[9000, 4000], [4000, 9000]], data=3, unit=1), t.side_cache(1)),
        "MSCT": t.msct(1, (0, 1)),
        "SPCR": t.spcr(),
        "DBG2": t.dbg2(),
    }


def srat(*more, **keys):
    return {"SRAT": t.srat(*CPUS, *MEMORY, *more, **keys)}


def madt(*more, **keys):
    return {"APIC": t.madt(t.lapic(0), t.lapic(1), *more, **keys)}


def hmat(*structures, **keys):
    return {"HMAT": t.hmat(*structures, **keys)}


def slit(*rows, extra=b""):
    return {"SLIT": t.slit(list(rows), extra)}


def patched(raw, offset, value):
    raw = bytearray(raw)
    raw[offset:offset + len(value)] = value
    return t.seal(raw)


def with_bad_sum(raw):
    return raw[:9] + bytes([raw[9] ^ 1]) + raw[10:]


THREE = {  # two nodes with CPUs, one of memory only
    "SRAT": t.srat(*CPUS, *MEMORY, t.memory(128 * MIB, 64 * MIB, 2)),
    "SLIT": t.slit([[10, 20, 30], [20, 10, 30], [30, 30, 10]]), "MSCT": t.msct(2),
}
ZERO = bytes(4)
SHORT_CPU = b"\0\x08\0\0\x01\0\0\0"

# id -> (what is other than on the clean machine, further findings that follow from it)
CASES = {
    "table-checksum": ({"HMAT": with_bad_sum(clean()["HMAT"])}, []),
    "table-stray-bytes": (srat(b"\x01"), []),
    "fadt-short": ({"FACP": t.fadt(115)}, []),
    "fadt-length": ({"FACP": t.fadt(243)}, []),
    "madt-short": ({"APIC": t.table("APIC", ZERO)}, []),
    "madt-entry-cut": (madt(b"\0\0"), []),
    "madt-entry-length": (madt(b"\x09\x0c" + bytes(10)), []),
    "madt-lapic-address": (madt(struct.pack("<BBHQ", 5, 12, 0, 0)), []),
    "madt-x2apic-low": ({**madt(t.x2apic(2)), "SRAT": t.srat(*CPUS, t.cpu(2, 0), *MEMORY)}, []),
    "madt-cpu-duplicate": (madt(t.lapic(1, uid=9)), []),
    "madt-uid-duplicate": ({"APIC": t.madt(t.lapic(0, uid=3), t.lapic(1, uid=3))}, []),
    "madt-reserved": (madt(t.lapic(1, 4)), ["madt-entry-disabled"]),
    "madt-ioapic-address": (madt(t.ioapic(0, 0)), []),
    "madt-ioapic-duplicate": (madt(t.ioapic(3), t.ioapic(3, 0xfec10000)), []),
    "madt-entry-disabled": (madt(t.lapic(2, 0)), []),
    "srat-short": ({"SRAT": t.table("SRAT", ZERO)}, []),
    "srat-entry-cut": (srat(b"\x01\x28\0\0"), []),
    "srat-entry-length": (srat(SHORT_CPU), []),
    "srat-reserved": (srat(reserved=0), []),
    "srat-entry-type": (srat(b"\x63\x08" + bytes(6)), []),
    "srat-entry-disabled": (srat(t.cpu(0xff, 0, 0)), []),
    "srat-wraps": (srat(t.memory(2**64 - 4096, 8192, 1)), []),
    "srat-empty-range": (srat(t.memory(MIB, 0, 1)), []),
    "srat-no-memory": ({"SRAT": t.srat(*CPUS)}, []),
    "srat-overlap": (srat(t.memory(32 * MIB, 64 * MIB, 0)), ["srat-self-overlap"]),
    "srat-overlap-no-ram": (srat(t.memory(96 * MIB, 64 * MIB, 0, flags=3)), []),
    "srat-self-overlap": (srat(t.memory(32 * MIB, 32 * MIB, 0)), []),
    "srat-cpu-conflict": (srat(t.cpu2(1, 0)), ["srat-cpuless-node"]),
    "srat-cpu-missing": ({"SRAT": t.srat(t.cpu(0, 0), *MEMORY)}, ["srat-cpuless-node"]),
    "srat-cpu-unknown": (srat(t.cpu(7, 1)), []),
    "srat-cpu-disabled": ({**madt(t.lapic(2, 0)), **srat(t.cpu(2, 1))}, ["madt-entry-disabled"]),
    "srat-domains-sparse": (
        {"SRAT": t.srat(t.cpu(0, 0), t.cpu(1, 2), t.memory(0, MIB, 0), t.memory(MIB, MIB, 2)),
         "SLIT": t.slit([[10, 20, 30], [20, 10, 20], [30, 20, 10]]), "MSCT": t.msct(2),
         "HMAT": t.hmat()}, []),
    "srat-memoryless-node": ({"SRAT": t.srat(*CPUS, MEMORY[0])}, []),
    "srat-cpuless-node": (THREE, []),
    "slit-missing": ({"SLIT": None}, []),
    "slit-short": ({"SLIT": t.table("SLIT", struct.pack("<Q", 2) + b"\x0a\x14\x14")}, []),
    "slit-empty": (slit(), []),
    "slit-diagonal": (slit([11, 20], [20, 10]), []),
    "slit-remote-low": (slit([10, 10], [20, 10]), []),
    "slit-no-locality": (slit([10]), []),
    "slit-oversize": (slit([10, 20], [20, 10], extra=bytes(60)), []),
    "slit-asymmetric": (slit([10, 20], [21, 10]), []),
    "slit-unreachable": (slit([10, 255], [255, 10]), []),
    "hmat-short": ({"HMAT": t.table("HMAT", b"\0\0")}, []),
    "hmat-revision": (hmat(revision=3), []),
    "hmat-structure-cut": (hmat(t.proximity(0, 0), bytes(8)), []),
    "hmat-structure-length": (hmat(t.locality(NEAR_FAR, length=54)[:54]), []),
    "hmat-structure-long": (hmat(t.side_cache(0, length=36) + ZERO), []),
    "hmat-type": (hmat(struct.pack("<HHI", 3, 0, 8)), []),
    "hmat-reserved": (hmat(t.proximity(0, 0, reserved=5)), []),
    "hmat-data-type": (hmat(t.locality(NEAR_FAR, data=6)), []),
    "hmat-base-unit": (hmat(t.locality(NEAR_FAR, unit=0)), []),
    "hmat-cache": (hmat(t.side_cache(0, attributes=0x00403111)), []),
    "hmat-domain": (hmat(t.proximity(5, 0)), []),
    "hmat-slit-order": ({**THREE, **hmat(t.locality([[50, 200, 120]], initiators=[0]))},
                        ["srat-cpuless-node"]),
    "msct-short": ({"MSCT": t.msct(1, offset=40)}, []),
    "msct-structure": ({"MSCT": t.msct(1, (0, 1))[:-4]}, []),
    "msct-domains": ({"MSCT": t.msct(0)}, []),
    "spcr-short": ({"SPCR": t.table("SPCR", bytes(20))}, []),
    "spcr-baud": ({"SPCR": t.spcr(baud=99)}, []),
    "spcr-address": ({"SPCR": t.spcr(address=0x1fff8)}, []),
    "spcr-disabled": ({"SPCR": t.spcr(address=0)}, []),
    "dbg2-short": ({"DBG2": t.table("DBG2", ZERO)}, []),
    "dbg2-device": ({"DBG2": t.dbg2(count=2)}, []),
    "dbg2-address": ({"DBG2": t.dbg2(address=0x10000)}, []),
    "dbg2-disabled": ({"DBG2": t.dbg2(address=0)}, []),
}
CASES["msct-structure"][0]["MSCT"] = t.seal(CASES["msct-structure"][0]["MSCT"])


TABLES = {"memory map", "ACPI", "FACP", "APIC", "SRAT", "SLIT", "HMAT", "MSCT", "CEDT", "SPCR",
          "DBG2"}


def ids(objects):
    return [x["id"] for x in of(objects, "firmware")]


def machine(changes):
    return {name: raw for name, raw in {**clean(), **changes}.items() if raw is not None}


def test_clean_machine(tmp_path):
    assert ids(decode_tables(tmp_path, **clean())) == []


@pytest.mark.parametrize("case", CASES)
def test_finding(case, tmp_path):
    changes, more = CASES[case]
    done = run(write_tables(tmp_path, **machine(changes)))
    assert done.returncode == 0 and done.stderr == ""
    lines = [line for line in done.stdout.splitlines() if '"type":"firmware"' in line]
    severity = {x["id"]: x["severity"] for x in map(json.loads, lines)}
    assert set(severity) == {case, *more}, lines
    text = (ROOT / "docs/firmware-checks.md").read_text("utf-8")
    assert f"| `{case}` | {severity[case].upper()} |" in text


def test_every_finding_about_a_table_is_tested_somewhere():
    """Here, or by its name in a hosted test, or by its id in a machine or a test in Python."""
    text = (ROOT / "kernel/base/firmware_ids.h").read_text("utf-8")
    found = re.findall(r'X\(\w+,\s+"([a-z0-9-]+)",\s+\w+,\s+\w+,\s+"([\w ]+)"\)', text)
    listed = {name for name, table in found if table in TABLES}
    assert set(CASES) <= listed and len(listed) > 75
    tests = ROOT / "tests"
    files = [p for pattern in ("*_test.c", "*_suite.c", "*.machine", "*.py")
             for p in tests.rglob(pattern)]
    words = set(re.findall(r"FW_\w+|[a-z0-9]+(?:-[a-z0-9]+)+",
                           "\n".join(p.read_text("utf-8") for p in files)))
    missing = [x for x in sorted(listed - set(CASES))
               if "FW_" + x.replace("-", "_").upper() not in words and x not in words]
    assert not missing


# ---- small inputs on which Perch was wrong (tests/data/cases) -----------------------------------
def findings(folder):
    return [(x["severity"], x["id"], x["text"]) for x in of(decode(folder), "firmware")
            if x["id"] != "slit-missing"]


def test_uart_whose_stride_the_table_does_not_tell(tmp_path):
    """As 12 of 14 real machines with a UART in memory; a register lies every byte or every four."""
    folder = CASES_DIR / "41c-pn50-real-layout"
    assert findings(folder) == []
    port, = [x for x in decode(folder) if x["type"] == "console"]
    assert port["usable"] and port["mmio"] and port["address"] == 0xfedc9000
    assert port["width"] is None and port["stride"] is None
    assert port["text"] == "usable; stride 1 or 4: the boot tries both"
    text = run(folder, "--text").stdout
    assert ("serial port of SPCR: memory 0xfedc9000, a register every 1 or 4 bytes: "
            "the boot tries both, 115200 baud") in text
    raw = bytearray((folder / "SPCR.bin").read_bytes())
    raw[40 + 3] = 1  # access size: bytes; the register is as wide, so now the table tells it
    port, = of(decode_tables(tmp_path, SPCR=t.seal(bytes(raw))), "console", "width", "stride", "text")
    assert port == (1, 1, "usable")


def test_non_volatile_range_in_the_hot_plug_window_of_another_node():
    """QEMU's NVDIMM beside its -m maxmem=: Linux boots both nodes and says nothing."""
    assert findings(CASES_DIR / "42-qemu-nvdimm-other-node") == [
        ("info", "srat-overlap-no-ram",
         "entry 6 node 1 [mem 0x100000000-0x2dfffffff] overlaps with entry 5 node 0 "
         "[mem 0x100000000-0x10fffffff], entry 6 has no RAM")]


@pytest.mark.parametrize("case, table, at", [("36-madt-trail1", "APIC", 0x3c),
                                             ("08c-srat-one-byte-tail", "SRAT", 0xa0)])
def test_one_stray_byte(case, table, at):
    assert findings(CASES_DIR / case) == [
        ("info", "table-stray-bytes",
         f"one stray byte at the end, at offset {at:#x}: no entry is lost")]
    assert of(decode(CASES_DIR / case), "firmware", "table")[0] == table


def test_stray_bytes_of_every_table_with_entries(tmp_path):
    tables = machine({"CEDT": t.table("CEDT", struct.pack("<HHIIIQQ", 0, 32, 7, 1, 0, 0, 0))})
    for name in ("APIC", "SRAT", "HMAT", "MSCT", "CEDT"):
        got = decode_tables(tmp_path, **{**tables, name: t.seal(tables[name] + b"\x07")})
        assert of(got, "firmware", "id", "table") == [("table-stray-bytes", name)]


def test_cpus_that_only_the_srat_knows_are_named():
    got = {x[1]: x for x in findings(CASES_DIR / "30-srat-cpu-missing")}
    raw = (CASES_DIR / "30-srat-cpu-missing/SRAT.bin").read_bytes()
    severity, _, text = got["srat-cpu-unknown"]
    entry, at, apic, domain = (int(x, 0) for x in re.fullmatch(
        r"entry (\d+) at offset (0x\w+): APIC id (0x\w+), domain (\d+): not in the MADT",
        text).groups())
    assert severity == "warn" and entry > 0
    assert raw[at:at + 4] == bytes([0, 16, domain, apic])


@pytest.mark.parametrize("length, revision, flags, severity", [
    (268, 6, 0, "info"), (244, 6, 0, "info"), (244, 5, 0, "info"), (244, 5, 1 << 20, "warn"),
    (260, 6, 0, "warn"), (132, 4, 0, "warn"), (132, 6, 0, "warn"),
    (276, 6, 0, None), (268, 5, 0, None), (244, 4, 0, None), (132, 2, 0, None)])
def test_lengths_of_older_revisions(length, revision, flags, severity, tmp_path):
    raw = patched(patched(t.fadt(length), 8, bytes([revision])), 112, struct.pack("<I", flags))
    got = decode_tables(tmp_path, **machine({"FACP": raw}))
    assert of(got, "firmware", "id", "severity") == [("fadt-length", severity)] * bool(severity)


@pytest.mark.parametrize("count, words", [(1 << 16, "need 4294967340"),
                                          (1 << 32, "need more than 2^64 bytes"),
                                          ((1 << 64) - 1, "need more than 2^64 bytes")])
def test_localities_that_need_more_than_any_table_has(count, words, tmp_path):
    got = decode_tables(tmp_path, SLIT=t.table("SLIT", struct.pack("<Q", count) + b"\x0a"))
    assert of(got, "firmware", "id") == ["slit-short"] and words in got[1]["text"]
    assert not of(got, "slit")


def test_windows_in_no_srat_entry_get_linux_numbers(tmp_path):
    """acpi_parse_cfmws() of Linux 6.12: each one more than the last, from the SRAT's last node."""
    def window(base):
        return struct.pack("<HHIQQBBHIHHI", 1, 40, 0, base, 1 << 28, 0, 0, 0, 0, 6, 0, 7)
    cedt = t.table("CEDT", window(1 << 32) + window(1 << 28) + window(1 << 33))
    got = decode_tables(tmp_path, CEDT=cedt, SRAT=t.srat(*CPUS, t.memory(0, 1 << 28, 4),
                                                         t.memory(1 << 28, 1 << 28, 2)))
    texts = [x["text"] for x in of(got, "firmware") if x["id"] == "cedt-no-srat"]
    assert of(got, "node", "node") == [0, 1, 2, 3]
    assert [x["node"] for x in of(got, "cxl-window")] == [3, None, None]
    assert [re.search(r"entry (\d): .*: Linux makes it node (\d)$", x).groups()
            for x in texts] == [("0", "4"), ("2", "5")]
    alone = decode_tables(tmp_path, CEDT=cedt)
    assert all("without a usable SRAT it has no node" in x["text"] for x in of(alone, "firmware"))


# ---- what the real machines have, all of it ----------------------------------------------------
REAL = {
    "asustek-m4a88td-v-evo-usb3-822e": ["madt-entry-disabled"],
    "dell-poweredge-r820-e598": ["madt-entry-disabled", "srat-entry-disabled",
                                 "srat-domains-sparse", "spcr-disabled"],
    "evga-x299-micro-4b64": ["madt-entry-disabled", "slit-oversize", "srat-entry-disabled"],
    "hewlett-packard-proliant-dl165-g7-1979": ["madt-entry-disabled", "spcr-disabled"],
    "hewlett-packard-proliant-dl360-g7-60dc": ["madt-entry-disabled", "srat-entry-disabled",
                                               "slit-missing", "spcr-disabled"],
    "hewlett-packard-touchsmart-tx2-6909": ["madt-entry-disabled", "srat-reserved"],
    "huanan-x99-qd4-v1-0-734c": ["srat-entry-disabled"],
    "supermicro-h8dgu-57ed": ["madt-entry-disabled", "srat-memoryless-node",
                              "srat-memoryless-node"],
    "supermicro-h8qg6-58e8": [],
    "supermicro-x10dai-4a64": ["srat-entry-disabled"],
}


@pytest.mark.parametrize("name", REAL)
def test_real_machine(name):
    assert sorted(ids(decode(DATA / name))) == sorted(REAL[name])


def without(raw, first, length):
    """The table without `length` bytes from `first` on."""
    return t.seal(raw[:first] + raw[first + length:])


def test_a_real_machine_damaged(tmp_path):
    """One thing at a time broken in the eight nodes of an H8QG6, which is clean."""
    folder = DATA / "supermicro-h8qg6-58e8"
    raw = {p.stem: p.read_bytes() for p in folder.glob("*.bin")}
    entry = 48
    while raw["SRAT"][entry] != 0:  # to its first CPU
        entry += raw["SRAT"][entry + 1]
    assert raw["APIC"][44:46] == b"\0\x08"  # and the MADT's
    damage = {
        "srat-cpu-missing": ("SRAT", without(raw["SRAT"], entry, 16)),
        "srat-cpu-unknown": ("APIC", without(raw["APIC"], 44, 8)),
        "slit-asymmetric": ("SLIT", patched(raw["SLIT"], 44 + 3, b"\x18")),
        "slit-diagonal": ("SLIT", patched(raw["SLIT"], 44 + 9, b"\x0b")),
        "srat-entry-disabled": ("SRAT", patched(raw["SRAT"], entry + 4, b"\0")),
        "srat-reserved": ("SRAT", patched(raw["SRAT"], entry + 7, b"\x80")),
    }
    for wanted, (name, table) in damage.items():
        assert wanted in ids(decode_tables(tmp_path, **{**raw, name: table})), wanted
        assert wanted not in ids(decode_tables(tmp_path, **raw))


# ---- what depends on more than one byte --------------------------------------------------------
def test_reserved_fields_by_the_tables_own_revision(tmp_path):
    """Revision 1 has an address where revision 2 has a reserved field; fwts complains of both."""
    old = t.hmat(t.proximity(0, 0, flags=3, base=1 << 32), revision=1)
    new = t.hmat(t.proximity(0, 0, flags=1, base=1 << 32), revision=2)
    assert ids(decode_tables(tmp_path, **machine({"HMAT": old}))) == []
    assert ids(decode_tables(tmp_path, **machine({"HMAT": new}))) == ["hmat-reserved"]


def test_distances_of_domains_nobody_uses(tmp_path):
    """Row 0 of the R820's kind of SLIT belongs to nobody: what it says is no finding."""
    tables = machine({
        "SRAT": t.srat(t.cpu(0, 1), t.cpu(1, 2), t.memory(0, MIB, 1), t.memory(MIB, MIB, 2)),
        "SLIT": t.slit([[10, 255, 255], [99, 10, 20], [255, 20, 10]]), "HMAT": None,
        "MSCT": t.msct(2)})
    assert ids(decode_tables(tmp_path, **tables)) == ["srat-domains-sparse"]


def test_a_slit_alone_is_judged(tmp_path):
    got = decode_tables(tmp_path, SLIT=t.slit([[10, 255], [20, 10]], b"\0"))
    assert ids(got) == ["slit-oversize", "slit-asymmetric", "slit-unreachable"]


def test_many_of_one_kind_are_counted(tmp_path):
    got = decode_tables(tmp_path, SRAT=t.srat(
        *CPUS, *MEMORY, *[t.memory(2**64 - 4096, 8192, 1)] * 100, *[SHORT_CPU] * 20))
    counts = {}
    for x in of(got, "firmware"):
        counts[x["id"]] = counts.get(x["id"], 0) + x.get("count", 1)
    assert counts["srat-wraps"] == 100 and counts["srat-entry-length"] == 20
    assert ids(got).count("srat-wraps") == 17
    more = [x["count"] for x in of(got, "firmware") if "count" in x]
    assert more == [4, 84]  # sorted by the number, as every type


def test_port_domains_are_known_and_make_no_node(tmp_path):
    port = bytearray(t.initiator(9))
    port[0] = 6
    tables = machine({**srat(bytes(port)), **hmat(t.locality(NEAR_FAR, targets=[0, 9]))})
    got = decode_tables(tmp_path, **tables)
    assert ids(got) == [] and of(got, "node", "pxm") == [0, 1]


def test_equal_latency_is_no_contradiction(tmp_path):
    rows = [[50, 120, 120], [120, 50, 120], [120, 120, 0]]
    got = decode_tables(tmp_path, **machine({**THREE, **hmat(t.locality(rows))}))
    assert ids(got) == ["srat-cpuless-node"]


@pytest.mark.parametrize("revision, entry, unit, data, want", [
    (1, 100, 10, 0, 100), (1, 1, 9, 0, None), (1, 1, 11, 0, 2), (1, 50, 100, 3, 500),
    (2, 50, 1000, 0, 50), (2, 1, 1, 0, 1), (2, 1001, 1, 2, 2), (2, 7, 100, 5, 700),
    (2, 0, 100, 0, None), (2, 0xffff, 100, 0, None), (2, 0xfffe, 1 << 32, 3, None),
    (1, 2, 0x7fffffff, 3, 429496730), (2, 3, (1 << 64) - 1, 0, None),
])
def test_hmat_values_as_linux_has_them(revision, entry, unit, data, want, tmp_path):
    table = t.hmat(t.locality([[entry]], data=data, unit=unit), revision=revision)
    got = decode_tables(tmp_path, **machine({"HMAT": table}))
    assert of(got, "hmat", "initiator", "targets", "values") == [(0, [0], [want])]
    assert of(got, "hmat", "unit") == ["ns" if data < 3 else "MB/s"]


def test_hmat_objects(tmp_path):
    got = decode_tables(tmp_path, **machine({}))
    assert of(got, "hmat", "structure", "data") == [
        (0, "attached-initiator"), (1, "attached-initiator"), (2, "access-latency"),
        (2, "access-latency"), (3, "access-bandwidth"), (3, "access-bandwidth")]
    rows = [x["values"] for x in of(got, "hmat") if x["data"] == "access-latency"]
    assert rows == NEAR_FAR
    assert of(got, "cache") == [{
        "type": "cache", "pxm": 1, "size": 1 << 30, "levels": 1, "level": 1,
        "associativity": "direct", "policy": "write-back", "line": 64}]


# ---- any damage --------------------------------------------------------------------------------
def test_wrong_bytes_end_in_an_answer(tmp_path):
    """Bytes of every table made wrong, with a right checksum: status 0, whole objects, in order."""
    random_bytes = random.Random(4)
    tables = machine({})
    for _ in range(int(os.environ.get("PERCH_ACPI_DAMAGE", "40"))):
        broken = {}
        for name, raw in tables.items():
            bad = bytearray(raw)
            for _ in range(random_bytes.randrange(4)):
                bad[random_bytes.randrange(36, len(bad))] = random_bytes.choice(
                    [0, 1, 0x7f, 0xff, random_bytes.randrange(256)])
            broken[name] = t.seal(bad)
        types = [x["type"] for x in decode_tables(tmp_path, **broken)]
        assert types == sorted(types) and "node" in types
