"""A reader of the serial line that pauses, or goes: the log is whole, or says what it lost.

QEMU's UART has a UNIX socket behind it; when nobody reads there it holds what the guest sent, and
THRE stays low, as in a BMC whose serial-over-LAN nobody reads. A second console, which always
takes everything, shows what the log was.
SPDX-License-Identifier: MIT
"""
import socket
import subprocess
import time

import machine as machines
import pytest
import qemu

SLOW = 150  # seconds that a busy host may take


STALLED = "ttyS0 takes no characters: asked again at each line"


def boot(tmp_path, name, pause):
    """Boots with a reader that pauses after the first lines: for `pause` seconds, "stall": until the
    kernel says that the port has stalled; None: it never reads again.
    Returns (what the reader got, what the other console got, QEMU's status)."""
    machine = machines.Machine(name=name, reason="a reader that pauses", cpus=2,
                               append="run=report console=ttyS0 console=debugcon")
    address, other, got = str(tmp_path / "uart"), tmp_path / "debugcon", b""
    args = qemu.argv(machine, tmp_path)
    at = args.index("stdio,id=log,signal=off")
    args[at] = f"socket,id=log,path={address},server=on,wait=on"
    args += ["-debugcon", f"file:{other}"]
    with subprocess.Popen(args, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            end = time.monotonic() + SLOW
            with socket.socket(socket.AF_UNIX) as reader:
                while reader.connect_ex(address):
                    assert process.poll() is None and time.monotonic() < end, process.stderr.read()
                    time.sleep(0.05)
                reader.settimeout(SLOW)
                while len(got) < 1000:
                    got += reader.recv(100)
                while pause == "stall" and STALLED not in other.read_text() \
                        and time.monotonic() < end:
                    time.sleep(0.1)
                if pause is not None:
                    time.sleep(3 if pause == "stall" else pause)
                    while piece := reader.recv(4096):
                        got += piece
                status = process.wait(max(1, end - time.monotonic()))
        finally:
            process.kill()
    text = other.read_bytes().decode()
    return got.decode().replace("\r", ""), text, status


@pytest.mark.parametrize("pause", [3, "stall"])
def test_reader_that_pauses(logs, tmp_path, pause):
    got, whole, status = boot(tmp_path, f"console-pause-{pause}", pause)
    (logs / f"console-pause-{pause}.log").write_text(got, encoding="utf-8")
    assert status == 33
    lines = whole.splitlines()
    assert got.splitlines() == lines, "the serial line has another log"
    assert "perch: all held" in lines[-1]
    assert not any("bytes lost" in line or "given up" in line for line in lines)
    if pause == "stall":
        assert sum(STALLED in line for line in lines) == 1


def test_reader_that_goes(logs, tmp_path):
    got, whole, status = boot(tmp_path, "console-gone", None)
    (logs / "console-gone.log").write_text(whole, encoding="utf-8")
    assert status == 33
    assert whole.startswith(got[:900])
    lines = whole.splitlines()
    assert sum(STALLED in line for line in lines) == 1
    assert any("ttyS0 has not taken the last" in line and "in 10 s: given up" in line
               for line in lines), lines[-3:]
