"""Children that never outlive us, one temporary folder that goes with us, and output that may break.

Promises to perch's verbs (front.py, run.py, bench.py, testing.py):
- each child gets SIGKILL from the kernel when its parent ends in whatever way (prctl(2),
  PR_SET_PDEATHSIG), and ends at once if the parent was gone before it could ask for that;
- SIGINT, SIGTERM and SIGHUP become the exception Stopped in the main thread, so that `finally` runs;
- the folder of temporary(), which is TMPDIR for all below, and a child's process group also go
  when we are killed: a caretaker, a shell of its own session, waits for the end of a pipe;
- output that cannot be written (a closed pipe, a full disk) is the exception Unwritable.

Children are started by the main thread: the kernel sends the signal when that *thread* ends.
SPDX-License-Identifier: MIT
"""
import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
HELD, FAILED, USAGE, SETUP, HELD_BUT = range(5)  # docs/testing.md, "Exit status"
PATIENCE = 3  # seconds between SIGTERM and SIGKILL

CARETAKER = """
trap '' HUP INT QUIT TERM PIPE
while read -r word what; do
    case $word in folder) folder=$what ;; group) group=$what ;; esac
done
[ -z "$group" ] || kill -s KILL -- "-$group"
[ -z "$folder" ] || rm -rf "$folder" || { sleep 1 && rm -rf "$folder"; }
"""


class Stopped(BaseException):
    """A signal asks us to end. No Exception: nothing but the end may catch it."""

    def __init__(self, number):
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number


class Unwritable(Exception):
    """Standard output, or the file of --log, takes no more."""


def die_with_parent(parent=None):
    """From now on this process ends with its parent; at once when `parent` (a pid) is gone."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if parent and os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def popen(args, **more):
    """subprocess.Popen of a program that ends with us."""
    us = os.getpid()
    return subprocess.Popen(args, preexec_fn=lambda: die_with_parent(us), **more)


def output(args, **more):
    """As subprocess.run() with the output as text, for a short program."""
    process = popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)
    try:
        out, errors = process.communicate()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return subprocess.CompletedProcess(args, process.returncode, out, errors)


def catch_signals():
    """Each of STOPPING raises Stopped, once: what cleans up is not disturbed by the next one."""
    def stop(number, _):
        for each in STOPPING:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(number)

    for each in STOPPING:
        if signal.getsignal(each) != signal.SIG_IGN or each == signal.SIGTERM:  # as by nohup
            signal.signal(each, stop)


class Caretaker:
    """What is told to it is done when we are gone."""

    def __init__(self):
        self.shell = subprocess.Popen(["sh", "-c", CARETAKER], stdin=subprocess.PIPE,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                      start_new_session=True, cwd="/")

    def tell(self, text):
        with contextlib.suppress(OSError):
            self.shell.stdin.write(f"{text}\n".encode())
            self.shell.stdin.flush()


TAKER = None  # while temporary() lasts


@contextlib.contextmanager
def temporary():
    """A folder, TMPDIR for everything below, that is gone afterwards, also if we are killed."""
    global TAKER
    TAKER, before = Caretaker(), os.environ.get("TMPDIR")
    folder = tempfile.mkdtemp(prefix="perch-")
    TAKER.tell(f"folder {folder}")
    os.environ["TMPDIR"] = tempfile.tempdir = folder
    try:
        yield folder
    finally:
        tempfile.tempdir = None
        os.environ.pop("TMPDIR") if before is None else os.environ.update(TMPDIR=before)
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            TAKER.shell.stdin.close()
        TAKER.shell.wait()
        TAKER = None


def end_group(process):
    """SIGTERM, then SIGKILL, to a child's process group."""
    for number, seconds in ((signal.SIGTERM, PATIENCE), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)


def write(data, stream=None):
    """Bytes or a line to standard output (or another text stream), at once; or Unwritable."""
    stream = stream or sys.stdout
    if stream is None:
        raise Unwritable("stdout: closed")
    try:
        if isinstance(data, bytes):
            stream.buffer.write(data)
        else:
            stream.write(data + "\n")
        stream.flush()
    except OSError as error:
        raise Unwritable(f"{stream.name.strip('<>')}: {error.strerror}") from None


def relay(args, to=None, **more):
    """Runs a child in a process group of its own and hands on what it says.

    Returns (status, its last line). The group is gone afterwards."""
    process = popen(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT, process_group=0, **more)
    if TAKER:
        TAKER.tell(f"group {process.pid}")
    last = b""
    try:
        for line in process.stdout:
            write(line, to)
            last = line if line.strip() else last
        status = process.wait()
    finally:
        end_group(process)
        if TAKER:
            TAKER.tell("group")
    return status, last.decode("utf-8", "replace").rstrip("\n")


def guard(name, main):
    """Runs main(), which returns a status, in a temporary folder, and ends the process: signals and
    lost output are one line on standard error and a status. name: of the verb."""
    catch_signals()
    try:
        with temporary():
            status = main()
    except Stopped as stopped:
        status = complain(name, f"stopped by {stopped}", stopped.status)
    except (Unwritable, OSError) as error:
        status = complain(name, str(error), SETUP)
    leave(status)


def complain(name, text, status):
    """One line on standard error, if that still can be had. Returns the status."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"perch: {name}: {text}\n")
        sys.stderr.flush()
    return status


def leave(status):
    """Ends the process. Python would write a traceback if its last flush failed."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            status = status or SETUP
    sys.exit(status)
