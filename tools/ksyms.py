#!/usr/bin/env python3
"""Symbol table for the kernel's panics: `nm -n` text on stdin, NASM source on stdout.

The table (kernel/base/symbols.h) is in .ksyms, after all code. Linking it in moves no function, so
the names of the first link are right in the second. An empty input gives an empty
table, for the first link.
SPDX-License-Identifier: MIT
"""
import sys

KERNEL_BASE = 0xFFFFFFFF80000000


def read_symbols(lines):
    """Sorted (offset, name) of the text symbols; where several share an address, the best name."""
    best = {}
    for line in lines:
        parts = line.split()
        if len(parts) != 3 or parts[1] not in "tTwW":
            continue
        offset = int(parts[0], 16) - KERNEL_BASE
        name = parts[2]
        if not 0 <= offset < 1 << 32 or name.startswith((".L", "$")):
            continue
        # A global function before a local label, then the longer name; names decide at last, so
        # that the same kernel always gives the same table.
        rank = (parts[1] not in "TW", name.startswith("__"), -len(name), name)
        if offset not in best or rank < best[offset][0]:
            best[offset] = (rank, name)
    return [(offset, best[offset][1]) for offset in sorted(best)]


def nasm_source(symbols):
    out = [
        "; Made by tools/ksyms.py; layout: kernel/base/symbols.h",
        "section .ksyms progbits alloc noexec nowrite align=8",
        "global ksyms_count",
        "global ksyms_table",
        "global ksyms_names",
        "ksyms_count: dd %d" % len(symbols),
        "align 8, db 0",
        "ksyms_table:",
    ]
    index = 0
    for offset, name in symbols:
        out.append("    dd 0x%08x, %d" % (offset, index))
        index += len(name.encode()) + 1
    out.append("ksyms_names:")
    out += ['    db "%s", 0' % name for _, name in symbols]
    out.append("    db 0")
    return "\n".join(out) + "\n"


def main():
    sys.stdout.write(nasm_source(read_symbols(sys.stdin)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
