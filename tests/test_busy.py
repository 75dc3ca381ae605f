"""A busy host, made certain: virtual CPUs that the host starves while the boot CPU runs.

QEMU tells the thread of each virtual CPU (QMP, query-cpus-fast). Before the machine starts, some threads
are put into the idle class (sched(7)), and beside QEMU runs a loop on each core of the host. So the
boot CPU has half of a core, and the starved ones a few hundredths of one together. Whoever is alive
must come up and answer all the same, and whoever is dead must still be found.

SPDX-License-Identifier: MIT
"""
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import machine as machines
import qemu
import verdict

LOOP = "import os\nwhile os.getppid() == {}:\n    sum(range(100000))"
SECONDS = 600  # the end of a run that hangs; a boot takes a fraction of it


@contextlib.contextmanager
def loops():
    """A loop on each core of the host; none outlives this process."""
    code = LOOP.format(os.getpid())
    running = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(os.cpu_count())]
    try:
        yield
    finally:
        for loop in running:
            loop.kill()
            loop.wait()


class Monitor:
    """QEMU's monitor, on a socket that QEMU makes."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        for _ in range(3000):
            with contextlib.suppress(OSError):
                self.socket.connect(str(path))
                break
            time.sleep(0.02)
        self.file = self.socket.makefile("rw", encoding="utf-8")
        self.file.readline()  # the greeting
        self.ask("qmp_capabilities")

    def ask(self, command):
        self.file.write(json.dumps({"execute": command}) + "\n")
        self.file.flush()
        for line in self.file:
            answer = json.loads(line)
            if "event" not in answer:
                return answer["return"]
        raise EOFError(f"QEMU ended before it answered {command}")


def starve(path, cpus, main, starved):
    """Puts the threads of these CPUs, or QEMU's main loop, into the idle class; then starts the machine."""
    monitor = Monitor(path)
    threads = {cpu["cpu-index"]: cpu["thread-id"] for cpu in monitor.ask("query-cpus-fast")}
    status = Path(f"/proc/{threads[0]}/status").read_text(encoding="ascii")
    tids = [threads[cpu] for cpu in cpus] + ([int(re.search(r"^Tgid:\s+(\d+)", status, re.M)[1])]
                                             if main else [])
    for tid in tids:
        os.sched_setscheduler(tid, os.SCHED_IDLE, os.sched_param(0))
    starved.extend(tids)
    monitor.ask("cont")


def boot(name, cpus, append, tmp_path, logs, starve_every=2, online=-1, said="all held"):
    """Boots it with every second CPU starved, or every one but the first, or (0) the main loop.

    Returns (problems, lines of the log)."""
    machine = machines.blocks(min(cpus, 4), cpus, "1G")
    machine.name, machine.append, machine.timeout, machine.online = name, append, SECONDS, online
    machine.verdict, machine.events = said, list(machines.BUSY_EVENTS)
    machine.status = -1
    machines.set_status(machine)
    qemu.check_needs(machine)
    starved, monitor = [], tmp_path / "monitor"
    args = qemu.argv(machine, tmp_path) + ["-S", "-qmp", f"unix:{monitor},server=on,wait=off"]
    victims = range(1, cpus, starve_every) if starve_every else []
    thread = threading.Thread(target=starve, daemon=True,
                              args=(monitor, victims, not starve_every, starved))
    with loops():
        thread.start()
        result = qemu.run(args, machine.timeout)
    thread.join(10)
    log = logs / f"{name}.log"
    log.write_text(result.text, encoding="utf-8")
    problems, _ = verdict.judge(machine, result)
    if len(starved) != (len(victims) or 1):
        problems.append(f"{len(starved)} threads were starved")
    if problems:
        problems.append(f"{result.seconds:.0f} s; the end of {log}:\n{result.tail()}")
    return problems, verdict.lines_of(result.text)


@pytest.mark.parametrize("cpus, starve_every", [(16, 1), (64, 2)])
def test_every_cpu_comes_up(cpus, starve_every, tmp_path, logs):
    problems, _ = boot(f"busy-cpu{cpus}", cpus, "run=report", tmp_path, logs, starve_every)
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("suite", ["smp", "tlb"])
def test_suites(suite, tmp_path, logs):
    problems, _ = boot(f"busy-{suite}", 8, f"run=report,test:{suite}.*", tmp_path, logs)
    assert not problems, "\n".join(problems)


def test_a_dead_cpu_is_still_found(tmp_path, logs):
    """Between starved ones: it alone is given up."""
    problems, lines = boot("busy-dead", 16, "run=report fail=ap_silent:5", tmp_path, logs,
                           online=15, said="FAILED: 1 of 16 CPUs .*")
    given_up = [line for line in lines if re.search(r"did not answer|given up", line)]
    assert len(given_up) == 2 and given_up[0].startswith("smp: CPU 5 (APIC 0x05)"), given_up
    assert not problems, "\n".join(problems)


def test_the_verdict_is_the_last_line(tmp_path, logs):
    """QEMU exits from its main loop. Starved, it lets the boot CPU run on for long after the order."""
    problems, _ = boot("busy-main-loop", 4, "run=report", tmp_path, logs, starve_every=0)
    assert not problems, "\n".join(problems)
