"""The report of booted machines: its form, its checksums, and that it tells the truth about QEMU's
machine. docs/report.md is the format.

SPDX-License-Identifier: MIT
"""
import functools
import json
import re
import tempfile
import zlib
from pathlib import Path

import pytest

import machine as machines
import qemu
import verdict

BEGIN = "-----BEGIN PERCH REPORT-----"
END = re.compile(r"-----END PERCH REPORT lines=(\d+) crc32=([0-9a-f]{8})-----")
LINE = re.compile(r'(\{"n":(\d+),"type":"[a-z]+".*),"crc":"([0-9a-f]{8})"\}')
LINE_MAX = 510

CASES = {
    "8c4n": lambda: machines.blocks(4, 8, "1G"),
    "page": lambda: changed(machines.blocks(4, 8, "512M"), append="percpu_alloc=page"),
    "66n": lambda: machines.blocks(66, 66, "1056M"),
    "group112": lambda: machines.blocks(1, 112, "512M"),
    "distances": lambda: changed(machines.blocks(2, 4, "256M"), dist=[[0, 1, 31], [1, 0, 31]]),
}
FILES = {  # machines of tests/qemu, for what is not as it should be
    "unlisted": "acpi-cpu-unlisted",
    "overlap": "acpi-overlap",
    "absent": "linux/linux-hotplug-4of8-2n",
    "offline": "maxcpus-option",
    "bios": "grub-bios",
    "hmat": "hmat",
}


class ReportError(Exception):
    pass


def changed(machine, **keys):
    for key, value in keys.items():
        setattr(machine, key, value)
    return machine


def crc(text):
    return f"{zlib.crc32(text.encode('ascii', 'replace')):08x}"


def one_line(number, line):
    match = LINE.fullmatch(line)
    if not match:
        raise ReportError(f"line {number} is no object of the report: {line!r}")
    if crc(match.group(1)) != match.group(3):
        raise ReportError(f"line {number}: its CRC does not match")
    if int(match.group(2)) != number or len(line) > LINE_MAX:
        raise ReportError(f"line {number}: n is {match.group(2)}, {len(line)} characters")
    try:
        return json.loads(line)
    except ValueError as why:
        raise ReportError(f"line {number}: {why}") from None


def parse(text, name="REPORT"):
    """The objects of the one block of this name in a log without CR, or a ReportError."""
    lines = text.split("\n")
    begins = [i for i, line in enumerate(lines) if line == BEGIN.replace("REPORT", name)]
    end = re.compile(END.pattern.replace("REPORT", name))
    ends = [(i, m) for i, m in ((i, end.fullmatch(line)) for i, line in enumerate(lines)) if m]
    if len(begins) != 1 or len(ends) != 1 or ends[0][0] < begins[0]:
        raise ReportError(f"{len(begins)} BEGIN lines, {len(ends)} END lines")
    inside, match = lines[begins[0] + 1:ends[0][0]], ends[0][1]
    objects = [one_line(i, line) for i, line in enumerate(inside)]
    if int(match.group(1)) != len(objects):
        raise ReportError(f"{len(objects)} lines, END says {match.group(1)}")
    if crc("".join(line + "\n" for line in inside)) != match.group(2):
        raise ReportError("the CRC of the whole does not match")
    return objects


@functools.cache
def log_of(case):
    if case in FILES:
        machine = machines.load(qemu.ROOT / "tests/qemu" / f"{FILES[case]}.machine")
    else:
        machine = CASES[case]()
    machine.append = f"{machine.append} run=report".strip()
    try:
        qemu.check_needs(machine)
    except qemu.Missing as why:
        if "not built" in str(why):
            pytest.fail(str(why), pytrace=False)
        pytest.skip(str(why))
    with tempfile.TemporaryDirectory() as work:
        result = qemu.run(qemu.argv(machine, Path(work)), 90)
    doubt = verdict.said(result.text).startswith("held, but: ")
    assert result.status == (39 if doubt else 33), result.tail()
    return machine, result.text


def of(objects, kind):
    return [x for x in objects if x["type"] == kind]


def check_machine(machine, objects):
    assert objects[0]["type"] == "machine" and len(of(objects, "machine")) == 1
    said = objects[0]
    assert (said["cpus"], said["online"]) == (machine.present(), machine.cpus_online())
    assert said["nodes"] == machine.nodes_online()
    assert said["door"] == "pvh" and said["apic"] in ("xapic", "x2apic")
    assert 100_000 < said["tsc_khz"] <= 20_000_000 and isinstance(said["loader"], str)


