"""A gate that cannot fail is no gate: each kind of bad boot must turn red.

One good log of a 2-node, 4-CPU machine is spoilt in one way per case, and given to the runner
by a program that stands in for QEMU.
SPDX-License-Identifier: MIT
"""
import re
import subprocess
import sys

import pytest

import machine as machines
import qemu
import skips
import verdict
from conftest import ROOT

MACHINE = """
reason = "the runner's own test"
cpus = 4
expect = ["first thing", "second thing"]
node = [
    { mem = "64M", cpus = "0-1" },
    { mem = "64M", cpus = "2-3" },
]
"""
LOG = """\
[    0.000001] Perch
[    0.000100] first thing
[    0.000200] second thing
[    0.100000] percpu: cpu 0 node 0 unit [mem 0x03c00000-0x03c41fff] node 0 ok
[    0.100001] percpu: cpu 1 node 0 unit [mem 0x03d00000-0x03d41fff] node 0 ok
[    0.100002] percpu: cpu 2 node 1 unit [mem 0x07c00000-0x07c41fff] node 1 ok
[    0.100003] percpu: cpu 3 node 1 unit [mem 0x07d00000-0x07d41fff] node 1 ok
[    0.200000] smp: Brought up 2 nodes, 4 CPUs
KTAP version 1
1..2
  KTAP version 1
  # Subtest: one
  1..2
  ok 1 a
[    0.200000] a line of the log between
  ok 2 b # SKIP not the debug build
ok 1 one
  KTAP version 1
  # Subtest: two
  1..1
  ok 1 c
ok 2 two
[    0.300000] events: call-nmi 2 (NMI), 2 of them on purpose
[    0.300000] perch: all held
"""
GOOD_CASES = (2, 0, 1)
# Name, text to replace, replacement, words of the problem.
SPOILT = [
    ("no-plan", "1..2\n  KTAP", "  KTAP", "no plan"),
    ("no-inner-plan", "  1..1\n", "", "no plan"),
    ("cut-off", LOG[LOG.index("  ok 1 c"):LOG.index("[    0.300000] events")], "", "plan of"),
    ("no-ktap", LOG[LOG.index("KTAP"):], "", "no KTAP"),
    ("empty-plan", LOG[LOG.index("1..2\n"):LOG.index("[    0.300000] events")], "1..0\n", "without a single case"),
    ("failing-case", "  ok 1 c\nok 2", "  not ok 1 c\nnot ok 2", "failed: two.c"),
    ("failing-case-says-why", "  ok 1 c\nok 2", "  # x.c:7: 1 is not 2\n  not ok 1 c\nnot ok 2",
     "failed: two.c\n    # x.c:7: 1 is not 2"),
    ("suite-lies", "  ok 1 c", "  not ok 1 c", "its cases do not"),
    ("number-skipped", "  ok 1 c", "  ok 2 c", "result 2 where 1"),
    ("node-lie", "unit [mem 0x07c00000-0x07c41fff] node 1",
     "unit [mem 0x03e00000-0x03e41fff] node 1", "said on node 1, is on [0]"),
    ("wrong-node", "unit [mem 0x07c00000-0x07c41fff] node 1 ok",
     "unit [mem 0x03e00000-0x03e41fff] node 0 ok", "is not on node 1"),
    ("straddles", "0x07c00000-0x07c41fff", "0x03fff000-0x04040fff", "no one node"),
    ("cpu-on-wrong-node", "cpu 2 node 1", "cpu 2 node 0", "is said to be on node 0"),
    ("outside-ram", "0x07c00000-0x07c41fff", "0x17c00000-0x17c41fff", "no one node"),
    ("units-overlap", "0x03d00000-0x03d41fff", "0x03c41000-0x03c82fff", "overlap"),
    ("cpu-missing",
     "[    0.100003] percpu: cpu 3 node 1 unit [mem 0x07d00000-0x07d41fff] node 1 ok\n", "", "no placement line for CPUs [3]"),
    ("said-not-ok", "cpu 3 node 1 unit [mem 0x07d00000-0x07d41fff] node 1 ok",
     "cpu 3 node 1 unit [mem 0x07d00000-0x07d41fff] node 1 wrong", "verdict 'wrong'"),
    ("cpu-lost", "2 nodes, 4 CPUs", "2 nodes, 3 CPUs", "brought up 2 nodes, 3 CPUs"),
    ("node-lost", "2 nodes, 4 CPUs", "1 node, 4 CPUs", "brought up 1 nodes"),
    ("no-brought-up", "smp: Brought up", "smp: brought", "0 lines"),
    ("order", "first thing", "third thing", "no line matches 'first thing'"),
    ("out-of-order", "first thing\n[    0.000200] second thing",
     "second thing\n[    0.000200] first thing", "after the ones before it"),
    ("ubsan", "] Perch\n", "] UBSAN: shift-out-of-bounds in a.c:1\n", "UBSAN"),
    ("no-verdict", "perch: all held\n", "\n", "no line `perch: `"),
    ("verdict-cut", "perch: all held\n", "perch: all he", "no line `perch: `"),
    ("verdict-failed", "perch: all held", "perch: FAILED: 1 of 4 CPUs did not start",
     "verdict 'FAILED: 1 of 4 CPUs did not start'"),
    ("verdict-but", "perch: all held", "perch: held, but: no ACPI tables", "verdict 'held, but"),
    ("skip-unexplained", "SKIP not the debug build", "SKIP no such CPU", "skipped: one.b"),
    ("skip-of-another-machine", "SKIP not the debug build", "SKIP needs 3 CPUs", "skipped: one.b"),
    ("event", "NMI), 2 of", "NMI), 1 of", "event call-nmi: 1"),
    ("panic", "[    0.000001] Perch", "[    0.000001] panic: nothing works", "panic"),
    ("in-step-by-13-ms", "[    0.000200] second thing\n", "[    0.000200] second thing\n[    0.000300] tsc: 4 CPUs in step: "
     "offsets from CPU 0 are below 13000000 ns (CPU 1), 0 warps\n", "bad line: tsc: 4 CPUs in step"),
    ("line-begun-after-the-verdict", "perch: all held\n", "perch: all held\n[", "the last line is '['"),
]


