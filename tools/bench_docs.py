"""The figures of docs/performance.md, and those that other pages quote, against measured figures.

    bench_docs.py [--write] FILE...

FILE is the output of `perch bench`, of one machine or several. A figure of a page may be off the
measured one by 2 %, or by half of its last digit. Status 1 when one is wrong. --write first
puts the measured figures into docs/performance.md. Linux's: tests/bench/linux-6.12.toml.

A table is recognised by the first cell of its header; TABLES has the meaning of its rows.
SPDX-License-Identifier: MIT
"""
import re
import sys
from pathlib import Path

import bench_percpu
import qemu

PAGE = qemu.ROOT / "docs/performance.md"
TOLERANCE = 0.02


def by_size(figure):
    return {f"{size} B": f"percpu size={size} op={figure}" for size in bench_percpu.SIZES}


def by_operation():
    names = ("this_cpu_inc", "this_cpu_inc_dynamic", "this_cpu_read", "this_cpu_add_return",
             "this_cpu_cmpxchg", "this_cpu_ptr", "per_cpu_ptr_constant", "per_cpu_ptr_variable",
             "for_each_possible_sum", "counter_add", "counter_add_100", "counter_sum",
             "counter_init", "counter_destroy")
    return {f"`{name}`": f"accessor op={name} insns" for name in names}


def by_order(value):
    return {order: f"return order={order} {value}" for order in ("random", "age", "size")}


def by_shape():
    shapes = ((24, 16), (40, 64), (64, 64), (192, 64), (288, 8), (512, 8), (513, 8), (640, 32),
              (1000, 8), (1024, 64), (1032, 64), (1536, 8), (3000, 8), (4096, 64), (4104, 8))
    return {f"{size} B, {align}": f"percpu size={size} align={align} op=pair_steady net"
            for size, align in shapes}


def spread(names):
    """{row: figure} of lines that have all four values: median, mean, 99 % and longest."""
    words = {"median": "med", "mean": "mean", "99 %": "p99", "longest": "max"}
    return {f"{label}: {word}": f"{name} {value}"
            for label, name in names.items() for word, value in words.items()}


def by_held():
    return spread({f"{kind}, {depth} held, {order}": f"{kind} size=8 depth={depth} order={order}"
                   for kind in ("ring", "burst") for depth in (64, 1000)
                   for order in ("fifo", "lifo", "random")})


def by_sweep():
    return {f"alignment {align}, {sizes} B: {word}": f"sweep align={align} upto={upto} {value}"
            for align in (8, 16, 32, 64)
            for sizes, upto in (("8 to 512", 512), ("520 to 1,024", 1024), ("1,032 to 4,096", 4096))
            for word, value in (("best", "min"), ("worst", "max"))}


