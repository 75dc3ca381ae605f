"""What a change makes anew: make knows each file that went into an object or a program.

`make -q -W FILE` asks make, without a change on the disk, whether something would be built if FILE were newer.
SPDX-License-Identifier: MIT
"""
import os
import re
import subprocess

import pytest

from conftest import ROOT

INCLUDE = re.compile(r'^\s*%include\s+"([^"]+)"', re.M)
ASSEMBLY = sorted((str(path.relative_to(ROOT)), name)
                  for top in ("boot", "kernel", "mm", "percpu", "smp", "tests")
                  for path in (ROOT / top).rglob("*.asm")
                  for name in INCLUDE.findall(path.read_text("utf-8")))


def make(tmp_path, *words):
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(["make", f"BUILD={tmp_path}", *words], cwd=ROOT, env=env, capture_output=True,
                          text=True)


def test_there_is_something_to_test():
    assert ("smp/start/trampoline.asm", "smp/start/trampoline.inc") in ASSEMBLY


@pytest.mark.parametrize("source, changed", [*ASSEMBLY, ("kernel/base/glob.c", "kernel/base/glob.h")])
def test_an_object(tmp_path, source, changed):
    ending = ".asm.o" if source.endswith(".asm") else ".o"
    target = f"{tmp_path}/obj/{re.sub(r'[.](asm|c)$', ending, source)}"
    done = make(tmp_path, target)
    assert done.returncode == 0, done.stderr
    assert make(tmp_path, "-q", target).returncode == 0, "built, and not up to date"
    assert make(tmp_path, "-q", "-W", changed, target).returncode == 1, f"{changed} is no dependency"


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """make's own list of prerequisites, for programs that nothing was built for: {target: [file]}."""
    build = tmp_path_factory.mktemp("build")
    text = make(build, "-pnq", f"{build}/perch-layout").stdout
    lines = re.findall(r"^(\S+): (.*)$", text, re.M)
    return {target.removeprefix(f"{build}/"): names.split() for target, names in lines}


@pytest.mark.parametrize("program, sources", [("perch-layout", "tools/layout"), ("perch-acpi", "tools/acpi")])
def test_a_program(database, program, sources):
    """Each header of the tree that the compiler reads for it."""
    known = set(database[program])
    files = sorted(name for name in known if name.endswith(".c"))
    assert any(name.startswith(sources) for name in files)
    done = subprocess.run(["gcc", "-std=gnu11", "-I.", "-MM", *files], cwd=ROOT, capture_output=True, text=True,
                          check=True)
    read = {word for word in re.split(r"[\s\\]+", done.stdout) if word.endswith(".h")}
    assert read <= known, read - known


def test_the_iso(database):
    assert {"boot/grub.cfg", "tools/iso.py", "tools/iso_fixed.py"} <= set(database["perch.iso"])
