"""The text on QEMU's screen: a screenshot by QMP, its letters found with the kernel's own
font (kernel/base/font.c).

A cell is a letter only when each of its pixels is that letter's; anything else reads as "\\ufffd", so
that a screen with a stray pixel fails a comparison.
SPDX-License-Identifier: MIT
"""
import functools
import json
import re
import socket
import time
from pathlib import Path

FONT = Path(__file__).resolve().parent.parent / "kernel/base/font.c"
WIDTH, HEIGHT = 8, 13
UNREADABLE = "\ufffd"
STANDS = 1.0  # seconds without a change
PAINT = 30.0  # seconds that a page may take to be drawn


@functools.cache
def glyphs():
    """Rows of a glyph, as a tuple of 13 bytes -> its letter."""
    rows = re.findall(r"^    \{((?:0x[0-9a-f]{2}, ){12}0x[0-9a-f]{2})\}", FONT.read_text("utf-8"),
                      re.M)
    if len(rows) != 95:
        raise ValueError(f"{FONT}: {len(rows)} glyphs")
    return {tuple(int(byte, 16) for byte in row.split(", ")): chr(0x20 + i)
            for i, row in enumerate(rows)}


def scale_of(width, height):
    """The kernel's rule (kernel/base/fb_text.c): about 100 columns and 36 rows fill the screen."""
    return max(1, min(width // (WIDTH * 100), height // (HEIGHT * 36)))


class Image:
    """A binary PPM (netpbm's P6, 8 bits), one pixel of the font being `scale` of the screen's."""

    def __init__(self, data):
        match = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", data)
        if not match:
            raise ValueError("not a P6 image")
        self.width, self.height = int(match[1]), int(match[2])
        self.pixels = data[match.end():]
        if len(self.pixels) != 3 * self.width * self.height:
            raise ValueError("the image is cut off")
        self.scale = scale_of(self.width, self.height)

    def font_row(self, y):
        """Row y in pixels of the font; None where a pixel of the font is not one colour."""
        s, stride = self.scale, 3 * self.width
        rows = [self.pixels[(y * s + i) * stride:(y * s + i + 1) * stride] for i in range(s)]
        used = 3 * s * (self.width // s)
        if any(row != rows[0] for row in rows):
            return None
        channels = [rows[0][c:used:3 * s] for c in range(3)]
        if any(rows[0][c + 3 * i:used:3 * s] != channels[c] for c in range(3) for i in range(s)):
            return None
        return list(zip(*channels))

    def line(self, row):
        """The text of a row of cells."""
        rows = [self.font_row(row * HEIGHT + y) for y in range(HEIGHT)]
        columns = self.width // (WIDTH * self.scale)
        if None in rows:
            return UNREADABLE * columns
        return "".join(self._cell([r[c * WIDTH:(c + 1) * WIDTH] for r in rows])
                       for c in range(columns)).rstrip()

    @staticmethod
    def _cell(rows):
        """No letter covers half of its cell: the more common colour is the background."""
        flat = [pixel for row in rows for pixel in row]
        colours = sorted(set(flat), key=flat.count, reverse=True)
        if len(colours) > 2:
            return UNREADABLE
        bits = tuple(sum((pixel != colours[0]) << (7 - x) for x, pixel in enumerate(row))
                     for row in rows)
        return glyphs().get(bits, UNREADABLE)

    def lines(self):
        return [self.line(row) for row in range(self.height // (HEIGHT * self.scale))]

    def page(self):
        """The lines of a page of Perch's; None: something else is shown."""
        return self.lines() if self.line(0).lstrip().startswith("Perch: ") else None


class Settled:
    """Tells when a page is whole: a frame may be taken while the guest draws. A page is whole when it has stood for
    STANDS seconds with each letter readable; after PAINT seconds it is taken as it is."""

    def __init__(self):
        self.page = None
        self.first = self.since = 0.0

    def take(self, page, now):
        """The page that is shown at `now` seconds, or None. Returns it once it is whole."""
        if page is None:
            return None
        if self.page is None:
            self.first = now
        if page != self.page:
            self.page, self.since = page, now
        whole = UNREADABLE not in "".join(page) and now - self.since >= STANDS
        return page if whole or now - self.first >= PAINT else None


class Screen:
    """The screen of a QEMU that was started with args(workdir)."""

    def __init__(self, workdir):
        self.socket = Path(workdir, "screen.sock")
        self.image = Path(workdir, "screen.ppm")
        self.qmp = None
        self.settled = Settled()

    @staticmethod
    def args(workdir):
        return ["-vga", "std", "-qmp", f"unix:{Path(workdir, 'screen.sock')},server=on,wait=off"]

    def command(self, name, **arguments):
        """QMP's answer to a command."""
        if not self.qmp:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(30)
            connection.connect(str(self.socket))
            self.qmp = connection.makefile("rw", encoding="utf-8")
            self.qmp.readline()  # the greeting
            self.command("qmp_capabilities")
        self.qmp.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self.qmp.flush()
        for line in self.qmp:
            answer = json.loads(line)
            if "event" not in answer:
                return answer
        raise OSError("QEMU has closed its monitor")

    def look(self):
        """The screen now; None while QEMU has none."""
        try:
            answer = self.command("screendump", filename=str(self.image))
            return Image(self.image.read_bytes()) if "return" in answer else None
        except (OSError, ValueError):
            return None

    def page(self, process, timeout):
        """Waits for a page of Perch's; returns its lines, or None at the time limit."""
        end = time.monotonic() + timeout
        while time.monotonic() < end and process.poll() is None:
            image = self.look()
            page = self.settled.take(image and image.page(), time.monotonic())
            if page:
                return page
            time.sleep(0.5)
        return None
