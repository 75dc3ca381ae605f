"""QEMU: from a machine file to arguments, to a finished run with its log.

The only place that knows QEMU's options; `perch run`, the tests and the benchmarks all come here.
PERCH_QEMU names another QEMU. A run always ends: when nothing new comes any more (pace.py) QEMU is
stopped, and the result has this.
SPDX-License-Identifier: MIT
"""
import contextlib
import functools
import json
import os
import queue
import re
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import child
import iso
import pace
from machine import MachineError, cpu_ranges
from screen import Screen

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("BUILD") or "build")
if not BUILD.is_absolute():
    BUILD = ROOT / BUILD
QEMU_DATA = [Path("/usr/share/qemu"), Path("/usr/local/share/qemu")]
OVMF = [("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"), ("OVMF_CODE.fd", "OVMF_VARS.fd")]
SPARSE = 64 << 30

STILL_THERE = 1.0  # seconds; a machine that still runs then really waits
STILL_OPEN = 30    # seconds that QEMU may take to end after its log has ended
TICK = 0.5         # seconds between two looks at what is over
NOTICE = 20        # seconds of silence after which it is said, without PERCH_NOTICE


# Where the log comes out. "port" is known only from a table of the firmware.
CONSOLES = {
    "uart": ["-serial", "chardev:log"],
    "com2": ["-serial", "none", "-device", "isa-serial,index=1,chardev=log"],
    "port": ["-serial", "none", "-device", "isa-serial,iobase=0x3e0,irq=5,chardev=log"],
    "debugcon": ["-serial", "none", "-device", "isa-debugcon,iobase=0xe9,chardev=log"],
    "screen": ["-serial", "none"],
}


class Missing(Exception):
    """This machine cannot be run here; the text says why."""


@dataclass
class Result:
    status: int | None = None     # QEMU's; None: stopped at the time limit
    text: str = ""
    seconds: float = 0.0
    stamps: list = field(default_factory=list)  # (seconds since the start, line)
    stderr: str = ""
    page: list | None = None      # with Machine.screen: the lines of the page on it
    ended_by: str = ""            # QMP's reason for the end, with Machine.shutdown
    waited: bool = False          # with Machine.until: the line came, and QEMU was stopped
    silent: float | None = None   # seconds without a line, if it was stopped for that
    peak: int = 0                 # the most host memory in use, in bytes; 0: not measured

    def tail(self, lines=20):
        return "\n".join(self.text.splitlines()[-lines:])


def binary():
    return os.environ.get("PERCH_QEMU") or "qemu-system-x86_64"


