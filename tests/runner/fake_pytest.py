"""Stands in for pytest: FAKE_COLLECT is its status of --collect-only; else it starts a child, as a worker of
pytest-xdist is, prints FAKE_CLOSING, sleeps FAKE_SLEEP and ends FAKE_STATUS.

SPDX-License-Identifier: MIT
"""
import os
import subprocess
import sys
import time

if "--collect-only" in sys.argv:
    sys.exit(int(os.environ.get("FAKE_COLLECT", "0")))
if "FAKE_SLEEP" in os.environ:
    worker = subprocess.Popen(["sleep", os.environ["FAKE_SLEEP"]])
    with open(os.environ["FAKE_PID"], "w", encoding="ascii") as out:
        out.write(str(worker.pid))
print(os.environ.get("FAKE_CLOSING", "3 passed, 0 failed"), flush=True)
time.sleep(float(os.environ.get("FAKE_SLEEP", "0")))
sys.exit(int(os.environ.get("FAKE_STATUS", "0")))
