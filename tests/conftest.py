"""pytest's side of the tests: shared helpers, how far the run is, and the closing line `N passed, N failed`.

What is counted: every KTAP case of a hosted program or of a booted kernel, and every pytest item
that is no such container. A container that fails although none of its cases does (a time-out, a wrong
node) counts as one failure more; one without cases counts as itself.

A worker of pytest-xdist ends with its controller, however that ends, and QEMU with the worker.
SPDX-License-Identifier: MIT
"""
import os
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import child  # noqa: E402

BUILD = Path(os.environ.get("BUILD") or "build")
BUILD = BUILD if BUILD.is_absolute() else ROOT / BUILD
WORKER = bool(os.environ.get("PYTEST_XDIST_WORKER"))


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


class Progress:
    """A line each EVERY seconds, in a terminal and in the log of a CI: n of m tests, and what failed."""

    EVERY = 15

    def __init__(self):
        self.start = self.said = time.monotonic()
        self.done, self.all, self.failed, self.begun = 0, None, 0, {}

    def add(self, report):
        if report.when == "setup":
            self.begun[report.nodeid] = time.monotonic()
        if report.failed:
            self.failed += 1
            self.write(f"FAILED {report.nodeid}")
        if report.when == "teardown":
            self.begun.pop(report.nodeid, None)
            self.done += 1
            if time.monotonic() - self.said >= self.EVERY:
                self.say()

    def say(self):
        self.said = time.monotonic()
        percent = f" ({100 * self.done // self.all} %)" if self.all else ""
        self.write(f"{self.done} of {self.all or '?'} tests{percent}, {self.failed} failed, "
                   f"{self.said - self.start:.0f} s")

    @staticmethod
    def write(text):
        print(f"perch: test: {text}", flush=True)


TOTALS, PROGRESS = Totals(), Progress()


def pytest_configure(config):
    if hasattr(config, "workerinput"):
        child.die_with_parent()


def pytest_collection_finish(session):
    PROGRESS.all = len(session.items) or PROGRESS.all


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node, ids):
    """The controller's side of a worker's collection."""
    PROGRESS.all = len(ids)


def pytest_runtest_logreport(report):
    TOTALS.add(report)
    if not WORKER:
        PROGRESS.add(report)


def pytest_report_teststatus(report):
    """No letters: the lines of Progress take their place."""
    if report.when == "call" or report.outcome != "passed":
        return ("error" if report.failed and report.when != "call" else report.outcome), "", ""
    return None


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
    """After pytest's own last line."""
    if hasattr(config, "workerinput"):
        return
    print(TOTALS.line(), flush=True)


@pytest.fixture
def logs():
    """Where a test keeps its log for a human to read."""
    directory = BUILD / "test-logs"
    directory.mkdir(parents=True, exist_ok=True)
    return directory
