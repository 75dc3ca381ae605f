"""tools/gdb/perch.py on a kernel that stands still, and on a dead one: the log is the witness.

SPDX-License-Identifier: MIT
"""
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

import machine
import qemu
from conftest import ROOT

pytestmark = pytest.mark.skipif(not shutil.which("gdb"), reason="no gdb here")
MACHINE = ROOT / "tests/qemu/numa4-cpu8.machine"
SECONDS = 120


def gdb_session(append, *commands):
    """(what gdb printed behind each "@NAME", the serial log): gdb runs commands, and QEMU ends."""
    with tempfile.TemporaryDirectory(prefix="perch-gdb-") as place:
        place = Path(place)
        the_machine = machine.load(MACHINE)
        qemu.check_needs(the_machine)
        the_machine.append = append
        args = qemu.argv(the_machine, place)
        args += ["-S", "-chardev", f"socket,path={place}/gdb,server=on,wait=off,id=gdb",
                 "-gdb", "chardev:gdb"]
        with (place / "log").open("wb") as log:
            vm = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=log)
        try:
            script = ["set pagination off", "set confirm off", "set tcp auto-retry on",
                      f"set remotetimeout {SECONDS}", f"source {ROOT}/tools/gdb/perch.py",
                      f"target remote {place}/gdb", *commands,
                      # gdb may say here that it killed the inferior: no command printed that.
                      "echo @end\\n", "kill"]
            done = subprocess.run(["gdb", "-nx", "-batch", qemu.image(the_machine),
                                   *(word for line in script for word in ("-ex", line))],
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  timeout=SECONDS)
        finally:
            vm.kill()
            vm.wait()
        serial = (place / "log").read_text("utf-8").replace("\r\n", "\n")
    parts = re.split(r"^@(\w+)\n", done.stdout, flags=re.M)
    found = dict(zip(parts[1::2], parts[2::2]))
    assert found, done.stdout + done.stderr
    return found, serial, done.stderr


def show(name):
    return f"echo @{name}\\n", f"perch {name}"


def test_early_memory():
    """Where the log has just said how much there is."""
    shown, serial, errors = gdb_session("", "break stage_acpi_tables", "continue",
                                        *show("memblock"), *show("nodes"), *show("chunks"))
    memory, reserved = ([(int(a, 16), int(b, 16) + 1) for a, b in re.findall(REGION, text)]
                        for text in re.split(r"^(?=reserved)", shown["memblock"], flags=re.M))
    usable = [(int(a, 16), int(b, 16) + 1) for a, b in re.findall(
        r"e820: \[mem (0x\w+)-(0x\w+)\] usable", serial)]
    assert memory == [(a, b & ~0xfff) for a, b in usable]
    total = sum(b - a for a, b in memory)
    taken = sum(max(0, min(b, d) - max(a, c)) for a, b in memory for c, d in reserved)
    free, everything = map(int, re.search(r"Memory: (\d+)K/(\d+)K available", serial).groups())
    assert (total // 1024, (total - taken) // 1024) == (everything, free)
    assert shown["memblock"].startswith(f"memory: {len(memory)} regions, {total} bytes\n")
    assert (shown["nodes"], shown["chunks"]) == ("", "")
    assert "no topology yet" in errors and "the allocator has not begun" in errors


REGION = r"\[(0x\w+)-(0x\w+)\]"
DUMPED = re.compile(r"percpu: chunk (\d+)(?: \(\w+\))?: populated (\d+), empty (\d+), "
                    r"objects \d+, free (\d+), largest (\d+)")
SHOWN = re.compile(r"^chunk (\d+) at 0x\w+: populated (\d+), empty (\d+), free (\d+), "
                   r"largest (\d+), (\d+) holes", re.M)
HOLE = re.compile(r"^  hole 0x(\w+)-0x(\w+): (\d+) bytes$", re.M)


def test_a_stopped_kernel():
    """In the middle of a test, with objects about; the kernel itself then dumps the same chunks."""
    shown, serial, _ = gdb_session(
        "run=test:percpu_alloc.*", "break percpu_free", "ignore 1 20", "continue",
        *show("chunks"), *show("mags"), *show("nodes"), *show("log"), "echo @rest\\n",
        "call percpu_dump()")
    check_nodes(shown["nodes"], serial)
    assert serial.startswith(shown["log"])  # what the dump said came later

    chunks = SHOWN.findall(shown["chunks"])
    assert len(chunks) >= 3 and [chunk[:5] for chunk in chunks] == DUMPED.findall(serial)
    holes = HOLE.findall(shown["chunks"])
    assert all(int(b, 16) - int(a, 16) + 1 == int(size) for a, b, size in holes)
    assert sum(int(size) for *_, size in holes) == sum(int(chunk[3]) for chunk in chunks)
    assert len(holes) == sum(int(chunk[5]) for chunk in chunks) > len(chunks)

    head = re.match(r"CPU (\d): (\d+) of (\d+) bytes\n", shown["mags"])
    bump = re.search(r"bump region: (\d+) bytes", shown["mags"])
    held = int(bump[1]) if bump else 0
    for size, clean, dirty, room in re.findall(
            r"class \d+: (\d+) bytes, (\d+) clean, (\d+) to be cleared, room for (\d+)",
            shown["mags"]):
        assert 0 < int(clean) + int(dirty) <= int(room)
        held += int(size) * (int(clean) + int(dirty))
    assert head and head[1] == "0" and 0 < held == int(head[2]) <= int(head[3])


def check_nodes(text, serial):
    """Four nodes of two CPUs; what SRAT's lines in the log say of the memory."""
    nodes = re.findall(r"^node (\d): domain (\d), 2 CPUs, \d+ bytes, distances ([\d ]+)$", text,
                       re.M)
    assert [node[:2] for node in nodes] == [(str(i), str(i)) for i in range(4)]
    assert "distances 10 and 20 are assumed" in serial
    assert [node[2] for node in nodes] == [" ".join("10" if i == j else "20" for j in range(4))
                                           for i in range(4)]
    parts = re.split(r"^node \d.*\n", text, flags=re.M)[1:]
    for i, part in enumerate(parts):
        ours = re.findall(r"\[0x(\w+)-0x(\w+)\]", part)
        srat = re.findall(rf"SRAT: Node {i} PXM {i} \[mem 0x(\w+)-0x(\w+)\]", serial)
        assert int(ours[0][0], 16) == int(srat[0][0], 16)
        assert int(ours[-1][1], 16) == int(srat[-1][1], 16)


def test_a_dead_kernel():
    shown, serial, _ = gdb_session("fail=panic", "break power_end", "continue", *show("log"),
                                   *show("nodes"), *show("chunks"), *show("mags"))
    assert "panic: " in serial
    assert shown["log"] == serial
    check_nodes(shown["nodes"], serial)
    made = int(re.search(r"dynamic allocator: (\d+) pages per unit populated", serial)[1])
    chunks = SHOWN.findall(shown["chunks"])
    assert [int(chunk[0]) for chunk in chunks] == list(range(len(chunks)))
    assert sum(int(chunk[1]) for chunk in chunks if chunk[0] != "1") == made
    assert re.match(r"CPU \d: \d+ of \d+ bytes\n", shown["mags"])
