"""KTAP: reads the output of a kernel or a hosted test program, and finds what is wrong with it.

Lines that are not KTAP (the kernel's log, a sanitizer's report) may be anywhere between. Errors are
a plan that was not kept, a number out of order, a suite whose result contradicts its cases, and a
log that ends early, so that a cut-off run can never pass.
SPDX-License-Identifier: MIT
"""
import re
from dataclasses import dataclass, field

VERSION = re.compile(r"^( *)(?:KTAP|TAP) version \d+\s*$")
PLAN = re.compile(r"^( *)1\.\.(\d+)(?:\s*# *SKIP\b.*)?\s*$")
RESULT = re.compile(r"^( *)(ok|not ok) (\d+)(?: -)?(?: ([^#]*?))?\s*(?:# *(.*))?$")
SAID_LINES = 12  # lines shown of a failed case


@dataclass
class Block:
    """One version line with its plan and results; children of the next deeper indentation."""
    indent: int
    plan: int | None = None
    seen: int = 0
    pending: list = field(default_factory=list)  # leaves of a finished inner block
    inner_failed: bool = False
    inner_seen: bool = False


@dataclass
class Ktap:
    """passed, failed, skipped: names of cases (leaves). errors: what makes the log invalid."""
    passed: list = field(default_factory=list)
    failed: list = field(default_factory=list)
    skipped: list = field(default_factory=list)  # (name, reason)
    errors: list = field(default_factory=list)
    said: dict = field(default_factory=dict)  # of a failed case: the lines before its result
    found: bool = False

    def counts(self):
        return len(self.passed), len(self.failed), len(self.skipped)

    def failures(self):
        """A text for each failed case: its name and its lines."""
        return ["\n    ".join([f"failed: {name}", *self.said[name]]) for name in self.failed]


def _close(block, out):
    if block.plan is None:
        out.errors.append("KTAP: no plan after the version line")
    elif block.seen != block.plan:
        out.errors.append(f"KTAP: plan of {block.plan}, {block.seen} results")


def _result(block, match, out, suite, said):
    ok, number, name, note = match[2] == "ok", int(match[3]), match[4], match[5]
    block.seen += 1
    if number != block.seen:
        out.errors.append(f"KTAP: result {number} where {block.seen} was due ({name})")
    skip = re.match(r"SKIP\b:?\s*(.*)", note or "")
    if block.inner_seen:  # the result line of a suite: its cases are counted already
        if ok == block.inner_failed and not skip:
            said = "ok" if ok else "not ok"
            out.errors.append(f"KTAP: suite {name} says {said}, its cases do not")
        block.inner_seen = block.inner_failed = False
        return not ok
    full = f"{suite}.{name}" if suite and name and not name.startswith(suite + ".") else name or "?"
    if skip:
        out.skipped.append((full, skip.group(1)))
    elif ok:
        out.passed.append(full)
    else:
        out.failed.append(full)
        out.said[full] = said[-SAID_LINES:]
    return not ok


def parse(text):
    """Reads the whole text; never raises. found is False when there is no version line at all."""
    out, stack, suites = Ktap(), [], {}
    failed = {}
    said = []  # since the last KTAP line
    for line in text.splitlines():
        line = line.rstrip("\r")
        version = VERSION.match(line)
        if version:
            indent = len(version.group(1))
            while stack and stack[-1].indent >= indent:
                _close(stack.pop(), out)
            stack.append(Block(indent))
            failed[indent] = False
            out.found = True
            said = []
            continue
        sub = re.match(r"^( *)# Subtest: (.*?)\s*$", line)
        if sub:
            suites[len(sub.group(1))] = sub.group(2)
            continue
        plan, result = PLAN.match(line), RESULT.match(line)
        match = plan or result
        if not match or not stack:
            said.append(line.strip())
            continue
        indent = len(match.group(1))
        while len(stack) > 1 and stack[-1].indent > indent:
            inner = stack.pop()
            _close(inner, out)
            stack[-1].inner_seen = True
            stack[-1].inner_failed |= failed[inner.indent]
        block = stack[-1]
        if block.indent != indent:
            continue
        if plan:
            if block.plan is not None:
                out.errors.append("KTAP: two plans in one block")
            block.plan = int(plan.group(2))
        else:
            failed[indent] |= _result(block, result, out, suites.get(indent) if indent else None,
                                      said)
        said = []
    while stack:
        _close(stack.pop(), out)
    return out
