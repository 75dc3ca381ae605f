"""./perch itself: its statuses are those of docs/testing.md, no child outlives it, and output that breaks
is one line. QEMU, make and pytest are programs that stand in for them.

SPDX-License-Identifier: MIT
"""
import ctypes
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import child
import front
import testing
from conftest import ROOT, WORKER
from test_runner import LOG

FAKES = ROOT / "tests/runner"
VERBS = ("run", "test", "layout", "acpi", "iso", "bench", "compare")
RUN = ("run", "--nodes", "2", "--cpus", "4", "--mem", "128M")
BENCH = ("bench", "boot", "--machines", "1/1", "--runs", "0")
SECONDS = 60  # a loaded host


@pytest.fixture
def world(tmp_path):
    """The environment in which perch meets only what stands in, and finds everything installed."""
    for name in ("bin", "build", "tmp"):
        (tmp_path / name).mkdir()
    (tmp_path / "bin/make").symlink_to(FAKES / "fake_make.sh")
    (tmp_path / "build/perch.elf").write_bytes(b"")
    (tmp_path / "log").write_text(LOG, encoding="utf-8")
    return {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "PERCH_PACE": "1",
            "BUILD": str(tmp_path / "build"), "TMPDIR": str(tmp_path / "tmp"),
            "FAKE_LOG": str(tmp_path / "log"), "FAKE_PID": str(tmp_path / "pid"),
            "PERCH_QEMU": str(FAKES / "fake_qemu.py"),
            "PYTEST": f"{sys.executable} {FAKES / 'fake_pytest.py'}"}


def perch(world, *args, **more):
    return subprocess.run([ROOT / "perch", "--no-install", *args], env=world, text=True,
                          stdin=subprocess.DEVNULL, timeout=3 * SECONDS,
                          **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more})


DOUBT = LOG.replace("perch: all held", "perch: held, but: 2 firmware failures")


def skip_without_packages(text):
    if "missing packages" in text:
        pytest.skip("not everything that `perch test` needs is installed")


# Words, more of the environment, status, how the last line begins.
STATUS = [
    (RUN, {}, 0, "perch: run: all held"),
    ((*RUN, "--strict"), {"FAKE_LOG": "DOUBT", "FAKE_STATUS": "39"}, 4, "perch: run: held, but: 2"),
    (RUN, {"FAKE_LOG": "DOUBT", "FAKE_STATUS": "39"}, 0, "perch: run: held, but: 2"),
    (RUN, {"FAKE_STATUS": "35"}, 1, "perch: run: FAILED"),
    (RUN, {"FAKE_STATUS": "0"}, 1, "perch: run: FAILED"),
    (("run", "--mem", "1"), {}, 2, "perch: run: --mem 1: from 8M"),
    (("run", "--topology="), {}, 2, "perch: run: --topology has an empty value"),
    (("run", "--log", ""), {}, 2, "perch: run: --log has an empty value"),
    (("run", "--colour", "red"), {}, 2, "perch: run: unrecognized"),
    (("run", "--log", "/nonexistent/log"), {"FAKE_MAKE": "1"}, 2, "perch: run: [Errno 2]"),
    (RUN, {"FAKE_MAKE": "1"}, 3, "perch: run: make stopped"),
    (RUN, {"PERCH_QEMU": "no-such-qemu"}, 3, "perch: missing packages: qemu-system-x86"),
    (("test",), {}, 0, "3 passed, 0 failed"),
    (("test", "--strict"), {"FAKE_CLOSING": "3 passed, 0 failed, 1 skipped"}, 4, "3 passed, 0"),
    (("test",), {"FAKE_CLOSING": "3 passed, 0 failed, 1 skipped"}, 0, "3 passed, 0"),
    (("test", "lint", "x"), {"FAKE_CLOSING": "3 passed, 1 failed", "FAKE_STATUS": "1"}, 1,
     "3 passed, 1 failed"),
    (("test",), {"FAKE_CLOSING": "killed"}, 1, "0 passed, 1 failed"),
    (("test",), {"FAKE_CLOSING": "3 passed, 1 failed"}, 1, "3 passed, 1 failed"),
    (("test", "lint", "x"), {"FAKE_COLLECT": "5", "FAKE_MAKE": "1"}, 2,
     "perch: test: no test of the kind lint has 'x' in its name"),
    (("test", "kernel", "nothing_has_this"), {"FAKE_MAKE": "1"}, 2,
     "perch: test: no case of the kernel's suites"),
    (("test", "lint", "a", "b"), {}, 2, "perch: test: a kind and one"),
    (("test", "nothing", "at all"), {}, 2, "perch: test: unknown kind nothing"),
    (("test",), {"FAKE_MAKE": "1"}, 3, "0 passed, 1 failed"),
    (("iso",), {}, 0, "perch: make iso"),
    (("iso", "x"), {}, 2, "perch: iso: unrecognized"),
    (("iso",), {"FAKE_MAKE": "1"}, 3, "perch: make iso"),
    (BENCH, {"FAKE_STATUS": "35"}, 1, "perch: bench: run-1c1n: QEMU status 35"),
    (BENCH, {"FAKE_STATUS": "0"}, 1, "perch: bench: run-1c1n: QEMU status 0"),
    (("bench", "--machines", "7/3"), {}, 2, "perch: bench: --machines 7/3: not one of"),
    (("bench", "--runs", "-1"), {}, 2, "perch: bench: --runs: 0 or more"),
    (("bench", "sideways"), {}, 2, "perch: bench: argument what: invalid choice"),
    (BENCH, {"FAKE_MAKE": "1"}, 3, "perch: make elf"),
    (("layout",), {}, 2, "perch: layout: wants a file"),
    (("layout", "x"), {"FAKE_MAKE": "1"}, 3, "perch: make layout-bin"),
    (("acpi",), {}, 2, "perch: acpi: wants a file"),
    (("fly",), {}, 2, "perch: unknown verb fly"),
]