def check_topology(machine, objects):
    numbers = machine.numbering()
    assert {(x["pxm"], x["node"]) for x in of(objects, "node")} == set(numbers.items())
    assert len(of(objects, "node")) == len(numbers)
    cpus = {x["apic"]: x for x in of(objects, "cpu")}
    assert sorted(cpus) == list(range(machine.present())) and len(of(objects, "cpu")) == len(cpus)
    for apic, cpu in cpus.items():
        assert cpu["uid"] == apic and cpu["enabled"] is True
        assert cpu["node"] == machine.cpu_node(apic)
    memory = [(x["base"], x["base"] + x["length"], x["node"]) for x in of(objects, "memory")]
    assert memory == sorted(memory)
    assert all(a[1] <= b[0] for a, b in zip(memory, memory[1:]))
    for node, ranges in machine.node_ranges().items():
        for start, end in ranges:  # QEMU's ranges may be split or joined, but are all there
            inside = [(max(a, start), min(b, end), n) for a, b, n in memory if a < end > start < b]
            assert {n for *_, n in inside} == {node}


def check_distances(machine, objects):
    count, matrix = machine.nodes_online(), {}
    for x in of(objects, "distance"):
        matrix[x["from"], x["to"]] = x["value"]
    for x in of(objects, "distances"):
        for i, value in enumerate(x["values"]):
            matrix[x["from"], x["first"] + i] = value
    assert bool(of(objects, "distances")) == (count > 64)
    assert bool(of(objects, "distance")) == (count <= 64)
    assert matrix == {(a, b): machine.distance(a, b) for a in range(count) for b in range(count)}
    source = {x["source"] for x in of(objects, "distance") + of(objects, "distances")}
    assert source == {"slit" if machine.dist else "default"}


def groups_of(objects):
    """Group -> its CPUs by place, from all the objects it takes."""
    groups = {}
    for x in of(objects, "group"):
        cpus = groups.setdefault(x["group"], [])
        assert x["first"] == len(cpus) and x["cpus"]
        cpus += x["cpus"]
        assert len(cpus) <= x["units"]
    for x in of(objects, "group"):
        assert len(groups[x["group"]]) == x["units"]
    return groups


def check_units(machine, objects):
    percpu, = of(objects, "percpu")
    page_mode = "percpu_alloc=page" in machine.append
    assert percpu["mode"] == ("page" if page_mode else "embed")
    size = percpu["static"] + percpu["reserved"] + percpu["dyn"]
    assert size % 4096 == 0 and size <= percpu["unit"] and percpu["alloc"] % percpu["unit"] == 0
    groups, units, taken = groups_of(objects), {}, []
    for x in of(objects, "unit"):
        units.setdefault(x["cpu"], []).append(x)
    assert sorted(units) == list(range(machine.present()))
    assert sorted(c for g in groups.values() for c in g if c is not None) == sorted(units)
    for cpu, pieces in units.items():
        assert [p["piece"] for p in pieces] == list(range(len(pieces)))
        assert sum(p["length"] for p in pieces) == size
        assert page_mode or len(pieces) == 1
        assert len({(p["unit"], p["group"], p["apic"], p["node"], p["offset"])
                    for p in pieces}) == 1
        assert cpu in groups[pieces[0]["group"]]
        assert pieces[0]["node"] == machine.cpu_node(pieces[0]["apic"])
        taken += [(p["base"], p["base"] + p["length"]) for p in pieces]
        for p in pieces:
            homes = machine.homes(pieces[0]["apic"])
            assert p["memory_node"] in homes
            assert any(a <= p["base"] and p["base"] + p["length"] <= b
                       for a, b in machine.node_ranges()[p["memory_node"]])
    taken.sort()
    assert all(a[1] <= b[0] for a, b in zip(taken, taken[1:])), "two CPUs share memory"


