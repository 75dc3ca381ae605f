"""The verdict on one boot: its problems, as lines of text.

The kernel is one witness of several. Judged are QEMU's exit status, the KTAP plan, the lines that
the machine file expects, and every placement line against the memory that QEMU gives to each node.
A boot without a problem has passed.
SPDX-License-Identifier: MIT
"""
import json
import re
from pathlib import Path

import ktap
import skips
from machine import size

LAYOUTS = Path(__file__).resolve().parent.parent / "tests/data/layouts"
STATUS = {33: "all held", 35: "FAILED", 37: "panic", 39: "held, but",
          0: "QEMU ended (power-off or triple fault)"}
INFO = 6  # a smaller loglevel= hides the lines of CPUs and units
LAST = {33: r"perch: all held$", 39: r"perch: held, but: ", 35: r"perch: FAILED: ",
        37: r"(---\[ end of panic \]---$|perch: this CPU )"}
STAMP = re.compile(r"^\[ *\d+\.\d{6}\] ?")
# The last: clocks are "in step" only when they are known to 10 us.
BAD = [re.compile(r"^UBSAN:"), re.compile(r"\bpanic\b", re.I), re.compile(r"assertion failed"),
       re.compile(r"CPUs in step: .* below (?!10000 )\d{5,} ns")]
PLACED = re.compile(r"^percpu: cpu (\d+) node (\d+) unit \[mem 0x([0-9a-f]+)-0x([0-9a-f]+)\]"
                    r" node (\d+) (\w+)")
DIED = re.compile(r"^(panic: .+|perch: this CPU .+)$")
SAID = re.compile(r"^perch: (all held|held, but: .+|FAILED: .+)$")
EVENT = re.compile(r"^events: (\S+) (\d+) \(.*\), (\d+) of them on purpose$")
BOOTED = re.compile(r"^Perch \S+: booted by ")
BROUGHT = re.compile(r"^smp: Brought up (\d+) nodes?, (\d+) CPUs?$")


def lines_of(text):
    """The log's lines without time stamps and trailing blanks."""
    return [STAMP.sub("", line).rstrip() for line in text.splitlines()]


def _in_order(patterns, lines):
    """The expressions that no line matches after the match of the one before."""
    problems, at = [], 0
    for pattern in patterns:
        found = next((i for i in range(at, len(lines)) if re.search(pattern, lines[i])), None)
        if found is None:
            where = " (after the ones before it)" if at else ""
            problems.append(f"no line matches {pattern!r}{where}")
        else:
            at = found + 1
    return problems


def _screen(machine, result):
    """The page that a run leaves on the screen, and with it the run's end."""
    if result.page is None:
        return [f"no page on the screen after {result.seconds:.0f} s"]
    problems = [f"screen: {problem}" for problem in _in_order(machine.screen, result.page)]
    problems += [f"screen: unreadable: {line}" for line in result.page if "\ufffd" in line][:3]
    if problems:
        problems += [f"screen| {line}" for line in result.page if line]
    return problems


def _last_line(result):
    """The log ends with Perch's last line, whole: nothing begins after it, nothing of it is lost."""
    last = (result.text.splitlines() or [""])[-1]
    wanted = LAST.get(result.status)
    stamped = STAMP.match(last) or result.status == 37  # before there is a clock there is no stamp
    if not wanted or (stamped and re.match(wanted, STAMP.sub("", last))):
        return []
    return [f"the last line is {last!r}, not {wanted!r} with its stamp"]


def said(text):
    """The kernel's verdict: "all held", "held, but: ..." or "FAILED: ..."; "": none."""
    found = [match[1] for match in map(SAID.match, lines_of(text)) if match]
    return found[-1] if found else ""


def _statuses(machine):
    return (33, 39) if machine.status == 33 and not machine.verdict else (machine.status,)


