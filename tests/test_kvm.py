"""Report and suites under KVM, on 1, 2 and 4 CPUs, where a host's KVM boots a kernel (tools/kvm.py).

A KVM so slow that this would take more than three minutes is left to `./perch test kvm`, which sets
PERCH_KVM=always. Each skip says what was found.
SPDX-License-Identifier: MIT
"""
import os
from pathlib import Path

import pytest

import kvm
import qemu
import verdict


@pytest.mark.parametrize("cpus", (4, 2, 1))
def test_kvm(cpus, logs, tmp_path, record_property):
    answer = kvm.probe()
    if answer.why:
        pytest.skip(f"no KVM: {answer.why}")
    if answer.seconds() > kvm.DEFAULT_RUN and os.environ.get("PERCH_KVM") != "always":
        pytest.skip(f"KVM is {answer.slower:.0f} times slower than TCG here: ./perch test kvm takes about "
                    f"{answer.seconds() / 60:.0f} minutes")
    machine = kvm.machine_of(cpus)
    silence = answer.limit(machine.timeout)
    result = qemu.run(qemu.argv(machine, tmp_path, accel="kvm"), (silence, 20 * silence))
    log = Path(logs, f"{machine.name}.log")
    log.write_text(result.text, encoding="utf-8")
    problems, cases = verdict.judge(machine, result)
    record_property("ktap", cases.counts())
    record_property("skips", [(f"{machine.name}: {case}", why) for case, why in cases.skipped])
    if problems:
        pytest.fail(f"{machine.name}: {machine.reason} It is {answer.slower:.1f} times slower than TCG.\n"
                    + "\n".join(problems) + f"\nthe last 20 lines of {log}:\n{result.tail()}",
                    pytrace=False)
