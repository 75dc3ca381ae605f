"""`perch bench percpu`: what the dynamic per-CPU allocator costs, beside Linux 6.12.

Boots each machine under -icount, reads the kernel's `bench:` lines into figures, prints them beside
Linux's (tests/bench/linux-6.12.toml), and compares them with tests/bench/percpu-budgets.toml.

A figure's name is its line without the values, followed by the value's name:
`bench: percpu size=8 op=alloc_steady n=2000 min=40 med=43` gives `percpu size=8 op=alloc_steady med`.
SPDX-License-Identifier: MIT
"""
import re
import sys
import tomllib

import bench_boot
import machine as machines
import qemu
import verdict

LINUX = qemu.ROOT / "tests/bench/linux-6.12.toml"
BUDGETS = qemu.ROOT / "tests/bench/percpu-budgets.toml"
OUTSIDE_BUDGETS = qemu.ROOT / "tests/bench/percpu-outside-budgets.toml"
SECONDS = 900
# Words that name the subject of a line; all others are values.
ABOUT = {"size", "align", "op", "class", "when", "part", "order", "pattern", "depth", "upto"}
ALL = "bench:percpu"
SWEEP = ",bench:percpu.sweep"  # a machine's own parts: `run` in the budgets
ABOUT_CPUS = {"par", "wall"}  # lines that exist for several numbers of CPUs
LINE = re.compile(r"^bench: (\S+) (.*)$")
# Printed in this order; the rest is in the log.
SIZES = (4, 8, 16, 64, 256, 1024, 4096, 16384, 32768)
OPS = ("alloc_steady med", "free_steady med", "pair_steady gross", "pair_steady net",
       "pair_steady background", "alloc_grow class=nopop med", "alloc_grow class=populate med",
       "alloc_grow class=newchunk med", "free_fifo med")
SHOWN = ("fast op=alloc med", "fast op=free med", "fast op=pair locked",
         "slow op=refill part=net p99", "slow op=drain part=net p99",
         "slow op=refill part=less_batch p99", "slow op=drain part=less_batch p99",
         "populate per_page_unit_net", "newchunk part=net med", "newchunk part=gross med",
         "trace total", "trace net", "trace op=alloc sum", "trace op=alloc_net sum",
         "trace op=alloc with_background", "trace op=alloc_net with_background",
         "trace op=alloc med", "trace op=alloc p99", "trace op=alloc max", "trace op=free med",
         "trace op=drain sum", "slow deferred", "background per_pair", "background per_trace_op",
         "cleared per_pair", "cleared trace",
         "trace peak_pages_per_unit", "trace growth_pages_per_unit",
         "trace after_drain_pages_per_unit", "trace left_pages_per_unit",
         "atomic size=64 when=cold first_fail_at", "atomic size=64 when=seen first_fail_at",
         "atomic op=failing med",
         *(f"return order={order} {value}" for order in ("random", "age", "size")
           for value in ("over_balance", "over_trim")))
# Rows of what users do beside pairs. Each has all four values; a step of the sweep has two.
OUTSIDE = ("ring ", "burst ", "storm", "remote ", "sweep", "full ")
SPREAD = (" med", " mean", " p99", " max", " min", " failed", " steps", "_size", " from", " to")


def figures(text):
    """({figure: number}, problems) of a log."""
    found, problems = {}, []
    for line in verdict.lines_of(text):
        match = LINE.match(line)
        if not match:
            continue
        if match[1] in ("failed", "skipped:") or match[1] == "verify" and match[2] != "ok=1":
            problems.append(line.removeprefix("bench: "))
            continue
        about = ABOUT | ({"cpus"} if match[1] in ABOUT_CPUS else set())
        name, values = [match[1]], []
        for word in match[2].split():
            key, _, value = word.partition("=")
            (name if key in about or not value else values).append(word)
        for word in values:
            key, _, value = word.partition("=")
            if re.fullmatch(r"\d+(\.\d+)?", value):
                found[" ".join([*name, key])] = float(value)
    return derived(found), problems


def derived(found):
    """Differences that a budget names and no line has."""
    start = found.get("trace start_pages_per_unit")
    for new, old in (("growth", "peak"), ("left", "after_drain")):
        end = found.get(f"trace {old}_pages_per_unit")
        if start is not None and end is not None:
            found[f"trace {new}_pages_per_unit"] = max(0.0, end - start)
    for part in ("alloc", "alloc_net"):
        calls, background = found.get(f"trace op={part} sum"), found.get("trace background")
        if calls is not None and background is not None:
            found[f"trace op={part} with_background"] = calls + background
    return found


def budgets():
    data = tomllib.loads(BUDGETS.read_text(encoding="utf-8"))
    more = tomllib.loads(OUTSIDE_BUDGETS.read_text(encoding="utf-8"))
    for figure, limit in more["at_most"].items():
        goal = more["goal"].get(figure)
        data["budget"].append({"figure": figure, "at_most": limit} | ({"goal": goal} if goal else {}))
    return data


