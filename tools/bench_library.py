#!/usr/bin/env python3
"""`make bench-library`: the library of docs/porting.md beside the allocators that a program would use instead.

Each allocator runs in a process of its own, one after the other in ROUNDS rounds; a cell is the median of thread CPU
time. An object is one piece for each CPU: calloc(CPUs * size) for an allocator that knows no CPUs.
SPDX-License-Identifier: MIT
"""
import ctypes.util
import os
import statistics
import subprocess
import sys

OTHERS = ("jemalloc", "mimalloc", "tcmalloc_minimal")  # Debian: libjemalloc2, libmimalloc2.0, libtcmalloc-minimal4
CELLS = [f"{kind}-{size}" for kind in ("pair", "wave") for size in (8, 64, 256)] + ["trace"]
HEADS = ["pair 8", "64", "256", "1,000 held 8", "64", "256", "trace, an op"]
CPUS = (4, 64)
ROUNDS = 5


def allocators():
    """Name -> (what the program uses, what is loaded before it); and the names that are not installed."""
    found = {"Perch": ("perch", None), "glibc": ("calloc", None)}
    missing = []
    for name in OTHERS:
        library = ctypes.util.find_library(name)
        if library:
            found[name] = ("calloc", library)
        else:
            missing.append(name)
    return found, missing


def measure(program, what, preload, cpus, share):
    """One process. Returns cell -> nanoseconds."""
    env = dict(os.environ, **({"LD_PRELOAD": preload} if preload else {}))
    done = subprocess.run([program, what, str(cpus), str(share)], env=env, capture_output=True, text=True, check=False)
    if done.returncode or "LD_PRELOAD" in done.stderr:
        raise SystemExit(f"bench-library: {what} {preload or ''}: status {done.returncode}: {done.stderr.strip()}")
    return {cell: float(ns) for cell, ns in (line.split() for line in done.stdout.splitlines())}


def table(rows, cpus):
    """Lines: nanoseconds, and Perch's as multiples of each other row's."""
    yield f"{cpus} CPUs, ns" + " " * (18 - len(str(cpus))) + "".join(f"{head:>14}" for head in HEADS)
    for name, cells in rows.items():
        yield f"{name:<26}" + "".join(f"{cells[c]:>14,.0f}" for c in CELLS)
    ours = rows["Perch"]
    for name, cells in list(rows.items())[1:]:
        yield f"{'Perch / ' + name:<26}" + "".join(f"{ours[c] / cells[c]:>14.2f}" for c in CELLS)


def main(program, rounds=ROUNDS, share=1):
    found, missing = allocators()
    for cpus in CPUS:
        runs = {name: [] for name in found}
        for _ in range(int(rounds)):
            for name, (what, preload) in found.items():
                runs[name].append(measure(program, what, preload, cpus, share))
        rows = {name: {c: statistics.median(run[c] for run in got) for c in CELLS}
                for name, got in runs.items()}
        print("\n".join(table(rows, cpus)), flush=True)
        print()
    for name in missing:
        print(f"not installed: {name}")


if __name__ == "__main__":
    main(*sys.argv[1:])
