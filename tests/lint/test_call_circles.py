"""Circles of calls between files: call_circles.py on made-up trees, and on this one.

SPDX-License-Identifier: MIT
"""
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
import call_circles  # noqa: E402
from conftest import ROOT  # noqa: E402

pytestmark = pytest.mark.skipif(not shutil.which("gcc"), reason="no gcc here")


@pytest.fixture(autouse=True)
def no_cache(monkeypatch):
    """A compiler cache gives back the assembly of a known source, but not its call graph."""
    monkeypatch.setenv("CCACHE_DISABLE", "1")


def report(tmp_path, files, allowed=()):
    """What is said of a tree of these sources; all .c files are in the Makefile's list."""
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    names = " ".join(name for name in files if name.endswith(".c"))
    (tmp_path / "Makefile").write_text(f"PURE_SRCS := {names}\n", "utf-8")
    kernels = call_circles.read_tree(tmp_path, "gcc")
    return call_circles.report(kernels, [frozenset(circle) for circle in allowed])


TWO = {
    "mm/a.c": "int b(int x);\nint a(int x) { return x ? b(x - 1) : 0; }\n",
    "mm/b.c": "int a(int x);\nint b(int x) { return a(x) + 1; }\n",
}
# a.c calls c.c, which calls b.c; that calls a.c through an inline function of a.c's header.
THREE = {
    "mm/a.h": "int a(int x);\nstatic inline int a_twice(int x) { return a(x) + a(x); }\n",
    "mm/a.c": '#include "mm/a.h"\nint c(int x);\nint a(int x) { return x ? c(x - 1) : 0; }\n',
    "mm/c.c": "int b(int x);\nint c(int x) { return b(x); }\n",
    "percpu/b.c": '#include "mm/a.h"\nint b(int x) { return a_twice(x); }\n',
}
HOOK = {
    "mm/a.c": "static int (*hook)(int x);\nvoid a_hook(int (*fn)(int x)) { hook = fn; }\n"
              "int a(int x) { return hook ? hook(x) : 0; }\n",
    "smp/b.c": "int a(int x);\nvoid a_hook(int (*fn)(int x));\nstatic int answer(int x) { return x; }\n"
               "int b(int x) { a_hook(answer); return a(x); }\n",
}


def test_two_files(tmp_path):
    lines = report(tmp_path, TWO)
    assert lines[0] == "circle of 2 files: mm/a, mm/b"
    assert lines[1].startswith("    mm/a -> mm/b: a calls b (mm/a.c:2:")
    assert lines[2].startswith("    mm/b -> mm/a: b calls a (mm/b.c:2:") and len(lines) == 3


def test_three_files_through_an_inline_function(tmp_path):
    lines = report(tmp_path, THREE)
    assert lines[0] == "circle of 3 files: mm/a, mm/c, percpu/b"
    assert any(line.startswith("    percpu/b -> mm/a: b calls a_twice") for line in lines)
    assert len(lines) == 4


def test_a_header_and_its_source_are_one_file(tmp_path):
    files = {"mm/a.h": "int a(int x);\nstatic inline int a_more(int x) { return a(x) + 1; }\n",
             "mm/a.c": '#include "mm/a.h"\nint a(int x) { return x ? a_more(x - 1) : 0; }\n'}
    assert report(tmp_path, files) == []


def test_a_hook_is_no_circle(tmp_path):
    assert report(tmp_path, HOOK) == []


def test_static_functions_of_one_name_are_two(tmp_path):
    files = {"mm/a.c": "int b(int x);\nstatic int help(int x) { return x; }\n"
                       "int a(int x) { return b(help(x)); }\n",
             "mm/b.c": "static int help(int x) { return x; }\nint b(int x) { return help(x); }\n"}
    assert report(tmp_path, files) == []


def test_what_is_declared_low_and_defined_high(tmp_path):
    files = {"mm/a.c": "void panic(const char *text);\nvoid a(void) { panic(\"a\"); }\n",
             "kernel/platform/p.c": "void a(void);\nvoid panic(const char *text) { (void)text; a(); }\n"}
    assert report(tmp_path, files) == []


def test_an_allowed_circle(tmp_path):
    assert report(tmp_path, TWO, [{"mm/a", "mm/b"}]) == []


def test_an_allowed_circle_that_is_gone(tmp_path):
    assert report(tmp_path, HOOK, [{"mm/a", "smp/b"}]) == ["allowed circle that is gone: mm/a, smp/b"]


def test_a_part_of_a_larger_circle_is_not_allowed(tmp_path):
    lines = report(tmp_path, THREE, [{"mm/a", "mm/c"}])
    assert lines[0].startswith("circle of 3 files") and lines[-1].startswith("allowed circle that is")


def test_status_and_calls(tmp_path):
    report(tmp_path, TWO)
    tool = [sys.executable, Path(call_circles.__file__), "--root", tmp_path]
    done = subprocess.run(tool, capture_output=True, text=True)
    assert done.returncode == 1 and "circle of 2 files" in done.stdout
    done = subprocess.run([*tool, "--calls", "mm/a.c", "mm/b"], capture_output=True, text=True)
    assert [line.split(" (")[0] for line in done.stdout.splitlines()] == [
        "mm/a -> mm/b: a calls b", "mm/b -> mm/a: b calls a"]


def test_this_tree():
    allowed = [frozenset(circle) for circle in call_circles.ALLOWED]
    assert call_circles.report(call_circles.read_tree(ROOT, "gcc"), allowed) == []
