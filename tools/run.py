"""`perch run`: boots one machine in QEMU, prints its log, and says whether everything held.

Takes its options from the environment, as `make run NODES=4 CPUS=8` passes them: NODES, CPUS, MEM,
FIRMWARE (pvh, bios, uefi), TOPOLOGY (a machine file), TABLES (a directory of ACPI tables), APPEND,
ACCEL (tcg, kvm), GDB, LOG, STRICT. A run is over when QEMU ends, or after a time without a new line
that follows the speed of this host (pace.py). The last line says which; the status is one of
docs/testing.md, "Exit status".
SPDX-License-Identifier: MIT
"""
import os
import sys
import tempfile
from pathlib import Path

import child
import iso
import machine as machines
import pace
import qemu
import suites
import verdict

MOST_NODES, MOST_CPUS = 128, 4096
LEAST_MEM, MOST_MEM = 8 << 20, 1000 << 30


def number(env, name, default, most):
    """The value of --name: 1 to most."""
    text = env.get(name) or str(default)
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise machines.MachineError(f"--{name.lower()} {text}: a number from 1 to {most}")
    return int(text)


def memory(env, nodes=1):
    """The value of --mem; each node has a MiB at least."""
    text, least = env.get("MEM") or "2G", max(LEAST_MEM, nodes << 20)
    try:
        fits = least <= machines.size(text) <= MOST_MEM
    except machines.MachineError:
        raise machines.MachineError(f"--mem {text}: not a size; as 2G or 512M") from None
    if not fits:
        raise machines.MachineError(
            f"--mem {text}: from {least >> 20}M to {MOST_MEM >> 30}G (a bare number is MiB)")
    return text


def chosen(env):
    """The machine that the options describe; MachineError says which of them is wrong."""
    get = env.get
    if get("TABLES"):
        others = [name for name in ("TOPOLOGY", "NODES", "CPUS") if get(name)]
        if others:
            raise machines.MachineError(f"--tables goes without --{others[0].lower()}")
        machine = machines.of_tables(get("TABLES"), memory(env))
    elif get("TOPOLOGY"):
        others = [name for name in ("NODES", "CPUS", "MEM") if get(name)]
        if others:
            raise machines.MachineError(f"--topology goes without --{others[0].lower()}")
        machine = machines.load(get("TOPOLOGY"))
    else:
        nodes = number(env, "NODES", 4, MOST_NODES)
        machine = machines.blocks(nodes, number(env, "CPUS", 8, MOST_CPUS), memory(env, nodes))
    if get("FIRMWARE"):
        if get("FIRMWARE") not in ("pvh", "bios", "uefi"):
            raise machines.MachineError(f"unknown firmware {get('FIRMWARE')!r}: pvh, bios or uefi")
        machine.firmware = get("FIRMWARE")
    if (get("ACCEL") or "tcg") not in ("tcg", "kvm"):
        raise machines.MachineError(f"unknown accelerator {get('ACCEL')!r}: tcg or kvm")
    machine.emulator = get("ACCEL") or "tcg"
    machine.append = f"{machine.append} {get('APPEND') or ''}".strip()
    if machine.verdict == "all held":  # what a machine file expects when it says nothing
        machine.verdict = ""
    if machine.status == 33 and machine.option("exit", "isa-debug") != "isa-debug":
        machine.status = 0  # a power-off: the last line decides
    return machine


class Log:
    """The file of --log: opened first, written line by line."""

    def __init__(self, path):
        self.path, self.file = path, None
        if path:
            self.file = open(path, "w", encoding="utf-8")

    def line(self, text):
        if self.file:
            child.write(text, self.file)


def boot(machine, env, log):
    """Runs it with the log on standard output; returns qemu.Result, and the case that ran at its end."""
    gdb, running = bool(env.get("GDB")), suites.Running()

    def show(line):
        running.line(line)
        log.line(line)
        child.write(line)

    def silent(seconds, limit):
        case = running.case()
        child.write(f"perch: run: no new line for {seconds:.0f} s (given up after {limit:.0f} s)"
                    + (f"; running: {case}" if case else ""))

    with tempfile.TemporaryDirectory(prefix="run-") as workdir:
        args = qemu.argv(machine, Path(workdir), accel=env.get("ACCEL") or "tcg", gdb=gdb)
        if gdb:
            child.write("perch: QEMU waits: gdb build/perch.elf -x tools/gdb/perch.py "
                        "-ex 'target remote :1234'")
        result = qemu.run(args, None if gdb else machine.limits(), show, machine.until,
                          screen=qemu.Screen(workdir) if machine.screen and not gdb else None,
                          on_silence=None if gdb else silent)
        if machine.shutdown:
            result.ended_by = qemu.ended_by(Path(workdir))
    return result, running.case() if result.status is None else ""


def last(text, status):
    """The closing line. Returns the status."""
    child.write(f"perch: run: {text}")
    return status


def main(env, log=None):
    """Status of one run; log: the file of --log, opened already."""
    try:
        log = log or Log(env.get("LOG"))
        machine = chosen(env)
    except (machines.MachineError, OSError) as error:
        return last(str(error), child.USAGE)
    try:
        qemu.check_needs(machine)
        result, case = boot(machine, env, log)
    except (qemu.Missing, iso.IsoError, OSError) as error:
        return last(str(error), child.SETUP)
    except machines.MachineError as error:
        return last(str(error), child.USAGE)
    problems, parsed = verdict.judge(machine, result)
    passed, _, skipped = parsed.counts()
    if problems and case:
        problems[0] += f"; running: {case}"
    for problem in problems:
        child.write(f"perch: run: {problem}")
    word, seconds = verdict.said(result.text), f"{result.seconds:.1f} s"
    if word.startswith("FAILED"):
        return last(f"{word} (after {seconds})", child.FAILED)
    if problems or machine.panics():
        why = problems[0] if problems else f"{verdict.died(result.text)} (a panic, as the machine file expects it)"
        return last(f"FAILED: {why} (after {seconds})", child.FAILED)
    but = word.startswith("held, but")
    return last(f"{word or 'all held, without an end'} (in {seconds}: "
                f"CPUs {machine.cpus_online()}, nodes {machine.nodes_online()}, {passed} cases passed, "
                f"{skipped} skipped)", child.HELD_BUT if but and env.get("STRICT") else child.HELD)


if __name__ == "__main__":
    child.die_with_parent()
    child.guard("run", lambda: main(os.environ))
