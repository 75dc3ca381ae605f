"""`perch compare percpu`: the allocator as a module of Linux, beside Linux's own, in one kernel.

    compare.py: percpu [--machines 1/1,16/4] [--wall 1,2,4,8] [--pairs N] [--rounds N]

Boots Debian's cloud kernel in QEMU with the module of tools/linux-module/ and an initramfs of
busybox. On the machines (CPUs/NODES) calls are counted in guest instructions, under -icount; for the
wall time all virtual CPUs work at once. A boot counts only if the module verified itself, was unloaded,
left nothing, and the kernel had nothing to complain about.
SPDX-License-Identifier: MIT
"""
import re
import statistics

import child
import linux_packages
import machine as machines
import qemu

SECONDS = 900
MACHINES = "1/1,16/4,64/4"
WALL = "1,2,4,8"
MIB = 1 << 20
MIN_MIB = 2048  # vmap() maps no more pages than there are, and the window has more than 1 GiB
# Under -icount all CPUs are possible and one is online: units are as in the full boot, and no vCPU
# waits for 63 others at each PAUSE. Two of Linux's start-up loops wait for a timer's ticks.
ONE_ONLINE = "maxcpus=1 nolapic_timer no_timer_check"
COMMAND = "console=ttyS0 panic=-1 oops=panic panic_on_warn=1"
# Without the fast "rep stosb", whose every byte counts as an instruction: Linux then clears by stores of
# 8 bytes, as Perch does.
CPU = "max,-rdrand,-rdseed,-fsrs,-erms,-fsrm,-fzrm"
COMPLAINT = re.compile(r"WARNING:|BUG:|Oops|Call Trace|general protection|unable to handle|lockup"
                       r"|Kernel panic|leaked")

INIT = """#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc none /proc
$b dmesg -n 8
echo "init: begin"
$b insmod /perch.ko $($b sed -n 's/.*perch="\\([^"]*\\)".*/\\1/p' /proc/cmdline)
echo "init: loaded $?"
$b rmmod perch
echo "init: unloaded $?"
echo "init: left $($b cat /proc/modules /proc/vmallocinfo | $b grep -c perch)"
$b poweroff -f
"""


class Failed(Exception):
    """A boot that does not count; the text says why."""


def newc(files):
    """A cpio archive, as the kernel unpacks it. files: (name, mode, contents)."""
    out = b""
    for name, mode, data in [*files, ("TRAILER!!!", 0, b"")]:
        device = (5, 1) if mode >> 12 == 2 else (0, 0)  # /dev/console
        fields = (0, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0)
        out += b"070701" + "".join(f"{field:08x}" for field in fields).encode() + name.encode()
        out += b"\0" * (1 + -(len(out) + 1) % 4) + data
        out += b"\0" * (-len(out) % 4)
    return out


def initramfs(busybox, module):
    return newc([("bin", 0o40755, b""), ("proc", 0o40755, b""), ("dev", 0o40755, b""),
                 ("dev/console", 0o20600, b""), ("bin/busybox", 0o100755, busybox.read_bytes()),
                 ("perch.ko", 0o100644, module.read_bytes()), ("init", 0o100755, INIT.encode())])


def rows(text):
    """The values of each "compare:" line, as {key: number or text}."""
    found = []
    for line in re.findall(r"compare: (.*)", text):
        words = (word.partition("=") for word in line.split())
        found.append({key: int(value) if value.lstrip("-").isdigit() else value
                      for key, _, value in words})
    return found


def complaint(text):
    """Why this log of a boot does not count; None."""
    _, begun, text = text.partition("init: begin")
    if not begun:
        return "Linux did not come to /init"
    bad = COMPLAINT.search(text)
    if bad:
        return "the kernel complained: " + next(line for line in text.splitlines()
                                                if COMPLAINT.search(line)).strip()
    for word in ("loaded 0", "unloaded 0", "left 0"):
        if f"init: {word}" not in text:
            return f"no line 'init: {word}'"
    found = rows(text)
    if {"verify": "ok"} not in found:
        return "pcpu_verify() did not hold"
    if {"left": "", "pages": 0, "pieces": 0, "bytes": 0, "windows": 0} not in found:
        return "the module left something"
    checks = [row["result"] for row in found if row.get("op") == "check"]
    return None if checks == ["ok"] * 4 else f"memory was wrong: {checks}"


class Linux:
    """The kernel with the module, ready to be booted."""

    def __init__(self, found, folder):
        self.found = found
        self.initrd = folder / "initramfs"
        self.initrd.write_bytes(initramfs(found.busybox, qemu.BUILD / "linux-module/perch.ko"))

    def boot(self, cpus, nodes, parameters, icount):
        """The rows of one boot. Raises Failed."""
        machine = machines.blocks(nodes, cpus, f"{max(MIN_MIB, 64 * cpus)}M")
        command = COMMAND + (f" {ONE_ONLINE}" if icount and cpus > 1 else "")
        args = [qemu.binary(), "-M", "q35", "-cpu", CPU, "-display", "none", "-nodefaults",
                "-no-reboot", "-serial", "stdio", *memory_args(machine),
                *qemu.numa_args(machine), *qemu.smp_args(machine),
                *(qemu.icount_args(0) if icount else ["-accel", "tcg,thread=multi"]),
                "-kernel", str(self.found.image), "-initrd", str(self.initrd),
                "-append", f'{command} perch="{parameters}"']
        result = qemu.run(args, (SECONDS, SECONDS))
        why = complaint(result.text) if result.status == 0 else f"QEMU ended with {result.status}"
        if why:
            raise Failed(f"{cpus}/{nodes}: {why}\n" + "\n".join(result.text.splitlines()[-20:]))
        return rows(result.text)


