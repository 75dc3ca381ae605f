"""`make compdb`: its entries are commands that another compiler, as clangd is, can read.

SPDX-License-Identifier: MIT
"""
import json
import os
import re
import shutil
import subprocess

import pytest

from conftest import ROOT


@pytest.fixture(scope="module")
def entries(tmp_path_factory):
    out = tmp_path_factory.mktemp("compdb") / "compile_commands.json"
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(["make", "compdb", f"COMPDB={out}"], cwd=ROOT, capture_output=True,
                          text=True, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    return {entry["file"]: entry for entry in json.loads(out.read_text("utf-8"))}


def test_every_source_is_in_it(entries):
    sources = {path.relative_to(ROOT).as_posix()
               for top in ("acpi", "boot", "kernel", "mm", "percpu", "smp", "tests", "tools")
               for path in (ROOT / top).rglob("*.c")}
    # What is built outside of the tree, against the library alone, or by Linux's build.
    users = {name for name in sources if re.match(r"tests/data/|tests/tools/library/|tools/example/"
                                                  r"|tools/linux-module/(?!summary)", name)}
    assert sources - users == set(entries)


def test_each_kind_has_its_flags(entries):
    def flags(name):
        return next(entry["arguments"] for file, entry in entries.items() if file.endswith(name))

    assert "-ffreestanding" in flags("/panic.c") and "-mcmodel=kernel" in flags("/memblock.c")
    assert "-Itests/host" in flags("/layout_test.c")
    assert "-fsanitize=thread" in flags("/percpu_alloc_tsan.c")
    assert not {"-ffreestanding", "-Itests/host"} & set(flags("tools/layout/main.c"))


@pytest.mark.skipif(not shutil.which("clang"), reason="no clang here")
@pytest.mark.parametrize("name", ["/memblock.c", "/panic.c", "/percpu_debug.c", "/version.c",
                                  "/layout_test.c", "host/shim.c", "/chunk_model.c",
                                  "tools/layout/main.c", "tools/library/host.c"])
def test_clang_accepts(entries, name):
    entry = next(entry for file, entry in entries.items() if file.endswith(name))
    done = subprocess.run(["clang", *entry["arguments"][1:], "-fsyntax-only"],
                          cwd=entry["directory"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
