#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turns tests/data/acpi/EXPECTED.json into tests/data/acpi/expected.h for numa_golden_test.c.

Run from the top folder after EXPECTED.json changed: tools/gen/acpi_expected.py
"""
import json
import pathlib

DATA = pathlib.Path("tests/data/acpi")


def array(ctype, name, rows):
    body = "".join("    {%s},\n" % ", ".join(str(v) for v in row) for row in rows)
    return "static const %s %s[] = {\n%s};\n" % (ctype, name, body)


def machine(name, m, out):
    ident = name.replace("-", "_")
    srat, madt, slit = m["srat"], m["madt"], m.get("slit")
    out.append(array("struct expect_cpu", ident + "_cpus",
                     [(c["apic"], c["pxm"], c["node"]) for c in srat["cpus"]]))
    out.append(array("struct expect_mem", ident + "_mems",
                     [(r["base"], r["len"], r["pxm"], r["node"], int(r["hotplug"]),
                       int(r["nonvolatile"])) for r in srat["mem"]]))
    nodes = sorted(srat["pxm_to_node"].items(), key=lambda kv: kv[1])
    out.append("static const u32 %s_pxms[] = {%s};\n"
               % (ident, ", ".join(pxm for pxm, _ in nodes)))
    if slit:
        out.append("static const u8 %s_slit[] = {\n%s};\n" % (ident, "".join(
            "    %s,\n" % ", ".join(str(v) for v in row) for row in slit["matrix"])))
    matrix = ident + "_slit" if slit else "NULL"
    size = (slit["n"], slit["length"], slit["expect_len"]) if slit else (0, 0, 0)
    return ('    {"%s",\n     {%d, %d, %d, %d, %d, %d, %d, %d},\n'
            "     {%d, %d, %d, %d, %d, %d, %d},\n     {%d, %d, %d},\n"
            "     %s_cpus,\n     %s_mems,\n     %s_pxms,\n     %s},\n") % (
                name, madt["rev"], madt["enabled"], madt["disabled"], madt["online_capable"],
                madt["x2apic_entries"], madt["max_apic"], madt["flags"],
                madt["bogus_disabled_ids"], srat["rev"], srat["entries"], srat["disabled"],
                sum(srat["other_types"].values()), srat["nodes"], len(srat["cpus"]),
                len(srat["mem"]), *size, ident, ident, ident, matrix)


def main():
    machines = json.loads((DATA / "EXPECTED.json").read_text())
    out = ["/*\n * Made by tools/gen/acpi_expected.py from EXPECTED.json: do not edit.\n"
           " * SPDX-License-Identifier: CC-BY-4.0\n */\n"]
    rows = [machine(name, m, out) for name, m in machines.items()]
    out.append("static const struct expect_machine machines[] = {\n%s};\n" % "".join(rows))
    (DATA / "expected.h").write_text("\n".join(out))


if __name__ == "__main__":
    main()
