"""Records the information that loaders hand over (tests/data/loader/NAME.bin), and the tables of a
QEMU machine with HMAT and CEDT (tests/data/qemu-acpi/*.bin), which no real machine here has. For the
damage sweep and the fuzzers.

Boots build/perch.elf by each way in under gdb, stops at the kernel's first instruction, and keeps the
memory that its parser reads: records of address and length (8 bytes each) and the bytes, the block
itself first. Run by hand when a way in is added: tools/gen/loader_blocks.py (needs gdb, OVMF, GRUB).
SPDX-License-Identifier: MIT
"""
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import machine as machines  # noqa: E402
import qemu  # noqa: E402

PAGE = 4096
WAYS = {"pvh-qboot": "pvh", "pvh-seabios": "pvh-seabios", "multiboot2-bios": "bios",
        "multiboot2-uefi": "uefi"}


def symbol(name):
    out = subprocess.run(["nm", qemu.BUILD / "perch.elf"], capture_output=True, text=True, check=True)
    return next(line.split()[0] for line in out.stdout.splitlines() if line.endswith(f" {name}"))


class Guest:
    """A machine's memory at its kernel's first instruction, and EBX there."""

    def __init__(self, machine, workdir, entry):
        args = qemu.argv(machine, workdir) + ["-S", "-gdb", f"unix:{workdir}/gdb,server=on,wait=off"]
        process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        commands = [f"target remote {workdir}/gdb", f"hbreak *0x{entry}", "continue",
                    'printf "ebx=%#lx\\n", $rbx & 0xffffffff',
                    f'monitor pmemsave 0 {machine.ram():#x} "{workdir}/memory"']
        try:
            out = subprocess.run(["gdb", "-nx", "-batch", *[x for c in commands for x in ("-ex", c)]],
                                 capture_output=True, text=True, timeout=120).stdout
        finally:
            process.kill()
            process.wait()
        self.info = int(out.rpartition("ebx=")[2].split()[0], 16)
        self.memory = (workdir / "memory").read_bytes()

    def read(self, address, size):
        return self.memory[address:address + size]


def pvh_regions(guest, info):
    """Start information, memory map, modules, and the pages of the strings."""
    head = guest.read(info, 56)
    _, _, _, modules, modlist, cmdline, _, memmap, entries, _ = struct.unpack("<IIIIQQQQII", head)
    regions = [(info, head), (memmap, guest.read(memmap, 24 * entries))]
    strings = [cmdline]
    if modules:
        table = guest.read(modlist, 32 * modules)
        regions.append((modlist, table))
        strings += [struct.unpack_from("<Q", table, 32 * i + 16)[0] for i in range(modules)]
    for address in filter(None, strings):
        text = guest.read(address, PAGE - address % PAGE)
        # The bytes after the string do not matter; zeroes keep the file reproducible.
        if text:     # a module's string may be anywhere: qboot leaves it uninitialised
            regions.append((address, text.split(b"\0")[0].ljust(len(text), b"\0")))
    return regions


CXL = ["-device", "pxb-cxl,bus_nr=12,bus=pcie.0,id=cxl.1"]


def acpi_tables(memory):
    """{signature: table} by RSDP (of revision 0, in the BIOS segment) and RSDT."""
    at = next(a for a in range(0xe0000, 0x100000, 16)
              if memory[a:a + 8] == b"RSD PTR " and sum(memory[a:a + 20]) & 0xff == 0)
    rsdt = struct.unpack_from("<I", memory, at + 16)[0]
    length = struct.unpack_from("<I", memory, rsdt + 4)[0]
    out = {}
    for place in struct.unpack_from(f"<{(length - 36) // 4}I", memory, rsdt + 36):
        size = struct.unpack_from("<I", memory, place + 4)[0]
        out[memory[place:place + 4].decode()] = memory[place:place + size]
    return out


def qemu_tables(out):
    out.mkdir(parents=True, exist_ok=True)
    machine = machines.load(ROOT / "tests/qemu/hmat.machine")
    machine.machine += ",cxl=on,cxl-fmw.0.targets.0=cxl.1,cxl-fmw.0.size=4G"
    machine.qemu = machine.qemu + CXL
    with tempfile.TemporaryDirectory(prefix="perch-") as workdir:
        guest = Guest(machine, Path(workdir), symbol("pvh_start32"))
    for name, table in acpi_tables(guest.memory).items():
        if name in ("APIC", "SRAT", "SLIT", "HMAT", "CEDT", "FACP", "HPET"):
            (out / f"{name}.bin").write_bytes(table)
            print(name, len(table))


def main():
    qemu_tables(ROOT / "tests/data/qemu-acpi")
    out = ROOT / "tests/data/loader"
    out.mkdir(parents=True, exist_ok=True)
    for name, firmware in WAYS.items():
        machine = machines.blocks(2, 2, "128M")
        machine.firmware, machine.append = firmware, "run=report console=ttyS0"
        if firmware.startswith("pvh"):
            (qemu.BUILD / "module.txt").write_text("a module\n", encoding="ascii")
            machine.qemu = ["-initrd", str(qemu.BUILD / "module.txt")]
        with tempfile.TemporaryDirectory(prefix="perch-") as workdir:
            pvh = firmware.startswith("pvh")
            guest = Guest(machine, Path(workdir), symbol("pvh_start32" if pvh else "mb2_start32"))
        if pvh:
            regions = pvh_regions(guest, guest.info)
        else:
            size = struct.unpack("<I", guest.read(guest.info, 4))[0]
            regions = [(guest.info, guest.read(guest.info, size))]
        data = b"".join(struct.pack("<QQ", a, len(b)) + b for a, b in regions)
        (out / f"{name}.bin").write_bytes(data)
        print(name, [(hex(a), len(b)) for a, b in regions])


if __name__ == "__main__":
    main()
