"""How long a boot may be silent: a limit that follows the speed at which this host runs a guest now.

A guest without Perch, 65,536 bytes of ROM that count down and end QEMU, is run and timed. Its time
by that of a quiet host is the factor of all limits. A boot is given up when no new line came for
the seconds of limits() times the factor; before that the factor is measured once more, because the
load may have come later. Both have an upper bound, so a hang is always found.

PERCH_PACE: the factor, known already (the front door sets it for the tests). PERCH_SILENCE: seconds of
silence, no factor.
SPDX-License-Identifier: MIT
"""
import functools
import os
import struct
import subprocess
import tempfile
import time
from pathlib import Path

import child

TURNS = 300_000_000
QUIET = 0.65      # seconds of that on a quiet host (2 cores, QEMU 10.0, TCG)
MOST = 20         # the largest factor
QUIET_LINE = 60   # seconds in which a quiet host makes a new line; with a quarter more for each CPU
WHOLE = 10        # times as long: the limit for a run that prints for ever


def rom():
    """mov ecx, TURNS; again: dec ecx; jnz again; mov dx, 0xf4; mov al, 0x10; out dx, al; hlt."""
    code = (b"\xfa\x66\xb9" + struct.pack("<I", TURNS) + b"\x66\x49\x75\xfc"
            b"\xba\xf4\x00\xb0\x10\xee\xf4\xeb\xfd")
    image = bytearray(b"\xf4" * 0x10000)
    image[:len(code)] = code
    image[0xfff0:0xfff5] = b"\xea\x00\x00\x00\xf0"  # the reset vector: jmp 0xf000:0
    return bytes(image)


def seconds(qemu, accel="tcg"):
    """Of the guest, from QEMU's start to its end; None: it did not run as it must."""
    with tempfile.TemporaryDirectory(prefix="perch-pace-") as place:
        image = Path(place, "rom")
        image.write_bytes(rom())
        start = time.monotonic()
        guest = child.popen([qemu, "-M", "q35", "-m", "16M", "-accel", accel, "-bios", str(image),
                             "-nodefaults", "-display", "none",
                             "-device", "isa-debug-exit,iobase=0xf4,iosize=0x4"],
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            status = guest.wait(QUIET * MOST)
        except subprocess.TimeoutExpired:
            return QUIET * MOST
        finally:
            if guest.poll() is None:
                guest.kill()
                guest.wait()
        return time.monotonic() - start if status == 33 else None


def measure(qemu, accel="tcg"):
    """The factor now, 1 to MOST; 1 if QEMU does not work: the run itself will say it."""
    return min(float(MOST), max(1.0, (seconds(qemu, accel) or QUIET) / QUIET))


@functools.cache
def factor(qemu, accel="tcg"):
    """As the environment says, or measured when it is first asked for."""
    known = os.environ.get("PERCH_PACE")
    return min(float(MOST), max(1.0, float(known))) if known else measure(qemu, accel)


def limits(cpus, takes=0, slower=1):
    """(seconds without a new line, seconds in all), on a quiet host. takes: about how long a run is;
    slower: than other runs by this factor."""
    silence = (QUIET_LINE + cpus / 4) * slower
    return silence, WHOLE * max(silence, takes)


class Limit:
    """Of one run. limits: Machine.limits(), for a quiet host; one number: seconds in all, on any host;
    None: no limit at all."""

    def __init__(self, limits, qemu, accel="tcg"):
        self.limits, self.qemu, self.accel = limits, qemu, accel
        self.fixed = os.environ.get("PERCH_SILENCE")
        if isinstance(limits, (int, float)):
            self.fixed, self.limits = limits, (limits, limits)
        self.factor = 1.0 if self.fixed or limits is None else factor(qemu, accel)

    def seconds(self):
        """Without a new line; None: no limit."""
        if self.limits is None:
            return None
        return float(self.fixed) if self.fixed else self.limits[0] * self.factor

    def whole(self):
        """Of the whole run."""
        return None if self.limits is None else self.limits[1] * self.factor

    def more(self):
        """Measures again. True: the host has become slower, so there is more time than before."""
        if self.fixed or self.limits is None or self.factor >= MOST:
            return False
        before, self.factor = self.factor, max(self.factor, measure(self.qemu, self.accel))
        return self.factor > before * 1.1
