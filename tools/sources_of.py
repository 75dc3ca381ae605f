#!/usr/bin/env python3
"""Finds the sources that hosted tests need, so that no list is maintained by hand.

    sources_of.py TEST.c... < LIST

LIST names the sources that a test may link with. Prints "TEST.c:SOURCE.c" for each source that
defines a name which the test uses, or another such source. An inline function or a macro of a header
counts only where its own name is used. It relies on the tree's format: a body opens and closes with
a brace in the first column. A source too many costs time; one that is missing (of a name that a macro
pastes together, say) is an undefined reference at the link.
SPDX-License-Identifier: MIT
"""
import re
import sys
from pathlib import Path

TWINS = Path("tests/host")  # searched for headers before the tree's root
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)
FUNCTION = re.compile(r"^(\w[^;{}=#()]*\b)?(\w+)\([^;{}#]*\)[^;{}#()]*\n\{\n(.*?)^\}", re.M | re.S)
VARIABLE = re.compile(r"^(?!typedef|extern|struct \w+;)([\w][\w *]*\b)(\w+)(?:\[[^\n;=]*\])*(?: =|;)",
                      re.M)
MACRO = re.compile(r"^#define (\w+)((?:[^\n\\]|\\\n|\\.)*)", re.M)
INCLUDE = re.compile(r'^#include "([^"]+)"', re.M)
NAME = re.compile(r"(?<![\w.])(?<!->)[A-Za-z_]\w*")


class File:
    def __init__(self, path):
        text = path.read_text("utf-8")
        self.includes = INCLUDE.findall(text)
        code = COMMENT.sub(" ", text)
        functions = [(kind or "", name, body) for kind, name, body in FUNCTION.findall(code)]
        defined = functions + [(kind, name, "") for kind, name in
                               VARIABLE.findall(FUNCTION.sub("", code))]
        self.own = {name for kind, name, _ in defined if "static" in kind}
        self.shared = {name for kind, name, _ in defined if "static" not in kind}
        # The inline functions and macros of a header: name -> names in the body.
        self.gives = {name: body for kind, name, body in defined if "static" in kind}
        self.gives.update(MACRO.findall(code))
        self.code = code


class Tree:
    def __init__(self, sources):
        self.files, self.sources = {}, sources
        self.where = {name: source for source in sources for name in self.file(source).shared}
        self.needs = {source: self.direct(source) for source in sources}

    def file(self, path):
        if path not in self.files:
            self.files[path] = File(Path(path))
        return self.files[path]

    def headers(self, path):
        """Every header that path includes, at any depth."""
        found, queue = set(), [path]
        while queue:
            for name in self.file(queue.pop()).includes:
                twin = TWINS / name
                name = str(twin) if twin.is_file() else name
                if name not in found and Path(name).is_file():
                    found.add(name)
                    queue.append(name)
        return found

    def direct(self, path):
        """The sources that define the names in path, also by inline functions and macros."""
        file = self.file(path)
        gives, code = {}, [file.code]
        for header in self.headers(path):
            if header.endswith(".c"):
                code.append(self.file(header).code)
            for name, body in self.file(header).gives.items():
                gives.setdefault(name, []).append(body)
        seen, queue, found = set(file.own), code, set()
        while queue:
            for name in set(NAME.findall(queue.pop())) - seen:
                seen.add(name)
                queue += gives.get(name, ())
                if name in self.where and name not in gives:
                    found.add(self.where[name])
        return found - {path}

    def closure(self, test):
        found, queue = set(), [test, *(s for s in (self.where.get("main"),) if s)]
        found.update(queue[1:])
        while queue:
            path = queue.pop()
            more = self.needs.get(path, None)
            more = self.direct(path) if more is None else more
            queue += more - found
            found |= more
        return sorted(found)


def main(tests):
    tree = Tree(sys.stdin.read().split())
    for test in tests:
        for source in tree.closure(test):
            print(f"{test}:{source}")


if __name__ == "__main__":
    main(sys.argv[1:])
