"""Machine files: one QEMU machine each, declared in TOML, with the reason why it is tested.

Promises to the runner, `perch run` and the benchmarks: a Machine says which QEMU options make it,
and what must be true of its memory and CPUs by QEMU's own rules, so that a kernel booted on it is
never its own judge. tests/qemu/README.md lists the keys.
SPDX-License-Identifier: MIT
"""
import os
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import acpi_replay
import machine_form
import pace

ROOT = Path(__file__).resolve().parent.parent
MIB = 1 << 20
GIB4 = 1 << 32
TIB = 1 << 40
AMD_HOLE = 0xfd00000000  # hw/i386/pc.c: RAM that would cross it begins at 1 TiB (AMD CPUs)
# Events of kernel/base/events.h that are only a matter of time: a busy host may cause them.
BUSY_EVENTS = ("ap-retry", "ap-startup", "call-nmi", "tlb-nmi")
VERDICTS = (("FAILED", 35), ("held, but", 39))
SLOWER = 5  # a machine with `slow` has one thread, and time of its own
ROOM = 16 * MIB  # a node below this may be too small for its CPUs' units: see Machine.room()


class MachineError(Exception):
    """The machine file itself is wrong."""


def size(text):
    """'512M' -> bytes. A bare number is MiB, as for QEMU's -m."""
    match = machine_form.SIZE.fullmatch(str(text))
    if not match:
        raise MachineError(f"not a size: {text!r}")
    return int(match.group(1)) << machine_form.UNITS[match.group(2)]


def number_of(text):
    """A number of the kernel's command line (parse_u64): '12', '0x1f'; None: it is none."""
    match = re.fullmatch(r"0[xX]([0-9a-fA-F]+)|(\d+)", text)
    return match and (int(match[1], 16) if match[1] else int(match[2]))


def size_of(text):
    """A size of the kernel's command line: '64K', '0x10000' -> bytes; a bare number is bytes."""
    value = number_of(text)
    return size(text.upper()) if value is None else value


def _in(low, high):
    return lambda text: number_of(text) is not None and low <= number_of(text) <= high


def _is_atom(text):
    try:
        atom = size_of(text)
    except MachineError:
        return False
    return 4096 <= atom <= 16 * MIB and atom & (atom - 1) == 0


# What the kernel takes, where the runner needs the value (kernel/base/options.c, cmdline.h).
MOST_LINE, MOST_WORDS = 2047, 128
GOOD = {"nr_cpus": _in(1, 2**32 - 1), "possible_cpus": _in(1, 2**32 - 1),
        "maxcpus": lambda text: text == "0" or _in(1, 2**32 - 1)(text), "loglevel": _in(0, 8),
        "numa": lambda text: text in ("on", "off"), "exit": lambda text: text in ("isa-debug", "off"),
        "percpu_alloc": lambda text: text in ("auto", "embed", "page"), "percpu_atom": _is_atom,
        "fail": lambda text: 1 <= len(text) <= 63}


def cpu_list(text):
    """'0-2,8' -> [0, 1, 2, 8]"""
    cpus = []
    for part in str(text).split(","):
        first, _, last = part.partition("-")
        cpus += range(int(first), int(last or first) + 1)
    return cpus


def cpu_ranges(cpus):
    """[0, 1, 2, 8] -> ['0-2', '8']"""
    parts = []
    for cpu in cpus:
        if parts and parts[-1][1] == cpu - 1:
            parts[-1][1] = cpu
        else:
            parts.append([cpu, cpu])
    return [str(a) if a == b else f"{a}-{b}" for a, b in parts]


@dataclass
class Node:
    """One -numa node. mem 0: memory-less; no cpus: CPU-less."""
    mem: int = 0
    cpus: list = field(default_factory=list)