# {first cell of a header: {first cell of a row: figure}}. A cell is `Perch` or `Perch / Linux`.
TABLES = {
    "pair of": by_size("pair_steady gross"),
    "net of clearing": by_size("pair_steady net"),
    "size, alignment": by_shape(),
    "first allocation, populated": by_size("alloc_grow class=nopop med"),
    "populating itself": by_size("alloc_grow class=populate med"),
    "making a chunk": by_size("alloc_grow class=newchunk med"),
    "free, in order of age": by_size("free_fifo med"),
    "Perch": {
        "hit: alloc": "fast op=alloc med",
        "hit: free": "fast op=free med",
        "locking instructions in all hits": "fast op=pair locked",
        "refill, net, 99 %": "slow op=refill part=net p99",
        "drain, net, 99 %": "slow op=drain part=net p99",
        "refill, less the batch, 99 %": "slow op=refill part=less_batch p99",
        "drain, less the batch, 99 %": "slow op=drain part=less_batch p99",
        "deferred by growing": "slow deferred",
        "populate a page of a unit, net": "populate per_page_unit_net",
        "a new chunk, net, median": "newchunk part=net med",
        "deferred work per pair": "background per_pair",
        "deferred work per trace operation": "background per_trace_op",
        "bytes cleared per pair": "cleared per_pair",
        "bytes cleared per trace operation": "cleared trace",
    },
    "trace": {
        "all of it; Linux: allocations": "trace total",
        "the same, net of clearing": "trace net",
        "allocations": "trace op=alloc sum",
        "allocations, net of clearing": "trace op=alloc_net sum",
        "allocations and background": "trace op=alloc with_background",
        "allocation, median": "trace op=alloc med",
        "allocation, 99 %": "trace op=alloc p99",
        "allocation, longest": "trace op=alloc max",
        "free, median": "trace op=free med",
        "drain": "trace op=drain sum",
        "pages per unit gained at the peak": "trace growth_pages_per_unit",
        "left after drain and trim": "trace left_pages_per_unit",
    },
    "atomic, 64 B": {
        "in a row, cold": "atomic size=64 when=cold first_fail_at",
        "in a row, demand seen": "atomic size=64 when=seen first_fail_at",
        "a failing call": "atomic op=failing med",
    },
    "90 % freed": by_order("over_balance"),
    "after percpu_trim": by_order("over_trim"),
    "operation": by_operation(),
    "8 B, net": by_held(),
    "every size, net": by_sweep(),
    "at once": spread({"storm, 8 B": "storm size=8", "storm, 64 to 512 B": "storm size=64",
                       "allocated here, 64 B": "remote size=64 op=alloc",
                       "freed there, 64 B": "remote size=64 op=free"}),
    "memory all taken": spread({"a call at the limit": "full op=at_limit",
                                "free and allocation": "full op=pair"}),
}
TURNS = "at once"  # CPUs take turns as it comes: only the medians repeat
LONG = ("sweep ", "full ")  # only in `perch bench percpu`: a shorter run has no such figure
ANY_OF = ("trace total", "sweep align=8 upto=512 med", "full op=pair med")  # not of the boot alone
PAR = "pattern"  # the one table with two figures of Perch's in a cell, and a second column of names
OUTPUT = re.compile(r"^(\d+) CPUs, (\d+) nodes: guest instructions")
ROW = re.compile(r"^  (\S.*?) {2,}(\d+(?:\.\d+)?) ")
BOOT_ROW = re.compile(r"^ *\| (\d+ CPUs, \d+ nodes) \| (.*) \|$", re.M)


def measured(text):
    """{machine: {figure: number}} of what `perch bench` printed."""
    found, name = {}, None
    for line in text.splitlines():
        head, row = OUTPUT.match(line), ROW.match(line)
        if head:
            name = f"{head[1]}/{head[2]}"
        elif name and row:
            found.setdefault(name, {})[row[1]] = float(row[2])
    return found


def parse(cell):
    """(value, half of its last digit) of `1,494`, `271 k`, `1.06 M`; None of `-`."""
    match = re.fullmatch(r"(\d[\d,]*)(?:\.(\d+))?(?: ([kM]))?", cell)
    if not match:
        return None
    unit = {"k": 1e3, "M": 1e6}.get(match[3], 1)
    value = float(match[1].replace(",", "") + "." + (match[2] or "0"))
    return value * unit, 0.5 * unit / 10 ** len(match[2] or "")


def show(value):
    """A number in the page's form."""
    if value is None:
        return "-"
    if value >= 1e8:
        return f"{value / 1e6:.1f} M"
    if value >= 1e6:
        return f"{value / 1e6:.{2 if value < 9.995e6 else 1}f} M"
    if value >= 99999.5:
        return f"{value / 1e3:.0f} k"
    if float(value).is_integer() or value >= 100:
        return f"{value:,.0f}"
    return f"{value:.{2 if value < 9.995 else 1}f}"


def right(cell, value):
    shown = parse(cell)
    if shown is None or value is None:
        return shown is None and value is None
    return abs(value - shown[0]) <= max(TOLERANCE * value, shown[1] * 1.001)


def cells(text):
    """(number of the line, table, row, machine, column, cell) of every figure of the page."""
    table = None
    for number, line in enumerate(text.split("\n")):
        row = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            table = None
        elif table is None:
            table, columns = row[0], [re.sub("^on ", "", cell) for cell in row]
        elif not line.startswith("|---"):
            label = row[0] if table != PAR else f"{row[0]} {row[1]}"
            for at in range(2 if table == PAR else 1, len(row)):
                yield number, table, label, columns[at], at, row[at]


def wanted(table, label, machine, perch, linux):
    """The numbers that a cell must have."""
    if table == PAR:
        pattern, cpus = label.split()
        name = f"par cpus={cpus} size=8 pattern={pattern}"
        return [perch.get(f"{name} locked"), perch.get(f"{name} shared_locks")]
    figure = TABLES[table][label]
    there = linux.get("trace total" if figure.endswith("with_background") else figure)
    return [perch.get(figure), there]


