"""A reader of the serial line that pauses, or goes: the log is whole, or says what it lost.

QEMU's UART has a UNIX socket behind it; when nobody reads there it holds what the guest sent, and
THRE stays low, as in a BMC whose serial-over-LAN nobody reads. A second console, which always
takes everything, shows what the log was.

And a UART in memory, whose register distance no table tells. QEMU has none for a PC. Memory of a
PCI device (ivshmem), which no memory map lists, stands for one: an idle line status in it is all
that the search sees of a UART. What is sent there stays in one byte.
SPDX-License-Identifier: MIT
"""
import socket
import subprocess
import time

import machine as machines
import pytest
import qemu
from acpi_build import spcr
from acpi_tables import seal
from conftest import ROOT

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


# ---- registers in memory ------------------------------------------------------------------------
UART_AT = 0xfebff000  # where SeaBIOS puts the memory of the only device that has any
LSR, IDLE = 5, 0x60


def spcr_in_memory():
    """As an ASUS PN50 has it, 8 bits and no access size, at UART_AT."""
    raw = (ROOT / "tests/data/cases/41c-pn50-real-layout/SPCR.bin").read_bytes()
    return seal(raw[:44] + UART_AT.to_bytes(8, "little") + raw[52:])


def registers(stride, rest):
    """A page: an idle 16550 with a register every `stride` bytes, `rest` behind it; 0: no UART."""
    page = bytearray(8 * stride) + bytes([rest]) * (4096 - 8 * stride)
    if stride:
        page[LSR * stride] = IDLE
    return bytes(page)


def boot_with_memory(tmp_path, name, page, status=33):
    """Boots with a UART's registers in the page; status: 39 where console=spcr gives nothing, a doubt."""
    memory, table, log = tmp_path / "memory", tmp_path / "SPCR.bin", tmp_path / "log"
    memory.write_bytes(page)
    table.write_bytes(spcr_in_memory())
    machine = machines.Machine(
        name=name, reason="a UART in memory", cpus=2, firmware="pvh-seabios",
        append="run=report console=debugcon console=spcr",
        qemu=["-object", f"memory-backend-file,id=uart,mem-path={memory},size=4K,share=on",
              "-device", "ivshmem-plain,memdev=uart", "-acpitable", f"file={table}",
              "-debugcon", f"file:{log}"])
    ended = subprocess.run(qemu.argv(machine, tmp_path), stdin=subprocess.DEVNULL,
                           capture_output=True, timeout=SLOW, check=False).returncode
    assert ended == status, log.read_text()
    return log.read_text(), memory.read_bytes()


@pytest.mark.parametrize("stride, rest", [(1, 0xff), (1, 0), (4, 0xff), (4, 0)])
def test_uart_in_memory_is_found(logs, tmp_path, stride, rest):
    name, page = f"console-memory-{stride}-{rest}", registers(stride, rest)
    text, after = boot_with_memory(tmp_path, name, page)
    (logs / f"{name}.log").write_text(text, encoding="utf-8")
    line = next(x for x in text.splitlines() if "console: SPCR: mmio" in x)
    layout = {1: "8 bits every 1 bytes", 4: "32 bits every 4 bytes"}[stride]
    assert f"mmio {UART_AT:#x}, {layout}" in line and "chosen: answers" in line
    assert after[0] == ord("\n"), "the end of the last line is what was sent last"
    assert after[8 * stride:] == page[8 * stride:], "written beside the registers"


@pytest.mark.parametrize("rest", [0, 0xff])
def test_memory_that_is_no_uart_is_left_alone(logs, tmp_path, rest):
    name, page = f"console-memory-none-{rest}", registers(0, rest)
    text, after = boot_with_memory(tmp_path, name, page, status=39)
    (logs / f"{name}.log").write_text(text, encoding="utf-8")
    assert f"console: SPCR: mmio {UART_AT:#x}" in text and "refused: no UART answers there" in text
    assert after == page


@pytest.mark.parametrize("clock, speed", [(0, " at 57600 baud"), (16 * 115200, " at 57600 baud"), (48000000, " at 9600 baud")])
def test_firmwares_speed_stays_where_the_clock_is_unknown(logs, tmp_path, clock, speed):
    """SPCR gives a port's UART a clock that is not the PC's: the divisor of 57600 baud would be another speed."""
    raw = bytearray(spcr(1, 0x3e0, baud=6))
    raw[8] = 3  # the revision that has the clock
    raw[76:80] = clock.to_bytes(4, "little")
    (tmp_path / "SPCR.bin").write_bytes(seal(raw))
    machine = machines.Machine(
        name=f"console-clock-{clock}", reason="a clock of its own", cpus=2, console="port",
        append="run=report console=uart,io,0x3e0 console=spcr",
        qemu=["-acpitable", f"file={tmp_path / 'SPCR.bin'}"])
    result = qemu.run(qemu.argv(machine, tmp_path), machine.limits())
    (logs / f"{machine.name}.log").write_text(result.text, encoding="utf-8")
    assert result.status == 33, result.tail()
    assert f"console: SPCR: port 0x3e0{speed}: chosen: in use already" in result.text
