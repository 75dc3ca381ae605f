"""`perch compare percpu`: one small run of it, and what it makes of logs and figures.

SPDX-License-Identifier: MIT
"""
import subprocess

import pytest

import compare
import linux_packages
from conftest import ROOT
from front import Parser

GOOD = """\
[    1.0] Run /init as init process
init: begin
[    1.1] perch: compare: machine cpus=2 online=2 nodes=1 unit=1048576 groups=1
[    1.1] perch: compare: op=check side=linux result=ok
[    1.1] perch: compare: op=check side=linux result=ok
[    1.1] perch: compare: op=check side=perch result=ok
[    1.1] perch: compare: op=check side=perch result=ok
[    1.2] perch: compare: run=0
init: loaded 0
[    1.3] perch: compare: verify=ok
[    1.4] perch: compare: left pages=0 pieces=0 bytes=0 windows=0
init: unloaded 0
init: left 0
"""


# ---- logs and figures ----------------------------------------------------------------------------
def test_a_good_log():
    assert compare.complaint(GOOD) is None
    assert compare.complaint("[ 0.1] WARNING: CPU: 0 before the module\n" + GOOD) is None


@pytest.mark.parametrize("old, new, why", [
    ("init: begin", "", "did not come"),
    ("init: loaded 0", "init: loaded 1", "loaded 0"),
    ("init: unloaded 0", "init: unloaded 1", "unloaded 0"),
    ("init: left 0", "init: left 1", "left 0"),
    ("verify=ok", "verify=broken", "pcpu_verify"),
    ("left pages=0", "left pages=1", "left something"),
    ("windows=0", "windows=1", "left something"),
    ("side=perch result=ok", "side=perch result=wrong", "memory was wrong"),
    ("init: left 0", "[ 9.9] BUG: unable to handle page fault\ninit: left 0", "BUG: unable"),
    ("init: left 0", "[ 9.9] WARNING: CPU: 0 PID: 1\ninit: left 0", "WARNING"),
])
def test_a_bad_log(old, new, why):
    assert old in GOOD and why in compare.complaint(GOOD.replace(old, new))


def row(op, side, **values):
    return {"op": op, "side": side, "size": 8, "alloc": 10, "free": 5, "alloc_mean": 12,
            "free_mean": 6, "alloc_max": 20, "free_max": 7, **values}


def test_the_table_of_instructions():
    found = [{"unit": 524288}, row("pair", "linux", alloc_mean=174), row("pair", "perch")]
    lines = compare.instructions("16 CPUs", found)
    assert "512 KiB" in lines[0]
    assert lines[2].split() == ["pair", "of", "8", "B", "180", "(10+5,", "20)", "18", "(10+5,",
                                "20)", "10.0"]


def test_the_table_of_wall_time():
    found = [{"op": op, "side": side, "n": 10, "ns": ns}
             for op in ("storm", "remote")
             for a, b in ((100, 50), (900, 100), (300, 100))
             for side, ns in (("linux", a), ("perch", b))]
    assert compare.wall_lines({4: found})[-1].split() == ["4", *["3.0", "(2.0", "to", "9.0)"] * 2]


def test_the_archive_is_one():
    files = [("init", 0o100755, b"abc"), ("dev/console", 0o20600, b"")]
    archive, at, found = compare.newc(files), 0, []
    while not found or found[-1][0] != "TRAILER!!!":
        assert archive[at:at + 6] == b"070701" and at % 4 == 0
        fields = [int(archive[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13)]
        name = archive[at + 110:at + 110 + fields[11] - 1].decode()
        data = at + (110 + fields[11] + 3) // 4 * 4
        found.append((name, fields[1], archive[data:data + fields[6]]))
        at = data + (fields[6] + 3) // 4 * 4
    assert found[:-1] == files and at == len(archive)


def test_the_newest_release():
    show = ("Depends: linux-image-6.1.0-49-cloud-amd64 (= 6.1)\n"
            "Depends: linux-image-6.12.9+deb12-cloud-amd64 (= 6.12.9-1)\n"
            "Depends: linux-image-6.12.95+deb12-cloud-amd64 (= 6.12.95-1)\n")
    assert linux_packages.release(show) == "6.12.95+deb12-cloud-amd64"
    assert linux_packages.release("Depends: linux-image-6.1.0-49-cloud-amd64") is None


@pytest.mark.parametrize("words", [["percpu", "--machines", "1"], ["percpu", "--machines", "2/4"],
                                   ["percpu", "--wall", "x"], ["percpu", "--pairs", "3"], ["boot"]])
def test_wrong_options(words):
    from front import Usage
    with pytest.raises(Usage):
        compare.arguments(words, Parser("compare"))


# ---- the real thing ------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def linux(tmp_path_factory):
    try:
        found = linux_packages.packages()
    except linux_packages.Unavailable as error:
        pytest.skip(f"no Linux to compare with: {error}")
    done = subprocess.run(["make", "-j2", "linux-module", f"LINUX_HEADERS={found.headers}"],
                          cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "warning:" not in done.stderr, done.stderr[-3000:]
    return compare.Linux(found, tmp_path_factory.mktemp("linux"))


def test_instructions_inside_linux(linux):
    """The pair that everybody makes is cheaper than Linux's, in Linux; every boot() checks its end."""
    rows = linux.boot(1, 1, "ops=pair,fork,trace pairs=500", icount=True)
    for what, theirs, ours in compare.both(rows, "pair", "fork", "trace"):
        assert compare.pair(ours) * 2 < compare.pair(theirs), what


def test_all_cpus_inside_linux(linux):
    rows = linux.boot(4, 2, "ops=storm,remote cpus=4 pairs=1000 rounds=1", icount=False)
    assert {row["op"] for row in rows if "ns" in row} == {"storm", "remote"}


def test_too_little_memory_leaves_nothing(linux, monkeypatch):
    """The window does not fit: the module is not loaded, and gives back what it had."""
    monkeypatch.setattr(compare, "MIN_MIB", 512)
    with pytest.raises(compare.Failed) as failed:
        linux.boot(1, 1, "", icount=False)
    assert "loaded 0" in str(failed.value)
    assert "left pages=0 pieces=0 bytes=0 windows=0" in str(failed.value)