def check_verdicts(machine, objects):
    verdicts = {x["id"]: x for x in of(objects, "verdict")}
    assert len(of(objects, "verdict")) == len(verdicts) == 2
    placement = verdicts["placement"]
    assert placement["cpus"] == machine.cpus_online() and placement["wrong"] == 0
    assert placement["local"] + placement["nearest"] == placement["cpus"]
    assert verdicts["firmware"]["fail"] == 0
    for x in of(objects, "firmware"):
        assert x["severity"] in ("fail", "warn", "info") and x["count"] > 0
        assert re.fullmatch("[a-z0-9-]+", x["id"]) and x["table"] and x["text"]


def check_tsc(machine, objects):
    (x,) = of(objects, "tsc")
    assert x["khz"] == of(objects, "machine")[0]["tsc_khz"] and x["source"] == "HPET"
    assert x["cpus"] == machine.cpus_online() and x["reference"] < x["cpus"]
    assert (x["worst_ns"] > 0) == (x["out_of_step"] > 0)
    assert x["doubt_ns"] > 0  # on a busy host a call to all CPUs may take any time
    assert x["step"] == ("unsteady" if not x["steady"] else "out-of-step" if x["out_of_step"] else
                         "in-step" if x["doubt_ns"] <= 10_000 else "not-known")


@pytest.mark.parametrize("case", CASES)
def test_report(case):
    machine, text = log_of(case)
    objects = parse(text)
    known = {"machine", "node", "cpu", "memory", "distance", "distances", "firmware", "tsc",
             "percpu", "group", "unit", "verdict"}
    assert {x["type"] for x in objects} <= known
    for check in (check_machine, check_topology, check_distances, check_units, check_tsc,
                  check_verdicts):
        check(machine, objects)
    if case == "group112":
        assert len(of(objects, "group")) > len(groups_of(objects)), "no group was split"


@pytest.mark.parametrize("case", ["8c4n", "unlisted", "overlap", "offline", "bios"])
def test_summary(case):
    """It says what the report says, and comes last but for the verdict."""
    machine, text = log_of(case)
    whole, objects = parse(text), parse(text, "SUMMARY")
    assert [x["type"] for x in objects[:4]] == ["run", "maker", "processor", "counts"]
    assert {x["type"] for x in objects[4:]} <= {"reason", "event", "finding"}
    run, maker, processor, counts = objects[:4]
    assert (maker["vendor"], maker["product"]) == ("QEMU", "Standard PC (Q35 + ICH9, 2009)")
    broken = sum(x["severity"] == "fail" for x in of(objects, "finding"))
    assert run["result"] == ("passed-but" if broken else "passed")
    assert len(of(objects, "reason")) == bool(broken)
    assert re.fullmatch(r"[0-9a-z.-]+", run["version"])
    assert all(run[key] == whole[0][key] for key in ("door", "loader"))
    assert all(counts[key] == whole[0][key] for key in ("nodes", "cpus", "online"))
    ranges = sum(b - a for parts in machine.node_ranges().values() for a, b in parts)
    assert ranges - (2 << 20) < counts["ram"] < ranges
    assert processor["vendor"] == "AuthenticAMD" and processor["hypervisor"] == "TCGTCGTCGTCG"
    found = {x["id"]: (x["severity"], x["count"]) for x in of(objects, "finding")}
    told = {}
    for x in of(whole, "firmware"):
        told[x["id"]] = (x["severity"], told.get(x["id"], (0, 0))[1] + x["count"])
    assert found == told
    after = text[text.index("-----END PERCH SUMMARY"):].splitlines()[1:]
    last = "held, but: 1 firmware failure" if broken else "all held"
    assert after[0].endswith(f"perch: {last}") and len(after) == 1


def test_summary_of_a_failed_run_without_serial_numbers(tmp_path):
    """fail=test fails the run without a case; what identifies this one machine is not in the log."""
    machine = changed(machines.blocks(1, 1, "128M"), append="run=report fail=test", qemu=[
        "-smbios", "type=1,manufacturer=Maker,serial=SERIAL-4711", "-uuid",
        "deadbeef-1234-5678-9abc-def012345678"])
    text = qemu.run(qemu.argv(machine, tmp_path), 90).text
    assert parse(text, "SUMMARY")[0]["result"] == "failed"
    assert "MACHINE: Maker Standard PC" in text
    assert not re.search("serial-4711|deadbeef", text, re.I)


def findings(objects):
    return {x["id"]: (x["severity"], x["table"], x["count"]) for x in of(objects, "firmware")}