@dataclass
class Machine:
    name: str
    reason: str
    cpus: int = 0                 # present CPUs (or by smp)
    smp: str = ""                 # the whole -smp argument, where sockets or maxcpus matter
    cpu: str = "max"
    machine: str = "q35"
    mem: str = ""                 # only without nodes; 512M
    node: list = field(default_factory=list)
    dist: list = field(default_factory=list)      # [from, to, value]
    by_socket: bool = False       # assigns CPUs to nodes by -numa cpu, not by cpus=
    qemu: list = field(default_factory=list)      # further QEMU arguments
    firmware: str = "pvh"         # pvh, pvh-seabios, bios, uefi
    kernel: str = "perch"         # perch, ubsan, clang, debug
    medium: str = "cdrom"         # cdrom, usb, pxe, ipxe: where bios and uefi find the image
    slow: int = 0                 # a guest instruction takes 2**slow ns: no host decides the speed
    menu: bool = False            # boot build/perch.iso and its menu as they are, without exit=
    console: str = "uart"         # uart, debugcon, com2, port, screen
    gfx: str = ""                 # bios and uefi: a video mode, as GRUB's gfxpayload has it
    screen: list = field(default_factory=list)    # regular expressions: the page left on it
    append: str = ""
    acpi: list = field(default_factory=list)      # tables of tests/data/asl by name
    tables: str = ""              # a machine of tests/data/acpi (or a directory) to replay
    timeout: int = 90             # about how long it takes on a quiet host: long ones first
    verdict: str = "all held"      # regular expression for the text behind `perch: `
    status: int = -1              # QEMU's; -1: as the verdict wants
    shutdown: str = ""            # QMP's reason for QEMU's end: guest-shutdown, guest-reset
    until: str = ""               # regular expression: after this line the run never ends
    expect: list = field(default_factory=list)    # regular expressions, each in a line, in order
    forbid: list = field(default_factory=list)
    events: list = field(default_factory=list)    # ids of kernel/base/events.h that may occur
    skips: list = field(default_factory=list)     # reasons beside those of tools/skips.py
    page_mode: bool = False       # `auto` chooses the page-mapped first chunk
    emulator: str = "tcg"         # tcg, kvm, bochs
    needs: list = field(default_factory=list)     # qemu>=9, ovmf, iasl, ram>=2G
    host_memory: str = ""         # the most host memory that QEMU may use
    golden: str = ""              # a machine of tests/data/layouts: the layout Linux gave it
    online: int = -1              # CPUs that must come up; -1: as declared
    nodes_up: int = -1            # nodes of the `Brought up` line; -1: as declared
    cpu_nodes: list = field(default_factory=list)  # with acpi: node of each CPU
    ranges: list = field(default_factory=list)     # with acpi: [node, first, last] of RAM
    replayed: acpi_replay.Replay | None = None     # with tables: made by load()

    # ---- the machine by QEMU's rules -------------------------------------------------------------

    def present(self):
        return int(self.smp.split(",")[0]) if self.smp else self.cpus

    def possible(self):
        """All CPUs QEMU describes, the absent ones of maxcpus= too."""
        match = re.search(r"maxcpus=(\d+)", self.smp)
        return int(match.group(1)) if match else self.present()

    def ram_of_nodes(self):
        return sum(n.mem for n in self.node)

    def ram(self):
        return self.ram_of_nodes() or size(self.mem or "512M")

    def board(self):
        """The first word of `machine`: q35, pc, pc-q35-3.1, microvm."""
        return self.machine.split(",")[0]

    def is_q35(self):
        return self.board() == "q35" or self.board().startswith("pc-q35-")

    def version(self):
        """(major, minor) of a board like pc-q35-3.1, which QEMU keeps as it was then; None: the newest."""
        match = re.fullmatch(r"pc-(?:q35|i440fx)-(\d+)\.(\d+)(?:\.\d+)?", self.board())
        return (int(match[1]), int(match[2])) if match else None

    def lowmem(self):
        """Where QEMU ends the RAM below 4 GiB (hw/i386/pc_q35.c, pc_piix.c)."""
        ram = self.ram()
        if self.is_q35():
            return min(ram, 0x80000000 if ram >= 0xb0000000 else 0xb0000000)
        return min(ram, 0xc0000000 if ram >= 0xe0000000 else 0xe0000000)

    def highmem(self):
        """Where the rest begins in QEMU; the TCG models in the machine files are AMD's."""
        return TIB if self.ram() - self.lowmem() + GIB4 > AMD_HOLE else GIB4

    def pxm_ranges(self):
        """Proximity domain -> [(start, end)] of physical RAM, nodes in order."""
        low, high, offset, out = self.lowmem(), self.highmem(), 0, {}
        for pxm, node in enumerate(self.node or [Node(self.ram())]):
            start, end = offset, offset + node.mem
            parts = [(start, min(end, low)), (max(start, low) - low + high, end - low + high)]
            out[pxm] = [(a, b) for a, b in parts if a < b and (a >= high or a < low)]
            offset = end
        return out

    def limits(self):
        """(seconds without a new line, seconds in all) after which a quiet host gives it up."""
        return pace.limits(self.present(), self.timeout, SLOWER if self.slow else 1)

    # ---- what the kernel must find ---------------------------------------------------

    def option(self, key, default=None):
        """Value of the last KEY= on the kernel's command line that the kernel does not ignore."""
        good = GOOD.get(key, lambda value: True)
        values = [w.partition("=")[2] for w in self.append[:MOST_LINE].split()[:MOST_WORDS]
                  if w.startswith(key + "=")]
        return next((value for value in reversed(values) if good(value)), default)

    def number(self, key):
        """The same as a number; None: not given."""
        value = self.option(key)
        return None if value is None else number_of(value)

    def no_acpi(self):
        """QEMU makes no tables: the last acpi= of the machine's options says so, or -no-acpi does. And no
        one else makes any, as tests/acpi_build.py does through fw_cfg."""
        if any("etc/acpi/rsdp" in word for word in self.qemu):
            return False
        options = [self.machine] + [after for word, after in zip(self.qemu, self.qemu[1:])
                                    if word in ("-M", "-machine", "--machine")]
        said = re.findall(r"(?:^|,)acpi=(\w+)", ",".join(options))
        return "-no-acpi" in self.qemu or bool(said) and said[-1] in ("off", "no", "false")

    def one_node(self):
        return self.option("numa") == "off" or self.no_acpi()

    def numbering(self):
        """Proximity domain -> node number: first seen in QEMU's SRAT, CPUs before memory."""
        if self.replayed:
            return {pxm: 0 if self.one_node() else n for pxm, n in self.replayed.numbering.items()}
        if not self.node or self.one_node():
            return {pxm: 0 for pxm in range(max(1, len(self.node)))}
        owner = {cpu: pxm for pxm, n in enumerate(self.node) for cpu in n.cpus}
        seen = [owner[cpu] for cpu in sorted(owner)]
        seen += [pxm for pxm, n in enumerate(self.node) if n.mem]
        return {pxm: i for i, pxm in enumerate(dict.fromkeys(seen))}

    def node_ranges(self):
        """Node number -> [(start, end)] of RAM."""
        out = {}
        if self.ranges:
            for node, first, last in self.ranges:
                out.setdefault(node, []).append((first, last + 1))
            return out
        numbers = self.numbering()
        if self.replayed:
            for node, start, end in self.replayed.ranges:
                out.setdefault(node, []).append((start, end))
            return {0: sum(out.values(), [])} if self.one_node() else out
        for pxm, parts in self.pxm_ranges().items():
            if parts and pxm in numbers:
                out.setdefault(numbers[pxm], []).extend(parts)
        return out

    def cpu_node(self, cpu):
        if self.cpu_nodes:
            return self.cpu_nodes[cpu]
        if self.replayed:
            return 0 if self.one_node() else self.replayed.cpu_nodes[cpu]
        numbers = self.numbering()
        for pxm, node in enumerate(self.node):
            if cpu in node.cpus:
                return numbers[pxm]
        return 0

    def distance(self, a, b):
        """By node number. A SLIT with an entry of 10 or less off the diagonal counts as none."""
        numbers = self.numbering()
        given = {(numbers.get(s), numbers.get(d)): v for s, d, v in self.dist}
        if not given or any(v <= 10 for (s, d), v in given.items() if s != d):
            return 10 if a == b else 20
        return 10 if a == b else given.get((a, b), given.get((b, a), 20))

    def homes(self, cpu):
        """The nodes whose memory may hold this CPU's unit: its own, and while none has room, the next
        nearest. The kernel's rule is in kernel/report/placement.c (better_could_serve)."""
        ranges, own = self.node_ranges(), self.cpu_node(cpu)
        room = {n: sum(b - a for a, b in parts) for n, parts in ranges.items()}
        tiers, out = {}, set()
        for node in room:
            tiers.setdefault(-1 if node == own else self.distance(own, node), set()).add(node)
        for distance in sorted(tiers):
            out |= tiers[distance]
            if any(room[node] >= self.room() for node in tiers[distance]):
                break
        return out

    def room(self):
        """A node with so much memory must serve its own CPUs: ROOM, and four times the atom of an
        embedded chunk."""
        paged = self.page_mode or self.option("percpu_alloc") == "page"
        return ROOM + 4 * (4096 if paged else size_of(self.option("percpu_atom", "2M")))

    def least(self, *keys):
        """The CPUs that are present and in tables (without ACPI: the boot CPU), or the least of these
        options; 0 counts as 1."""
        given = map(self.number, keys)
        return min([1 if self.no_acpi() else self.present()] + [max(value, 1) for value in given if value is not None])

    def cpus_online(self):
        if self.online >= 0:
            return self.online
        return self.least("maxcpus", "nr_cpus", "possible_cpus")

    def kernel_possible(self):
        """CPUs that are possible to the kernel: those present that nr_cpus= leaves."""
        return self.least("nr_cpus", "possible_cpus")

    def no_pm1(self):
        return self.machine.startswith("microvm") or self.no_acpi()

    def panics(self):
        return self.status == 37 or "panic" in (self.option("fail") or "").split(",")

    def nodes_online(self):
        """As in the kernel, and in Linux: a node comes up that has memory or a CPU that runs."""
        if self.nodes_up >= 0:
            return self.nodes_up
        memory = {node for node, parts in self.node_ranges().items() if parts}
        return len(memory | {self.cpu_node(cpu) for cpu in range(self.kernel_possible())
                             if cpu < self.cpus_online()})

    def runs_tests(self):
        return any(w.split(":")[0] == "test" for w in self.option("run", "report,test").split(","))


