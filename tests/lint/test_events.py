"""Each event of kernel/base/events.h is caused on purpose somewhere, and its count is looked at there: else the
line that counts it could go, and no test would be red.

SPDX-License-Identifier: MIT
"""
import re

from conftest import ROOT

LIST = re.compile(r'X\((\w+),\s+"([a-z-]+)",\s+(NOTED|DOUBT),')
KINDS = ("*_test.c", "*_suite.c", "*.machine", "test_*.py")
# What no emulator does, with the reason.
ONLY_SILICON = {"apic-busy": "QEMU's and Bochs's APICs send each order at once"}


def looked_at(name, ident):
    """Files in which the count of this event decides."""
    count = re.compile(rf"event_total\(EVENT_{name}\)|events: {ident} ")
    return [path.name for kind in KINDS for path in (ROOT / "tests").rglob(kind)
            if count.search(path.read_text(encoding="utf-8", errors="replace"))]


def test_every_event_is_counted_in_a_test():
    text = (ROOT / "kernel/base/events.h").read_text(encoding="utf-8")
    events = LIST.findall(text)
    assert len(events) == text.count("\n    X("), "a line of the list has another form"
    unseen = [ident for name, ident, _ in events
              if not looked_at(name, ident) and ident not in ONLY_SILICON]
    assert not unseen, f"counted, and no test looks: {unseen}"
