"""The reader and the judge of `perch bench percpu`, on logs of known content.

SPDX-License-Identifier: MIT
"""
import pytest

import bench_docs
import bench_percpu as bench
import qemu

LOG = """[    0.000001] Perch: booted
bench: machine cpus=4 nodes=4 unit=2097152 start_pages_per_unit=3
bench: percpu size=8 op=alloc_grow class=nopop n=9 min=40 med=41 p99=43 max=43 mean=40 sum=370
bench: percpu size=8 op=alloc_grow n=10 min=40 med=42 sum=380
bench: percpu size=8 op=pair_steady n=2000 gross=70.335 net=69.311 failed=0
bench: trace lcg_end=97a88d9e762cc1eb frees=4038
bench: trace start_pages_per_unit=3 peak_pages_per_unit=390 after_drain_pages_per_unit=2
bench: trace op=alloc n=10000 min=53 sum=1000
bench: trace total=1500 net=1200 calls=1300 background=200 failed=0
bench: par cpus=2 size=8 pattern=pair pairs=2048 locked=0.031
bench: par cpus=4 size=8 pattern=pair pairs=4096 locked=0.062
bench: verify ok=1
"""


def test_figures_are_named_by_what_their_line_is_about():
    found, problems = bench.figures(LOG)
    assert problems == []
    assert found["percpu size=8 op=alloc_grow class=nopop med"] == 41
    assert found["percpu size=8 op=alloc_grow med"] == 42
    assert found["percpu size=8 op=pair_steady gross"] == 70.335
    assert found["par cpus=2 size=8 pattern=pair locked"] == 0.031
    assert found["par cpus=4 size=8 pattern=pair locked"] == 0.062
    assert found["machine cpus"] == 4
    assert "trace lcg_end" not in found  # no number


def test_growth_and_what_is_left_are_differences():
    found, _ = bench.figures(LOG)
    assert found["trace growth_pages_per_unit"] == 387
    assert found["trace left_pages_per_unit"] == 0


def test_allocations_are_judged_with_the_deferred_work():
    found, _ = bench.figures(LOG)
    assert found["trace op=alloc with_background"] == 1200
    assert "trace op=alloc_net with_background" not in found


@pytest.mark.parametrize("line", [
    "bench: failed trace: not the sequence it has to be",
    "bench: skipped: no memory for the samples",
    "bench: verify chunk 3: tree",
])
def test_what_the_kernel_calls_wrong_is_a_problem(line):
    _, problems = bench.figures(LOG + line + "\n")
    assert problems == [line.removeprefix("bench: ")]


DATA = {"budget": [
    {"figure": "a med", "at_most": 10},
    {"figure": "b n", "at_least": {"4/4": 5}},
    {"figure": "c", "at_most": {"1/1": 3}},
]}


def test_a_budget_is_one_number_or_one_for_each_machine():
    assert bench.limits(DATA, "4/4") == [("a med", None, 10), ("b n", 5, None)]
    few = DATA | {"machine": [{"cpus": 4, "nodes": 4, "run": "bench:one.part"}]}
    assert bench.limits(few, "4/4") == [("b n", 5, None)]
    assert bench.limits(DATA, "1/1") == [("a med", None, 10), ("c", None, 3)]


@pytest.mark.parametrize("found, complaint", [
    ({"a med": 10.0, "b n": 5.0}, None),
    ({"a med": 10.001, "b n": 5.0}, "a med: 10.001, budget at most 10"),
    ({"a med": 10.0, "b n": 4.0}, "b n: 4, budget at least 5"),
    ({"a med": 10.0}, "no figure b n"),
])
def test_judge(found, complaint):
    bad = bench.judge("4/4", found, bench.limits(DATA, "4/4"))
    assert len(bad) == (complaint is not None)
    assert not bad or complaint in bad[0]


@pytest.mark.parametrize("found, lines", [
    ({"a": 9.0, "b": 7.0}, []),
    ({"a": 11.0, "b": 7.0}, ["bench: 4/4: a: 11, the goal is 10"]),
    ({"a": 9.0, "b": 6.0}, ["bench: 4/4: b: 6, the goal is 7"]),
])
def test_goals_that_are_missed_are_said(found, lines):
    data = {"budget": [{"figure": "a", "at_most": 15, "goal": 10},
                       {"figure": "b", "at_least": 5, "goal": {"4/4": 7, "1/1": 9}},
                       {"figure": "c", "at_most": 5}]}
    assert bench.missed(data, "4/4", found) == lines


def test_every_machine_has_linux_figures_and_budgets():
    data = bench.budgets()
    for entry in data["machine"]:
        name = f"{entry['cpus']}/{entry['nodes']}"
        gross = bench.linux(name).get("percpu size=8 op=pair_steady gross")
        assert gross > 1000 if entry.get("linux", True) else gross is None
        assert len(bench.limits(data, name)) > (10 if name != "2/1" else 3)
    names = {f"{e['cpus']}/{e['nodes']}" for e in data["machine"]}
    for budget in data["budget"]:
        for key in ("at_most", "at_least", "goal"):
            if isinstance(budget.get(key), dict):
                assert set(budget[key]) <= names


@pytest.mark.parametrize("name", ["1/1", "4/4"])
def test_budgets_are_kept_where_it_is_quick_to_see(name):
    """And docs/performance.md has these figures. The other machines: `./perch bench percpu --check`,
    `make docs-check`."""
    if not (qemu.BUILD / "perch.elf").exists():
        pytest.skip("perch.elf is not built")
    data = bench.budgets()
    entry = next(e for e in data["machine"] if f"{e['cpus']}/{e['nodes']}" == name)
    found, failed = bench.figures(bench.boot(entry, "bench:percpu", data["static"], True).text)
    short = [x for x in bench.limits(data, name) if not x[0].startswith(bench_docs.LONG)]
    assert failed + bench.judge(name, found, short) == []
    assert bench_docs.stale({name: found}) == []
