"""The verbs of ./perch, behind the shell that found Python: options, packages, make, and the verb itself.

    front.py [--no-install] VERB ...        in the directory where perch was called ($PERCH_FROM)

What is wrong on the command line is said before anything is installed or built. make only builds: what
comes after it runs in this process, so that its status and its last line are perch's own.
SPDX-License-Identifier: MIT
"""
import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import child

ROOT = Path(__file__).resolve().parent.parent
RUN_VALUES = ("nodes", "cpus", "mem", "firmware", "topology", "tables", "append", "accel", "log")
RUN_FLAGS = ("gdb", "strict")
FILES = ("topology", "tables", "log")


class Usage(Exception):
    """What is wrong on the command line, in one line."""


class Parser(argparse.ArgumentParser):
    """One line instead of argparse's page; tools/help has the pages."""

    def __init__(self, verb):
        super().__init__(prog=f"perch {verb}", add_help=False, allow_abbrev=False)

    def error(self, message):
        raise Usage(f"{message} (./perch {self.prog.split()[1]} --help)")


def path_of(text):
    """A file named on the command line, relative to the directory where perch was called."""
    return os.path.join(os.environ.get("PERCH_FROM") or os.getcwd(), text)


def install(what, no_install, to=None):
    """tools/install.sh; None, or the status with which perch ends. to: stdout by default."""
    script = f". tools/install.sh; install_for {what} '{no_install}'"
    status = subprocess.run(["bash", "-c", script], stdout=to).returncode
    return status and child.SETUP


def make(*words, to=None):
    """Names the target and builds it; None, or the status."""
    child.write("perch: make " + " ".join(words), to)
    status, _ = child.relay(["make", "--no-print-directory", f"-j{os.cpu_count()}", *words],
                            to=to)
    return status and child.SETUP


def run_parser():
    parser = Parser("run")
    for name in RUN_VALUES:
        parser.add_argument(f"--{name}", metavar=name.upper())
    for name in RUN_FLAGS:
        parser.add_argument(f"--{name}", action="store_true")
    return parser


def verb_run(words, no_install):
    import run
    options = vars(run_parser().parse_args(words))
    env = {name: value for name, value in os.environ.items()
           if name.lower() not in RUN_VALUES + RUN_FLAGS}
    for name, value in options.items():
        if value == "":
            raise Usage(f"--{name.replace('_', '-')} has an empty value")
        if value:
            env[name.upper()] = path_of(value) if name in FILES else str(value)
    try:
        machine, log = run.chosen(env), run.Log(env.get("LOG"))
    except (run.machines.MachineError, OSError) as error:
        raise Usage(str(error)) from None
    image = {"ubsan": "elf-ubsan", "clang": "elf-clang", "debug": "elf-debug"}
    target = "iso" if machine.menu else image.get(machine.kernel, "elf")
    need = "iso" if machine.firmware in ("bios", "uefi") or env.get("TOPOLOGY") else "run"
    status = install("test" if machine.kernel == "clang" else need, no_install)
    if status:
        return status
    if make(target):
        return run.last("make stopped before the machine was started", child.SETUP)
    return run.main(env, log)


def test_parser():
    parser = Parser("test")
    parser.add_argument("words", nargs="*")
    parser.add_argument("--strict", action="store_true")
    return parser


def verb_test(words, no_install):
    import testing
    options = test_parser().parse_args(words)
    kind, *rest = options.words or ["all"]
    if kind not in testing.KINDS:
        if rest:
            raise Usage(f"unknown kind {kind} (./perch test --help)")
        kind, rest = "all", [kind]
    if len(rest) > 1:
        raise Usage("a kind and one part of a name, no more (./perch test --help)")
    pattern = rest[0] if rest else ""
    status = install("test", no_install)
    if not status:
        nothing = testing.nothing_has(kind, pattern)
        if nothing:
            raise Usage(nothing)
        status = make("test-needs", f"WHAT={kind}")
    if status:
        child.write("0 passed, 1 failed")
        return status
    return testing.main(kind, pattern, options.strict)


def tool(verb, words, no_install):
    """layout, acpi: a program of the build takes this process over; files are named from there."""
    if not words:
        raise Usage(f"wants a file or a folder (./perch {verb} --help)")
    words = [word if word.startswith("-") else path_of(word) for word in words]
    status = install("build", no_install, sys.stderr) or make(f"{verb}-bin", to=sys.stderr)
    if status:
        return status
    program = Path(os.environ.get("BUILD") or "build", f"perch-{verb}").absolute()
    os.execv(program, [str(program), *words])


def verb_iso(words, no_install):
    Parser("iso").parse_args(words)
    return install("iso", no_install) or make("iso")


def verb_bench(words, no_install):
    import bench
    options = bench.arguments(words, Parser("bench"))
    status = install("run", no_install) or make("elf")
    return status or bench.main(options)


def verb_compare(words, no_install):
    import compare
    import linux_packages
    options = compare.arguments(words, Parser("compare"))
    status = install("run", no_install)
    if status:
        return status
    child.write("perch: Debian's cloud kernel and its headers (downloaded once, into build/linux)")
    try:
        headers = linux_packages.packages().headers
    except linux_packages.Unavailable as error:
        return child.complain("compare", str(error), child.SETUP)
    status = make("linux-module", f"LINUX_HEADERS={headers}")
    if status:
        return status
    with tempfile.TemporaryDirectory() as folder:
        return compare.main(options, Path(folder))


VERBS = {
    "run": verb_run, "test": verb_test, "iso": verb_iso, "bench": verb_bench,
    "compare": verb_compare,
    "layout": lambda *words: tool("layout", *words), "acpi": lambda *words: tool("acpi", *words),
}


def main(words):
    no_install = "1" if "--no-install" in words else ""
    verb, *rest = [word for word in words if word != "--no-install"]
    try:
        return VERBS[verb](rest, no_install)
    except Usage as error:
        return child.complain(verb, str(error), child.USAGE)


if __name__ == "__main__":
    os.chdir(ROOT)
    with contextlib.suppress(IndexError):
        child.guard(sys.argv[1] if sys.argv[1] != "--no-install" else sys.argv[2],
                    lambda: main(sys.argv[1:]))
