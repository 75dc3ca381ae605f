"""gdb commands for a stopped or dead Perch: it prints the kernel's structures.

    gdb build/perch.elf -x tools/gdb/perch.py -ex 'target remote :1234'
    (gdb) perch memblock | perch nodes | perch chunks | perch mags | perch log

The commands only read memory, by the types of the image's debug information, and run nothing in
the kernel. They also work after a panic. "This CPU" is the CPU of the selected thread.
SPDX-License-Identifier: MIT
"""
import gdb

# Every name of the kernel that is used below, so that a rename changes only this table.
# Variables with their types, then the members by structure.
BOOT = ("boot", "boot_state")
ALLOCATOR = ("allocator", "pcpu_allocator")
LOG = ("the_log", "log")
CPU_NUMBER = "cpu_number_pcpu"
POPULATED, UNPOPULATED = "PCPU_POPULATED", "PCPU_UNPOPULATED"
NO_NODE = -1
GRANULE = 4
BLOCK_GRANULES = 1024
M = {
    # struct boot_state
    "memblock": "mb", "topology": "topo",
    # struct memblock, memblock_type, memblock_region
    "types": ("memory", "reserved"), "regions": "regions", "count": "cnt", "total": "total_size",
    "base": "base", "size": "size", "flags": "flags", "node": "nid",
    # struct numa_topology, numa_node, numa_memory
    "nodes": "nodes", "nr_nodes": "node_count", "memory": "memory", "nr_memory": "memory_count",
    "distances": "distances", "domain": "pxm", "nr_cpus": "cpu_count", "ram": "ram_bytes",
    "start": "start", "end": "end", "memory_node": "node",
    # struct pcpu_allocator and pcpu_dchunk
    "chunks": "chunks", "chunks_end": "chunks_end", "chunk": "c", "number": "number",
    "chunk_base": "base",
    # struct pcpu_chunk and pcpu_block
    "nr_blocks": "nr_blocks", "state": "state", "blocks": "blocks", "taken": "taken",
    "nr_populated": "nr_populated", "nr_empty": "nr_empty", "first": "start", "last": "end",
    # struct pcpu_mags, pcpu_mag and pcpu_bump
    "mags_of_cpu": "mags", "mag": "mag", "quota": "quota",
    "room": "headroom", "clean": "clean", "dirty": "dirty", "cap": "cap", "minus_size": "neg_size",
    "bump": "bump", "bump_bytes": "bytes",
    # struct log
    "buf": "buf", "buf_size": "size", "head": "head",
}


class Missing(gdb.GdbError):
    """The structure does not exist yet; the text names it."""


def variable(what):
    """A variable at file scope, of any file, found by its name and its struct."""
    name, struct = what
    for symbol in gdb.lookup_static_symbols(name) + [gdb.lookup_global_symbol(name)]:
        if symbol and symbol.type.strip_typedefs().name == struct:
            return symbol.value()
    raise Missing(f"no variable {name} of type struct {struct}: is this perch.elf?")


def member(value, what):
    return value[M[what]]


def number(value, what):
    """A member as an int; an atomic one too."""
    field = member(value, what)
    return int(field.cast(field.type.strip_typedefs().unqualified()))


def bytes_of(address, size):
    return bytes(gdb.selected_inferior().read_memory(int(address), size)) if size else b""


def print_line(text=""):
    gdb.write(text + "\n")