def replay(machine):
    """Sets CPUs and nodes from a real machine's tables."""
    if machine.node or machine.dist or machine.acpi or machine.smp:
        raise MachineError("tables: goes with none of node, dist, acpi and smp")
    directory = ROOT / "tests/data/acpi" / machine.tables
    try:
        machine.replayed = acpi_replay.replay(
            acpi_replay.read(directory),
            acpi_replay.Ram(machine.ram(), machine.lowmem(), machine.highmem()))
    except (acpi_replay.ReplayError, OSError) as error:
        raise MachineError(f"tables: {machine.tables}: {error}") from None
    if machine.cpus not in (0, machine.replayed.cpus):
        raise MachineError(f"cpus: {machine.cpus} CPUs, the tables enable {machine.replayed.cpus}")
    machine.cpus = machine.replayed.cpus
    machine.dist = machine.replayed.dist


def set_status(machine):
    """QEMU's status, by the verdict; and what a busy host may cause (PERCH_BUSY, set by a test)."""
    if machine.status < 0:
        machine.status = next((status for words, status in VERDICTS
                               if machine.verdict.startswith(words)), 33)
    if os.environ.get("PERCH_BUSY") == "1":
        machine.events = sorted({*machine.events, *BUSY_EVENTS})
    if machine.events:
        machine.append = f"{machine.append} events={','.join(machine.events)}".strip()