def test_a_cpu_the_srat_forgot():
    machine, text = log_of("unlisted")
    objects = parse(text)
    homeless = [x["apic"] for x in of(objects, "cpu") if x["node"] is None]
    assert len(homeless) == 1 and len(of(objects, "cpu")) == machine.present()
    unit, = [x for x in of(objects, "unit") if x["apic"] == homeless[0]]
    assert unit["node"] == machine.cpu_node(unit["cpu"])
    assert findings(objects)["srat-cpu-missing"] == ("fail", "SRAT", 1)
    assert [x["fail"] for x in of(objects, "verdict") if x["id"] == "firmware"] == [1]


def test_hmat():
    """As tests/qemu/hmat.machine asks QEMU for it: nanoseconds and MiB/s."""
    objects = parse(log_of("hmat")[1])
    rows = {x["data"]: x for x in of(objects, "hmat") if "values" in x and x["initiator"] == 0}
    assert rows["access-latency"]["values"][0] == 5 and rows["access-latency"]["unit"] == "ns"
    assert rows["access-bandwidth"]["values"][0] == 200
    attached = {x["memory"]: x["initiator"] for x in of(objects, "hmat") if "memory" in x}
    assert attached == {0: 0, 1: 1, 2: 1}
    cache, = of(objects, "cache")
    assert (cache["pxm"], cache["size"], cache["line"]) == (0, 10240, 8)
    assert (cache["associativity"], cache["policy"]) == ("direct", "write-back")
    assert "srat-cpuless-node" in findings(objects)


def test_overlapping_ranges():
    objects = parse(log_of("overlap")[1])
    assert findings(objects)["srat-overlap"] == ("fail", "SRAT", 1)


def test_absent_cpus_are_listed_as_disabled():
    machine, text = log_of("absent")
    objects = parse(text)
    enabled = {x["apic"]: x["enabled"] for x in of(objects, "cpu")}
    assert enabled == {i: i < machine.present() for i in range(machine.possible())}
    assert sorted(x["apic"] for x in of(objects, "unit")) == list(range(machine.present()))


def test_possible_cpus_that_stay_offline():
    machine, text = log_of("offline")
    objects = parse(text)
    assert objects[0]["cpus"] == machine.present() > objects[0]["online"] == machine.cpus_online()
    assert len(of(objects, "unit")) == machine.present()


def test_loader_and_door():
    said = parse(log_of("bios")[1])[0]
    assert said["door"] == "multiboot2" and said["loader"].startswith("GRUB ")


def test_every_field_is_documented():
    text = (qemu.ROOT / "docs/report.md").read_text(encoding="utf-8")
    for case in ("8c4n", "page", "66n"):
        for x in parse(log_of(case)[1]):
            section = text.partition(f"### `{x['type']}`")[2].partition("\n##")[0]
            missing = [k for k in x if k not in ("n", "type", "crc") and f"`{k}`" not in section]
            assert not missing, (x["type"], missing)


def test_a_flipped_bit_anywhere_is_noticed():
    text = log_of("8c4n")[1]
    start, end = text.index(BEGIN), END.search(text).end()
    for at in range(start, end, 7):
        for bit in (0, 5):
            bad = text[:at] + chr(ord(text[at]) ^ 1 << bit) + text[at + 1:]
            with pytest.raises(ReportError):
                parse(bad)


def test_what_a_serial_line_loses_or_adds_is_noticed():
    lines = log_of("8c4n")[1].split("\n")
    first = lines.index(BEGIN)
    last = next(i for i, line in enumerate(lines) if END.fullmatch(line))
    assert parse("\n".join(lines))
    for at in range(first, last + 1):
        with pytest.raises(ReportError):
            parse("\n".join(lines[:at] + lines[at + 1:]))
    for at in range(first + 1, last + 1):
        with pytest.raises(ReportError):
            parse("\n".join(lines[:at] + ["[    0.1] a foreign line"] + lines[at:]))
    for at in range(first + 2, last):
        swapped = lines[:at - 1] + [lines[at], lines[at - 1]] + lines[at + 1:]
        with pytest.raises(ReportError):
            parse("\n".join(swapped))


def test_a_bad_line_is_named():
    text = log_of("8c4n")[1].replace('"n":7,"type":"cpu","apic":2', '"n":7,"type":"cpu","apic":3')
    with pytest.raises(ReportError, match="line 7: its CRC"):
        parse(text)
