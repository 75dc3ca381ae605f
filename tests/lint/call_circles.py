#!/usr/bin/env python3
"""Circles of calls between files of the kernel: A calls B, and B, perhaps through others, calls A.

    call_circles.py [--root DIR] [--cc gcc] [--calls A B] [--all]

The compiler's own call graph (gcc's -fcallgraph-info), without inlining, so that an inline function of
a header counts as that header's. A header and the .c file of the same name are one file. Calls through
a function pointer are no calls here: a hook is how a lower file reaches a higher one (docs/adr/0017).

Prints each circle that is not in ALLOWED, with one call of every pair in it; status 1 when there is
one, or when ALLOWED names a circle that is gone. --calls lists all calls between two files.
SPDX-License-Identifier: MIT
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import layers  # noqa: E402

# Declared low and defined high on purpose: everything reports, everything may have to stop.
HIGH_BY_DESIGN = {"log_line", "panic"}
# Circles that stay, each with its reason in docs/adr/0017: a set of files, without suffix.
ALLOWED = []

FLAGS = ("-std=gnu11 -ffreestanding -O1 -fno-inline -fkeep-inline-functions -mcmodel=kernel "
         "-mno-red-zone -mno-mmx -mno-sse -mno-sse2 -mno-80387 -fno-pic -fno-pie -w -I. "
         "-DPERCH_VERSION=\"\" "
         "-fcallgraph-info -S").split()
# percpu.h has two implementations; the debug kernel's stands in for the other and is read alone.
TWINS = {"percpu/percpu.c": "percpu/percpu_debug.c"}

NODE = re.compile(r'node: \{ title: "([^"]*)" label: "([^"\\]*)\\n([^":]*):(\d+):\d+[^"]*"'
                  r'( shape : ellipse)?')
EDGE = re.compile(r'edge: \{ sourcename: "([^"]*)" targetname: "([^"]*)"(?: label: "([^"]*)")?')


def stem(path):
    """mm/pages/buddy.c and mm/pages/buddy.h are one file."""
    path = path.removeprefix("./")
    return path.rsplit(".", 1)[0] if path.endswith((".c", ".h")) else path


def graph_of(root, cc, source, directory):
    """The call graph of one source, as text."""
    out = directory / (source.replace("/", "@") + ".s")
    subprocess.run([cc, *FLAGS, "-o", str(out), source], cwd=root, check=True,
                   env={**os.environ, "CCACHE_DISABLE": "1"})  # ccache keeps no call graph
    return out.with_suffix(".ci").read_text(encoding="utf-8")


class Calls:
    """(caller's file, callee's file) -> {text of a call}, over all sources that were added."""

    def __init__(self):
        self.defined = {}
        self.raw = []

    def add(self, text):
        where = {}
        for title, _, path, _, declared in NODE.findall(text):
            if not declared:
                where[title] = stem(path)
                if ":" not in title:
                    self.defined[title] = stem(path)
        for source, target, place in EDGE.findall(text):
            self.raw.append((source, where.get(source), target, where.get(target), place))

    def between_files(self):
        calls = defaultdict(set)
        for source, caller, target, callee, place in self.raw:
            callee = callee or self.defined.get(target)
            name = target.split(":")[-1]
            if not caller or not callee or caller == callee or name in HIGH_BY_DESIGN:
                continue
            calls[caller, callee].add(f"{source.split(':')[-1]} calls {name} "
                                      f"({place.removeprefix('./')})")
        return calls


def circles_of(calls):
    """Strongly connected sets of more than one file (Tarjan's algorithm, without recursion)."""
    follow = defaultdict(list)
    for caller, callee in sorted(calls):
        follow[caller].append(callee)
    index, low, stack, on_stack, found = {}, {}, [], set(), []
    for root in sorted(follow):
        if root in index:
            continue
        work = [(root, iter(follow[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, rest = work[-1]
            for other in rest:
                if other not in index:
                    index[other] = low[other] = len(index)
                    stack.append(other)
                    on_stack.add(other)
                    work.append((other, iter(follow[other])))
                    break
                if other in on_stack:
                    low[node] = min(low[node], index[other])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    at = stack.index(node)
                    circle = stack[at:]
                    del stack[at:]
                    on_stack -= set(circle)
                    if len(circle) > 1:
                        found.append(frozenset(circle))
    return sorted(found, key=lambda circle: (-len(circle), sorted(circle)))


def read_tree(root, cc):
    """(calls of the plain kernel, calls of the debug kernel)"""
    sources = sorted({path for paths in layers.makefile_lists(root).values() for path, _ in paths})
    with tempfile.TemporaryDirectory(prefix="perch-calls-") as directory, \
            ThreadPoolExecutor(cpu_count()) as pool:
        texts = dict(zip(sources, pool.map(
            lambda source: graph_of(root, cc, source, Path(directory)), sources)))
    kernels = []
    for left_out in (set(TWINS.values()), set(TWINS)):
        calls = Calls()
        for source, text in texts.items():
            if source not in left_out:
                calls.add(text)
        kernels.append(calls.between_files())
    return kernels


def report(kernels, allowed):
    """Lines about circles that are not allowed, and about allowed ones that are gone."""
    lines, seen = [], set()
    for calls in kernels:
        for circle in circles_of(calls):
            if circle in seen:
                continue
            seen.add(circle)
            if circle in allowed:
                continue
            lines.append(f"circle of {len(circle)} files: " + ", ".join(sorted(circle)))
            for (caller, callee), texts in sorted(calls.items()):
                if caller in circle and callee in circle:
                    more = f", and {len(texts) - 1} more" if len(texts) > 1 else ""
                    lines.append(f"    {caller} -> {callee}: {min(texts)}{more}")
    lines += [f"allowed circle that is gone: {', '.join(sorted(circle))}"
              for circle in allowed if circle not in seen]
    return lines


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2])
    parser.add_argument("--cc", default="gcc")
    parser.add_argument("--calls", nargs=2, metavar="FILE", help="all calls between two files")
    args = parser.parse_args(argv)
    kernels = read_tree(args.root, args.cc)
    if args.calls:
        one, two = map(stem, args.calls)
        for pair in ((one, two), (two, one)):
            for text in sorted({text for calls in kernels for text in calls.get(pair, ())}):
                print(f"{pair[0]} -> {pair[1]}: {text}")
        return 0
    lines = report(kernels, [frozenset(circle) for circle in ALLOWED])
    print("\n".join(lines) or "no circle of calls")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
