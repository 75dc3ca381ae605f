#!/usr/bin/env python3
"""Hand-overs without a lock have their argument, and a wait's bound is time; run by `make test`.

    handovers.py [--root DIR]

1. A file that uses an atomic operation with an order (acquire, release, acq_rel, seq_cst, or none
   named, which is seq_cst) has the three lines of the argument in a comment,

        - who writes: ...;
        - who reads: ...;
        - which order: ...

   itself, or in a header of its own folder that it includes, at once or through another. Relaxed
   operations order nothing: counters, hints and marks need no argument. Nor does the use of a lock.
2. The three lines come together, in this order.
3. cpu_relax() stands in no loop that counts its turns, and no counting loop has an empty body: such
   a wait is short on one machine and long on the next. spin_until() (kernel/base/spinlock.h) and
   deadlines (kernel/base/deadline.h) count time.

One line per problem, `file:line: text`; status 1 when there is one.
SPDX-License-Identifier: MIT
"""
import argparse
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from layers import HOUSE, INCLUDE, blank_out  # noqa: E402

WORDS = ("who writes:", "who reads:", "which order:")
# Operations of C11 and of the compiler; the name's end says whether an order is an argument.
OPERATION = re.compile(r"\b(atomic_(?:load|store|exchange|compare_exchange_(?:weak|strong)|"
                       r"fetch_(?:add|sub|or|and|xor)|thread_fence|flag_test_and_set|flag_clear)"
                       r"(?:_explicit)?|__atomic_\w+|__sync_\w+)\s*\(")
COMMENT = re.compile(r"/\*.*?\*/", re.S)
COUNTING = re.compile(r"\bfor\s*\(([^;{}]*);([^;{}]*);([^;{}]*)\)\s*([^\s])", re.S)
# Counting loops over data, not waits.
NO_WAITS = ("kernel/bench/",)


def arguments(code, start):
    """The text between the parenthesis at `start` and its partner."""
    depth = 0
    for at in range(start, len(code)):
        depth += (code[at] == "(") - (code[at] == ")")
        if depth == 0:
            return code[start + 1:at]
    return code[start + 1:]


def ordered(code):
    """Lines of the atomic operations that order something."""
    for match in OPERATION.finditer(code):
        orders = re.findall(r"memory_order_(\w+)|__ATOMIC_(\w+)",
                            arguments(code, match.end() - 1))
        names = {(a or b).lower() for a, b in orders}
        if not names or names - {"relaxed"}:
            yield code.count("\n", 0, match.start()) + 1


def has_argument(text):
    return any(all(word in comment for word in WORDS) for comment in COMMENT.findall(text))


def incomplete(text):
    """Lines of comments where one of the three is missing, or they come in another order."""
    for match in COMMENT.finditer(text):
        found = re.findall("|".join(WORDS), match.group(0))
        if found and found != list(WORDS) * (len(found) // 3):
            yield text.count("\n", 0, match.start()) + 1


def counted_waits(code):
    for match in COUNTING.finditer(code):
        condition, step, body = match.group(2), match.group(3), match.group(4)
        if not re.search(r"\+\+|--", step + condition):
            continue
        line = code.count("\n", 0, match.start()) + 1
        if body == ";" and "&&" in condition and re.search(r"\[REG_|\bin[bwl]\(|_load|\bread",
                                                           condition):
            yield line
            continue
        end = match.end(4) - 1
        inner = block(code, end) if body == "{" else code[end:code.find(";", end)]
        if "cpu_relax(" in inner and not re.search(r"\b(while|do)\b", inner):
            yield line


def block(code, start):
    depth = 0
    for at in range(start, len(code)):
        depth += (code[at] == "{") - (code[at] == "}")
        if depth == 0:
            return code[start:at]
    return code[start:]


class Lint:
    def __init__(self, root):
        self.root = root
        self.problems = []

    def say(self, name, line, text):
        self.problems.append(f"{name}:{line}: {text}")

    def files(self):
        for top in HOUSE:
            for path in sorted((self.root / top).rglob("*.[ch]")):
                yield path.relative_to(self.root).as_posix()

    def homes(self, name, text, seen):
        """Where the argument may be: the file, and headers of its folder that it includes."""
        folder = name.rsplit("/", 1)[0]
        yield text
        for line in blank_out(text, strings=False).splitlines():
            match = INCLUDE.match(line)
            header = match and match.group(2)
            path = self.root / (header or "")
            if header and header.startswith(folder + "/") and header not in seen and path.is_file():
                seen.add(header)
                yield from self.homes(header, path.read_text("utf-8"), seen)

    def run(self):
        for name in self.files():
            text = (self.root / name).read_text("utf-8")
            code = blank_out(text, strings=True)
            for line in incomplete(text):
                self.say(name, line, "not the three lines of a hand-over: " + " ".join(WORDS))
            first = next(ordered(code), None)
            if first and not any(has_argument(home) for home in self.homes(name, text, set())):
                self.say(name, first, "a hand-over without its argument: " + " ".join(WORDS)
                         + " in this file, or in a header of its folder that it includes")
            if not name.startswith(NO_WAITS):
                for line in counted_waits(code):
                    self.say(name, line, "a wait that counts turns: spin_until() or a deadline")
        return self.problems


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2])
    problems = Lint(parser.parse_args(argv).root).run()
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
