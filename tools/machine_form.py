"""The form of a machine file: every key's type and range, before anything is made of it.

Promises that a value which passes is one that tools/machine.py, qemu.py and verdict.py can work with:
numbers in their range, sizes that are sizes, regular expressions that compile. FormError says
`key: why` in one line. What QEMU alone can know (a CPU model, its own arguments) it says itself.
SPDX-License-Identifier: MIT
"""
import re
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MOST_CPUS, MOST_NODES, MOST_BYTES = 4096, 1024, 1 << 52
SIZE = re.compile(r"([0-9]{1,15})([KMGT]?)")
UNITS = {"K": 10, "": 20, "M": 20, "G": 30, "T": 40}
BOARD = re.compile(r"q35|pc|isapc|microvm|pc-(q35|i440fx)-\d{1,3}\.\d{1,3}(\.\d{1,3})?")
NEED = re.compile(r"qemu>=[0-9]{1,4}(\.[0-9]{1,4})*|ram>=[0-9]{1,9}M|ovmf|iasl", re.A)


class FormError(Exception):
    """`key: why`"""


class Bad(Exception):
    """Why a value is none of its key's."""


def _short(value):
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def text(value):
    if not isinstance(value, str):
        raise Bad(f"{_short(value)} is no text")
    if any(ord(c) < 32 or 0xd800 <= ord(c) < 0xe000 for c in value):
        raise Bad(f"{_short(value)} has a control character")


def number(low, high):
    def check(value):
        if not isinstance(value, int) or isinstance(value, bool):
            raise Bad(f"{_short(value)} is no number")
        if not low <= value <= high:
            raise Bad(f"{_short(value)}: a number from {low} to {high}")
    return check


def truth(value):
    if not isinstance(value, bool):
        raise Bad(f"{_short(value)} is neither true nor false")


def word(*words):
    def check(value):
        text(value)
        if value not in words:
            raise Bad(f"unknown {_short(value)}: {', '.join(filter(None, words))}")
    return check


def matching(pattern, what):
    def check(value):
        text(value)
        if not pattern.fullmatch(value):
            raise Bad(f"{what} {_short(value)}")
    return check


def expression(value):
    text(value)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(value)
    except (re.error, OverflowError, RecursionError, MemoryError) as error:
        raise Bad(f"{_short(value)} is no regular expression: {error}") from None


def size(value):
    """'512M', or a number of MiB. A whole number of KiB, for QEMU's -m and -object."""
    match = SIZE.fullmatch(str(value)) if isinstance(value, (str, int)) else None
    if not match:
        raise Bad(f"{_short(value)} is no size; as 2G or 512M")
    if not 1 << 20 <= int(match[1]) << UNITS[match[2]] <= MOST_BYTES:
        raise Bad(f"{_short(value)}: 1M to {MOST_BYTES >> 40}T")


def cpus(value):
    """'0-2,8'"""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    text(value)
    for part in value.split(","):
        match = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", part)
        if not match:
            raise Bad(f"{_short(value)} is no list of CPUs; as 0-2,8")
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last < MOST_CPUS:
            raise Bad(f"{_short(value)}: CPUs from 0 to {MOST_CPUS - 1}")


def each(check, length=None):
    def whole(value):
        if not isinstance(value, list):
            raise Bad(f"{_short(value)} is no list")
        if length is not None and len(value) != length:
            raise Bad(f"{_short(value)}: {length} numbers")
        for item in value:
            check(item)
    return whole


def node(value):
    if not isinstance(value, dict):
        raise Bad(f"{_short(value)} is no table with mem and cpus")
    for key, check in (("mem", size), ("cpus", cpus)):
        if key in value:
            check(value[key])
    if set(value) - {"mem", "cpus"}:
        raise Bad(f"unknown {_short(sorted(set(value) - {'mem', 'cpus'})[0])}: mem, cpus")


def smp(value):
    text(value)
    match = re.match(r"([0-9]{1,5})(,|$)", value)
    most = re.search(r"maxcpus=([^,]*)", value)
    counts = [match and match[1]] + ([most[1]] if most else [])
    if any(not re.fullmatch("[0-9]{1,5}", n or "") or not 1 <= int(n) <= MOST_CPUS for n in counts):
        raise Bad(f"{_short(value)}: begins with the number of CPUs, 1 to {MOST_CPUS}; as 2,maxcpus=4")


def board(value):
    text(value)
    if not BOARD.fullmatch(value.split(",")[0]):
        raise Bad(f"unknown board {_short(value.split(',')[0])}: q35, pc, isapc, microvm, pc-q35-N.N, pc-i440fx-N.N")


def event(value):
    text(value)
    known = re.findall(r'X\(\w+, +"([a-z-]+)"', (ROOT / "kernel/base/events.h").read_text(encoding="utf-8"))
    if value not in known:
        raise Bad(f"unknown event {_short(value)} (kernel/base/events.h)")


def table(value):
    text(value)
    if not re.fullmatch(r"[\w.-]+", value) or not (ROOT / f"tests/data/asl/{value}.asl").is_file():
        raise Bad(f"no table {_short(value)} in tests/data/asl")


_address = number(0, (1 << 64) - 1)


def span(value):
    each(_address, 3)(value)
    if value[0] >= MOST_NODES or value[1] > value[2]:
        raise Bad(f"{_short(value)}: node, first and last byte")


CHECKS = {
    "reason": text, "cpus": number(1, MOST_CPUS), "smp": smp, "cpu": text, "machine": board, "mem": size,
    "node": each(node), "dist": each(each(number(0, 255), 3)), "by_socket": truth, "qemu": each(text),
    "firmware": word("pvh", "pvh-seabios", "bios", "uefi"), "kernel": word("perch", "ubsan", "clang", "debug"),
    "medium": word("cdrom", "usb", "pxe", "ipxe"), "slow": number(0, 10), "menu": truth,
    "console": word("uart", "debugcon", "com2", "port", "screen"), "gfx": text, "screen": each(expression),
    "append": text, "acpi": each(table), "tables": text, "timeout": number(1, 100000), "verdict": expression,
    "status": number(0, 255), "shutdown": word("", "guest-shutdown", "guest-reset"), "until": expression,
    "expect": each(expression), "forbid": each(expression), "events": each(event), "skips": each(text),
    "page_mode": truth, "needs": each(matching(NEED, "unknown need")),
    "host_memory": size, "golden": text, "online": number(0, MOST_CPUS), "nodes_up": number(0, MOST_NODES),
    "cpu_nodes": each(number(0, MOST_NODES - 1)), "ranges": each(span),
}


def check(data):
    """FormError names the first key of this file (a dict) whose value is wrong."""
    unknown = sorted(set(data) - set(CHECKS))
    if unknown:
        raise FormError(f"{unknown[0][:60]!r}: unknown key" if not unknown[0].isidentifier()
                        else f"{unknown[0][:60]}: unknown key")
    for key, value in data.items():
        try:
            CHECKS[key](value)
        except Bad as why:
            raise FormError(f"{key}: {why}") from None
