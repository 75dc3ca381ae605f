#!/usr/bin/env python3
"""Runs a program built with -fsanitize=thread: tsan_run.py PROGRAM [ARG...]

Older TSan runtimes stop ("unexpected memory mapping") if the kernel randomises addresses by more
bits than they expect. The program is therefore started without randomisation where that is allowed
(not in every container). A race ends the program with status 66.
SPDX-License-Identifier: MIT
"""
import os
import shutil
import subprocess
import sys


def command(program, *args):
    """The command line: setarch -R in front where it works."""
    line = [str(program), *args]
    fixed = [shutil.which("setarch") or "setarch", os.uname().machine, "-R"]
    try:
        works = subprocess.run([*fixed, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        works = False
    return fixed + line if works else line


if __name__ == "__main__":
    argv = command(*sys.argv[1:])
    os.execv(shutil.which(argv[0]) or argv[0], argv)
