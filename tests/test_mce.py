"""Errors and buttons from outside, by QEMU's monitor: machine checks, and the NMI of a BMC.

QEMU's `mce` puts an error into a bank of one CPU. An uncorrected one raises a machine check there, and resets
the machine when CR4.MCE is clear; a corrected one only waits in its bank, as on a CPU without CMCI. `nmi`
raises LINT1 of all local APICs, as a chipset does for a BMC's diagnostic button.
SPDX-License-Identifier: MIT
"""
import json
import re
import socket
import time
from dataclasses import dataclass, field

import pytest

import machine as machines
import qemu
import verdict

VALID, OVER, UC, EN, MISCV, ADDRV, PCC = (1 << bit for bit in (63, 62, 61, 60, 59, 58, 57))
S, AR = 1 << 56, 1 << 55
FATAL = VALID | UC | EN | MISCV | ADDRV | PCC | 0x9f      # a memory controller's read
RECOVERABLE = VALID | UC | EN | MISCV | ADDRV | S | AR | 0x134
CORRECTED = VALID | EN | ADDRV | 0x135
DEFERRED = VALID | EN | ADDRV | 1 << 44 | 0x9f             # AMD's: UC is clear, and no machine check comes
MCIP, RIPV = 4, 1
RUNNING = r"smp: Brought up"
INTEL = "Skylake-Server"


def mce(cpu, bank, status, mcg, addr=0x12345000, misc=0x8c, flags=""):
    return f"mce {flags} {cpu} {bank} {status:#x} {mcg:#x} {addr:#x} {misc:#x}"


@dataclass
class Case:
    name: str
    commands: list                # for the monitor, when the line `at` comes
    expect: tuple
    status: int = 37
    at: str = RUNNING
    cpus: int = 3
    cpu: str = INTEL
    append: str = "run=report,test:percpu*"
    before: list = field(default_factory=list)  # for the monitor, before the first instruction
    forbid: tuple = ()
    verdict: str = "all held"


BANK = ("machine check: CPU {}: bank {}: uncorrected, {}: {}; status {:#018x}, "
        "address 0x12345000, misc 0x8c")
CORRUPT, GOOD = "processor context corrupt", "processor context good"
MEMORY, CACHE = "memory controller error", "cache hierarchy error"

CASES = [
    Case("fatal-boot-cpu", [mce(0, 9, FATAL, MCIP)],
         (r"panic: CPU 0: machine check \(vector 18\)", "machine check: MCG_STATUS 0x4: cannot go on",
          BANK.format(0, 9, CORRUPT, MEMORY, FATAL), "RIP: ", "Call trace:", "end of panic")),
    Case("fatal-ap", [mce(2, 3, FATAL, MCIP)],
         (r"panic: CPU 2: machine check \(vector 18\)", BANK.format(2, 3, CORRUPT, MEMORY, FATAL),
          "end of panic")),
    Case("recoverable-ap", [mce(1, 1, RECOVERABLE, MCIP | RIPV)],
         (r"panic: CPU 1: machine check", "MCG_STATUS 0x5: could go on",
          BANK.format(1, 1, GOOD, CACHE, RECOVERABLE), "end of panic")),
    # To all CPUs, as Intel's do: those without an error of their own leave the word to the one with it.
    Case("broadcast", [mce(1, 4, FATAL, MCIP, flags="-b")],
         (r"panic: CPU 1: machine check", BANK.format(1, 4, CORRUPT, MEMORY, FATAL), "RIP: ",
          "end of panic"), forbid=("during a panic", r"panic: CPU [02]", r"CPU [02]: bank")),
    # The one without an error first: it waits for the other's panic, and only then for nothing.
    Case("broadcast-in-turn", [mce(2, 1, VALID | UC, MCIP | RIPV), mce(1, 4, FATAL, MCIP)],
         (r"panic: CPU 1: machine check", BANK.format(1, 4, CORRUPT, MEMORY, FATAL), "end of panic"),
         forbid=("during a panic", r"panic: CPU [02]")),
    Case("broadcast-to-nobody", [mce(2, 1, VALID | UC, MCIP | RIPV)],
         (r"panic: CPU 2: machine check", "MCG_STATUS 0x5: could go on", "end of panic")),
    Case("amd", [mce(1, 2, FATAL, MCIP)], (r"panic: CPU 1: machine check",
                                           BANK.format(1, 2, CORRUPT, MEMORY, FATAL)), cpu="EPYC"),
    # Nothing tells the CPU: its bank is looked into before the report and before the verdict.
    Case("corrected-boot-cpu", [mce(0, 2, CORRECTED, 0)],
         (rf"mce: CPU 0: 1 error: bank 2: corrected: {CACHE}; status {CORRECTED:#x}, "
          "address 0x12345000", f"events: mce-corrected 1 "), status=39,
         verdict=r"held, but: .*mce-corrected.*"),
    Case("corrected-ap", [mce(2, 5, CORRECTED, 0)],
         (rf"mce: CPU 2: 1 error: bank 5: corrected: {CACHE}",), status=39,
         verdict=r"held, but: .*mce-corrected.*"),
    Case("deferred-ap", [mce(1, 4, DEFERRED, 0)],
         (rf"mce: CPU 1: 1 error: bank 4: uncorrected, not used yet: {MEMORY}; status {DEFERRED:#x}",
          "events: mce-uncorrected 1 "), status=39, cpu="EPYC", verdict=r"held, but: .*mce-uncorrected.*"),
    Case("left-by-firmware", [], (r"CPU: CPU 0: 1 machine check banks are full from before: bank 7: corrected",
                                  r"CPU: CPU 1: 2 machine check banks are full from before: bank 4: corrected"),
         before=[mce(0, 7, CORRECTED, 0), mce(1, 4, CORRECTED, 0), mce(1, 6, CORRECTED, 0)],
         forbid=("mce: CPU",), status=33, append="run=report"),
    Case("nmi-button", ["nmi"],
         (r"panic: CPU 0: NMI \(vector 2\)", r"not an NMI of Perch: from outside; port 0x61 reads 0x",
          "RIP: ", "Call trace:", r"CPU 1 was at \[<[0-9a-f]+>\] \w+", r"CPU 2 was at \[<[0-9a-f]+>\] \w+",
          "end of panic"), forbid=("during a panic", r"panic: CPU [12]")),
]


