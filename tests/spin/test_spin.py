"""Spin's models of lock-free code: every *.pml here holds, and without what makes it safe it does not.

A model names what may be left out as `-DNO_...` in its head comment; each of these must be found to be an error.
SPDX-License-Identifier: MIT
"""
import re
import shutil
import subprocess
from pathlib import Path

import pytest

MODELS = sorted(Path(__file__).parent.glob("*.pml"))
CASES = [(model, flag) for model in MODELS
         for flag in ["", *sorted(set(re.findall(r"-D(NO_\w+)", model.read_text("utf-8"))))]]


@pytest.mark.skipif(not shutil.which("spin"), reason="no spin here")
@pytest.mark.parametrize("model, without", CASES, ids=[f"model-{m.stem}-{f or 'holds'}" for m, f in CASES])
def test_model(model, without, tmp_path):
    subprocess.run(["spin", *([f"-D{without}"] if without else []), "-a", model], cwd=tmp_path, check=True,
                   capture_output=True)
    subprocess.run(["gcc", "-O2", "-w", "-DSAFETY", "-o", "pan", "pan.c"], cwd=tmp_path, check=True)
    said = subprocess.run(["./pan"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    errors = re.search(r"errors: (\d+)", said)
    assert errors and "max search depth too small" not in said, said
    assert (int(errors[1]) > 0) == bool(without), said


def test_every_model_can_fail():
    assert MODELS and {model for model, flag in CASES if flag} == set(MODELS)
