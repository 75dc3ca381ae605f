"""Each fuzz target for a moment: a crash, a sanitizer report or a slow input is a failure.

Longer runs: make fuzz-NAME FUZZ_SECONDS=600.
SPDX-License-Identifier: MIT
"""
import os
import subprocess
from pathlib import Path

import pytest

BUILD = Path(os.environ.get("BUILD", "build"))
TARGETS = sorted(path.stem for path in Path("tests/fuzz").glob("*_fuzz.c"))


@pytest.mark.parametrize("name", TARGETS)
def test_target(name, tmp_path):
    done = subprocess.run([str((BUILD / "fuzz" / name).resolve()), "-seed=1", "-runs=50000",
                           "-max_total_time=10", "-max_len=4096", "-timeout=5"],
                          cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