def _check(machine):
    """What keys say together; each alone: machine_form.py."""
    set_status(machine)
    names = {cpu for n in machine.node for cpu in n.cpus}
    if machine.tables:
        replay(machine)
    if machine.present() < 1:
        raise MachineError("cpus: no CPUs, nor smp")
    if machine.possible() < machine.present():
        raise MachineError(f"smp: {machine.possible()} CPUs at most, and {machine.present()} present")
    if machine.node and names != set(range(machine.possible())):
        raise MachineError(f"node: every CPU needs its node, 0 to {machine.possible() - 1}")
    if machine.node and not machine.ram_of_nodes():
        raise MachineError("node: none has memory")
    if machine.cpu_nodes and len(machine.cpu_nodes) < machine.possible():
        raise MachineError(f"cpu_nodes: {len(machine.cpu_nodes)} nodes for {machine.possible()} CPUs")
    if machine.console == "screen" and not machine.screen:
        raise MachineError("screen: none is given, so nothing would be judged")
    if not machine.reason.strip():
        raise MachineError("reason: no reason given")
    return machine


def load(path):
    """Reads one machine file; MachineError names file, key and reason in one line."""
    path = Path(path)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        if "reason" not in data:
            raise MachineError("reason: no reason given")
        machine_form.check(data)
        data["node"] = [Node(size(n["mem"]) if "mem" in n else 0,
                             cpu_list(n["cpus"]) if "cpus" in n else []) for n in data.get("node", [])]
        data["mem"] = str(data.get("mem", ""))
        return _check(Machine(name=path.stem, **data))
    except OSError as error:
        raise MachineError(f"{path}: {error.strerror or error}") from None
    except (ValueError, RecursionError, machine_form.FormError, MachineError) as error:
        raise MachineError(f"{path}: {error}") from None


def blocks(nodes, cpus, mem):
    """A machine of `nodes` equal nodes with the CPUs in blocks, as `perch run --nodes` wants."""
    if not 1 <= nodes <= 128 or not 1 <= cpus <= 4096:
        raise MachineError("1 to 128 nodes, 1 to 4096 CPUs")
    total = size(mem) // MIB
    edges = [cpus * i // nodes for i in range(nodes + 1)]
    steps = [total * i // nodes for i in range(nodes + 1)]
    node = [Node((steps[i + 1] - steps[i]) * MIB, list(range(edges[i], edges[i + 1])))
            for i in range(nodes)]
    return _check(Machine(name=f"run-{cpus}c{nodes}n", reason="asked for on the command line",
                          cpus=cpus, node=node, verdict=""))


def of_tables(directory, mem):
    """A machine as the tables in this directory describe it, as `perch run --tables` wants."""
    directory = Path(directory).absolute()
    return _check(Machine(name=f"run-{directory.name}", reason="asked for on the command line",
                          mem=mem, tables=str(directory), verdict=""))
