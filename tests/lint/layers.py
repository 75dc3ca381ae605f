#!/usr/bin/env python3
"""The rules of the house, checked by folder and without exceptions; run by `make test`.

    layers.py [--root DIR] [--objects DIR]

Include direction, kinds of source file (pure, CPU-local, hardware), and form. One line per problem,
`file:line: text`; status 1 when there is one. With --objects, the pure sources' kernel objects
(DIR/path/name.o, not position-independent) are searched with nm for file-scope state that can change.
SPDX-License-Identifier: MIT
"""
import argparse
import re
import subprocess
import sys
from pathlib import Path

MAX_LINES = 600
MAX_COLUMNS = 100

# Folder -> what it may include, each a folder or one header. First match from the top wins.
ALLOWED = [
    ("tests/", [""]),
    ("tools/", ["kernel/", "boot/", "acpi/", "mm/", "percpu/", "smp/", "tools/", "tests/"]),
    ("kernel/platform/", ["kernel/platform/", "kernel/base/", "boot/", "acpi/", "mm/", "percpu/",
                          "smp/"]),
    ("kernel/base/", ["kernel/base/"]),
    ("kernel/", ["kernel/", "boot/", "acpi/", "mm/", "percpu/", "smp/"]),
    ("smp/", ["smp/", "percpu/", "mm/", "acpi/", "kernel/base/"]),
    ("percpu/", ["percpu/", "mm/", "kernel/base/"]),
    ("mm/", ["mm/", "acpi/", "boot/boot_info.h", "kernel/base/"]),
    ("acpi/", ["acpi/", "kernel/base/"]),
    ("boot/", ["boot/", "kernel/base/"]),
]


class Rooms:
    """The sub-folders of a folder and their order.

    below: room -> the rooms that it may include beside itself.
    low: headers of the folder itself that every room may include (and that include no room).
    top: sources that may lie in the folder itself, on top of all rooms; so do its other headers.
    only: room -> what it may include from outside, where that is less than the folder may.
    """

    def __init__(self, below, low=(), top=(), only=None):
        self.below, self.low, self.top, self.only = below, low, top, only or {}

    def above(self, room, other):
        """Is other, through whatever rooms, on top of room?"""
        return any(room == below or self.above(room, below) for below in self.below[other])


ROOMS = {
    "percpu": Rooms({"first": [], "chunk": [], "backing": ["first", "chunk"],
                     "alloc": ["first", "chunk", "backing"],
                     "debug": ["first", "chunk", "backing", "alloc"], "sync": []},
                    low=["percpu.h"], top=["percpu.c", "percpu_passthrough.c", "percpu_debug.c"],
                    only={"sync": ["kernel/base/"]}),
    "mm": Rooms({"memblock": [], "numa": ["memblock"], "map": [],
                 "pages": ["memblock", "numa", "map"]}),
    "smp": Rooms({"start": [], "call": ["start"], "run": ["start", "call"],
                  "compare": ["start", "call"]}),
    "kernel": Rooms({"base": [], "platform": ["base"], "stages": ["base", "platform"],
                     "report": ["base", "platform", "stages"],
                     "bench": ["base", "platform", "stages"]},
                    top=["main.c", "run_stage.c"]),
}
HOUSE = ("boot", "kernel", "mm", "percpu", "acpi", "smp")
LISTS = ("PURE_SRCS", "LOCAL_SRCS", "HW_SRCS", "SHARED_SRCS")
# What the compiler brings along in a freestanding build (C11 4p6, and stdatomic.h, which gcc and
# clang ship beside them).
FREESTANDING = {"stdarg.h", "stdbool.h", "stddef.h", "stdint.h", "limits.h", "stdalign.h",
                "stdnoreturn.h", "stdatomic.h", "iso646.h", "float.h"}

INCLUDE = re.compile(r'\s*#\s*include\s*(["<])([^">]+)[">]')
ASM = re.compile(r"\b(asm|__asm__|__asm)\b")


def blank_out(text, strings):
    """Comments (and string and character literals) replaced by blanks; line numbers stay."""
    literal = r"|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"

    def repl(match):
        token = match.group(0)
        if not token.startswith("/") and not strings:
            return token
        return re.sub(r"[^\n]", " ", token)

    return re.sub(r"//[^\n]*|/\*.*?\*/" + literal, repl, text, flags=re.S)


