"""Does KVM boot a kernel here, and how fast?

/dev/kvm may be absent, closed to this user, open and yet fail (no nested virtualisation), or hang; on
some hosts it works by a backend that emulates most of a guest's kernel code, many times slower
than QEMU's TCG. Only a boot shows which, so one is tried, within a bounded time. Promises an answer
within 2 * SECONDS and a little, and the reason in one line where the answer is no.
SPDX-License-Identifier: MIT
"""
import functools
import tempfile
from dataclasses import dataclass
from pathlib import Path

import machine as machines
import qemu

DEVICE = Path("/dev/kvm")
SECONDS = 60      # for a boot with the report and no suite; TCG takes one or two
SUITES_TCG = 12   # seconds of all suites on 1, 2 and 4 CPUs under TCG, on a quiet host
DEFAULT_RUN = 180  # seconds that KVM may take of a run without KIND


@dataclass
class Answer:
    why: str = ""        # why KVM cannot be used; "": it can
    slower: float = 1.0  # seconds of its boot, per second of TCG's; at least 1

    def seconds(self):
        """What report and suites will take, estimated."""
        return SUITES_TCG * self.slower

    def limit(self, seconds):
        """A limit that was chosen for TCG, for this KVM."""
        return seconds * self.slower


def machine_of(cpus, **keys):
    return machines.Machine(name=f"kvm-cpu{cpus}", cpus=cpus, mem="512M", emulator="kvm",
                            reason="KVM's own local APIC, INIT, MSRs that fault, CPUID leaves.", **keys)


def boot(accel):
    """One boot with the report: a qemu.Result."""
    machine = machine_of(1, append="run=report")
    with tempfile.TemporaryDirectory(prefix="perch-kvm-") as work:
        return qemu.run(qemu.argv(machine, Path(work), accel=accel), SECONDS)


def failed(result):
    """Why this boot is none; "" when the kernel came to its end."""
    if result.status in (33, 39):
        return ""
    words = result.stderr.strip().splitlines()
    if result.status is None:
        last = result.text.strip().splitlines()
        return f"KVM boots no kernel within {SECONDS} s; its last line: " + (last[-1] if last else "none")
    return f"QEMU ends with status {result.status}: " + (words[-1] if words else "it said nothing")


@functools.cache
def probe():
    """Tries it: an Answer."""
    if not DEVICE.exists():
        return Answer(f"there is no {DEVICE}")
    try:
        with open(DEVICE, "rb+", buffering=0):
            pass
    except OSError as error:
        return Answer(f"{DEVICE} cannot be opened: {error.strerror}")
    kvm = boot("kvm")
    why = failed(kvm)
    if why:
        return Answer(why)
    tcg = boot("tcg")
    return Answer(slower=max(1.0, kvm.seconds / max(tcg.seconds, 0.1)))