@pytest.fixture
def boot(monkeypatch, tmp_path):
    """boot(log, status, sleep, machine text) -> (problems, cases) by the fake QEMU."""
    kernel = tmp_path / "build/perch.elf"
    kernel.parent.mkdir()
    kernel.write_bytes(b"")
    monkeypatch.setenv("PERCH_QEMU", str(ROOT / "tests/runner/fake_qemu.py"))
    monkeypatch.setattr(qemu, "BUILD", kernel.parent)
    monkeypatch.setenv("PERCH_PACE", "1")

    def start(log, status=33, sleep=0, text=MACHINE):
        (tmp_path / "log").write_text(log, encoding="utf-8")
        (tmp_path / "fake.machine").write_text(text, encoding="utf-8")
        monkeypatch.setenv("FAKE_LOG", str(tmp_path / "log"))
        monkeypatch.setenv("FAKE_STATUS", str(status))
        monkeypatch.setenv("FAKE_SLEEP", str(sleep))
        machine = machines.load(tmp_path / "fake.machine")
        result = qemu.run(qemu.argv(machine, tmp_path), machine.limits(), until=machine.until,
                          measure=bool(machine.host_memory))
        return (*verdict.judge(machine, result), result)

    return start


def test_good_log_passes(boot):
    problems, cases, _ = boot(LOG)
    assert problems == []
    assert cases.counts() == GOOD_CASES
    assert cases.skipped == [("one.b", "not the debug build")]


@pytest.mark.parametrize("old, new, words", [pytest.param(*s[1:], id=s[0]) for s in SPOILT])
def test_spoilt_log_fails(boot, old, new, words):
    assert LOG.count(old) == 1 or old in ("1..2\n  KTAP",)
    problems, _, _ = boot(LOG.replace(old, new, 1))
    assert any(words in problem for problem in problems), problems


