"""The house's rules on the house (layers.py), and proof that layers.py finds each kind of breach.

SPDX-License-Identifier: MIT
"""
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
import layers  # noqa: E402
from conftest import ROOT  # noqa: E402

SPDX = "/* SPDX-License-Identifier: MIT */\n"


def header(name, body=""):
    return f"{SPDX}#ifndef {name}\n#define {name}\n{body}\n#endif\n"


GOOD = {
    "Makefile": "PURE_SRCS := \\\n\tmm/map/a.c \\\n\nLOCAL_SRCS := percpu/alloc/l.c # fast\n"
                "HW_SRCS := kernel/main.c\nSHARED_SRCS := kernel/base/ktest.c\n",
    "kernel/base/types.h": header("T", "#include <stdint.h>"),
    "kernel/base/cpu.h": header("C", 'static inline void f(void) { __asm__("nop"); }'),
    "kernel/base/cpu_local.h": header("L", 'static inline void g(void) { __asm__("nop"); }'),
    "boot/boot_info.h": header("B", '#include "kernel/base/types.h"'),
    "boot/pvh.h": header("P"),
    "mm/map/a.h": header("A"),
    "mm/map/a.c": SPDX + '#include "mm/map/a.h"\n#include "boot/boot_info.h"\n/* asm, "in words" */\n'
              'const char *what = "asm";\n',
    "percpu/alloc/l.c": SPDX + '#include "kernel/base/cpu_local.h"\n',
    "kernel/main.c": SPDX + '#include "mm/map/a.h"\n#include "kernel/base/cpu.h"\n',
    "kernel/base/ktest.c": SPDX,
    "smp/start/s.h": header("S", '#include "mm/map/a.h"'),
}


def lint(tmp_path, changes, objects=None):
    for name, text in {**GOOD, **changes}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return layers.Lint(tmp_path, objects).run()


def test_good_tree(tmp_path):
    assert lint(tmp_path, {}) == []


def includes(*names):
    return SPDX + "".join(f'#include "{name}"\n' for name in names)


BREACHES = [
    # direction
    ("mm/map/a.c:2: ", "above or beside", {"mm/map/a.c": includes("smp/start/s.h")}),
    ("mm/map/a.c:2: ", "above or beside", {"mm/map/a.c": includes("boot/pvh.h")}),
    ("boot/boot_info.h:4: ", "above or beside",
     {"boot/boot_info.h": header("B", '#include "mm/map/a.h"')}),
    ("kernel/base/types.h:4: ", "above or beside",
     {"kernel/base/types.h": header("T", '#include "mm/map/a.h"')}),
    ("percpu/alloc/l.c:3: ", "above or beside",
     {"percpu/alloc/l.c": includes("kernel/base/types.h", "acpi/x.h")}),
    ("mm/map/a.c:2: ", "not qualified", {"mm/map/a.c": includes("a.h")}),
    ("mm/map/a.c:2: ", "not qualified", {"mm/map/a.c": includes("mm/../smp/start/s.h")}),
    ("mm/map/a.c:2: ", "not a freestanding", {"mm/map/a.c": SPDX + "#include <stdio.h>\n"}),
    ("mm/map/a.c:2: ", "cannot be checked", {"mm/map/a.c": SPDX + "#include WHAT\n"}),
    ("kernel/new/a.h:1: ", "is no room of kernel", {"kernel/new/a.h": header("N")}),
    # kinds
    ("mm/map/a.c:2: ", "pure file reaches kernel/base/cpu.h", {"mm/map/a.c": includes("kernel/base/cpu.h")}),
    ("mm/map/a.c:2: ", "pure file reaches kernel/base/cpu_local.h",
     {"mm/map/a.c": includes("mm/map/a.h"), "mm/map/a.h": header("A", '#include "kernel/base/cpu_local.h"')}),
    ("percpu/alloc/l.c:2: ", "CPU-local file reaches kernel/base/cpu.h",
     {"percpu/alloc/l.c": includes("kernel/base/cpu.h")}),
    ("mm/map/a.c:2: ", "inline assembly in a pure file", {"mm/map/a.c": SPDX + 'void f(void) { asm(""); }\n'}),
    ("mm/map/a.c:2: ", "inline assembly in mm/map/a.h",
     {"mm/map/a.c": includes("mm/map/a.h"), "mm/map/a.h": header("A", '__asm__("");')}),
    ("mm/map/new.c:1: ", "in none of", {"mm/map/new.c": SPDX}),
    ("Makefile:1: ", "in PURE_SRCS and in PURE_SRCS", {"Makefile": "PURE_SRCS := mm/map/a.c mm/map/a.c\n"}),
    ("Makefile:2: ", "does not exist", {"Makefile": "PURE_SRCS := mm/map/a.c\nHW_SRCS := mm/map/gone.c\n"}),
    # form
    ("mm/map/a.c:2: ", "tab", {"mm/map/a.c": SPDX + "\tint x;\n"}),
    ("mm/map/a.c:601: ", "longer than 600 lines", {"mm/map/a.c": SPDX + "\n" * 600}),
    ("mm/map/a.c:2: ", "longer than 100 columns", {"mm/map/a.c": SPDX + "/*" + "x" * 98 + "*/\n"}),
    ("mm/map/a.c:1: ", "no SPDX", {"mm/map/a.c": "int x(void);\n"}),
    ("mm/map/a.h:1: ", "include guard", {"mm/map/a.h": SPDX + "#ifndef A\n#define B\n#endif\n"}),
    ("mm/map/a.h:1: ", "include guard", {"mm/map/a.h": SPDX + "int x(void);\n"}),
    ("mm/map/a.h:1: ", "opens with a comment",
     {"mm/map/a.h": "#ifndef A\n#define A\n/* SPDX-License-Identifier: MIT */\n#endif\n"}),
]