@pytest.mark.parametrize("words, more, status, last", STATUS,
                         ids=[f"{n}-{words[0]}-{s[2]}" for n, s in enumerate(STATUS)
                              for words in s[:1]])
def test_status(world, words, more, status, last):
    if more.get("FAKE_LOG"):
        Path(world["FAKE_LOG"]).write_text(DOUBT, encoding="utf-8")
        more = {"FAKE_STATUS": more["FAKE_STATUS"]}
    done = perch({**world, **more}, *words, stderr=subprocess.STDOUT)
    if "missing packages" not in last:
        skip_without_packages(done.stdout)
    assert done.returncode == status, done.stdout
    assert done.stdout.splitlines()[-1].startswith(last), done.stdout
    assert "Traceback" not in done.stdout
    assert os.listdir(world["TMPDIR"]) == []


# ---- no child outlives perch -------------------------------------------------------------------
def gone(pid):
    """A process that has ended, or is a zombie that nobody has asked for yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def soon(condition):
    end = time.monotonic() + SECONDS
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


CHILDREN = {
    "run": (RUN, {"FAKE_SLEEP": "600"}),
    "run-make": (RUN, {"FAKE_MAKE_SLEEP": "600"}),
    "test": (("test",), {"FAKE_SLEEP": "600"}),
    "bench": (BENCH, {"FAKE_SLEEP": "600"}),
}


def ordinary_signals():
    """Under nohup, or in a background job, these tests inherit that a signal is ignored."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def start(world, verb, in_terminal):
    """(pid of perch, terminal) once its child runs."""
    words, more = CHILDREN[verb]
    args = [str(ROOT / "perch"), "--no-install", *words]
    if not in_terminal:
        process = subprocess.Popen(args, env={**world, **more}, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   preexec_fn=ordinary_signals)
        return process.pid, None
    pid, terminal = pty.fork()
    if not pid:
        ordinary_signals()
        os.execve(args[0], args, {**world, **more})
    return pid, terminal


@pytest.mark.parametrize("how", ["SIGTERM", "SIGHUP", "SIGINT", "SIGKILL", "terminal"])
@pytest.mark.parametrize("verb", CHILDREN)
def test_no_child_outlives_perch(world, verb, how):
    """QEMU, what make starts, and what pytest starts; and the temporary folder goes."""
    if verb == "test":
        skip_without_packages(perch(world, "test").stdout)
    Path(world["FAKE_PID"]).unlink(missing_ok=True)
    pid, terminal = start(world, verb, how == "terminal")
    there = Path(world["FAKE_PID"])
    try:
        assert soon(lambda: there.exists() and there.read_text(encoding="ascii").strip())
        fake = int(there.read_text(encoding="ascii"))
        assert not gone(fake)
        if terminal is not None:
            os.close(terminal)
        else:
            os.kill(pid, getattr(signal, how))
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        raise
    want = {"SIGTERM": 143, "SIGHUP": 129, "SIGINT": 130, "SIGKILL": -9, "terminal": 129}
    assert status == want[how]
    assert soon(lambda: gone(fake)), "a child outlives perch"
    assert soon(lambda: os.listdir(world["TMPDIR"]) == []), os.listdir(world["TMPDIR"])