@pytest.mark.parametrize("status", [0, 1, 35, 37, 39, 124])
def test_other_status_fails(boot, status):
    problems, _, _ = boot(LOG, status=status)
    assert any(f"QEMU status {status}" in problem for problem in problems)


def spoilt(old, new):
    assert LOG.count(old) == 1
    return LOG.replace(old, new)


def test_verdict_that_is_expected(boot):
    """The machine file says which verdict is right: its status and its words, and no other."""
    held_but = spoilt("all held", "held, but: 2 firmware failures")
    text = MACHINE + 'verdict = "held, but: \\\\d firmware failures"\n'
    assert boot(held_but, status=39, text=text)[0] == []
    assert boot(held_but, status=33, text=text)[0]
    assert boot(LOG, status=33, text=text)[0]
    failed = spoilt("all held", "FAILED: 1 test case failed")
    text = MACHINE + 'verdict = "FAILED: 1 test case failed"\n'
    red = failed.replace("  ok 1 c\nok 2", "  not ok 1 c\nnot ok 2")
    assert boot(red, status=35, text=text)[0] == []
    assert boot(red, status=33, text=text)[0]


def test_a_run_without_a_machine_file_may_have_doubts(boot, tmp_path):
    """`perch run`: "held, but" is no problem of the run; FAILED is, whatever the status says."""
    _, _, result = boot(spoilt("all held", "held, but: no ACPI tables"), status=39)
    machine = machines.load(tmp_path / "fake.machine")
    machine.verdict = ""
    assert verdict.judge(machine, result)[0] == []
    assert verdict.said(result.text) == "held, but: no ACPI tables"
    result.text, result.status = spoilt("all held", "FAILED: 1 test case failed"), 33
    assert "FAILED: 1 test case failed" in verdict.judge(machine, result)[0]


def test_events_that_are_expected(boot, monkeypatch):
    """By the machine file; and on a busy host those that are only a matter of time, no other."""
    for event, busy_may in (("call-nmi", True), ("page-mode", False)):
        log = spoilt("call-nmi 2 (NMI), 2 of", f"{event} 2 (NMI), 0 of")
        assert boot(log)[0]
        assert boot(log, text=MACHINE + f'events = ["{event}"]\n')[0] == []
        monkeypatch.setenv("PERCH_BUSY", "1")
        assert (boot(log)[0] == []) == busy_may
        monkeypatch.delenv("PERCH_BUSY")


def test_skips_that_are_expected(boot):
    log = spoilt("SKIP not the debug build", "SKIP no such CPU")
    assert boot(log, text=MACHINE + 'skips = ["no such CPU"]\n')[0] == []


def test_every_reason_to_skip_is_known():
    """A reason that a suite gives and skips.py does not know would make its case red for ever."""
    said = set()
    for path in (ROOT / "tests").rglob("*.[ch]"):
        if path.name.endswith(("_suite.c", ".h")) or path.parent.name == "suite":
            text = path.read_text(encoding="utf-8")
            for call in re.findall(r"ktest_skip\(([^;]*)\);", text):
                said |= set(re.findall(r'"([^"]+)"', call))
    assert said and said == set(skips.REASONS)


def test_time_out_fails_although_the_log_is_good(boot, monkeypatch):
    monkeypatch.setenv("PERCH_SILENCE", "12")
    problems, _, result = boot(LOG, sleep=90)
    assert result.status is None and result.seconds < 80  # a loaded host starts us late
    assert any("time-out" in problem for problem in problems)
    assert result.tail(3).splitlines() == LOG.splitlines()[-3:]


