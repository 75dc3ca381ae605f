"""`perch bench`: what a boot and the per-CPU allocator cost in guest instructions, beside Linux.

    bench.py [all|boot|percpu] [--check] [--runs N] [--machines 1/1,8/4]

boot: each stage of the boot (here); percpu: the dynamic per-CPU allocator (bench_percpu.py).

Instructions are counted in QEMU's -icount mode, where one tick of the TSC is one instruction.
--check compares them with tests/bench/boot-budgets.toml. Wall time is printed, never judged. The
start of the application processors is only in the wall time: under -icount an INIT makes the clock
jump.
SPDX-License-Identifier: MIT
"""
import argparse
import re
import statistics
import sys
import tomllib

import bench_boot
import bench_percpu
import child
import machine as machines
import qemu
import verdict

BUDGETS = qemu.ROOT / "tests/bench/boot-budgets.toml"
SECONDS = 600
APPEND = "run=bench:boot percpu_static=233472"
BEFORE = ("boot_info", "memory", "acpi", "clock", "topology", "paging")  # first_chunk: of percpu
# All work up to the report. Not in it: smp_total, which is time. Under -icount an INIT makes the
# clock jump, and the boot CPU waits for the others.
TO_REPORT = ("boot_info", "smbios", "memory", "acpi", "clock", "topology", "paging", "percpu",
             "smp", "tsc", "cpu_regs", "pages", "percpu_dynamic", "placement")
LINE = re.compile(r"^bench: (\S+) (.*)$")
UP = re.compile(r"^\[ *(\d+\.\d+)\] smp: Brought up")
FIRST = re.compile(r"^\[ *\d+\.\d+\] ")


def budgets():
    return tomllib.loads(BUDGETS.read_text(encoding="utf-8"))


def build(entry):
    machine = machines.blocks(entry["nodes"], entry["cpus"], entry["mem"])
    machine.append = APPEND
    return machine


def boot(machine, icount):
    return bench_boot.boot(machine, icount, SECONDS)


def stages(text):
    """{stage: instructions} of the `bench: boot` lines, and the measuring overhead."""
    found, overhead = {}, 0
    for line in verdict.lines_of(text):
        match = LINE.match(line)
        if not match:
            continue
        values = dict(word.partition("=")[::2] for word in match[2].split())
        if match[1] == "boot" and "stage" in values:
            found[values["stage"]] = int(values["insns"])
        elif match[1] == "overhead":
            overhead = max([overhead] + [int(v) for v in values.values() if v.isdigit()])
    if all(stage in found for stage in BEFORE):
        found["before percpu"] = sum(found[stage] for stage in BEFORE)
    if all(stage in found for stage in TO_REPORT):
        found["to the report"] = (sum(found[stage] for stage in TO_REPORT)
                                  - found.get("smp_total", 0))
    return found, overhead


def wall(result):
    """Seconds: QEMU's start to the first line, first C instruction to all CPUs up, QEMU's end."""
    first = next((t for t, line in result.stamps if FIRST.match(line)), None)
    up = next((float(m[1]) for m in (UP.match(line) for _, line in result.stamps) if m), None)
    return {"first line": first, "cpus up": up, "end": result.seconds}


def show(entry, found, overhead, times):
    linux, budget = entry.get("linux", {}), entry.get("budget", {})
    print(f"\n{entry['cpus']} CPUs, {entry['nodes']} nodes: guest instructions "
          f"(reading the counter: {overhead})")
    print(f"  {'stage':<22}{'Perch':>14}{'budget':>14}{'Linux 6.12':>14}")
    for stage in found:
        row = [side.get(stage, "-") for side in (found, budget, linux)]
        print(f"  {stage:<22}" + "".join(f"{value:>14}" for value in row))
    if not times:
        return
    print(f"  wall seconds, median of {len(times)} (2 threads of the host; not judged)")
    for name in times[0]:
        values = [t[name] for t in times if t[name] is not None]
        value = f"{statistics.median(values):.3f}" if values else "-"
        print(f"  {name:<22}{value:>14}{'':>14}{entry.get('linux_wall', {}).get(name, '-'):>14}")


def over_budget(entry, found):
    name = f"{entry['cpus']}/{entry['nodes']}"
    bad = [f"bench: {name}: no stage {s}" for s in entry.get("budget", {}) if s not in found]
    return bad + [f"bench: {name}: {s}: {found[s]} instructions, budget {limit}"
                  for s, limit in entry.get("budget", {}).items() if found.get(s, 0) > limit]


def run_boot(wanted, runs):
    problems = []
    for entry in budgets()["machine"]:
        if wanted and f"{entry['cpus']}/{entry['nodes']}" not in wanted:
            continue
        machine = build(entry)
        found, overhead = stages(boot(machine, icount=True).text)
        times = [wall(boot(machine, icount=False)) for _ in range(runs)]
        show(entry, found, overhead, times)
        problems += over_budget(entry, found)
        sys.stdout.flush()
    return problems


def arguments(args, parser):
    """The options; parser: which has none yet, and says what is wrong."""
    parser.add_argument("what", nargs="?", default="all", choices=["all", "boot", "percpu"])
    parser.add_argument("--check", action="store_true", help="status 1 when a budget is exceeded")
    parser.add_argument("--runs", type=int, help="runs for the wall time, 0: none; without: 5, "
                        "with --check 0")
    parser.add_argument("--machines", help="for example 1/1,8/4; all without")
    options = parser.parse_args(args)
    if options.runs is not None and options.runs < 0:
        parser.error("--runs: 0 or more")
    known = {f"{entry['cpus']}/{entry['nodes']}"
             for data in (budgets(), bench_percpu.budgets()) for entry in data["machine"]}
    for name in options.machines.split(",") if options.machines else ():
        if name not in known:
            parser.error(f"--machines {name}: not one of {' '.join(sorted(known))}")
    return options


def main(options):
    """Status of the benchmarks that were asked for."""
    try:
        return measure(options)
    except (qemu.Missing, machines.MachineError) as error:
        return child.complain("bench", str(error), child.SETUP)
    except bench_boot.BenchError as error:
        return child.complain("bench", str(error), child.FAILED)


def measure(options):
    wanted = options.machines.split(",") if options.machines else None
    runs = (0 if options.check else 5) if options.runs is None else options.runs
    problems = []
    if options.what != "percpu":
        problems += run_boot(wanted, runs)
    if options.what != "boot":
        problems += bench_percpu.run(wanted, runs)
    print("\n" + "\n".join(problems or ["bench: every budget kept"]))
    return 1 if options.check and problems else 0


if __name__ == "__main__":
    child.die_with_parent()
    child.guard("bench", lambda: main(arguments(
        sys.argv[1:], argparse.ArgumentParser(prog="perch bench"))))
