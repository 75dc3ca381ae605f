"""tests/bench/constants.toml against the allocator's sources and the benchmark's budgets.

SPDX-License-Identifier: MIT
"""
import re
import tomllib

import pytest

import bench_percpu
import qemu

FOLDERS = ("alloc", "backing", "chunk")
DEFINE = re.compile(r"^#define +([A-Z][A-Z_0-9]*) +(\d+)u?(?:ULL|LL)?\b", re.M)
# Names of states, flags and numbers of things, not bounds.
NAMES = re.compile(r"^PCPU_(CHUNK_(FIRST|RESERVED|DYNAMIC)|WORK_\w+|GET_\w+|CLASS_(NONE|4|8)|TAG_\w+"
                   r"|ALIGN_\d\w*)$")
TABLE = tomllib.loads((qemu.ROOT / "tests/bench/constants.toml").read_text(encoding="utf-8"))
ROWS = {name: row for name, row in TABLE.items() if name != "without_rows"}


def in_code():
    """{constant: value} of the allocator."""
    return {name: int(value) for folder in FOLDERS
            for path in sorted((qemu.ROOT / "percpu" / folder).glob("*.[ch]"))
            for name, value in DEFINE.findall(path.read_text(encoding="utf-8"))
            if not NAMES.match(name) and value != "0"}


def wrong(code, rows, without):
    """What is not as the table says, a line each."""
    bad = [f"{name} is {code.get(name)}, the table says {row['value']}: are its rows still on "
           "either side?" for name, row in rows.items() if code.get(name) != row["value"]]
    bad += [f"{name} is in no part of the table" for name in code
            if name not in rows and name not in without]
    return bad + [f"{name} is in the table, not in the code" for name in without if name not in code]


def test_the_table_has_every_constant():
    assert wrong(in_code(), ROWS, TABLE["without_rows"]) == []


@pytest.mark.parametrize("code, said", [
    ({"A": 5, "B": 1}, "A is 5, the table says 4"),
    ({"A": 4, "B": 1, "C": 2}, "C is in no part"),
    ({"A": 4}, "B is in the table, not"),
])
def test_a_changed_constant_is_told(code, said):
    bad = wrong(code, {"A": {"value": 4}}, {"B": "because"})
    assert len(bad) == 1 and bad[0].startswith(said)


@pytest.mark.parametrize("name", sorted(ROWS))
def test_a_budget_stands_on_either_side(name):
    data = bench_percpu.budgets()
    assert ROWS[name]["below"] != ROWS[name]["above"]
    for machine, figure in (ROWS[name]["below"], ROWS[name]["above"]):
        assert figure in [limit[0] for limit in bench_percpu.limits(data, machine)], machine