@functools.cache
def version():
    """(major, minor) of the QEMU that will be used."""
    try:
        out = subprocess.run([binary(), "--version"], capture_output=True, text=True,
                             check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        raise Missing(f"{binary()} is not installed") from None
    return tuple(int(x) for x in re.search(r"version (\d+)\.(\d+)", out).groups())


@functools.cache
def boards():
    """The names of the machine types that this QEMU has."""
    out = subprocess.run([binary(), "-machine", "help"], capture_output=True, text=True).stdout
    return {line.split()[0] for line in out.splitlines()[1:] if line.strip()}


PVH_SINCE = (4, 0)  # before, -kernel takes the ELF file for an ancient Linux: docs/boot.md


def check_board(machine):
    """Of a machine type with a version: MachineError when it cannot load the kernel, Missing when it is gone."""
    since = machine.version()
    if since and since < PVH_SINCE and machine.firmware.startswith("pvh"):
        raise MachineError(f"{machine.name}: {machine.board()} has no PVH (QEMU's machine types have it since "
                           f"4.0), so -kernel would show nothing: firmware bios or uefi boots it")
    if since and machine.board() not in boards():
        raise Missing(f"this QEMU has no machine type {machine.board()}")


def ovmf():
    """(code, variables) of the OVMF image installed."""
    for directory in map(Path, ("/usr/share/OVMF", "/usr/share/ovmf", "/usr/share/edk2/x64")):
        for code, variables in OVMF:
            if (directory / code).exists() and (directory / variables).exists():
                return directory / code, directory / variables
    raise Missing("OVMF is not installed")


def _number(text):
    return tuple(int(x) for x in text.split("."))


def check_needs(machine):
    """Raises Missing when this host or this QEMU cannot run the machine."""
    for need in machine.needs:
        name, _, value = need.partition(">=")
        if name == "qemu" and version() < _number(value):
            raise Missing(f"needs QEMU {value} or later, this is {'.'.join(map(str, version()))}")
        if name == "ram":
            meminfo = Path("/proc/meminfo").read_text(encoding="ascii")
            free = int(re.search(r"MemAvailable:\s+(\d+)", meminfo).group(1))
            if free < int(value.rstrip("M")) * 1024:
                raise Missing(f"needs {value} of free memory")
    check_board(machine)
    if machine.acpi and not shutil.which("iasl"):
        raise Missing("iasl (acpica-tools) is not installed")
    if machine.firmware == "uefi":
        ovmf()
    image(machine)


def image(machine):
    """The kernel's ELF file."""
    path = BUILD / ("" if machine.kernel == "perch" else machine.kernel) / "perch.elf"
    if not path.exists():
        raise Missing(f"{path} is not built")
    return path


def compile_tables(machine, workdir):
    """iasl over tests/data/asl/NAME.asl; whole tables, checksum included."""
    args = []
    for name in machine.acpi:
        source = ROOT / "tests/data/asl" / f"{name}.asl"
        done = child.output(["iasl", "-p", str(workdir / name), str(source)])
        table = workdir / f"{name}.aml"
        if done.returncode or not table.exists():
            raise MachineError(f"iasl refuses {source}:\n{done.stdout}{done.stderr}")
        args += ["-acpitable", f"file={table}"]
    return args


def replay_args(machine, workdir):
    """A real machine's SRAT and SLIT, which tools/acpi_replay.py has rewritten."""
    args = []
    for name in ("srat", "slit"):
        table = getattr(machine.replayed, name, None)
        if table:
            (workdir / f"{name}.bin").write_bytes(table)
            args += ["-acpitable", f"file={workdir / name}.bin"]
    return args


def numa_args(machine):
    if machine.replayed:
        return []
    args = []
    for pxm, node in enumerate(machine.node):
        if node.mem:
            sparse = ",reserve=off" if node.mem >= SPARSE else ""  # more than the host may have
            args += ["-object", f"memory-backend-ram,id=m{pxm},size={node.mem >> 10}K{sparse}"]
    for pxm, node in enumerate(machine.node):
        spec = [f"node,nodeid={pxm}"] + ([f"memdev=m{pxm}"] if node.mem else [])
        if not machine.by_socket:
            spec += [f"cpus={part}" for part in cpu_ranges(node.cpus)]
        args += ["-numa", ",".join(spec)]
    if machine.by_socket:
        for pxm, node in enumerate(machine.node):
            for cpu in node.cpus:
                args += ["-numa", f"cpu,node-id={pxm},socket-id={cpu},core-id=0,thread-id=0"]
    for src, dst, value in machine.dist:
        args += ["-numa", f"dist,src={src},dst={dst},val={value}"]
    return args


def smp_args(machine):
    """One core a socket, unless the machine says otherwise, so that the APIC ids are 0 to N - 1."""
    n = machine.cpus
    return ["-smp", machine.smp or f"{n},maxcpus={n},sockets={n},cores=1,threads=1"]


def medium_args(machine, workdir, cmdline):
    """The boot medium: a CD-ROM, a USB stick with the same image, or the network."""
    if machine.medium in ("pxe", "ipxe"):
        loader = iso.netboot(image(machine), cmdline, workdir / "tftp", machine.firmware == "uefi")
        if machine.medium == "ipxe":
            loader = iso.chain(workdir / "tftp", loader)
        # QEMU's card has iPXE, which SeaBIOS needs. OVMF has its own driver and PXE.
        own = ",romfile=" if machine.firmware == "uefi" and machine.medium == "pxe" else ""
        return ["-netdev", f"user,id=net,tftp={workdir / 'tftp'},bootfile={loader}",
                "-device", f"virtio-net-pci,netdev=net{own}", "-boot", "n"]
    path = BUILD / "perch.iso"
    if not machine.menu:
        path = iso.cached(image(machine), cmdline, BUILD / "iso-cache", machine.gfx)
    if machine.medium == "usb":
        return ["-drive", f"if=none,id=stick,format=raw,readonly=on,file={path}",
                "-device", "qemu-xhci", "-device", "usb-storage,drive=stick"]
    return ["-cdrom", str(path)]


def boot_args(machine, workdir, cmdline):
    """The firmware and what it boots."""
    if machine.firmware in ("bios", "uefi"):
        args = medium_args(machine, workdir, cmdline)
        if machine.firmware == "uefi":
            code, variables = ovmf()
            private = workdir / "vars.fd"
            shutil.copyfile(variables, private)
            args += ["-drive", f"if=pflash,format=raw,readonly=on,file={code}",
                     "-drive", f"if=pflash,format=raw,file={private}"]
        return args
    args = ["-kernel", str(image(machine)), "-append", cmdline]
    if machine.firmware == "pvh" and any((d / "qboot.rom").exists() for d in QEMU_DATA):
        args += ["-bios", "qboot.rom"]  # quicker than SeaBIOS, which is used without it
    return args


def qmp_args(workdir):
    """Arguments by which QMP writes to a file why QEMU ended; another file answers the greeting."""
    (workdir / "qmp.in").write_text('{"execute": "qmp_capabilities"}\n', encoding="ascii")
    return ["-chardev", f"file,id=qmp,path={workdir / 'qmp.out'},input-path={workdir / 'qmp.in'}",
            "-mon", "chardev=qmp,mode=control"]


def ended_by(workdir):
    """The reason of the SHUTDOWN event in the file of qmp_args(); "" without one."""
    for line in (workdir / "qmp.out").read_text(encoding="utf-8").splitlines():
        word = json.loads(line)
        if word.get("event") == "SHUTDOWN":
            return word["data"]["reason"]
    return ""


def icount_args(shift):
    """The clock counts guest instructions: each takes 2**shift ns."""
    return ["-accel", "tcg,thread=single", "-icount", f"shift={shift},sleep=off",
            "-rtc", "base=2026-01-01,clock=vm"]


def argv(machine, workdir, accel="tcg", icount=False, gdb=False, extra_append=""):
    """The whole command. workdir: a directory for private files, which the caller removes."""
    cmdline = " ".join(x for x in ("exit=isa-debug", machine.append, extra_append) if x)
    board = machine.machine + (",smm=off" if machine.is_q35() else "")
    cpu = "host" if accel == "kvm" and machine.cpu == "max" else machine.cpu
    args = [binary(), "-M", board, "-cpu", cpu]
    if icount or machine.slow:
        args += icount_args(machine.slow)
    else:
        args += ["-accel", "kvm" if accel == "kvm" else "tcg,thread=multi"]
    args += ["-m", f"{machine.ram() >> 20}M", *smp_args(machine), *numa_args(machine)]
    args += ["-display", "none", "-nodefaults", "-no-reboot", "-chardev", "stdio,id=log,signal=off"]
    args += CONSOLES[machine.console]
    args += ["-device", "isa-debug-exit,iobase=0xf4,iosize=0x4"]
    args += compile_tables(machine, workdir) + replay_args(machine, workdir)
    args += boot_args(machine, workdir, cmdline) + machine.qemu
    if machine.shutdown:
        args += qmp_args(workdir)
    if machine.screen:
        args += Screen.args(workdir)
    return args + (["-s", "-S"] if gdb else [])


def peak_memory(pid):
    """The most memory that this process has used, in bytes (proc(5), VmHWM); 0: it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    match = re.search(r"^VmHWM:\s+(\d+) kB", status, re.M)
    return int(match.group(1)) << 10 if match else 0


class Readers:
    """Threads that read a QEMU's log and errors. lines: (seconds, line) each; None at the end."""

    def __init__(self, process, start, result, measure):
        self.lines = queue.SimpleQueue()
        self.process, self.start, self.result, self.measure = process, start, result, measure
        self.threads = [threading.Thread(target=f, daemon=True) for f in (self._log, self._errors)]
        for thread in self.threads:
            thread.start()

    def _log(self):
        for raw in self.process.stdout:
            line = raw.decode("utf-8", "replace").replace("\r", "").rstrip("\n")
            if self.measure:
                self.result.peak = max(self.result.peak, peak_memory(self.process.pid))
            self.lines.put((time.monotonic() - self.start, line))
        self.lines.put(None)

    def _errors(self):
        self.result.stderr = self.process.stderr.read().decode("utf-8", "replace")


def notice():
    """Seconds of silence after which it is said; then at each doubling."""
    return float(os.environ.get("PERCH_NOTICE") or NOTICE)


class Run:
    """One QEMU from its start to its end; run() says what the arguments are."""

    def __init__(self, process, limit, on_line, on_silence, until, screen, result, measure):
        self.process, self.limit, self.result = process, limit, result
        self.on_line, self.on_silence, self.until, self.screen = on_line, on_silence, until, screen
        self.start = time.monotonic()
        self.readers = Readers(process, self.start, result, measure)
        self.next_notice = notice()  # seconds of silence
        self.new_line = 0.0        # when the last one came
        self.wait_until = None     # with `until`: QEMU must still be there then

    def now(self):
        return time.monotonic() - self.start

    def take(self, seconds):
        """Handles lines for as long; False: there are no more."""
        end = self.now() + seconds
        while True:
            try:
                item = self.readers.lines.get(timeout=max(0, end - self.now()))
            except queue.Empty:
                return True
            if item is None:
                return False
            self.result.stamps.append(item)
            self.new_line, self.next_notice = self.now(), notice()
            if self.until and self.wait_until is None and re.search(self.until, item[1]):
                self.wait_until = self.now() + STILL_THERE
            if self.on_line:
                self.on_line(item[1])

    def silent(self):
        """Says that nothing comes, and gives up in the end. True: it is over."""
        quiet, most = self.now() - self.new_line, self.limit.seconds()
        if self.on_silence and quiet >= self.next_notice:
            self.next_notice *= 2
            self.on_silence(quiet, most)
        if most is None or quiet < most and self.now() < self.limit.whole():
            return False
        if self.limit.more() or quiet >= most and not self.readers.lines.empty():
            return False
        self.result.silent = quiet if quiet >= most else None
        return True

    def to_the_end(self):
        while self.take(TICK if not self.screen else 0.1):
            if self.wait_until is not None and self.now() >= self.wait_until:
                self.result.waited = True
                return
            if self.screen:
                self.result.page = self.screen.page(self.process, TICK)
                if self.result.page is not None:
                    return
            if self.silent():
                return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(STILL_OPEN)

    def close(self):
        """QEMU is gone afterwards, and all that it said has been read."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
            self.result.status = None
        else:
            self.result.status = self.process.returncode
        for thread in self.readers.threads:
            thread.join(10)
        self.result.seconds = self.now()


def run(args, limits, on_line=None, until="", measure=False, screen=None, on_silence=None,
        started=None):
    """Starts QEMU and reads its log until it ends or nothing new comes any more.

    limits: Machine.limits(), when to give up on a quiet host; None: never. pace.py scales them.
    started: called once QEMU runs, for a word with its monitor.
    on_line: called with each line. on_silence(seconds, limit): after NOTICE seconds, and at each doubling.
    screen: a Screen; the run is over a short time after a page of Perch's is on it.
    until: a regular expression; QEMU waits if it still runs a short time after such a line.
    measure: with each line the peak of QEMU's memory is read."""
    result, accel = Result(), "kvm" if "kvm" in args else "tcg"
    limit = pace.Limit(limits, binary(), accel)
    process = child.popen(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, start_new_session=True)
    it = Run(process, limit, on_line, on_silence, until, screen, result, measure)
    try:
        if started:
            started()
        it.to_the_end()
    finally:
        it.close()
    if not result.waited:
        it.take(0.1)  # what was on its way
    result.text = "\n".join(line for _, line in result.stamps) + "\n"
    return result
