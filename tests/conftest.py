"""pytest's side of the tests: shared helpers, and the closing line `N passed, N failed`.

What is counted: every KTAP case of a hosted program or of a booted kernel, and every pytest item
that is no such container. A container that fails although none of its cases does (a time-out, a wrong
node) counts as one failure more; one without cases counts as itself.
SPDX-License-Identifier: MIT
"""
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
BUILD = Path(os.environ.get("BUILD") or "build")
BUILD = BUILD if BUILD.is_absolute() else ROOT / BUILD


class Totals:
    """Added up on the controller, from reports that the workers of pytest-xdist send."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add(self, report):
        cases = dict(report.user_properties).get("ktap") if report.when == "call" else None
        if report.skipped:
            self.skipped += 1
        elif cases and sum(cases):
            passed, failed, skipped = cases
            self.passed += passed
            self.failed += failed + (1 if report.failed and not failed else 0)
            self.skipped += skipped
        elif report.failed:
            self.failed += 1
        elif report.when == "call":
            self.passed += 1

    def line(self):
        text = f"{self.passed} passed, {self.failed} failed"
        return text + (f", {self.skipped} skipped" if self.skipped else "")


TOTALS = Totals()


def pytest_runtest_logreport(report):
    TOTALS.add(report)


def pytest_collectreport(report):
    if report.failed:
        TOTALS.failed += 1


def pytest_terminal_summary(terminalreporter):
    """Cases that skipped themselves, with their reasons; pytest lists its own by -rs."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()):
                if name == "skips" and report.when == "call":
                    for case, reason in value:
                        terminalreporter.write_line(f"SKIPPED case {case}: {reason}")


def pytest_unconfigure(config):
    """After pytest's own last line; into a file for `perch`, which prints it after make's words."""
    if hasattr(config, "workerinput"):
        return
    out = os.environ.get("PERCH_LAST")
    if out:
        Path(out).write_text(TOTALS.line() + "\n", encoding="utf-8")
    else:
        print(TOTALS.line(), flush=True)


@pytest.fixture
def logs():
    """Where a test keeps its log for a human to read."""
    directory = BUILD / "test-logs"
    directory.mkdir(parents=True, exist_ok=True)
    return directory
