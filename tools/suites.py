"""The kernel's own cases, from the sources of its suites, and which of them runs in a log.

KTAP names a case when it has ended. The kernel runs them by suite and name, so the one that runs is
the next after the last with a result; with `run=test:GLOB` it may be a later one.
SPDX-License-Identifier: MIT
"""
import functools
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUBTEST = re.compile(r"^ +# Subtest: (\S+)$")
RESULT = re.compile(r"^ +(?:not )?ok \d+ (\S+)")
SUITE = re.compile(r"^(?:not )?ok \d+ ")
CASE = re.compile(r"^KTEST\((\w+),\s*(\w+)\)", re.M)


@functools.cache
def cases():
    """{suite: names of its cases}, in the order in which the kernel runs them."""
    found = {}
    for path in sorted((ROOT / "tests").rglob("*_suite.c")):
        for suite, name in CASE.findall(path.read_text(encoding="utf-8")):
            found.setdefault(suite, []).append(name)
    return {suite: sorted(names) for suite, names in found.items()}


class Running:
    """Which case runs, from the lines so far."""

    def __init__(self):
        self.suite, self.done = None, ""

    def line(self, text):
        subtest, result = SUBTEST.match(text), RESULT.match(text)
        if subtest:
            self.suite, self.done = subtest.group(1), ""
        elif result:
            self.done = result.group(1)
        elif SUITE.match(text):
            self.suite = None

    def case(self):
        """`suite.case`, or which it comes after when the sources do not tell; "" outside of the suites."""
        if not self.suite:
            return ""
        later = [name for name in cases().get(self.suite, ()) if name > self.done]
        return f"{self.suite}.{later[0]}" if later else f"{self.suite}, after {self.done or 'its plan'}"