def test_machine_that_waits(boot, monkeypatch):
    """It must say so, and must be there still; a log that stops before, or an end, is a failure."""
    monkeypatch.setattr(qemu, "STILL_THERE", 0.2)
    monkeypatch.setenv("PERCH_SILENCE", "6")
    text = MACHINE + 'until = "cpu 3 node"\n'
    assert boot(LOG, sleep=30, text=text)[0] == []
    assert "did not wait" in boot(LOG, text=text)[0][0]
    assert "did not wait" in boot(LOG, sleep=30, text=text.replace("cpu 3", "cpu 9"))[0][0]


def test_reason_of_the_end(boot, tmp_path):
    """QEMU's events decide, not its status: power-off and reset both end with 0."""
    text = MACHINE + 'status = 0\nshutdown = "guest-reset"\n'
    _, _, result = boot(LOG, status=0, text=text)
    machine = machines.load(tmp_path / "fake.machine")
    greeting = '{"QMP": {"version": {}}}\n{"return": {}}\n'
    for reason, good in (("guest-reset", True), ("guest-shutdown", False), (None, False)):
        event = '{"event": "SHUTDOWN", "data": {"guest": true, "reason": "%s"}}\n' % reason
        (tmp_path / "qmp.out").write_text(greeting + (event if reason else ""), encoding="utf-8")
        result.ended_by = qemu.ended_by(tmp_path)
        assert (verdict.judge(machine, result)[0] == []) == good


def test_page_on_the_screen(boot, tmp_path):
    """The page decides, not the end of the run; each letter of it must be readable."""
    text = MACHINE + 'screen = ["^Perch: all held", "^CPUs +4"]\n'
    _, _, result = boot(LOG, text=text)
    machine = machines.load(tmp_path / "fake.machine")
    for page, words in ((["Perch: all held", "CPUs  4"], None), (None, "no page on the screen"),
                        (["Perch: FAILED", "CPUs  4"], "all held"),
                        (["CPUs  4", "Perch: all held"], "CPUs"),
                        (["Perch: all held", "CPUs  4", "\ufffd"], "unreadable")):
        result.page = page
        problems = verdict.judge(machine, result)[0]
        assert words in problems[0] if words else problems == []
    machine.console = "screen"  # and with no log at all it is the only witness
    result.text, result.page = "", ["Perch: all held", "CPUs  4"]
    assert verdict.judge(machine, result)[0] == []
    result.page = ["Perch: all held"]
    assert verdict.judge(machine, result)[0]


def test_lines_said_twice_fail(boot):
    """A console that comes late is given what the others have had, once."""
    line = "[    0.000050] Perch 1a2b3c: booted by GRUB (Multiboot2)\n"
    assert boot(line + LOG)[0] == []
    assert "2 lines" in boot(line + line + LOG)[0][0]


def test_forbidden_line_fails(boot):
    problems, _, _ = boot(LOG, text=MACHINE + 'forbid = ["a line of the log"]\n')
    assert any("forbidden" in problem for problem in problems)


def test_use_of_the_hosts_memory_is_judged(boot):
    """A Python program needs some MiB."""
    text = MACHINE.replace("cpus = 4", 'cpus = 4\nhost_memory = "900M"')
    assert boot(LOG, sleep=4, text=text)[0] == []
    problems, _, result = boot(LOG, sleep=4,
                               text=MACHINE.replace("cpus = 4", 'cpus = 4\nhost_memory = "1M"'))
    assert any("more than 1M" in problem for problem in problems)
    assert result.peak > 1 << 20


def test_layout_is_compared_with_linux(boot):
    """The golden lines themselves pass; one other digit does not."""
    text = MACHINE.replace("first thing", "").replace("second thing", "") + 'golden = "block-2x2"\n'
    lines, entry = verdict.golden("block-2x2")
    stamped = "".join(f"[    0.050000] {line}\n" for line in [entry["setup_percpu"]] + lines)
    assert boot(stamped + LOG, text=text)[0] == []
    problems = boot((stamped + LOG).replace("[1] 2 3", "[1] 3 2"), text=text)[0]
    assert any("not Linux's layout" in problem for problem in problems)


