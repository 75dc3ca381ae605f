"""ACPI tables above 4 GiB in QEMU, as large servers have them: the RSDP alone lies low.

The tables and the XSDT are put into RAM above 4 GiB by QEMU's loader device; the RSDP, which firmware
copies, names the XSDT by its address. Together they are larger than the window through which
they are read before the direct map stands.
SPDX-License-Identifier: MIT
"""
import struct

import machine as machines
import qemu
import verdict
from acpi_build import World, fadt, rsdp
from acpi_tables import cpu, header, ioapic, lapic, madt, memory, seal, srat

G = 1 << 30
HIGH = 4 * G + 0x123000  # inside the 1 GiB that a q35 of 3 GiB has above 4 GiB
PADDING = [seal(header("SSDT", 2) + bytes(size)) for size in (1 << 20, 3 << 19, 0x1f0000)]
TABLES = [*PADDING, fadt(), madt(lapic(0), lapic(1), ioapic(0)),
          srat(cpu(0, 0), cpu(1, 1), memory(0, 2 * G, 0), memory(4 * G, G, 1))]


def image():
    """(bytes for HIGH, address of the XSDT)"""
    blob, places = bytearray(), []
    for table in TABLES:
        places.append(HIGH + len(blob))
        blob += table + bytes(-len(table) % 64)
    xsdt = seal(header("XSDT", 1) + b"".join(struct.pack("<Q", place) for place in places))
    return bytes(blob) + xsdt, HIGH + len(blob)


class HighWorld(World):
    """An RSDP that points to what is not in the firmware's hands."""

    def files(self):
        files = super().files()
        root = bytearray(rsdp())
        struct.pack_into("<Q", root, 24, image()[1])
        root[8] = -sum(root[:20]) & 0xff
        root[32] = -sum(root) & 0xff
        script = files["etc/table-loader"][:2 * 128]  # places both files, fills in nothing
        return {**files, "etc/acpi/rsdp": bytes(root), "etc/table-loader": script}


def test_tables_above_4_gib(logs, tmp_path):
    blob, xsdt = image()
    (tmp_path / "high").write_bytes(blob)
    machine = machines.Machine(
        name="acpi-high", reason="tables above 4 GiB", cpus=2, machine="q35,acpi=off", mem="3G",
        append="run=report", cpu_nodes=[0, 1], nodes_up=2,
        ranges=[[0, 0, 2 * G - 1], [1, 4 * G, 5 * G - 1]],
        expect=[f"ACPI: XSDT 0x{xsdt:016X} ", "ACPI: SSDT 0x0000000100123000 100024 ",
                "ACPI: SRAT 0x00000001.*", "SRAT: PXM 1 -> APIC 0x01 -> Node 1"],
        forbid=["firmware bug", "early window"],
        qemu=HighWorld([]).arguments(tmp_path)
        + ["-device", f"loader,file={tmp_path / 'high'},addr={HIGH:#x},force-raw=on"])
    machines.set_status(machine)
    assert len(blob) > 2 * (2 << 20), "the window must be used again"
    qemu.check_needs(machine)
    result = qemu.run(qemu.argv(machine, tmp_path), machine.limits())
    log = logs / f"{machine.name}.log"
    log.write_text(result.text, encoding="utf-8")
    problems, _ = verdict.judge(machine, result)
    assert not problems, "\n".join(problems) + f"\nthe end of {log}:\n{result.tail()}"
