#!/usr/bin/env python3
"""compile_commands.json for clangd and other tools, from the commands that make would run.

    make -nB TARGET... | compdb.py OUT

A source that is compiled more than once (kernels, hosted tests, the library) has one entry, for
the first build; the order of the targets decides which build that is.
SPDX-License-Identifier: MIT
"""
import json
import shlex
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEPENDENCIES = {"-MMD", "-MP"}  # would write files


def entries(text):
    """One entry for each source, by the first command that compiles it."""
    found = {}
    for line in text.replace("\\\n", " ").splitlines():
        if ".c" not in line or line.startswith(("echo ", "mkdir ")):
            continue
        words = [word for word in shlex.split(line) if word not in DEPENDENCIES]
        sources = [word for word in words if word.endswith(".c") and (ROOT / word).is_file()]
        if "-o" not in words or not sources:
            continue
        out = words.index("-o")
        for source in sources:
            flags = [word for i, word in enumerate(words)
                     if word not in sources and word != "-c" and i not in (out, out + 1)]
            found.setdefault(source, {"directory": str(ROOT), "file": source,
                                      "arguments": [*flags, "-c", source]})
    return sorted(found.values(), key=lambda entry: entry["file"])


def main(out):
    found = entries(sys.stdin.read())
    Path(out).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"{out}: {len(found)} sources")


if __name__ == "__main__":
    main(*sys.argv[1:])