def makefile_lists(root):
    """The source lists: name -> [(path, line)]. Continuation lines; comments end a list's line."""
    lists = {name: [] for name in LISTS}
    makefile = root / "Makefile"
    lines = makefile.read_text("utf-8").splitlines() if makefile.exists() else []
    current = None
    for number, line in enumerate(lines, 1):
        line = line.split("#", 1)[0].rstrip()
        if current is None:
            match = re.match(r"(\w+)\s*(?::|\+)?=\s*(.*)", line)
            if not match or match.group(1) not in lists:
                continue
            current, line = match.group(1), match.group(2)
        more = line.endswith("\\")
        lists[current] += [(word, number) for word in line.rstrip("\\").split()
                           if word.endswith(".c")]
        if not more:
            current = None
    return lists


class Lint:
    def __init__(self, root, objects=None):
        self.root = root
        self.objects = objects
        self.problems = []
        self.lists = makefile_lists(root)
        self.kind = {}

    def say(self, path, line, text):
        self.problems.append(f"{path}:{line}: {text}")

    def files(self, *suffixes):
        for top in HOUSE + ("tests", "tools"):
            for path in sorted((self.root / top).rglob("*")):
                if path.suffix in suffixes and path.is_file() and "data" not in path.parts:
                    yield path.relative_to(self.root).as_posix()

    def run(self):
        self.check_lists()
        for name in self.files(".c", ".h"):
            text = (self.root / name).read_text("utf-8")
            self.check_form(name, text)
            if name.endswith(".h"):
                self.check_header(name, text)
            self.check_includes(name, text)
            self.check_place(name)
            if self.kind.get(name) in ("PURE_SRCS", "LOCAL_SRCS"):
                self.check_pure(name, text)
        for name in self.files(".asm", ".py", ".sh"):
            self.check_form(name, (self.root / name).read_text("utf-8"), tabs=True)
        return self.problems

    # ---- form --------------------------------------------------------------------------------
    def check_form(self, name, text, tabs=False):
        lines = text.splitlines()
        if len(lines) > MAX_LINES:
            self.say(name, len(lines), f"longer than {MAX_LINES} lines")
        if "SPDX-License-Identifier: MIT" not in text and text.strip():
            self.say(name, 1, "no SPDX-License-Identifier line")
        for number, line in enumerate(lines, 1):
            if len(line) > MAX_COLUMNS and not name.endswith((".py", ".sh")):
                self.say(name, number, f"longer than {MAX_COLUMNS} columns")
            if "\t" in line and not tabs:
                self.say(name, number, "tab")

    def check_header(self, name, text):
        if not text.startswith("/*"):
            self.say(name, 1, "a header opens with a comment on what it promises")
        code = blank_out(text, strings=True)
        match = re.match(r"\s*#ifndef\s+(\w+)\s*\n\s*#define\s+(\w+)", code)
        if not match or match.group(1) != match.group(2) or not code.rstrip().endswith("#endif"):
            self.say(name, 1, "no include guard around the whole header")

    # ---- includes ----------------------------------------------------------------------------
    def check_includes(self, name, text):
        allowed = next((may for where, may in ALLOWED if name.startswith(where)), None)
        if allowed is None:
            self.say(name, 1, "no rule for this folder")
            return
        house = name.split("/")[0] in HOUSE
        for number, line in enumerate(blank_out(text, strings=False).splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                if re.match(r"\s*#\s*include\b", line):
                    self.say(name, number, "include of something that cannot be checked")
                continue
            kind, target = match.groups()
            if kind == "<":
                if house and target not in FREESTANDING:
                    self.say(name, number, f"<{target}> is not a freestanding header")
            elif ".." in target.split("/") or "/" not in target:
                self.say(name, number, f'"{target}" is not qualified from the root')
            elif not any(target.startswith(may) for may in allowed):
                self.say(name, number, f'"{target}" is above or beside this folder')
            elif house:
                self.check_room(name, number, target)

    # ---- rooms -------------------------------------------------------------------------------
    def check_place(self, name):
        folder, *parts = name.split("/")
        rooms = ROOMS.get(folder)
        if not rooms:
            return
        if len(parts) > 1 and parts[0] not in rooms.below:
            self.say(name, 1, f"{folder}/{parts[0]} is no room of {folder}: layers.py, ROOMS")
        elif len(parts) == 1 and name.endswith(".c") and parts[0] not in rooms.top:
            self.say(name, 1, f"a source of {folder} lies in one of its rooms: "
                     + ", ".join(rooms.below))

    def check_room(self, name, number, target):
        folder, *parts = name.split("/")
        rooms, aim = ROOMS.get(folder), target.split("/")
        room = parts[0] if len(parts) > 1 else None
        if not rooms or room is not None and room not in rooms.below:
            return
        if aim[0] != folder:
            only = rooms.only.get(room)
            if only is not None and not any(target.startswith(may) for may in only):
                self.say(name, number, f"{folder}/{room} may not include {target}: of other "
                         f"folders only {' '.join(only)}")
        elif len(aim) == 2 and aim[1] not in rooms.low:
            if room is not None or parts[0] in rooms.low:
                self.say(name, number, f"{folder}/{room or parts[0]} may not include {target}: "
                         "it is above")
        elif len(aim) > 2:
            other = aim[1]
            if room is None and parts[0] in rooms.low:
                self.say(name, number, f"{name} may not include {target}: every room is above it")
            elif room not in (None, other) and other not in rooms.below[room]:
                where = "above" if other in rooms.below and rooms.above(room, other) else "beside"
                self.say(name, number, f"{folder}/{room} may not include {folder}/{other}: "
                         f"it is {where}")

    # ---- kinds -------------------------------------------------------------------------------
    def check_lists(self):
        for kind, entries in self.lists.items():
            for path, line in entries:
                if path in self.kind:
                    self.say("Makefile", line, f"{path} is in {self.kind[path]} and in {kind}")
                elif not (self.root / path).is_file():
                    self.say("Makefile", line, f"{path} does not exist")
                self.kind.setdefault(path, kind)
        for name in self.files(".c"):
            if not name.startswith(("tests/", "tools/")) and name not in self.kind:
                self.say(name, 1, "in none of " + ", ".join(LISTS))

    def reachable(self, name):
        """Every header of ours that name includes, at any depth: header -> line in name."""
        found, queue = {}, [(name, None)]
        while queue:
            path, first = queue.pop()
            try:
                text = (self.root / path).read_text("utf-8")
            except OSError:
                continue
            for number, line in enumerate(blank_out(text, strings=False).splitlines(), 1):
                match = INCLUDE.match(line)
                if match and match.group(1) == '"' and match.group(2) not in found:
                    found[match.group(2)] = first or number
                    # The twin stands in for what cpu_local.h itself may include.
                    if match.group(2) != "kernel/base/cpu_local.h":
                        queue.append((match.group(2), first or number))
        return found

    def check_pure(self, name, text):
        local = self.kind[name] == "LOCAL_SRCS"
        word = "CPU-local" if local else "pure"
        banned = {"kernel/base/cpu.h", "kernel/base/safe.h"}
        if not local:
            banned.add("kernel/base/cpu_local.h")
        for target, line in sorted(self.reachable(name).items()):
            if target in banned:
                self.say(name, line, f"{word} file reaches {target}")
            elif target != "kernel/base/cpu_local.h" and self.has_asm(target):
                self.say(name, line, f"{word} file reaches inline assembly in {target}")
        for number, line in enumerate(blank_out(text, strings=True).splitlines(), 1):
            if ASM.search(line):
                self.say(name, number, f"inline assembly in a {word} file")
        if self.objects and not local:  # a CPU-local file may define per-CPU variables
            self.check_object(name)

    def has_asm(self, name):
        path = self.root / name
        # EXTABLE() is only text until an asm statement uses it; the statement is what is found.
        return path.is_file() and ASM.search(blank_out(path.read_text("utf-8"), strings=True))

    def check_object(self, name):
        obj = self.objects / (name[:-2] + ".o")
        if not obj.is_file():
            self.say(name, 1, f"no object {obj.name} to look for state in")
            return
        out = subprocess.run(["nm", "-f", "posix", str(obj)], capture_output=True, text=True,
                             check=False)
        if out.returncode:
            self.say(name, 1, f"nm cannot read {obj.name}")
        for line in out.stdout.splitlines():
            parts = line.split()
            if len(parts) >= 2 and parts[1] in "dDbBC":
                self.say(name, 1, f"pure file has file-scope state: {parts[0]}")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2])
    parser.add_argument("--objects", type=Path)
    args = parser.parse_args(argv)
    problems = Lint(args.root, args.objects).run()
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