def _verdict(machine, result):
    """The kernel's last word; a panic has none, and a run that is stopped may have none yet."""
    word = said(result.text)
    if machine.panics():
        return [f"a verdict beside a panic: {word}"] if word else []
    if not word:
        return [] if machine.until else ["no line `perch: ` with the verdict"]
    if machine.verdict:
        return [] if re.fullmatch(machine.verdict, word) else [
            f"verdict {word!r}, expected {machine.verdict!r}"]
    return [word] if word.startswith("FAILED") else []


def _events(machine, lines):
    """What a safety net caught, and no case announced."""
    problems = []
    for match in filter(None, map(EVENT.match, lines)):
        count = int(match[2]) - int(match[3])
        if count and match[1] not in machine.events and machine.verdict:
            problems.append(f"event {match[1]}: {count} that nobody asked for")
    return problems


def died(text):
    """The first line that says why the kernel stopped: of a panic, or of a CPU that is refused; "": none."""
    return next((line for line in lines_of(text) if DIED.match(line)), "")


def _why(result):
    """That line, to go in front of how the run ended: it is what a person looks for."""
    line = died(result.text)
    return f"{line}: " if line else ""


def _exit(machine, result):
    if machine.screen:
        return _screen(machine, result)
    if machine.until:
        return [] if result.waited else [f"{_why(result)}did not wait after {machine.until!r}"]
    if result.status is None and result.silent is not None:
        return [f"{_why(result)}time-out: no new line for {result.silent:.0f} s, "
                f"{result.seconds:.0f} s after the start"]
    if result.status is None:
        return [f"{_why(result)}time-out: no end after {result.seconds:.0f} s"]
    if result.status not in _statuses(machine):
        word = STATUS.get(result.status, "not one of Perch's")
        return [f"{_why(result)}QEMU status {result.status} ({word}), expected {machine.status}"
                + (f"; QEMU said: {result.stderr.strip()}" if result.stderr.strip() else "")]
    if result.ended_by != machine.shutdown:
        return [f"{_why(result)}QEMU ended by {result.ended_by or 'nothing'!r}, expected {machine.shutdown!r}"]
    return []


def _text(machine, lines):
    problems = _in_order(machine.expect, lines)
    booted = sum(bool(BOOTED.match(line)) for line in lines)
    if booted > 1:  # a late console gets everything, once
        problems.append(f"{booted} lines `Perch ...: booted by`")
    for pattern in machine.forbid:
        problems += [f"forbidden line: {line}" for line in lines if re.search(pattern, line)][:3]
    if not machine.panics():
        wanted = [re.compile(pattern) for pattern in machine.expect]
        problems += [f"bad line: {line}" for line in lines for bad in BAD
                     if bad.search(line) and not any(want.search(line) for want in wanted)][:3]
    return problems


def _tests(machine, parsed):
    if machine.status == 37:
        return []  # a panic may come before the plan, or in the middle of it
    problems = list(parsed.errors)
    if machine.runs_tests() and not parsed.found:
        problems.append("no KTAP in the log")
    elif machine.runs_tests() and not parsed.passed and not parsed.failed and not parsed.skipped:
        problems.append("KTAP without a single case")
    if "test case" not in machine.verdict:
        problems += parsed.failures()
    problems += [f"skipped: {case}: {why}"
                 for case, why in skips.unexplained(machine, parsed.skipped)]
    return problems


def _brought_up(machine, lines):
    found = [match for match in map(BROUGHT.match, lines) if match]
    if len(found) != 1:
        return [f"{len(found)} lines `smp: Brought up`"]
    nodes, cpus = map(int, found[0].groups())
    want = (machine.nodes_online(), machine.cpus_online())
    return [] if (nodes, cpus) == want else [
        f"brought up {nodes} nodes, {cpus} CPUs; the machine has {want[0]} and {want[1]}"]


