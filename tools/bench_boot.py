"""One boot of a benchmark: the figures of a run that did not hold are none.

SPDX-License-Identifier: MIT
"""
import sys
import tempfile
from pathlib import Path

import pace
import qemu
import verdict

HELD = (33, 39)    # QEMU's status: all held; held, but
ICOUNT_SLOWER = 5  # one thread that counts, against several that do not


class BenchError(Exception):
    """A boot that did not end as it must; the text says how."""


def boot(machine, icount, seconds):
    """qemu.Result of a boot that held. seconds: about how long it may take."""
    with tempfile.TemporaryDirectory(prefix="perch-") as workdir:
        result = qemu.run(qemu.argv(machine, Path(workdir), icount=icount),
                          pace.limits(machine.present(), seconds, ICOUNT_SLOWER if icount else 1))
    word = verdict.said(result.text)
    if result.status not in HELD or not word or word.startswith("FAILED"):
        print(result.tail(), file=sys.stderr)
        raise BenchError(f"{machine.name}: QEMU status {result.status}, {word or 'no verdict'}"
                         + (f", no new line for {result.silent:.0f} s" if result.silent else ""))
    return result
