"""`perch run`: boots one machine in QEMU, prints its log, and says whether everything held.

Takes its options from the environment, as `make run NODES=4 CPUS=8` passes them: NODES, CPUS, MEM,
FIRMWARE (pvh, bios, uefi), TOPOLOGY (a machine file), TABLES (a directory of ACPI tables), APPEND,
ACCEL (tcg, kvm), GDB, LOG. A run is over when QEMU ends, or after 300 s, and a second more for each
CPU, without a new line (PERCH_SILENCE: another number of seconds). The last line says which.
SPDX-License-Identifier: MIT
"""
import os
import sys
import tempfile
from pathlib import Path

import iso
import machine as machines
import qemu
import verdict
from alive import Alive

# Without a new line, and one more for each CPU: a machine of 1,024 takes long, but is not silent.
SECONDS_OF_SILENCE = 300
SECONDS_TO_A_WORD = 20  # without a new line: then the runner says where the run is
WHOLE_RUN = 10  # times as long: the limit for a run that never ends


def chosen():
    """The machine the environment describes."""
    get = os.environ.get
    if get("TABLES"):
        others = [name for name in ("TOPOLOGY", "NODES", "CPUS") if get(name)]
        if others:
            raise machines.MachineError(f"--tables goes without --{others[0].lower()}")
        machine = machines.of_tables(get("TABLES"), get("MEM") or "2G")
    elif get("TOPOLOGY"):
        machine = machines.load(get("TOPOLOGY"))
    else:
        machine = machines.blocks(int(get("NODES") or 4), int(get("CPUS") or 8), get("MEM") or "2G")
    if get("FIRMWARE"):
        if get("FIRMWARE") not in ("pvh", "bios", "uefi"):
            raise machines.MachineError(f"unknown firmware {get('FIRMWARE')!r}: pvh, bios or uefi")
        machine.firmware = get("FIRMWARE")
    machine.append = f"{machine.append} {get('APPEND') or ''}".strip()
    machine.timeout = max(machine.timeout, WHOLE_RUN * silence_of(machine))
    return machine


def silence_of(machine):
    """Seconds without a new line of the log after which a run is stopped."""
    return int(os.environ.get("PERCH_SILENCE") or SECONDS_OF_SILENCE + machine.present())


def boot(machine, accel, gdb, log):
    """Runs it with the log on standard output; returns qemu.Result."""
    alive = Alive(float(os.environ.get("PERCH_ALIVE") or SECONDS_TO_A_WORD),
                  lambda text: print(f"perch: run: {text}", flush=True))

    def show(line):
        alive.line(line)
        print(line, flush=True)

    with tempfile.TemporaryDirectory(prefix="perch-") as workdir, alive:
        args = qemu.argv(machine, Path(workdir), accel=accel, gdb=gdb)
        if gdb:
            print("perch: QEMU waits: gdb build/perch.elf -x tools/gdb/perch.py "
                  "-ex 'target remote :1234'", flush=True)
        result = qemu.run(args, None if gdb else machine.timeout, show, machine.until,
                          screen=qemu.Screen(workdir) if machine.screen and not gdb else None,
                          silence=None if gdb else silence_of(machine))
        if machine.shutdown:
            result.ended_by = qemu.ended_by(Path(workdir))
    if log:
        Path(log).write_text(result.text, encoding="utf-8")
    return result


def last(text):
    """The closing line; in a file for `perch`, which prints it after make's own output."""
    if os.environ.get("PERCH_LAST"):
        Path(os.environ["PERCH_LAST"]).write_text(text + "\n", encoding="utf-8")
    else:
        print(text, flush=True)


def main():
    get = os.environ.get
    accel = get("ACCEL") or "tcg"
    try:
        if accel not in ("tcg", "kvm"):
            raise machines.MachineError(f"unknown accelerator {accel!r}: tcg or kvm")
        machine = chosen()
        machine.emulator = accel
        qemu.check_needs(machine)
        result = boot(machine, accel, bool(get("GDB")), get("LOG"))
    except (machines.MachineError, qemu.Missing, iso.IsoError, ValueError, OSError) as error:
        last(f"perch: run: {error}")
        return 2
    problems, cases = verdict.judge(machine, result)
    passed, _, skipped = cases.counts()
    for problem in problems:
        print(f"perch: run: {problem}")
    if problems:
        last(f"perch: run: FAILED after {result.seconds:.1f} s: {problems[0]}")
        return 1
    last(f"perch: run: all held in {result.seconds:.1f} s: CPUs {machine.cpus_online()}, "
         f"nodes {machine.nodes_online()}, {passed} cases passed, {skipped} skipped")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        last("perch: run: interrupted")
        sys.exit(130)
