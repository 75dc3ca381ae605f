"""A machine file that is wrong is one line, `FILE: key: why`, and status 2: never a traceback.

Every key gets every kind of wrong value. What load() takes must be a machine that the runner can work
with: its arguments are made and a log is judged, as for any other.
SPDX-License-Identifier: MIT
"""
import os
import random
import re
import subprocess
import sys
from dataclasses import fields

import pytest

import machine as machines
import machine_form
import qemu
import verdict
from conftest import ROOT
from test_runner import LOG

BASE = {"reason": '"x"', "cpus": "2"}
VALUES = [
    '""', '"two"', '"("', '"[a"', '"*"', '"(?P<x>a)(?P<x>b)"', '"a{99999999999999999999}"', '"0"', '"0M"', '"1X"', '"-1"', '"1-"', '"3-1"',
    '"0-99999999999"', '"0-1"', '"0,,1"', '"\\u0000"', '"a\\nb"', '"../../etc/passwd"', '"pc-q35-99999999999.1"',
    '"nosuch"', '"2,maxcpus=1"', '"2,maxcpus=x"', '"2,maxcpus=4"', '"64M"', '"' + "9" * 5000 + '"', '"qemu>=x"', '"qemu>=1.x"', '"ram>=1G"',
    '"FAILED: ("', "-1", "0", "1", "3", "64", "1000000000000000000000", "0x7fffffffffffffff", "1.5", "nan", "inf", "true", "false",
    "1979-05-27", "07:32:00", "[]", "{}", "[[]]", "[{}]", "[1]", "[-1]", "[true]", '["("]', '["a"]', '["\\u0000"]', "[[1]]",
    "[[0, 1, 20]]", "[[0, 1, 2, 3]]", "[[0, 5, 1]]", '[[0, "a", 20]]', "[[[0]]]", "[0, 0]", "[0]", "[5000, 1]", "{ a = 1 }", '[{ mem = 1.5 }]',
    '[{ mem = "0", cpus = "0-1" }]', '[{ mem = "64M", cpus = "0-1" }]', '[{ mem = "64M", cpus = [0, 1] }]',
    '[{ cpus = "0-1" }]', '[{ mem = "64M", cpus = "0-1", memory = 1 }]', '[{ mem = "64M", cpus = "0-4096" }]',
    '[{ mem = "64M", cpus = 0 }, { mem = "64M", cpus = 1 }]', "[1, 2]", '["x", 1]',
]


@pytest.fixture
def take(tmp_path, monkeypatch):
    """What becomes of a file of this text: the error, or "" after all that the runner does with a machine."""
    (tmp_path / "perch.elf").write_bytes(b"")
    monkeypatch.setattr(qemu, "BUILD", tmp_path)
    monkeypatch.setattr(qemu, "version", lambda: (10, 0))
    path = tmp_path / "fake.machine"

    def start(text):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        try:
            machine = machines.load(path)
        except machines.MachineError as error:
            assert str(error).startswith(f"{path}: ") and "\n" not in str(error), str(error)
            return str(error).removeprefix(f"{path}: ")
        machine.limits()
        if machine.firmware.startswith("pvh"):
            try:
                qemu.check_needs(machine)
                arguments = qemu.argv(machine, tmp_path)
                assert not any("\0" in argument for argument in arguments)
            except qemu.Missing:
                pass
        verdict.judge(machine, qemu.Result(status=33, text=LOG))
        return ""

    return start


def text_of(keys):
    return "".join(f"{key} = {value}\n" for key, value in keys.items())


def test_every_key_has_its_form():
    made = {"name", "replayed", "emulator"}  # by the runner
    assert {f.name for f in fields(machines.Machine)} - made == set(machine_form.CHECKS)