def stale(found, text=None):
    """Complaints about the page. found: {machine: {figure: number}}; others are left out."""
    return [f"docs/performance.md:{number + 1}: {label}, {machine}: {cell}, measured {now}"
            for number, label, machine, _, cell, now in changes(found, text)]


def changes(found, text=None, exact=False):
    linux = {machine: bench_percpu.linux(machine) for machine in found
             if any(figure in found[machine] for figure in ANY_OF)}
    for number, table, label, machine, at, cell in cells(text or PAGE.read_text("utf-8")):
        if machine not in linux:
            continue
        values = wanted(table, label, machine, found[machine], linux[machine])
        if values[0] is None and table != PAR and TABLES[table][label].startswith(LONG):
            continue
        if table == TURNS and not exact and not label.endswith("median"):
            continue
        parts = cell.split(" / ")
        now = " / ".join(f"{value:.3f}" if table == PAR else show(value)
                         for value in values[:len(parts)])
        if exact and now != cell or not all(map(right, parts, values)):
            yield number, label, machine, at, cell, now


def write(found):
    lines = PAGE.read_text("utf-8").split("\n")
    for number, _, _, at, _, now in list(changes(found, exact=True)):
        row = lines[number].split("|")
        row[at + 1] = f" {now} "
        lines[number] = "|".join(row)
    PAGE.write_text("\n".join(lines), "utf-8")


# Figures that stand in sentences: (page, expression, [(table, row, machine, part of the cell)]).
QUOTED = [
    ("README.md",
     r"of 8\s+bytes cost (\S+) instructions on one CPU and (\S+) on 16, Linux's (\S+) and (\S+)\.",
     [("pair of", "8 B", machine, part) for part in (0, 1) for machine in ("1/1", "16/1")]),
    ("README.md", r"at any alignment to 64, costs (\S+) and (\S+) net of clearing",
     [("every size, net", "alignment 16, 8 to 512 B: worst", machine, 0)
      for machine in ("1/1", "16/4")]),
    ("docs/percpu.md", r"by one XADD \(7; (\S+) with its folds\)",
     [("operation", "`counter_add`", "1/1", 0)]),
    ("docs/performance.md",
     r"(\S+ k) instructions for 32 KiB on 64 CPUs, where\s+Linux's free takes (\S+ k) ",
     [("free, in order of age", "32768 B", "64/4", part) for part in (0, 1)]),
    ("docs/performance.md", r"(\S+ k) instructions for 16 KiB where\s+Linux takes (\S+ k)",
     [("populating itself", "16384 B", "1/1", part) for part in (0, 1)]),
    ("docs/performance.md", r"on 64 CPUs: (\S+ M) against (\S+ M)",
     [("trace", "drain", "64/4", part) for part in (0, 1)]),
]


def misquoted():
    """Complaints about sentences of other pages that differ from the page's tables."""
    table = {key[1:4]: key[5].split(" / ") for key in cells(PAGE.read_text("utf-8"))}
    out = []
    for page, expression, names in QUOTED:
        match = re.search(expression, (qemu.ROOT / page).read_text("utf-8"))
        if not match:
            out.append(f"{page}: no sentence {expression}")
            continue
        for said, (*key, part) in zip(match.groups(), names):
            shown = table[tuple(key)][part]
            if not right(said, parse(shown)[0]):
                out.append(f"{page}: {said}, but docs/performance.md has {shown}")
    return out


def stale_boot(found):
    """Complaints about docs/percpu.md's table of `perch bench boot`; found: as stale()."""
    out = []
    for name, row in BOOT_ROW.findall((qemu.ROOT / "docs/percpu.md").read_text("utf-8")):
        machine = "/".join(re.findall(r"\d+", name))
        for cell, stage in zip(row.split(" | "), ("first_chunk", "percpu")):
            value = found.get(machine, {}).get(stage)
            if value and not right(cell, value):
                out.append(f"docs/percpu.md: {name}: {stage} {cell}, measured {show(value)}")
    return out


def main(args):
    files = [arg for arg in args if arg != "--write"]
    found = {}
    for name in files:
        for machine, figures in measured(Path(name).read_text("utf-8")).items():
            found.setdefault(machine, {}).update(figures)
    if not found:
        sys.exit("bench_docs: no output of `perch bench` in these files")
    if "--write" in args:
        write(found)
    complaints = stale(found) + stale_boot(found) + misquoted()
    print("\n".join(complaints or [f"docs: the figures of {', '.join(sorted(found))} are right"]))
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
