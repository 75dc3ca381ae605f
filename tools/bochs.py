"""Bochs, the second emulator: from an image and a number of CPUs to a finished run with its log.

It shares no line with QEMU's TCG: its CPUs have TLBs of their own, and unknown MSRs fault. Promises a
qemu.Result, so that tools/verdict.py judges both alike; `status` is 0 when the guest switched itself
off by ACPI. A run always ends: the limit is processor time that Bochs used without a new line of
the log, because Bochs is never idle, and a busy host is no reason to give up.
SPDX-License-Identifier: MIT
"""
import os
import re
import shutil
import struct
import subprocess
import time
from pathlib import Path

import child
import qemu
from screen import Image, Settled

SHARE = Path("/usr/share/bochs")
BIOS, VGA = SHARE / "BIOS-bochs-latest", SHARE / "VGABIOS-lgpl-latest"
DISPLAYS = {"sdl2": "bochs-sdl", "rfb": "bochs"}  # and Debian's packages with them
STUCK = 90       # seconds of processor time without a new line
LIMIT = 20 * 60  # seconds, whatever happens
TICKS = os.sysconf("SC_CLK_TCK")
OFF = "ACPI control: soft power off"  # what Bochs says, and ends
CONFIG = """\
config_interface: textconfig
display_library: {display}, options="{options}"
romimage: file={bios}
vgaromimage: file={vga}
megs: {megs}
cpu: model=corei7_skylake_x, count={cpus}:1:1, ips=20000000, quantum=32, reset_on_triple_fault=0, \
ignore_bad_msrs=0
clock: sync=none, time0=utc
vga: extension=vbe, update_freq=1
ata0-master: type=cdrom, path="{iso}", status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev="{work}/serial"
speaker: enabled=0
sound: waveoutdrv=dummy
log: {work}/bochs.log
panic: action=fatal
error: action=report
info: action=report
debug: action=ignore
"""
# Bochs draws a bar above the guest's screen and one below it.
BAR_ABOVE, BAR_BELOW = 32, 18


def binary():
    return os.environ.get("PERCH_BOCHS") or "bochs"


def check(display="sdl2"):
    """Raises qemu.Missing when Bochs or this display library is not installed."""
    if not shutil.which(binary()):
        raise qemu.Missing("Bochs is not installed (packages bochs, bochsbios, vgabios, bochs-sdl)")
    for file in (BIOS, VGA):
        if not file.exists():
            raise qemu.Missing(f"{file} is not there (packages bochsbios, vgabios)")
    if not any(Path("/usr/lib").glob(f"*/bochs/plugins/libbx_{display}_gui.so*")):
        raise qemu.Missing(f"Bochs has no display {display} (package {DISPLAYS[display]})")


def has_debugger():
    """Bochs with its debugger stops at the first instruction until it is told to go on."""
    words = subprocess.run([binary(), "--help"], capture_output=True, text=True)
    return " -rc " in words.stdout + words.stderr


def processor_seconds(pid):
    """What this process has used (proc(5), stat); None: it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    user, system = fields.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / TICKS


def picture(data):
    """A window that SDL has written as a BMP (24 bits, bottom row first): screen.Image of the guest's
    part; None while it is being written."""
    if len(data) < 54:
        return None
    start, = struct.unpack_from("<I", data, 10)
    width, height = struct.unpack_from("<ii", data, 18)
    stride, rows = (3 * width + 3) // 4 * 4, []
    if len(data) < start + stride * height or height <= BAR_ABOVE + BAR_BELOW:
        return None
    for y in range(height - 1 - BAR_ABOVE, BAR_BELOW - 1, -1):
        bgr = data[start + y * stride:start + y * stride + 3 * width]
        rgb = bytearray(bgr)
        rgb[0::3], rgb[2::3] = bgr[2::3], bgr[0::3]
        rows.append(bytes(rgb))
    return Image(b"P6 %d %d 255\n" % (width, len(rows)) + b"".join(rows))


class Frames:
    """The pictures of its window that SDL's dummy driver writes, one file a frame."""

    def __init__(self, work):
        self.work = work
        self.settled = Settled()

    def page(self):
        """The lines of the page of the verdict once it is whole, or None; forgets all frames but the last two."""
        found = sorted(self.work.glob("SDL_window*.bmp"))
        for old in found[:-2]:
            old.unlink(missing_ok=True)
        for file in reversed(found[-2:]):
            image = picture(file.read_bytes())
            page = image and image.page()
            if page:
                return self.settled.take(page, time.monotonic())
        return None