@pytest.mark.parametrize("key", sorted(machine_form.CHECKS))
def test_wrong_values(take, key):
    refused = 0
    for value in VALUES:
        why = take(text_of(BASE | {key: value}))
        refused += bool(why)
        assert not why or re.match(r"[\w]+: .", why), (value, why)
        if why:
            named = why.split(":")[0]
            assert named == key or named in ("node", "cpu_nodes", "cpus", "tables", "screen"), (value, why)
    assert refused, "no value of this key is wrong"


@pytest.mark.parametrize("text, words", [
    ('cpus = "two"', "cpus: 'two' is no number"), ("cpus = true", "cpus: True is no number"),
    ("cpus = 5000", "cpus: 5000: a number from 1 to 4096"),
    ('cpus = 1\nverdict = "("', "verdict: '(' is no regular expression: "),
    ('cpus = 1\nexpect = ["a", "["]', "expect: '[' is no regular expression: "),
    ('cpus = 1\nforbid = ["*"]', "forbid: '*' is no regular"), ('cpus = 1\nscreen = ["+"]', "screen: '+' is no"),
    ('cpus = 1\nuntil = "("', "until: '(' is no"), ('cpus = 1\nexpect = "a"', "expect: 'a' is no list"),
    ('cpus = 1\nmem = "0"', "mem: '0': 1M to "), ('cpus = 1\nmem = "much"', "mem: 'much' is no size"),
    ('cpus = 1\nmachine = "q36"', "machine: unknown board 'q36': q35, pc, "),
    ('cpus = 1\nevents = ["ap-retried"]', "events: unknown event 'ap-retried'"),
    ('cpus = 1\nskips = [1]', "skips: 1 is no text"), ('cpus = 1\nacpi = ["nosuch"]', "acpi: no table 'nosuch'"),
    ('cpus = 1\nneeds = ["qemu>=x"]', "needs: unknown need 'qemu>=x'"), ('smp = "cores=2"', "smp: 'cores=2': begins with"),
    ('cpus = 1\nkernel = "gcc"', "kernel: unknown 'gcc': perch, "), ('cpus = 2\ncpu_nodes = [0]', "cpu_nodes: 1 nodes for 2 CPUs"),
    ('cpus = 1\nnode = [{ cpus = "0" }]', "node: none has memory"), ('tables = "nosuch"', "tables: nosuch: "),
    ("cpus =", "Invalid value"), (b"\xff", "'utf-8' codec"), ("x = " + "[" * 100000, ""), ("x = " + "9" * 5000, "")])
def test_what_is_said(take, text, words):
    start = b'reason = "x"\n'
    why = take(start + (text if isinstance(text, bytes) else text.encode()))
    assert why and words in why


def test_damaged_files(take):
    """Files of the tree with bytes changed, cut out and repeated."""
    chance = random.Random(1)
    sources = [path.read_bytes() for path in sorted((ROOT / "tests/qemu").glob("*.machine"))]
    wrong = 0
    for _ in range(1500):
        data = bytearray(chance.choice(sources))
        for _ in range(chance.randint(1, 3)):
            at, length = chance.randrange(len(data)), chance.randint(1, 6)
            data[at:at + length] = chance.choice([b"", bytes([chance.randrange(256)]), b"0", b"-", b'"', b"(", b"[", b"9" * 20])
        if b"tables" not in data and b"acpi =" not in data:  # those start programs
            wrong += bool(take(bytes(data)))
    assert wrong > 300


@pytest.mark.parametrize("text", ['cpus = "two"', 'cpus = 1\nverdict = "("', 'cpus = 1\nmem = "0"', 'cpus = 1\nmachine = "q36"'])
def test_perch_says_it_in_one_line(tmp_path, text):
    path = tmp_path / "wrong.machine"
    path.write_text(f'reason = "x"\n{text}\n', encoding="utf-8")
    done = subprocess.run([sys.executable, ROOT / "tools/front.py", "--no-install", "run", "--topology", str(path)],
                          cwd=ROOT, env=os.environ | {"PERCH_FROM": str(tmp_path)}, capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert done.returncode == 2 and said.count("\n") == 1 and f"{path}: " in said, said
