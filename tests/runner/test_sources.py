"""What a hosted test links: only the sources it needs, so that one test alone builds in seconds.

Counted in compiled files, which do not depend on the load: nine of them take some three seconds
of processor time, the whole list of hosted sources 27.
SPDX-License-Identifier: MIT
"""
import os
import re
import statistics
import subprocess
import sys

import pytest

from conftest import ROOT

TOOL = ROOT / "tools/sources_of.py"


def compiled(tmp_path, target):
    """The files that make would compile for target in a clean folder."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(["make", "-n", f"BUILD={tmp_path}", target], cwd=ROOT, env=env,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return re.findall(r" -c (\S+\.c) ", done.stdout)


@pytest.mark.parametrize("target, limit", [("unit-layout", 12), ("unit-glob", 10),
                                           ("model-printf", 10), ("unit-memblock_alloc", 20)])
def test_one_test_compiles_few_files(tmp_path, target, limit):
    files = compiled(tmp_path, target)
    assert 3 <= len(files) <= limit, files


def test_the_median_is_low(tmp_path):
    """The largest are the allocator's: its own 27 sources, and the machine that they run on."""
    each = {}
    text = compiled_lists(tmp_path)
    for test, source in text:
        each.setdefault(test, []).append(source)
    counts = {test: len(sources) for test, sources in each.items()}
    assert len(counts) > 80 and statistics.median(counts.values()) <= 14
    over = [test for test, count in counts.items()
            if count > (50 if "/percpu/" in test else 40)]
    assert not over, over


def compiled_lists(tmp_path):
    lister = tmp_path / "list.mk"
    lister.write_text("include Makefile\nlist:\n\t@echo $(SOURCES_OF)\n")
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(["make", "-s", "-f", lister, "list"], cwd=ROOT, capture_output=True,
                          text=True, env=env, check=True)
    return [word.split(":") for word in done.stdout.split()]


# ---- sources_of.py itself --------------------------------------------------------------------------

TREE = {
    "a.h": "int a(int x);\n#define A_TWICE(x) (2 * b_of(x))\n",
    "a.c": '#include "a.h"\nstatic int help(int x)\n{\n    return c_of(x);\n}\n\n'
           "int a(int x)\n{\n    return help(x);\n}\n",
    "b.c": "int b_of(int x)\n{\n    return x;\n}\n",
    "c.h": "int c_of(int x);\nstatic inline int c_deep(int x)\n{\n    return d_of(x);\n}\n",
    "c.c": '#include "c.h"\nint c_of(int x)\n{\n    /* b_of(x) */\n    return x;\n}\n',
    "d.c": "int d_table[] = {1};\nint d_of(int x)\n{\n    return x;\n}\n"
           "static int help(int x)\n{\n    return x;\n}\n",
    "main.c": "int main(void)\n{\n    return 0;\n}\n",
}


@pytest.mark.parametrize("test, needed", [
    ("int t(void)\n{\n    return a(1);\n}\n", "a.c c.c"),
    ('#include "a.h"\nint t(void)\n{\n    return A_TWICE(1);\n}\n', "b.c"),  # by a macro
    ('#include "c.h"\nint t(void)\n{\n    return c_deep(1);\n}\n', "d.c"),  # by an inline function
    ('#include "c.h"\nint t(void)\n{\n    return 0;\n}\n', ""),  # which nobody used
    ("extern int d_table[];\nint t(void)\n{\n    return d_table[0];\n}\n", "d.c"),
    ("int t(struct x *x)\n{\n    return x->a + x->b_of;\n}\n", ""),  # members
    ('static int a(int x)\n{\n    return x;\n}\nint t(void)\n{\n    return a(1);\n}\n', ""),
    ('#include "other_test.c"\n', "b.c"),  # a test inside of a test
])
def test_what_is_needed(tmp_path, test, needed):
    for name, text in {**TREE, "other_test.c": "int o(void)\n{\n    return b_of(1);\n}\n",
                       "t.c": test}.items():
        (tmp_path / name).write_text(text)
    done = subprocess.run([sys.executable, TOOL, "t.c"], cwd=tmp_path, input="a.c b.c c.c d.c main.c",
                          capture_output=True, text=True, check=True)
    assert done.stdout.split() == [f"t.c:{name}" for name in sorted([*needed.split(), "main.c"])]
