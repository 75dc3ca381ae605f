"""What the fuzz targets begin with: the tables of real machines and what real loaders left in memory.

    seeds.py DIR        writes DIR/TARGET/NAME for every target that has seeds

Most targets take a table as it is. acpi_numa takes three of one machine, acpi_root a whole machine as
memory, with its RSDP first; multiboot2 and pvh take memory that begins with the loader's block.
SPDX-License-Identifier: MIT
"""
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import acpi_tables  # noqa: E402

DATA = Path(__file__).resolve().parent.parent / "data"
MACHINES = sorted(path for path in (DATA / "acpi").iterdir() if path.is_dir()) + [DATA / "qemu-acpi"]
TABLES = {"acpi_madt": ["APIC"], "acpi_srat": ["SRAT"], "acpi_slit": ["SLIT"],
          "acpi_hmat": ["HMAT", "MSCT"],
          "acpi_fadt": ["FACP"], "acpi_cedt": ["CEDT"], "acpi_uart": ["SPCR", "DBG2"]}
ROOT_BASE, FUZZ_BASE = 0x1000, 0x10000    # acpi_root_fuzz.c, boot_fuzz.h
CMDLINES = ["run=report,test:percpu.* end=halt exit=isa-debug loglevel=7",
            "console=ttyS1,115200 console=uart,mmio,0xfe032000,4,57600 console=spcr",
            "percpu_alloc=page percpu_reserved=16K percpu_dyn=-1 percpu_atom=2M percpu_static=233472",
            'numa=off nr_cpus=4 possible_cpus=0x8 maxcpus=0 "fail=ap_silent:5" strict=firmware',
            "percpu_promote=off hotplug=on seed=18446744073709551616 unknown=1 lava=1 soak=1h x"]


def table(machine, name):
    path = machine / f"{name}.bin"
    return path.read_bytes() if path.exists() else b""


def numa(machine):
    srat, slit = table(machine, "SRAT"), table(machine, "SLIT")
    return struct.pack("<HH", len(srat), len(slit)) + srat + slit + table(machine, "APIC")


def root(machine):
    """RSDP of revision 2, XSDT, tables. Checksums are ignored there."""
    tables = [path.read_bytes() for path in sorted(machine.glob("*.bin"))]
    size = 36 + 8 * len(tables)
    at, pointers, body = 36 + size, b"", b""
    for data in tables:
        pointers += struct.pack("<Q", ROOT_BASE + at + len(body))
        body += data
    rsdp = b"RSD PTR \0PERCH \2" + struct.pack("<IIQ4x", 0, 36, ROOT_BASE + 36)
    xsdt = b"XSDT" + struct.pack("<IBB26x", size, 1, 0) + pointers
    return rsdp + xsdt + body


def records(path):
    """[(address, bytes)] of a file of tests/data/loader."""
    data, at, out = path.read_bytes(), 0, []
    while at < len(data):
        address, length = struct.unpack_from("<QQ", data, at)
        out.append((address, data[at + 16:at + 16 + length]))
        at += 16 + length
    return out


def pvh(path):
    """The records behind each other at FUZZ_BASE, every pointer to one of them moved along."""
    parts, blob, moved = records(path), b"", {}
    for address, data in parts:
        moved[address] = FUZZ_BASE + len(blob)
        blob += data.rstrip(b"\0").ljust(64, b"\0") if len(data) > 256 else data
    for address, new in moved.items():
        blob = blob.replace(struct.pack("<Q", address), struct.pack("<Q", new))
    return blob


def write(directory, target, name, data):
    if data:
        (directory / target).mkdir(parents=True, exist_ok=True)
        (directory / target / name).write_bytes(data)


def hmats():
    """No machine of tests/data has an HMAT: made-up ones of both revisions."""
    t = acpi_tables
    parts = [t.proximity(0, 1), t.locality([[50, 120, 250], [120, 50, 300]]),
             t.locality([[9000, 4000]], data=3, unit=1, targets=[1, 5]),
             t.side_cache(1, handles=(17, 18))]
    return [t.hmat(*parts, revision=revision) for revision in (1, 2)]


def main(directory):
    directory = Path(directory)
    for i, table_bytes in enumerate(hmats()):
        write(directory, "acpi_hmat", f"made-up-{i}", table_bytes)
    for machine in MACHINES:
        for target, names in TABLES.items():
            for name in names:
                write(directory, target, f"{machine.name}-{name}", table(machine, name))
        write(directory, "acpi_numa", machine.name, numa(machine))
        write(directory, "acpi_root", machine.name, root(machine))
    for path in sorted((DATA / "loader").glob("*.bin")):
        if path.stem.startswith("pvh"):
            write(directory, "pvh", path.stem, pvh(path))
        else:
            write(directory, "multiboot2", path.stem, records(path)[0][1])
    for i, text in enumerate(CMDLINES):
        write(directory, "cmdline", f"{i}", text.encode())


if __name__ == "__main__":
    main(sys.argv[1])