class Command(gdb.Command):
    def __init__(self):
        super().__init__("perch " + self.NAME, gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        if argument:
            raise gdb.GdbError(f"perch {self.NAME} takes no argument")
        self.show()


class Perch(gdb.Command):
    """Prints the kernel's structures: memblock, nodes, chunks, mags, log."""

    def __init__(self):
        super().__init__("perch", gdb.COMMAND_DATA, prefix=True)


class Memblock(Command):
    """Memblock's lists: memory and reserved. From early in the boot on."""

    NAME = "memblock"

    def show(self):
        memblock = member(variable(BOOT), "memblock")
        for name in M["types"]:
            kind = memblock[name]
            count = number(kind, "count")
            print_line(f"{name}: {count} regions, {number(kind, 'total')} bytes")
            for i in range(count):
                region = member(kind, "regions")[i]
                base, size = number(region, "base"), number(region, "size")
                node = number(region, "node")
                print_line(f"  [0x{base:016x}-0x{base + size - 1:016x}] node "
                           f"{'-' if node == NO_NODE else node} "
                           f"flags 0x{number(region, 'flags'):x}")


class Nodes(Command):
    """The NUMA nodes: domain, CPUs, memory and distances."""

    NAME = "nodes"

    def show(self):
        topology = member(variable(BOOT), "topology")
        count = number(topology, "nr_nodes")
        if not count:
            raise Missing("no topology yet")
        for i in range(count):
            node = member(topology, "nodes")[i]
            row = bytes_of(member(topology, "distances") + i * count, count)
            print_line(f"node {i}: domain {number(node, 'domain')}, {number(node, 'nr_cpus')} CPUs,"
                       f" {number(node, 'ram')} bytes, distances {' '.join(map(str, row))}")
            for j in range(number(topology, "nr_memory")):
                memory = member(topology, "memory")[j]
                if number(memory, "memory_node") == i:
                    print_line(f"  [0x{number(memory, 'start'):016x}-"
                               f"0x{number(memory, 'end') - 1:016x}]")


def runs(flags):
    """[(first, one past the last)] of the runs of true values."""
    found, begin = [], None
    for i, flag in enumerate([*flags, False]):
        if flag and begin is None:
            begin = i
        elif not flag and begin is not None:
            found.append((begin, i))
            begin = None
    return found


class Chunks(Command):
    """Chunks of the dynamic per-CPU allocator: holes in populated blocks, as offsets in a unit."""

    NAME = "chunks"

    def show(self):
        allocator = variable(ALLOCATOR)
        end = number(allocator, "chunks_end")
        if not end:
            raise Missing("the allocator has not begun")
        for i in range(end):
            pointer = member(allocator, "chunks")[i]
            if int(pointer.cast(gdb.lookup_type("unsigned long"))):
                self.show_chunk(pointer.dereference())

    def show_chunk(self, outer):
        chunk = member(outer, "chunk")
        nr_blocks = number(chunk, "nr_blocks")
        state = bytes_of(member(chunk, "state"), nr_blocks)
        populated, unpopulated = (int(gdb.parse_and_eval(name))
                                  for name in (POPULATED, UNPOPULATED))
        free = []
        for i in range(nr_blocks):
            if state[i] == populated:
                taken = member(member(chunk, "blocks")[i].dereference(), "taken")
                bits = int.from_bytes(bytes_of(taken.address, taken.type.sizeof), "little")
                free += [not bits >> bit & 1 for bit in range(BLOCK_GRANULES)]
            else:
                free += [False] * BLOCK_GRANULES
        holes = [(a * GRANULE, b * GRANULE) for a, b in runs(free)]
        sizes = [b - a for a, b in holes]
        print_line(f"chunk {number(outer, 'number')} at 0x{number(outer, 'chunk_base'):x}: "
                   f"populated {number(chunk, 'nr_populated')}, empty {number(chunk, 'nr_empty')}, "
                   f"free {sum(sizes)}, largest {max(sizes, default=0)}, {len(holes)} holes")
        for a, b in holes:
            print_line(f"  hole 0x{a:x}-0x{b - 1:x}: {b - a} bytes")
        for a, b in runs([one == unpopulated for one in state]):
            print_line(f"  not populated: blocks {a}-{b - 1}")


def this_cpu():
    """The number of the selected thread's CPU: its copy is at the variable plus GS base."""
    symbol = gdb.lookup_global_symbol(CPU_NUMBER) or gdb.lookup_static_symbol(CPU_NUMBER)
    value = symbol.value()
    there = gdb.Value(int(value.address) + int(gdb.parse_and_eval("$gs_base")) & (1 << 64) - 1)
    return int(there.cast(value.type.pointer()).dereference())


class Mags(Command):
    """This CPU's magazines: ready objects by class, and the bump region behind them."""

    NAME = "mags"

    def show(self):
        allocator, cpu = variable(ALLOCATOR), this_cpu()
        table = member(allocator, "mags_of_cpu")
        if not int(table):
            raise Missing("the allocator has not begun")
        mags = table[cpu].dereference()
        quota, room = number(mags, "quota"), number(mags, "room")
        print_line(f"CPU {cpu}: "
                   f"{quota - room} of {quota} bytes")
        bump = member(mags, "bump")
        if number(bump, "bump_bytes"):
            print_line(f"  bump region: {number(bump, 'bump_bytes')} bytes")
        classes = member(mags, "mag")
        for i in range(classes.type.range()[1] + 1):
            mag = classes[i]
            size, clean = -number(mag, "minus_size"), number(mag, "clean")
            cap = number(mag, "cap")
            dirty = cap - number(mag, "dirty")
            if clean or dirty:
                print_line(f"  class {i}: {size} bytes, {clean} clean, {dirty} to be cleared, "
                           f"room for {cap}")


class Log(Command):
    """The lines in the log's ring."""

    NAME = "log"

    def show(self):
        log = variable(LOG)
        size, head = number(log, "buf_size"), number(log, "head")
        ring = bytes_of(member(log, "buf"), size)
        if head <= size:
            text = ring[:head]
        else:  # the oldest line is cut
            at = head % size
            text = (ring[at:] + ring[:at]).partition(b"\n")[2]
        gdb.write(text.decode("utf-8", "replace"))


Perch()
for command in (Memblock, Nodes, Chunks, Mags, Log):
    command()
