"""labgrid's part in docs/labgrid/test_perch.py, for a host without labgrid: a pytest plugin whose
`target` plays a log (PERCH_LOG) instead of a machine.

Like labgrid, and like pexpect under it, expect() sees bytes as they arrive, in pieces that end
anywhere, and returns (index, before, match, after) of the earliest match.
SPDX-License-Identifier: MIT
"""
import os
import re
from pathlib import Path

import pytest

PIECE = 37  # bytes that arrive at once: never a whole line


class EndOfLog(Exception):
    """Nothing more comes: what pexpect calls EOF or a time-out."""


class Replay:
    """Patterns are searched as pexpect does: compiled with DOTALL, what matched is consumed."""

    def __init__(self, data):
        self.data, self.sent, self.buffer = data, 0, b""

    def cycle(self):
        self.__init__(self.data)

    def expect_any(self, patterns):
        """(index, before, match): the earliest match; of two at one place the first pattern's."""
        compiled = [re.compile(p.encode(), re.DOTALL) for p in patterns]
        while True:
            found = [(m.start(), i, m) for i, p in enumerate(compiled)
                     if (m := p.search(self.buffer))]
            if found:
                start, index, match = min(found, key=lambda f: f[:2])
                before, self.buffer = self.buffer[:start], self.buffer[match.end():]
                return index, before, match
            if self.sent == len(self.data):
                raise EndOfLog
            self.buffer += self.data[self.sent:self.sent + PIECE]
            self.sent = min(self.sent + PIECE, len(self.data))

    def expect(self, pattern, timeout=-1):
        index, before, match = self.expect_any([pattern])
        return index, before, match, match.group(0)


class Target:
    def __init__(self, replay):
        self.replay = replay

    def get_driver(self, protocol):
        assert protocol in ("ConsoleProtocol", "PowerProtocol")
        return self.replay


@pytest.fixture(scope="session")
def target():
    return Target(Replay(Path(os.environ["PERCH_LOG"]).read_bytes()))