def test_wrong_machine_files_are_refused(tmp_path):
    for text, words in [("cpus = 1", "no reason"),
                        ('reason = "x"\ncpus = 1\ncolour = 1', "colour: unknown key"),
                        ('reason = "x"\ncpus = 1\nconsole = "lpt"', "console: unknown 'lpt'"),
                        ('reason = "x"\ncpus = 1\nconsole = "screen"', "nothing would be judged"),
                        ('reason = "x"', "no CPUs"), ("reason =", "fake.machine"),
                        ('reason = "x"\ncpus = 2\nnode = [{ cpus = "0" }]', "every CPU")]:
        path = tmp_path / "fake.machine"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(machines.MachineError, match=words):
            machines.load(path)


def test_too_old_qemu_is_a_skip_with_the_reason(monkeypatch, boot):
    monkeypatch.setenv("FAKE_VERSION", "7.2.0")
    monkeypatch.setattr(qemu, "version", qemu.version.__wrapped__)
    machine = machines.blocks(1, 1, "64M")
    machine.needs = ["qemu>=9"]
    with pytest.raises(qemu.Missing, match="needs QEMU 9 or later, this is 7.2"):
        qemu.check_needs(machine)


def test_old_machine_types(monkeypatch):
    """Those without PVH are refused in one line, with the reason; those that this QEMU has no more are a skip."""
    monkeypatch.setattr(qemu, "boards", lambda: {"pc-q35-3.1", "pc-i440fx-4.0"})
    monkeypatch.setattr(qemu, "image", lambda machine: None)
    machine = machines.blocks(1, 1, "64M")
    for machine.machine, machine.firmware in [
            ("q35", "pvh"), ("pc,hpet=off", "pvh"), ("pc-i440fx-4.0,hpet=off", "pvh"), ("pc-q35-3.1", "bios")]:
        qemu.check_needs(machine)
    for machine.machine, machine.firmware in [("pc-q35-3.1", "pvh"), ("pc-i440fx-2.12", "pvh-seabios")]:
        with pytest.raises(machines.MachineError, match="has no PVH .*since 4.0"):
            qemu.check_needs(machine)
    for machine.machine, machine.firmware in [("pc-q35-4.0.1", "pvh"), ("pc-i440fx-2.4", "bios")]:
        with pytest.raises(qemu.Missing, match="no machine type"):
            qemu.check_needs(machine)


def test_where_a_unit_may_be():
    """Its own node; while no node so far has room, the next nearest too. And who comes up."""
    small = machines.blocks(4, 8, "8M")
    assert small.homes(2) == {0, 1, 2, 3}
    mixed = machines.blocks(3, 3, "96M")
    mixed.node[1].mem = 2 << 20
    assert mixed.homes(1) == {0, 1, 2} and mixed.homes(0) == {0}
    mixed.node[1].mem = 0
    assert mixed.homes(1) == {0, 2} and mixed.nodes_online() == 3
    mixed.append = "maxcpus=1"
    assert mixed.nodes_online() == 2
    paged = machines.blocks(2, 2, "40M")
    assert paged.homes(0) == {0, 1}
    paged.append = "percpu_alloc=page"
    assert paged.homes(0) == {0}
    lost = machines.of_tables(ROOT / "tests/data/cases/14b-memoryless-and-empty", "2G")
    assert (lost.nodes_online(), lost.cpus_online(), lost.homes(1)) == (2, 2, {0})
    paged.append = "maxcpus=0 nr_cpus=x"
    assert paged.cpus_online() == 1


def test_memory_model_of_both_boards():
    """Where QEMU puts the nodes: the hole below 4 GiB differs by board and size."""
    machine = machines.blocks(2, 2, "3G")
    assert machine.pxm_ranges() == {0: [(0, 0x60000000)],
                                    1: [(0x60000000, 0x80000000), (0x100000000, 0x140000000)]}
    machine.machine = "pc-q35-4.0,hpet=off"
    assert machine.lowmem() == 0x80000000
    machine.machine = "pc"
    assert machine.pxm_ranges()[1] == [(0x60000000, 0xc0000000)]
    assert machines.blocks(1, 1, "1100G").pxm_ranges()[0][1][0] == 1 << 40
    assert machines.blocks(1, 1, "2800M").pxm_ranges() == {0: [(0, 0xaf000000)]}