def _placement(machine, lines):
    """Each unit must be in memory that QEMU gave to the CPU's node, and its line must say so."""
    problems, ranges, seen = [], machine.node_ranges(), {}
    for match in filter(None, map(PLACED.match, lines)):
        cpu, node, first, last = int(match[1]), int(match[2]), int(match[3], 16), int(match[4], 16)
        said, word = int(match[5]), match[6]
        seen.setdefault(cpu, []).append((first, last))
        where = f"cpu {cpu} unit [mem {first:#x}-{last:#x}]"
        if cpu >= machine.possible():
            problems.append(f"cpu {cpu} does not exist")
            continue
        if node != machine.cpu_node(cpu):
            problems.append(f"cpu {cpu} is said to be on node {node}, "
                            f"is on {machine.cpu_node(cpu)}")
        truth = {n for n, parts in ranges.items() if any(a <= first and last < b for a, b in parts)}
        if truth != {said}:
            problems.append(f"{where} said on node {said}, is on {sorted(truth) or 'no one node'}")
        if not truth & machine.homes(cpu):
            homes = " or ".join(map(str, sorted(machine.homes(cpu))))
            problems.append(f"{where} is not on node {homes}")
        if (word == "ok") != (said == node):
            problems.append(f"{where}: verdict {word!r} with CPU on {node}, memory on {said}")
    due = range(machine.cpus_online()) if machine.online < 0 else ()
    missing = [cpu for cpu in due if cpu not in seen]
    if missing or not seen:
        problems.append(f"no placement line for CPUs {missing[:8] or 'at all'}")
    taken = sorted((first, last, cpu) for cpu, parts in seen.items() for first, last in parts)
    problems += [f"units of CPUs {a[2]} and {b[2]} overlap"
                 for a, b in zip(taken, taken[1:]) if b[0] <= a[1]]
    if "in the wrong place" in machine.verdict:  # on purpose, and then it must be so
        return [] if problems else ["every unit is where it should be"]
    return problems[:8]


def layout_lines(lines):
    """What Linux prints in the same form: the sizes and the groups."""
    return [line for line in lines
            if re.match(r"pcpu-alloc: |percpu: (Embedded )?\d+ (4K )?pages/cpu", line)]


def golden(name):
    """The lines Linux printed on the machine of that name; KeyError when there is none."""
    for path in sorted(LAYOUTS.glob("*.jsonl")):
        for text in path.read_text(encoding="utf-8").splitlines():
            entry = json.loads(text)
            if entry.get("name") == name and "pcpu_alloc" in entry:
                lines = [entry["percpu"]] + entry["pcpu_alloc"]
                return [line.rstrip() for line in lines], entry
    raise KeyError(name)


def _layout(machine, lines):
    if not machine.golden:
        return []
    try:
        want, entry = golden(machine.golden)
    except KeyError:
        return [f"tests/data/layouts has no {machine.golden}"]
    got = layout_lines(lines)
    problems = [] if got == want else ["not Linux's layout:"] + [
        f"  {mark} {line}" for mark, side in (("-", want), ("+", got)) for line in side]
    tail = entry.get("setup_percpu", "").partition("nr_cpumask_bits")[2]
    said = [line for line in lines if line.startswith("setup_percpu:")]
    if tail and not any(line.endswith(tail.rstrip()) for line in said):
        problems.append(f"no line setup_percpu: ... nr_cpumask_bits{tail}")
    return problems


def _host_memory(machine, result):
    """Perch must have touched little: the guest uses host memory only for what it touched."""
    if not machine.host_memory:
        return []
    if not result.peak:
        return ["QEMU's use of memory was not measured"]
    if result.peak > size(machine.host_memory):
        return [f"QEMU used {result.peak >> 20} MiB, more than {machine.host_memory}"]
    return []


def judge(machine, result):
    """(problems, parsed KTAP) of one run. An empty list is a pass."""
    lines = lines_of(result.text)
    parsed = ktap.parse(result.text)
    if machine.console == "screen":  # nothing else to judge
        return _exit(machine, result), parsed
    problems = _exit(machine, result) + _verdict(machine, result) + _text(machine, lines)
    problems += _tests(machine, parsed) + _events(machine, lines) + _last_line(result)
    level = machine.number("loglevel")
    if not machine.panics() and (level is None or level >= INFO):
        problems += _brought_up(machine, lines) + _placement(machine, lines)
        problems += _layout(machine, lines) + _host_memory(machine, result)
    return problems, parsed
