#!/usr/bin/env python3
"""Stands in for Bochs: FAKE_LOG is what COM1 sends, FAKE_END the words with which Bochs ends; without
any it spins, as a guest that is stuck.

SPDX-License-Identifier: MIT
"""
import os
import sys
from pathlib import Path

if "--help" in sys.argv:
    sys.exit(0)
config = Path("bochsrc").read_text(encoding="utf-8")
assert f"count={os.environ['FAKE_CPUS']}:1:1," in config, config
Path("serial").write_bytes(Path(os.environ["FAKE_LOG"]).read_bytes())
while not os.environ["FAKE_END"]:
    pass
Path("bochs.log").write_text(f"0001p[ACPI  ] >>PANIC<< {os.environ['FAKE_END']}\n", encoding="utf-8")
sys.exit(1)
