"""`perch layout` against the layouts of Linux (tests/data/layouts), and on bad input.

The program under test is $PERCH_LAYOUT, else perch-layout in the build directory.
SPDX-License-Identifier: MIT
"""
import json
import os
import random
import re
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
DATA = ROOT / "tests/data/layouts"
BUILD = ROOT / os.environ.get("BUILD", "build")
PROGRAM = os.environ.get("PERCH_LAYOUT") or str(BUILD / "perch-layout")
SIZES = {"static": 233472, "reserved": 8192, "dyn": 28672, "atom": 2097152}


def records(name):
    return [json.loads(line) for line in (DATA / name).read_text().splitlines()]


def run(text, tmp_path):
    machine = tmp_path / "machine.json"
    machine.write_bytes(text if isinstance(text, bytes) else text.encode())
    return subprocess.run([PROGRAM, machine], capture_output=True, text=True, timeout=20)


def layout(tmp_path, cpu_node, mode="embed", **more):
    done = run(json.dumps({**SIZES, "cpu_node": cpu_node, "mode": mode, **more}), tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def numbers(text):
    """0-3;7 or 0-3,7 as QEMU and Linux write lists."""
    for part in filter(None, re.split("[,;]", text)):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def qemu_cpu_nodes(record):
    """Node of each possible CPU, from the QEMU command line alone."""
    args = record["qemu"]
    options = [args[i + 1] for i, arg in enumerate(args) if arg == "-numa"]
    smp = dict(re.findall(r"(\w+)=(\d+)", args[args.index("-smp") + 1]))
    threads = int(smp.get("threads", 1))
    cores = int(smp.get("cores", 1))
    nodes = {}
    for option in options:
        kind, _, rest = option.partition(",")
        node = re.search(r"(?:nodeid|node-id)=(\d+)", rest)
        if kind == "node":
            for cpus in re.findall(r"\bcpus=([\d-]+)", rest):
                nodes.update((cpu, int(node[1])) for cpu in numbers(cpus))
        elif kind == "cpu":
            where = {k: int(v) for k, v in re.findall(r"(socket|core|thread)-id=(\d+)", rest)}
            fixed = (where.get("socket", 0) * cores + where.get("core", 0)) * threads
            first = fixed + where.get("thread", 0)
            count = 1 if "thread" in where else threads * (1 if "core" in where else cores)
            nodes.update((cpu, int(node[1])) for cpu in range(first, first + count))
    if "numa=off" in record["append"]:
        nodes = {}
    return [nodes.get(cpu, 0) for cpu in numbers(record["cpu"]["cpu.possible"])]


@pytest.mark.parametrize("record", records("linux-qemu-layouts.jsonl"), ids=lambda r: r["name"])
def test_as_linux_under_qemu(record, tmp_path):
    wanted = [line.rstrip() for line in [record["percpu"], *record["pcpu_alloc"]]]
    assert layout(tmp_path, qemu_cpu_nodes(record), record["kind"]) == wanted


def real_machines():
    for i, record in enumerate(records("real-machine-layouts.jsonl")):
        yield pytest.param(record, id=f"{i}-{record['machine'].split()[0]}")


@pytest.mark.parametrize("record", real_machines())
def test_as_linux_on_real_machine(record, tmp_path):
    """The SRAT lines show only some CPUs, so the groups give the nodes; the rest must follow."""
    want = record["pcpu"]
    node = {cpu: g for g, cpus in enumerate(want["groups"]) for cpu in cpus if cpu is not None}
    sizes = {key: want[key] for key in ("static", "reserved", "dyn", "atom")}
    lines = layout(tmp_path, [node[cpu] for cpu in range(len(node))], **sizes)
    pages = (want["static"] + want["reserved"] + want["dyn"]) // 4096
    assert lines[0] == (f"percpu: Embedded {pages} pages/cpu s{want['static']} "
                        f"r{want['reserved']} d{want['dyn']} u{want['unit']}")
    assert lines[1:] == [f"pcpu-alloc: {line}".rstrip() for line in want["lines"]]


@pytest.mark.parametrize("dyn, shown", [(-1, 20480), (-(2**63), 20480), (0, 20480), (20481, 24576)])
def test_dyn_is_raised_and_filled(dyn, shown, tmp_path):
    assert f" d{shown} " in layout(tmp_path, [0], dyn=dyn)[0]


def test_node_numbers_are_any_integers(tmp_path):
    near = [[10, 21, 10], [21, 10, 21], [10, 21, 10]]
    lines = layout(tmp_path, [-5, 2**62, 7, -5], distance=near)
    assert lines[-1] == "pcpu-alloc: [0] 0 [0] 1 [0] 3 [1] 2"
    near[2][0] = 11
    assert layout(tmp_path, [-5, 2**62, 7, -5], distance=near)[-1] == (
        "pcpu-alloc: [0] 0 [0] 3 [1] 1 [2] 2")


def test_wide_line_stays_whole(tmp_path):
    lines = layout(tmp_path, [0] * 1000, static=4096, atom=64 << 20)
    assert len(lines) == 3 and lines[2].endswith(" 0999" + " ----" * 24)


def test_largest_machine_is_quick(tmp_path):
    rng = random.Random(1)
    cpus = [cpu % 1024 for cpu in range(8192)]
    rng.shuffle(cpus)
    matrix = [[10 if i == j else rng.randrange(11, 256) for j in range(1024)] for i in range(1024)]
    start = time.monotonic()
    lines = layout(tmp_path, cpus, distance=matrix)
    assert time.monotonic() - start < 15
    shown = [int(n) for line in lines[2:] for n in re.findall(r"(?<=[ ])\d{4}(?![]\d])", line)]
    assert sorted(shown) == list(range(8192))


GOOD = {**SIZES, "cpu_node": [0, 1], "distance": [[10, 20], [20, 10]], "mode": "embed"}


def without(key):
    return {k: v for k, v in GOOD.items() if k != key}


BAD_VALUES = {
    "static": [0, -1, 1.5, "1", None, True, 2**63, 2**63 - 1],
    "reserved": [-4, 6, None, 2**64],
    "dyn": [0.5, "auto", None, [], 2**63 - 1],
    "atom": [0, -4096, 2048, 12288, 4097, None, 2**63],
    "cpu_node": [[], {}, 8, None, [0.5], [None], ["0"], [[0]], [0] * 8193, list(range(1025)),
                 [2**63]],
    "distance": [[], [[]], {}, [[10]], [[10, 20]], [[10, 20], [20]], [[10, 20], [20, 10], [1, 1]],
                 [[10, 20], 20], [[10, 256], [20, 10]], [[10, -1], [20, 10]],
                 [[10, 1.5], [20, 10]], [[11, 20], [20, 10]], 7],
    "mode": ["Embed", "auto", "", None, 1],
}
BAD_TEXTS = [
    b"", b" \n", b"{", b"[]", b"null", b"7", b"{}", b"{} {}", b"\xef\xbb\xbf{}", b"{\"static\"}",
    b"{\"static\":}", b"{\"static\":1,}", b"{'static':1}", b"{\"static\":01}", b"{\"static\":+1}",
    b"{\"static\":NaN}", b"{\"a\":\"\\x\"}", b"{\"a\":\"\\ud800\"}", b"{\"a\":\"", b"{\"a\n\":1}",
    b"[" * 100000, b"{\"a\":" * 100000, b"\0", b"{\"a\":1e}", b"{\"a\":1.}", b"{\"a\":-}",
]


def test_the_page_that_readme_names_describes_every_key(tmp_path):
    """Its table has the keys that the program takes, with those that may be missing; its example runs."""
    readme, page = (ROOT / "README.md").read_text(), (ROOT / "docs/percpu.md").read_text()
    row = next(line for line in readme.splitlines() if "./perch layout" in line)
    example = ROOT / re.search(r"\./perch layout (\S+)", row)[1]
    assert "format: docs/percpu.md" in readme
    table = page.split("### The file of `perch layout`")[1].split("A ready example:")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.M))
    assert list(rows) == list(GOOD)
    optional = {key for key, text in rows.items() if text.startswith("may be missing")}
    for key in GOOD:
        status = run(json.dumps(without(key)), tmp_path).returncode
        assert status == (0 if key in optional else 2), key
    done = subprocess.run([PROGRAM, example], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and done.stdout.splitlines()[-1].startswith("pcpu-alloc: ")
    assert done.stdout == run(example.read_text(), tmp_path).stdout


def refused(done):
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("perch layout: ") and done.stderr.count("\n") == 1
    return done.stderr


def test_mode_is_embed_unless_said(tmp_path):
    short, long = run(json.dumps(without("mode")), tmp_path), run(json.dumps(GOOD), tmp_path)
    assert (short.returncode, short.stdout) == (0, long.stdout)


@pytest.mark.parametrize("key", [k for k in GOOD if k not in ("distance", "mode")])
def test_missing_key(key, tmp_path):
    assert f'"{key}" is missing' in refused(run(json.dumps(without(key)), tmp_path))


@pytest.mark.parametrize("key, value", [(k, v) for k, vs in BAD_VALUES.items() for v in vs],
                         ids=lambda v: str(v)[:30])
def test_bad_value(key, value, tmp_path):
    if key == "distance" and value is None:
        return
    message = refused(run(json.dumps({**GOOD, key: value}), tmp_path))
    assert "machine.json: " in message


def test_unknown_and_repeated_keys(tmp_path):
    assert 'unknown key "cpus?' in refused(run(json.dumps({**GOOD, "cpus\n": 1}), tmp_path))
    twice = json.dumps(GOOD)[:-1] + ',"atom":4096}'
    assert "twice" in refused(run(twice, tmp_path))


@pytest.mark.parametrize("text", BAD_TEXTS, ids=lambda t: repr(t[:12]))
def test_not_json(text, tmp_path):
    refused(run(text, tmp_path))


def test_every_cut_of_a_good_file(tmp_path):
    text = json.dumps(GOOD)
    for end in range(0, len(text), 7):
        refused(run(text[:end], tmp_path))


def test_files_and_arguments(tmp_path):
    for args in ([tmp_path / "none"], [tmp_path], [], ["a", "b"]):
        refused(subprocess.run([PROGRAM, *args], capture_output=True, text=True, timeout=20))
    assert subprocess.run([PROGRAM, "--help"], capture_output=True, timeout=20).returncode == 0
    good = json.dumps(GOOD)
    piped = subprocess.run([PROGRAM, "-"], input=good, capture_output=True, text=True, timeout=20)
    assert piped.returncode == 0 and piped.stdout == run(good, tmp_path).stdout
