#!/usr/bin/env python3
"""Comments that a formatter has broken: it wraps text at the column limit and knows no banner.

    comment_form.py [--root DIR]

Finds a close on a line of its own behind a single line of text (a banner, most often), a licence line
inside of a sentence, a banner of several lines, and a comment of several lines that does not open on a
line of its own. One line per problem; status 1 when there is one.
SPDX-License-Identifier: MIT
"""
import argparse
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import layers  # noqa: E402

SPDX = "SPDX-License-Identifier:"
TOKEN = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)


def problems_of(text):
    """[(line, what)] for the comments of one source."""
    found = []
    for match in TOKEN.finditer(text):
        comment, line = match[0], text.count("\n", 0, match.start()) + 1
        if not comment.startswith("/*") or "\n" not in comment:
            continue
        lines = [one.strip() for one in comment.splitlines()]
        macro = any(one.endswith("\\") for one in lines)
        if lines[0].startswith("/* ---"):
            found.append((line, "a banner has one line"))
        elif lines[0] != "/*" and lines[-1] == "*/" and len(lines) == 2:
            found.append((line + 1, "the comment's close is alone behind one line of text"))
        elif lines[0] != "/*" and lines[-1] == "*/" and not macro:
            found.append((line, "a comment of several lines opens on a line of its own"))
        for i, one in enumerate(lines):
            before, spdx, after = one.partition(SPDX)
            if spdx and (before.strip("/* ") or after.strip("/* ") not in ("MIT", "")):
                found.append((line + i, "the licence line is inside of a sentence"))
    return found


def check(root):
    for name in layers.Lint(root).files(".c", ".h"):
        for line, what in problems_of((root / name).read_text("utf-8")):
            yield f"{name}:{line}: {what}"


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2])
    found = list(check(parser.parse_args(argv).root))
    print("\n".join(found) or "no broken comment")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