def test_parent_that_was_gone_before():
    """The child asks for the signal after its parent has ended: it must see that itself."""
    code = f"""import os, sys, time
sys.path.insert(0, {str(ROOT / 'tools')!r})
import child
if not os.fork():
    parent = os.getppid()
    time.sleep(1)
    child.die_with_parent(parent)
    print("alive", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          timeout=SECONDS)
    assert done.stdout == ""


@pytest.mark.skipif(not WORKER, reason="no worker of pytest-xdist")
def test_a_worker_ends_with_its_controller():
    number = ctypes.c_int()
    child.LIBC.prctl(2, ctypes.byref(number), 0, 0, 0)  # PR_GET_PDEATHSIG
    assert number.value == signal.SIGKILL


# ---- output that breaks ------------------------------------------------------------------------
@pytest.mark.parametrize("verb", ["run", "test", "iso", "bench"])
def test_a_pipe_that_is_closed(world, verb):
    """As `./perch run | head -1` does: one line on standard error, and QEMU is gone."""
    words, more = CHILDREN.get(verb, (("iso",), {}))
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        done = perch({**world, **more}, *words, stdout=pipe)
    skip_without_packages(done.stderr)
    assert (done.returncode, done.stderr) == (3, f"perch: {verb}: stdout: Broken pipe\n")
    fake = Path(world["FAKE_PID"])
    assert not fake.exists() or soon(lambda: gone(fake.read_text(encoding="ascii").strip()))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("verb", ["run", "test", "iso", "bench"])
def test_a_full_disk(world, verb):
    words, more = CHILDREN.get(verb, (("iso",), {}))
    skip_without_packages(perch(world, *words).stdout) if verb == "test" else None
    with open("/dev/full", "wb") as full:
        done = perch({**world, **more}, *words, stdout=full)
    assert (done.returncode, done.stderr) == (
        3, f"perch: {verb}: stdout: No space left on device\n")


@pytest.mark.parametrize("verb", ["run", "iso", "bench"])
def test_a_closed_output(world, verb):
    words, more = CHILDREN.get(verb, (("iso",), {}))
    done = subprocess.run(["sh", "-c", 'exec "$0" "$@" >&-', ROOT / "perch", "--no-install",
                           *words], env={**world, **more}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (3, f"perch: {verb}: stdout: closed\n")


def test_a_temporary_folder_that_cannot_be_made(world):
    """Python then looks elsewhere; with no place at all it is one line."""
    done = perch({**world, "TMPDIR": "/nonexistent"}, *RUN)
    assert done.returncode == 0 and "Traceback" not in done.stderr


# ---- help ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb(verb, tmp_path):
    """On a machine without Python too; and it names every option that there is, and no other."""
    for args in ([verb, "--help"], ["-h", verb], [verb, "--no-install", "--help"]):
        done = subprocess.run([ROOT / "perch", *args], cwd=tmp_path, capture_output=True, text=True,
                              env={**os.environ, "PYTHON": "/nonexistent/python"})
        assert done.returncode == 0 and done.stdout.startswith(f"./perch {verb}")
    assert len(done.stdout.splitlines()) <= 24 and "\nStatus: 0 " in done.stdout
    import bench
    parsers = {"run": front.run_parser, "test": front.test_parser}
    if verb in parsers:
        known = set(parsers[verb]()._option_string_actions)
    elif verb == "bench":
        parser = front.Parser("bench")
        bench.arguments([], parser)
        known = set(parser._option_string_actions)
    elif verb == "compare":
        import compare
        parser = front.Parser("compare")
        compare.arguments(["percpu"], parser)
        known = set(parser._option_string_actions)
    else:
        return
    assert known == set(re.findall(r"(?<![\w-])--[a-z]+", done.stdout)) - {"--help"}


def test_help_names_every_kind():
    text = (ROOT / "tools/help/test.txt").read_text("utf-8")
    words = re.search(r"KIND +([\w ]+);", text).group(1).split()
    assert words == [kind for kind in testing.KINDS if kind != "all"] or set(words) == set(
        testing.KINDS) - {"all"}


def test_collecting_needs_nothing_built(tmp_path):
    """So that a PATTERN that matches nothing can say so before make runs."""
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "--collect-only", "tests"], cwd=ROOT,
                          env={**os.environ, "BUILD": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 0 and " tests collected" in done.stdout, done.stdout[-2000:]