CLOSING = [
    ("def test_a(record_property): record_property('ktap', (3, 0, 1))\ndef test_b(): pass\n", 0, "4 passed, 0 failed, 1 skipped"),
    ("def test_a(record_property):\n    record_property('ktap', (3, 2, 0))\n    assert False\n", 1,
     "3 passed, 2 failed"),
    ("def test_a(record_property):\n    record_property('ktap', (3, 0, 0))\n    assert False\n", 1,
     "3 passed, 1 failed"),
    ("import pytest\ndef test_a(): pytest.skip('x')\ndef test_b(): assert False\n", 1,
     "0 passed, 1 failed, 1 skipped"),
    ("import nothing_of_this_name\n", 2, "0 passed, 1 failed"),
]


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "xdist"])
@pytest.mark.parametrize("source, status, line", CLOSING)
def test_closing_line(tmp_path, monkeypatch, source, status, line, workers):
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tools"))  # the copy's own root has none
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    (tmp_path / "conftest.py").write_text((ROOT / "tests/conftest.py").read_text(encoding="utf-8"))
    (tmp_path / "test_x.py").write_text(source)
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *workers,
                           str(tmp_path)], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == line
    assert (done.returncode == 0) == (status == 0)


@pytest.mark.parametrize("append, cpus", [
    ("maxcpus=2", 2), ("maxcpus=0", 1), ("maxcpus=00", 4), ("maxcpus=0x2", 2), ("nr_cpus=0", 4),
    ("maxcpus=2 maxcpus=bogus", 2), ("maxcpus=2 maxcpus=3", 3), ("nr_cpus=4294967296", 4),
    (" ".join(["seed=1"] * 128) + " maxcpus=2", 4), ("x" * 2040 + " maxcpus=2", 4)])
def test_an_option_that_the_kernel_ignores(append, cpus):
    """The runner expects what the kernel takes: the last good value, of what is not cut off."""
    machine = machines.blocks(2, 4, "1G")
    machine.append = append
    assert machine.cpus_online() == cpus


def test_values_that_the_kernel_ignores():
    machine = machines.blocks(2, 4, "1G")
    machine.append = "numa=off numa=bogus exit=bogus loglevel=abc percpu_atom=bogus percpu_atom="
    assert machine.option("numa") == "off"
    assert machine.option("exit") is machine.number("loglevel") is machine.option("percpu_atom") is None
    usual = machine.room()
    machine.append = "percpu_atom=0x10000"
    assert machine.room() < usual


@pytest.mark.parametrize("board, more, cpus, nodes", [
    ("pc", [], 4, 2), ("pc,acpi=off", [], 1, 1), ("q35,acpi=off", [], 1, 1), ("pc,acpi=off,acpi=on", [], 4, 2), ("pc", ["-machine", "acpi=off"], 1, 1),
    ("pc", ["-no-acpi"], 1, 1), ("pc,acpi=on", ["-device", "acpi=off"], 4, 2), ("microvm,acpi=on,rtc=on", [], 4, 2)])
def test_without_acpi_tables_the_boot_cpu_is_alone(board, more, cpus, nodes):
    """No table lists a CPU or a node: what QEMU's command line says decides, no key of the machine file."""
    machine = machines.blocks(2, 4, "1G")
    machine.machine, machine.qemu = board, more
    assert (machine.cpus_online(), machine.kernel_possible(), machine.nodes_online()) == (cpus, cpus, nodes)
    assert machine.cpu_node(3) == nodes - 1 and len(machine.node_ranges()) == nodes
    machine.append = "maxcpus=2"
    assert machine.cpus_online() == min(cpus, 2)
