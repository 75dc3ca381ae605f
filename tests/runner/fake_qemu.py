#!/usr/bin/env python3
"""Stands in for QEMU in the runner's tests: prints FAKE_LOG (a line each FAKE_PACE
seconds), waits FAKE_SLEEP, ends FAKE_STATUS. Its pid goes into the file FAKE_PID.

SPDX-License-Identifier: MIT
"""
import os
import sys
import time

if "--version" in sys.argv:
    print("QEMU emulator version " + os.environ.get("FAKE_VERSION", "10.0.2"))
    sys.exit(0)
if os.environ.get("FAKE_PID"):
    with open(os.environ["FAKE_PID"], "w", encoding="ascii") as out:
        out.write(str(os.getpid()))
for line in open(os.environ["FAKE_LOG"], encoding="utf-8"):
    sys.stdout.write(line)
    sys.stdout.flush()
    time.sleep(float(os.environ.get("FAKE_PACE", "0")))
time.sleep(float(os.environ.get("FAKE_SLEEP", "0")))
sys.exit(int(os.environ.get("FAKE_STATUS", "33")))