class Monitor:
    """QEMU's human monitor, through QMP."""

    def __init__(self, workdir):
        self.path = workdir / "qmp.sock"
        self.stream = None

    def args(self):
        return ["-qmp", f"unix:{self.path},server=on,wait=off"]

    def _connect(self, connection):
        """QEMU makes the socket some time after it is started."""
        for _ in range(300):
            try:
                connection.connect(str(self.path))
                return
            except OSError:
                time.sleep(0.1)
        raise OSError("QEMU has no monitor")

    def _execute(self, name, **arguments):
        self.stream.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self.stream.flush()
        for line in self.stream:
            answer = json.loads(line)
            if "event" not in answer:
                return answer
        raise OSError("QEMU has closed its monitor")

    def say(self, *commands):
        if not self.stream:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(30)
            self._connect(connection)
            self.stream = connection.makefile("rw", encoding="utf-8")
            self.stream.readline()  # the greeting
            self._execute("qmp_capabilities")
        return [self._execute("human-monitor-command", **{"command-line": command})
                for command in commands]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_mce(case, logs, tmp_path):
    monitor, answers = Monitor(tmp_path), []
    machine = machines.Machine(
        name=f"mce-{case.name}", reason="errors from outside", cpus=case.cpus, cpu=case.cpu, mem="256M",
        append=case.append, expect=list(case.expect), forbid=list(case.forbid), status=case.status,
        verdict=case.verdict, events=["mce-corrected", "mce-uncorrected"] if case.status == 39 else [],
        qemu=[*monitor.args(), *(["-S"] if case.before else [])])
    qemu.check_needs(machine)
    said = []

    def on_line(line):
        if re.search(case.at, line) and not said:
            said.append(line)
            answers.extend(monitor.say(*case.commands))

    result = qemu.run(qemu.argv(machine, tmp_path), machine.limits(), on_line=on_line,
                      started=lambda: case.before and answers.extend(
                          monitor.say(*case.before, "cont")))
    log = logs / f"{machine.name}.log"
    log.write_text(result.text, encoding="utf-8")
    problems, _ = verdict.judge(machine, result)
    problems += [f"monitor: {answer}" for answer in answers if answer.get("return") != ""]
    assert not problems, "\n".join(problems) + f"\nthe end of {log}:\n{result.tail()}"


def test_a_panic_leaves_firmwares_cpus_alone(logs, tmp_path):
    """maxcpus=1 on UEFI: OVMF's own code still runs on the other CPUs. An NMI would wake them, and where
    Perch has overwritten their tables, that is a triple fault. QEMU's log has each NMI taken."""
    machine = machines.Machine(
        name="mce-firmwares-cpus", reason="a panic beside CPUs of the firmware", cpus=4, mem="512M",
        firmware="uefi", needs=["ovmf"], append="exit=off maxcpus=1 run=report fail=panic",
        online=1, status=37, until="---. end of panic", expect=["panic: CPU 0: fail=panic"],
        qemu=["-d", "int", "-D", str(tmp_path / "int.log")])
    qemu.check_needs(machine)
    result = qemu.run(qemu.argv(machine, tmp_path), machine.limits(), until=machine.until)
    (logs / f"{machine.name}.log").write_text(result.text, encoding="utf-8")
    problems, _ = verdict.judge(machine, result)
    with open(tmp_path / "int.log", encoding="utf-8", errors="replace") as lines:
        problems += [f"NMI: {line.strip()}" for line in lines if re.match(r" *\d+: v=02 ", line)]
    assert not problems, "\n".join(problems) + f"\n{result.tail()}"


def test_a_second_error_does_not_reset_the_machine(logs, tmp_path):
    """While the first is reported, and after: what is on the screen stays. With MCIP still set the CPU shuts
    down, and QEMU resets the machine."""
    monitor, said = Monitor(tmp_path), []
    machine = machines.Machine(
        name="mce-second", reason="two machine checks on one CPU", cpus=3, cpu=INTEL, mem="256M", status=37,
        append="exit=off run=report,test:percpu*",
        expect=[r"panic: CPU 1: machine check", "end of panic", "machine check at .* during a panic"],
        qemu=monitor.args())
    qemu.check_needs(machine)

    def on_line(line):
        if re.search([RUNNING, "end of panic", "$^"][len(said)], line):
            said.append(monitor.say(mce(1, 4, FATAL, MCIP)))

    result = qemu.run(qemu.argv(machine, tmp_path), machine.limits(), on_line=on_line)
    (logs / f"{machine.name}.log").write_text(result.text, encoding="utf-8")
    problems, _ = verdict.judge(machine, result)
    assert not problems, "\n".join(problems) + f"\n{result.tail()}"