@pytest.mark.parametrize("where, text, changes", BREACHES,
                         ids=[f"{i}-{b[1].replace(' ', '-')}" for i, b in enumerate(BREACHES)])
def test_breach_is_found(tmp_path, where, text, changes):
    problems = lint(tmp_path, changes)
    assert any(p.startswith(where) and text in p for p in problems), problems


# The same house with rooms in its folders: one header in each, with what it may include at most.
ROOMS = {
    "Makefile": "PURE_SRCS := mm/pages/a.c\nHW_SRCS := kernel/main.c percpu/percpu.c\n",
    "kernel/base/types.h": header("T"),
    "kernel/platform/trap.h": header("TR", '#include "kernel/base/types.h"\n'
                                           '#include "smp/start/apic.h"'),
    "kernel/stages/stage.h": header("ST", '#include "kernel/platform/trap.h"'),
    "kernel/report/report.h": header("R", '#include "kernel/stages/stage.h"'),
    "kernel/bench/bench.h": header("BE", '#include "kernel/stages/stage.h"'),
    "kernel/main.c": SPDX + '#include "kernel/report/report.h"\n#include "kernel/bench/bench.h"\n',
    "mm/memblock/memblock.h": header("MB", '#include "kernel/base/types.h"'),
    "mm/numa/numa.h": header("NU", '#include "mm/memblock/memblock.h"'),
    "mm/map/pagetable.h": header("PT"),
    "mm/pages/a.c": SPDX + '#include "mm/memblock/memblock.h"\n#include "mm/map/pagetable.h"\n',
    "percpu/percpu.h": header("PP", '#include "kernel/base/types.h"'),
    "percpu/percpu_instance.h": header("PG", '#include "percpu/alloc/alloc.h"'),
    "percpu/percpu.c": SPDX + '#include "percpu/percpu_instance.h"\n#include "percpu/debug/debug.h"\n',
    "percpu/first/first.h": header("PF", '#include "mm/memblock/memblock.h"'),
    "percpu/chunk/chunk.h": header("PC"),
    "percpu/backing/backing.h": header("PB", '#include "percpu/first/first.h"\n'
                                             '#include "percpu/chunk/chunk.h"'),
    "percpu/alloc/alloc.h": header("PA", '#include "percpu/percpu.h"\n'
                                         '#include "percpu/backing/backing.h"'),
    "percpu/debug/debug.h": header("PD", '#include "percpu/alloc/alloc.h"'),
    "percpu/sync/counter.h": header("PS", '#include "percpu/percpu.h"\n'
                                          '#include "kernel/base/types.h"'),
    "smp/start/apic.h": header("SS"),
    "smp/call/call.h": header("SC", '#include "smp/start/apic.h"'),
    "smp/run/idle.h": header("SR", '#include "smp/call/call.h"'),
    "smp/compare/tsc.h": header("SX", '#include "smp/call/call.h"\n#include "smp/start/apic.h"'),
}
# Header, what it includes, what is said.
UPWARD = [
    ("percpu/first/first.h", "percpu/chunk/chunk.h", "percpu/first may not include percpu/chunk: "
     "it is beside"),
    ("percpu/first/first.h", "percpu/backing/backing.h", "it is above"),
    ("percpu/chunk/chunk.h", "percpu/alloc/alloc.h", "percpu/chunk may not include percpu/alloc: "
     "it is above"),
    ("percpu/backing/backing.h", "percpu/alloc/alloc.h", "it is above"),
    ("percpu/alloc/alloc.h", "percpu/debug/debug.h", "it is above"),
    ("percpu/alloc/alloc.h", "percpu/percpu_instance.h", "percpu/alloc may not include percpu/percpu_instance.h: it is "
     "above"),
    ("percpu/debug/debug.h", "percpu/sync/counter.h", "it is beside"),
    ("percpu/sync/counter.h", "percpu/alloc/alloc.h", "it is beside"),
    ("percpu/sync/counter.h", "mm/map/pagetable.h", "of other folders only kernel/base/"),
    ("percpu/percpu.h", "percpu/alloc/alloc.h", "every room is above"),
    ("percpu/percpu.h", "percpu/percpu_instance.h", "it is above"),
    ("mm/memblock/memblock.h", "mm/numa/numa.h", "mm/memblock may not include mm/numa: it is above"),
    ("mm/map/pagetable.h", "mm/memblock/memblock.h", "it is beside"),
    ("mm/numa/numa.h", "mm/pages/buddy.h", "it is above"),
    ("smp/start/apic.h", "smp/call/call.h", "smp/start may not include smp/call: it is above"),
    ("smp/call/call.h", "smp/run/idle.h", "it is above"),
    ("smp/run/idle.h", "smp/compare/tsc.h", "it is beside"),
    ("smp/start/apic.h", "smp/compare/tsc.h", "it is above"),
    ("kernel/base/types.h", "kernel/platform/trap.h", "above or beside this folder"),
    ("kernel/platform/trap.h", "kernel/stages/stage.h", "above or beside this folder"),
    ("kernel/stages/stage.h", "kernel/report/report.h", "it is above"),
    ("kernel/stages/stage.h", "kernel/bench/bench.h", "it is above"),
    ("kernel/report/report.h", "kernel/bench/bench.h", "it is beside"),
    ("kernel/report/report.h", "kernel/run_stage.h", "it is above"),
]


