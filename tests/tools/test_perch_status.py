"""The status that a shell gets, for boots that really fail: it is 1, and the closing line has the kernel's own reason.

SPDX-License-Identifier: MIT
"""
import os
import subprocess
import sys

import pytest

from conftest import BUILD, ROOT

WORDS = {"fail-placement": "in the wrong place", "fail-ubsan": "1 report of undefined behaviour",
         "fail-case": "1 test case failed", "fail-words": "6 words of fail= did nothing"}


@pytest.mark.parametrize("name", WORDS)
def test_status(name):
    done = subprocess.run([sys.executable, "tools/run.py"], cwd=ROOT, capture_output=True, text=True, env={
        **os.environ, "BUILD": str(BUILD), "TOPOLOGY": f"tests/qemu/{name}.machine"})
    assert done.returncode == 1
    last = done.stdout.splitlines()[-1]
    assert last.startswith("perch: run: FAILED: ") and WORDS[name] in last
