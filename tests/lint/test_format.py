"""The form of C: clang-format 14 has nothing to change, and no comment is broken by a formatter.

SPDX-License-Identifier: MIT
"""
import shutil
import subprocess

import pytest

import comment_form
from conftest import ROOT


def formatter():
    """clang-format 14; other versions lay out the same options differently."""
    for name in ("clang-format-14", "clang-format"):
        if shutil.which(name):
            text = subprocess.run([name, "--version"], capture_output=True, text=True).stdout
            if "version 14." in text:
                return name
    return None


def sources():
    return sorted(path for top in ("acpi", "boot", "kernel", "mm", "percpu", "smp", "tests", "tools")
                  for path in (ROOT / top).rglob("*.[ch]") if "data" not in path.parts)


@pytest.mark.skipif(not formatter(), reason="no clang-format 14 here")
def test_format():
    done = subprocess.run([formatter(), "--dry-run", "-Werror", *sources()], cwd=ROOT,
                          capture_output=True, text=True)
    files = sorted({line.split(":")[0] for line in done.stderr.splitlines() if ": error: " in line})
    assert done.returncode == 0, f"run clang-format -i on: {' '.join(files)}\n{done.stderr[:2000]}"


@pytest.mark.skipif(not formatter(), reason="no clang-format 14 here")
def test_a_breach_of_format_is_found(tmp_path):
    (tmp_path / "a.c").write_text("int  f(void) { return 1; }\n")
    shutil.copy(ROOT / ".clang-format", tmp_path)
    done = subprocess.run([formatter(), "--dry-run", "-Werror", tmp_path / "a.c"],
                          capture_output=True, text=True)
    assert done.returncode == 1 and "a.c:1:" in done.stderr


ALONE = "close is alone"
INSIDE = "inside of a sentence"
OPENS = "opens on a line of its own"


@pytest.mark.parametrize("text, line, what", [
    ("/* ---- a banner ------\n */\n", 1, "a banner has one line"),
    ("/* ---- a banner\n * ------ */\n", 1, "a banner has one line"),
    ("int x;\n    /* One line of text, and\n     */\n", 3, ALONE),
    ("/*\n * A module. Pure. SPDX-License-Identifier: MIT\n */\n", 2, INSIDE),
    ("/*\n * A module.\n * SPDX-License-Identifier: MIT and more.\n */\n", 3, INSIDE),
    ("/* Two lines of text\n * or more.\n */\n", 1, OPENS),
])
def test_a_broken_comment_is_found(text, line, what):
    found = comment_form.problems_of(text)
    assert len(found) == 1 and found[0][0] == line and what in found[0][1]


@pytest.mark.parametrize("text", [
    "/* ---- a banner ---- */\n",
    "/*\n * A module.\n * SPDX-License-Identifier: MIT\n */\n",
    "/* A program. SPDX-License-Identifier: MIT */\n",
    "/* Two lines,\n   as beside a member */\n",
    'const char *text = "/* no comment";\nint x; /* one */\n',
    "#define X \\\n    /* in a macro, \\\n     * of several lines \\\n     */ \\\n    1\n",
])
def test_a_sound_comment_is_none(text):
    assert comment_form.problems_of(text) == []


def test_no_comment_is_broken():
    assert list(comment_form.check(ROOT)) == []