def linux(name):
    data = tomllib.loads(LINUX.read_text(encoding="utf-8"))
    return {**data["all"], **data.get(name, {})}


def limits(data, name):
    """[(figure, least, most)] for one machine."""
    out = []
    few = any("run" in entry and machine_name(entry) == name for entry in data.get("machine", ()))
    for budget in data["budget"]:
        most, least = (pick(budget.get(key), name, few) for key in ("at_most", "at_least"))
        if most is not None or least is not None:
            out.append((budget["figure"], least, most))
    return out


def machine_name(entry):
    return f"{entry['cpus']}/{entry['nodes']}"


def pick(limit, name, few=False):
    """A budget is one number, or a table by machine; a machine without an entry has none. few: it
    runs parts of the benchmark alone, so one number is not for it."""
    if isinstance(limit, dict):
        return limit.get(name)
    return None if few else limit


def judge(name, found, wanted):
    """Every budget that is not kept, as a line."""
    bad = []
    for figure, least, most in wanted:
        value = found.get(figure)
        if value is None:
            bad.append(f"bench: {name}: no figure {figure}")
        elif most is not None and value > most:
            bad.append(f"bench: {name}: {figure}: {value:g}, budget at most {most:g}")
        elif least is not None and value < least:
            bad.append(f"bench: {name}: {figure}: {value:g}, budget at least {least:g}")
    return bad


def missed(data, name, found):
    """Goals that are not reached yet, where the budget is wider: printed, no failure."""
    out = []
    for budget in data["budget"]:
        goal, value = pick(budget.get("goal"), name), found.get(budget["figure"])
        if goal is None or value is None:
            continue
        if value < goal if "at_least" in budget else value > goal:
            out.append(f"bench: {name}: {budget['figure']}: {value:g}, the goal is {goal:g}")
    return out


def text_of(value):
    if value is None:
        return "-"
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.3f}"


def show(name, found, wanted, other, seconds):
    limit = {figure: (f">= {least:g}" if most is None else f"{most:g}")
             for figure, least, most in wanted}
    rows = [f"percpu size={size} op={op}" for op in OPS for size in SIZES] + list(SHOWN)
    rows += [f for f in found if " align=" in f and f.endswith("pair_steady net")]
    rows += [f for f in found if f.startswith("accessor ")]
    rows += [f for f in found if f.startswith("par ")
             and f.endswith((" locked", " shared_locks", " insns"))]
    rows += [f for f in found if f.startswith(OUTSIDE) and f.endswith(SPREAD)]
    rows += [f for f in limit if f not in rows]
    print(f"\n{name.replace('/', ' CPUs, ')} nodes: guest instructions, {seconds:.0f} s")
    print(f"  {'figure':<52}{'Perch':>13}{'budget':>13}{'Linux 6.12':>13}")
    for row in rows:
        if row in found or row in limit:
            print(f"  {row:<52}{text_of(found.get(row)):>13}{limit.get(row, '-'):>13}"
                  f"{text_of(other.get(row)):>13}")


def parts(entry):
    """What this machine runs: all, with the sweep; or its own parts."""
    return entry.get("run", ALL + (SWEEP if entry.get("run_sweep", True) else ""))


def boot(entry, run, static, icount):
    machine = machines.blocks(entry["nodes"], entry["cpus"], entry["mem"])
    machine.append = f"run={run} percpu_static={static}"
    return bench_boot.boot(machine, icount, SECONDS)


def wall(static):
    """One CPU against two of the host's, in real time: printed, never judged."""
    found, problems = figures(boot({"nodes": 1, "cpus": 2, "mem": "512M"}, "bench:percpu.wall",
                                   static, False).text)
    one, two = (found.get(f"wall cpus={n} us") for n in (1, 2))
    if one and two:
        pairs = found["wall cpus=1 pairs"]
        print(f"\nwall time, not judged: {pairs:.0f} pairs of 8 bytes on one CPU {one / 1e6:.3f} s,"
              f" on each of two at once {two / 1e6:.3f} s: {2 * one / two:.2f} times the work")
    return [f"bench: wall: {p}" for p in problems]


def run(wanted, runs):
    """Runs every machine, or those named (16/4); prints figures, returns problems."""
    data, problems = budgets(), []
    for entry in data["machine"]:
        name = f"{entry['cpus']}/{entry['nodes']}"
        if wanted and name not in wanted:
            continue
        result = boot(entry, parts(entry), data["static"], True)
        found, failed = figures(result.text)
        limit = limits(data, name)
        show(name, found, limit, linux(name), result.seconds)
        problems += [f"bench: {name}: {line}" for line in failed] + judge(name, found, limit)
        print("\n".join(missed(data, name, found)))
        sys.stdout.flush()
    return problems + (wall(data["static"]) if runs else [])
