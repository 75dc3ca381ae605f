"""Which skips a machine explains: a case that skips for any other reason is red.

A case's reason is a short stable text (ktest_skip() in the kernel's suites). Each has its row here:
a function of the machine that says whether the reason can be true there. A reason without a row, or
one that the machine does not explain, may be the very fault that the case looks for.
SPDX-License-Identifier: MIT
"""
from machine import size_of

MIB = 1 << 20
PAGE_WRITERS = 512  # words in a page: promote_suite.c


def _fewer(count):
    return lambda m: m.cpus_online() < count


def _never_online(machine):
    """CPUs that are possible, and that nobody started at the boot."""
    return machine.kernel_possible() - machine.cpus_online()


def _small_home(machine):
    """Is there a CPU whose own node is so small that a test can fill it?"""
    ram = {n: sum(b - a for a, b in parts) for n, parts in machine.node_ranges().items()}
    homes = {machine.cpu_node(cpu) for cpu in range(machine.possible())}
    return any(8 * MIB <= ram.get(node, 0) <= 16 * MIB for node in homes)


def _small_for_atom(machine):
    """percpu_atom= is so large that two chunks of it can be more than a node has."""
    atom = size_of(machine.option("percpu_atom", "2M"))
    ram = [sum(b - a for a, b in parts) for parts in machine.node_ranges().values()]
    return atom > 2 * MIB and any(0 < n <= 16 * atom for n in ram)


def _never(_machine):
    return False


def _no_tail(machine):
    """The first chunk is page-mapped, or an option changes the size of its units."""
    return (machine.page_mode or machine.option("percpu_alloc") == "page"
            or any(machine.option(key) for key in ("percpu_atom", "percpu_dyn", "percpu_static",
                                                   "percpu_reserved")))


REASONS = {
    "not the debug build": lambda m: m.kernel != "debug",
    "debug build: between red zones no object fills a page": lambda m: m.kernel == "debug",
    "this machine has no MSR that faults": lambda m: m.emulator == "tcg",
    "no small node": lambda m: not _small_home(m),
    "needs 2 CPUs": _fewer(2),
    "needs 3 CPUs": _fewer(3),
    "needs 3 CPUs: of two none is the odd one": _fewer(3),
    "fewer than 2 CPUs that were never online":
        lambda m: _never_online(m) < 2 or m.option("fail"),
    "all CPUs have been online": lambda m: _never_online(m) == 0 or m.option("maxcpus"),
    "the sums of gets and puts are equal only when all possible CPUs run": _never_online,
    "every CPU number is possible here": lambda m: m.kernel_possible() == 4096,
    "more CPUs than words in a page, or no timer": lambda m: m.kernel_possible() > PAGE_WRITERS,
    "page-mapped, or no unit has a tail": _no_tail,
    "no reserved area": lambda m: m.option("percpu_reserved") == "0",
    "no memory for two chunks of so large units": _small_for_atom,
    "no 2 MiB of memory in one piece": lambda m: m.ram() < 32 * MIB,
    "no free page below 1 MiB": lambda m: "low_memory" in (m.option("fail") or ""),
    "no PM1a control register behind a port": lambda m: m.no_pm1(),
    "no PCI host bridge answers": lambda m: m.machine.startswith("microvm"),
    "no PIT": lambda m: m.machine.startswith("microvm"),
    # Under QEMU, Bochs and KVM these never hold.
    "the local APIC's timer could not be measured": _never,
    "units are in use: writing over them would destroy what they hold": _never,
    "no memory for the readings": _never,
}


def unexplained(machine, skipped):
    """(case, reason) of each skip that the machine does not explain. skipped: the same of all."""
    return [(case, why) for case, why in skipped
            if why not in machine.skips and not REASONS.get(why, _never)(machine)]
