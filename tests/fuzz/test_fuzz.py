"""Each fuzz target for a moment, from its seeds on: a crash, a sanitizer report or a slow input is a
failure.

Longer runs: make fuzz-NAME FUZZ_SECONDS=600.
SPDX-License-Identifier: MIT
"""
import os
import subprocess
import sys
from pathlib import Path

import pytest

BUILD = Path(os.environ.get("BUILD", "build"))
TARGETS = {path.stem: path.with_suffix("") for path in sorted(Path("tests").rglob("*_fuzz.c"))}


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    directory = tmp_path_factory.mktemp("seeds")
    subprocess.run([sys.executable, "tests/fuzz/seeds.py", directory], check=True)
    return directory


@pytest.mark.parametrize("name", TARGETS)
def test_target(name, seeds, tmp_path):
    corpus = seeds / name.removesuffix("_fuzz")
    assert any(corpus.iterdir()), "seeds.py has nothing for it"
    done = subprocess.run([str((BUILD / "fuzz" / TARGETS[name]).resolve()), "-seed=1", "-runs=50000",
                           "-max_total_time=5", "-max_len=8192", "-timeout=5",
                           str(corpus)],
                          cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
