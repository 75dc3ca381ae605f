"""The rule on hand-overs without a lock (handovers.py) on the house, and breaches that it finds.

SPDX-License-Identifier: MIT
"""
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
import handovers  # noqa: E402
from conftest import ROOT  # noqa: E402

THREE = "/*\n *  - who writes: a;\n *  - who reads: b;\n *  - which order: c.\n */\n"
STORE = "void f(void) { __atomic_store_n(&x, 1, __ATOMIC_RELEASE); }\n"


def lint(tmp_path, files):
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return handovers.Lint(tmp_path).run()


@pytest.mark.parametrize("files", [
    {"smp/run/a.c": THREE + STORE},
    {"smp/run/a.c": '#include "smp/run/a.h"\n' + STORE, "smp/run/a.h": THREE},
    {"smp/run/a.c": '#include "smp/run/a.h"\n' + STORE,
     "smp/run/a.h": '#include "smp/run/types.h"\n', "smp/run/types.h": THREE},
    {"smp/run/a.c": "void f(void) { __atomic_fetch_add(&x, 1, __ATOMIC_RELAXED); }\n"},
    {"smp/run/a.c": "u32 f(void) { return atomic_load_explicit(&x, memory_order_relaxed); }\n"},
    {"smp/run/a.c": "/* atomic_load(&x) in words */\nvoid f(void) { spin_lock(&l); }\n"},
    {"smp/run/a.c": "void f(void) { while (spin_until(&s, T))\n;\n }\n"},
    {"mm/map/a.c": "void f(void) { for (i = 0; i < n && end(i) <= at; i++)\n;\n }\n"},
], ids=range(8))
def test_good(tmp_path, files):
    assert lint(tmp_path, files) == []


@pytest.mark.parametrize("where, text, files", [
    ("smp/run/a.c:1: ", "without its argument", {"smp/run/a.c": STORE}),
    ("smp/run/a.h:2: ", "without its argument",
     {"smp/run/a.h": "\nstatic inline u32 f(void) { return atomic_load(&x); }\n"}),
    ("smp/run/a.c:1: ", "without its argument",
     {"smp/run/a.c": "bool f(void) { return atomic_compare_exchange_strong_explicit(&x, &y, "
                     "g(1),\n memory_order_acquire, memory_order_relaxed); }\n"}),
    ("smp/run/a.c:2: ", "without its argument",   # another folder's argument is another's
     {"smp/run/a.c": '#include "kernel/base/log.h"\n' + STORE, "kernel/base/log.h": THREE}),
    ("smp/run/a.c:2: ", "without its argument",   # a header that the file does not include
     {"smp/run/a.c": "\n" + STORE, "smp/run/a.h": THREE}),
    ("smp/run/a.c:1: ", "not the three lines",
     {"smp/run/a.c": THREE.replace(" *  - who reads: b;\n", "") + STORE}),
    ("smp/run/a.c:1: ", "not the three lines",
     {"smp/run/a.c": THREE.replace("writes", "X").replace("reads", "writes").replace("X", "reads")}),
    ("smp/run/a.c:2: ", "counts turns",
     {"smp/run/a.c": "void f(void) {\n for (u32 i = 0; i < N && (regs[REG_ICR] & BUSY); i++)\n;\n}\n"}),
    ("smp/run/a.c:2: ", "counts turns",
     {"smp/run/a.c": "void f(void) {\n for (u32 i = 0; i < N; i++) {\n if (spin_trylock(&l))\n"
                     " return;\n cpu_relax();\n }\n}\n"}),
])
def test_breach(tmp_path, where, text, files):
    problems = lint(tmp_path, files)
    assert problems and all(p.startswith(where) and text in p for p in problems[:1]), problems


def test_status(tmp_path):
    lint(tmp_path, {"smp/run/a.c": STORE})
    tool = [sys.executable, Path(handovers.__file__), "--root", tmp_path]
    assert subprocess.run(tool, capture_output=True, check=False).returncode == 1
    (tmp_path / "smp/run/a.c").write_text(THREE + STORE, "utf-8")
    assert subprocess.run(tool, check=False).returncode == 0


def test_this_tree():
    assert handovers.Lint(ROOT).run() == []


def test_each_argument_of_this_tree_is_needed(tmp_path):
    """Without its argument a file is found: the rule has no hole that hides all of them."""
    for name in ("smp/call/call_core.h", "kernel/platform/panic.h", "mm/pages/buddy_types.h",
                 "percpu/sync/ref.h", "smp/compare/tsc_sync.c"):
        folder = name.rsplit("/", 1)[0]
        for path in (ROOT / folder).glob("*.[ch]"):
            target = tmp_path / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            text = path.read_text("utf-8")
            if path == ROOT / name:
                for word in handovers.WORDS:
                    text = text.replace(word, "somebody:")
            target.write_text(text, "utf-8")
        problems = handovers.Lint(tmp_path).run()
        assert any("without its argument" in p for p in problems), name
        for path in tmp_path.rglob("*.[ch]"):
            path.unlink()
