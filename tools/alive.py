"""Says where a run is while no line of its log comes, so that a slow one does not look dead.

A case of a suite may take a minute on a slow host, and prints its line only when it is done. The KTAP
plan says which suite runs, and which of its cases.
SPDX-License-Identifier: MIT
"""
import re
import threading
import time

SUITE = re.compile(r"^ *# Subtest: (\S+)")
PLAN = re.compile(r"^ +1\.\.(\d+)")
CASE = re.compile(r"^ +(?:not )?ok (\d+) (\S+)")
OVER = re.compile(r"^(?:not )?ok \d+ ")


class Alive:
    """Give it each line; between enter and exit it calls say(text) after every `seconds` of silence."""

    def __init__(self, seconds, say):
        self.seconds, self.say = seconds, say
        self.last, self.suite, self.cases, self.done, self.before = time.monotonic(), "", "?", 0, ""
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def line(self, text):
        self.last = time.monotonic()
        if match := SUITE.match(text):
            self.suite, self.cases, self.done, self.before = match[1], "?", 0, ""
        elif (match := PLAN.match(text)) and self.suite:
            self.cases = match[1]
        elif match := CASE.match(text):
            self.done, self.before = int(match[1]), match[2]
        elif OVER.match(text):
            self.suite = ""

    def where(self):
        """The case that runs, by its number, and the one before it by name."""
        if not self.suite:
            return "in no suite"
        after = f", after {self.before}" if self.before else ""
        return f"suite {self.suite}, case {self.done + 1} of {self.cases}{after}"

    def _watch(self):
        said = 0.0
        while not self.over.wait(min(1.0, self.seconds / 4)):
            now = time.monotonic()
            if now - max(self.last, said) >= self.seconds:
                said = now
                self.say(f"{now - self.last:.0f} s without a new line: {self.where()}")

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
