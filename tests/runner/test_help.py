"""`make help` and CONTRIBUTING.md: they name what there is, and what they name is there.

SPDX-License-Identifier: MIT
"""
import re
import subprocess

from conftest import ROOT

# What make's other targets call, or what another line of the help speaks of.
INNER = {"FORCE", "all", "help", "library-tests"}


def test_make_help_names_every_target():
    text = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True,
                          check=True).stdout
    targets = set()
    for path in [ROOT / "Makefile", *(ROOT / "tools").rglob("*.mk")]:
        for line in re.findall(r"^\.PHONY:(.*)$", path.read_text("utf-8"), re.M):
            targets.update(line.split())
    missing = {name for name in targets - INNER if not re.search(rf"(?<![\w-]){name}\b", text)}
    assert len(targets) > 15 and not missing
    for pattern in ("unit-NAME", "model-NAME", "tsan-NAME", "fuzz-NAME", "tools/gdb/perch.py"):
        assert pattern in text
    assert all(len(line) <= 110 for line in text.splitlines())


def test_contributing_names_what_is_there():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    paths = set(re.findall(r"\b(?:tests|tools|docs)/[\w./-]*\w", text))
    assert len(paths) > 8
    assert not {path for path in paths if not (ROOT / path).exists()}