def memory_args(machine):
    return ["-m", f"{sum(node.mem for node in machine.node) // MIB}M"]


def pair(row):
    """Mean of an allocation and the free, without samples that an interrupt fell into."""
    return row["alloc_mean"] + row["free_mean"]


NAMES = {"pair": "pair of {size} B", "trace": "trace, a call each", "fork": "fork and exit, 4 objects",
         "drain": "trace, frees at the end"}


def both(found, *ops):
    """[(name, Linux's row, ours)] of these ops."""
    keys = [(row["op"], row["size"]) for row in found
            if row.get("op") in ops and row["side"] == "linux"]
    sides = {(row["op"], row["size"], row["side"]): row for row in found if row.get("op") in ops}
    return [(NAMES[op].format(size=size), sides[op, size, "linux"], sides[op, size, "perch"])
            for op, size in keys]


def instructions(name, found):
    """Lines of the table for one machine."""
    unit = next(row["unit"] for row in found if "unit" in row)
    lines = [f"{name}: guest instructions; units of {unit >> 10} KiB; mean (median, longest call)",
             f"  {'':<26}{'Linux 6.12':>30}{'Perch':>30}{'ratio':>9}"]
    for what, linux, ours in both(found, "pair", "fork", "trace", "drain"):
        cells = [f"{pair(row):,} ({row['alloc']:,}+{row['free']:,}, "
                 f"{max(row['alloc_max'], row['free_max']):,})" for row in (linux, ours)]
        lines.append(f"  {what:<26}{cells[0]:>30}{cells[1]:>30}{pair(linux) / pair(ours):>9.1f}")
    return lines


def walls(found, op):
    """(ns an operation of Linux, of Perch, the ratio): medians of the rounds, which alternate."""
    each = {side: [row["ns"] / row["n"] for row in found
                   if row.get("op") == op and row["side"] == side] for side in ("linux", "perch")}
    ratios = [a / b for a, b in zip(each["linux"], each["perch"], strict=True)]
    return (statistics.median(each["linux"]), statistics.median(each["perch"]),
            statistics.median(ratios), min(ratios), max(ratios))


def wall_lines(boots):
    """The table of the wall time. boots: {CPUs: rows}."""
    lines = ["wall time, all virtual CPUs at once: Linux's divided by Perch's, median (least to most)",
             f"  {'CPUs':<8}{'storm':>24}{'remote frees':>24}"]
    for cpus, found in boots.items():
        cells = []
        for op in ("storm", "remote"):
            *_, ratio, least, most = walls(found, op)
            cells.append(f"{ratio:.1f} ({least:.1f} to {most:.1f})")
        lines.append(f"  {cpus:<8}{cells[0]:>24}{cells[1]:>24}")
    return lines


def arguments(words, parser):
    """The options of the verb; parser complains in one line."""
    parser.add_argument("what", choices=["percpu"])
    parser.add_argument("--machines", default=MACHINES)
    parser.add_argument("--wall", default=WALL)
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args(words)
    try:
        options.machines = [tuple(int(n) for n in word.split("/"))
                            for word in options.machines.split(",") if word]
        options.wall = [int(word) for word in options.wall.split(",") if word]
    except ValueError:
        parser.error("--machines wants CPUS/NODES,..., --wall CPUS,...")
    if any(len(word) != 2 or not 1 <= word[1] <= word[0] <= 255 for word in options.machines) or \
            any(not 1 <= n <= 255 for n in options.wall):
        parser.error("1 to 255 CPUs, and as many nodes or fewer")
    if not 64 <= options.pairs <= 20000 or not 1 <= options.rounds <= 1000:
        parser.error("64 to 20000 pairs, 1 to 1000 rounds")
    return options


def main(options, folder):
    """After the build. Prints; the status."""
    linux, boots = Linux(linux_packages.packages(), folder), {}
    child.write(f"Linux {linux.found.release}, with the allocator of this tree as a module")
    try:
        for cpus, nodes in options.machines:
            found = linux.boot(cpus, nodes, f"ops=pair,fork,trace pairs={options.pairs}", True)
            child.write("\n" + "\n".join(instructions(f"{cpus} CPUs, {nodes} nodes", found)))
        for cpus in options.wall:
            boots[cpus] = linux.boot(cpus, 1, f"ops=storm,remote cpus={cpus} "
                                     f"pairs={options.pairs} rounds={options.rounds}", False)
        if boots:
            child.write("\n" + "\n".join(wall_lines(boots)))
    except Failed as error:
        child.write(str(error))
        return child.FAILED
    child.write("\neach boot: verified, unloaded, nothing left, no complaint of the kernel")
    return child.HELD