def rooms(tmp_path, changes):
    for name, text in {**ROOMS, **changes}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return layers.Lint(tmp_path).run()


def test_rooms(tmp_path):
    assert rooms(tmp_path, {}) == []


@pytest.mark.parametrize("name, target, text", UPWARD, ids=[f"{a}-{b}" for a, b, _ in UPWARD])
def test_upward_include_is_found(tmp_path, name, target, text):
    problems = rooms(tmp_path, {name: header("X", f'#include "{target}"')})
    assert len(problems) == 1 and problems[0].startswith(f"{name}:4: ") and text in problems[0]


@pytest.mark.parametrize("name, text", [
    ("percpu/stray.c", "lies in one of its rooms: first, chunk, backing, alloc, debug, sync"),
    ("mm/stray.c", "lies in one of its rooms: memblock, numa, map, pages"),
    ("smp/stray.c", "lies in one of its rooms"),
    ("kernel/stray.c", "lies in one of its rooms"),
    ("percpu/attic/stray.c", "percpu/attic is no room of percpu"),
    ("kernel/app/stray.c", "kernel/app is no room of kernel"),
])
def test_source_outside_of_a_room_is_found(tmp_path, name, text):
    makefile = ROOMS["Makefile"] + f"LOCAL_SRCS := {name}\n"
    problems = rooms(tmp_path, {"Makefile": makefile, name: SPDX})
    assert len(problems) == 1 and problems[0].startswith(f"{name}:1: ") and text in problems[0]


def test_order_of_rooms_has_no_circle():
    for rooms_ in layers.ROOMS.values():
        for room, below in rooms_.below.items():
            assert not rooms_.above(room, room) and set(below) <= set(rooms_.below)


@pytest.mark.skipif(not shutil.which("gcc"), reason="no gcc")
@pytest.mark.parametrize("code, bad", [
    ("static int n; int f(void) { return n++; }", True),
    ("int n = 3;", True),
    ("int f(void) { static int n; return n++; }", True),
    ("static const int n[] = {1}; const int *f(void) { return n; }", False),
    ("int f(int n) { return n + 1; }", False),
])
def test_state_in_objects(tmp_path, code, bad):
    objects = tmp_path / "objects"
    lint(tmp_path, {"mm/map/a.c": SPDX + code + "\n"})
    for name in ("mm/map/a", "percpu/alloc/l"):
        (objects / name).parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["gcc", "-c", "-I", tmp_path, tmp_path / f"{name}.c", "-o",
                        objects / f"{name}.o"], check=True)
    problems = layers.Lint(tmp_path, objects).run()
    assert any("file-scope state: " in p for p in problems) == bad, problems
    (objects / "mm/map/a.o").unlink()
    assert any("no object a.o" in p for p in layers.Lint(tmp_path, objects).run())


def test_status(tmp_path):
    lint(tmp_path, {})
    tool = [sys.executable, Path(layers.__file__), "--root", tmp_path]
    assert subprocess.run(tool, check=False).returncode == 0
    (tmp_path / "mm/map/stray.c").write_text(SPDX, "utf-8")
    assert subprocess.run(tool, capture_output=True, check=False).returncode == 1


def test_this_tree():
    assert layers.Lint(ROOT).run() == []