class Log:
    """The file into which Bochs writes what COM1 sends, read as it grows."""

    def __init__(self, path, result, start, on_line):
        self.path, self.result, self.start, self.on_line = path, result, start, on_line
        self.at, self.rest = 0, b""

    def read(self):
        """Takes what is new into the result. True: there was a whole line."""
        if not self.path.exists():
            return False
        with open(self.path, "rb") as file:
            file.seek(self.at)
            new = file.read()
        self.at += len(new)
        *lines, self.rest = (self.rest + new).split(b"\n")
        for raw in lines:
            line = raw.decode("utf-8", "replace").replace("\r", "")
            self.result.stamps.append((time.monotonic() - self.start, line))
            if self.on_line:
                self.on_line(line)
        return bool(lines)


def command(image, cpus, megs, work, display):
    """Writes the configuration into the folder `work`, and returns the command."""
    work.joinpath("bochsrc").write_text(CONFIG.format(
        display=display, options="hideIPS" + (",timeout=0" if display == "rfb" else ""), bios=BIOS,
        vga=VGA, megs=megs, cpus=cpus, iso=Path(image).absolute(), work=work), encoding="utf-8")
    args = [binary(), "-q", "-f", "bochsrc"]
    if has_debugger():
        work.joinpath("go").write_text("continue\n", encoding="ascii")
        args += ["-rc", "go"]
    return args


def watch(process, log, result, until, frames):
    """Until Bochs ends, the page is on the screen, the line `until` has come, or it is stuck."""
    used_at_line = 0.0
    while process.poll() is None:
        time.sleep(0.2)
        used = processor_seconds(process.pid) or 0.0
        if log.read():
            used_at_line = used
        if frames:
            result.page = frames.page()
        elif until and any(re.search(until, line) for _, line in result.stamps):
            result.waited = True
        if result.page or result.waited:
            return
        if used - used_at_line > STUCK or time.monotonic() - log.start > LIMIT:
            result.silent = time.monotonic() - (log.start + (result.stamps or [(0, "")])[-1][0])
            return


def said(work):
    """Why Bochs ended, in its own words."""
    path = work / "bochs.log"
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    panics = re.findall(r">>PANIC<< (.*)", text)
    return panics[-1] if panics else ""


def run(image, cpus, work, megs=512, display="sdl2", until="", screen=False, on_line=None):
    """Boots the image. work: a private folder, which the caller removes.

    until: a regular expression; the run is over with such a line. screen: it is over when a page of
    Perch's is on the screen (display sdl2 only)."""
    result, start, work = qemu.Result(), time.monotonic(), Path(work).absolute()
    environment = {**os.environ, "SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy"}
    if screen:
        environment["SDL_VIDEO_DUMMY_SAVE_FRAMES"] = "1"
    log = Log(work / "serial", result, start, on_line)
    process = child.popen(command(image, cpus, megs, work, display), cwd=work, env=environment,
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        watch(process, log, result, until, Frames(work) if screen else None)
        ended = process.poll()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    log.read()
    if ended is not None:
        words = said(work)
        result.status = 0 if words == OFF else ended or 1
        result.ended_by = "guest-shutdown" if words == OFF else ""
        result.stderr = "" if words == OFF else f"Bochs: {words}"
    result.seconds = time.monotonic() - start
    result.text = "\n".join([line for _, line in result.stamps] + [log.rest.decode("utf-8", "replace")])
    return result
