"""tools/ksyms.py: `nm -n` text to a symbol table that NASM accepts.

SPDX-License-Identifier: MIT
"""
import shutil
import struct
import subprocess
import sys

import pytest

import ksyms
from conftest import ROOT

NM = """\
0000000000200000 t pvh_start32
ffffffff80210000 D __stack_chk_guard
                 w nothing
ffffffff80300000 T __text_start
ffffffff80300000 T kernel_main
ffffffff80300020 t helper.part.0
ffffffff80300010 t middle
ffffffff80300040 r table
"""


def test_text_symbols_sorted_once_each():
    assert ksyms.read_symbols(NM.splitlines()) == [
        (0x300000, "kernel_main"), (0x300010, "middle"), (0x300020, "helper.part.0")]


@pytest.mark.skipif(not shutil.which("nasm"), reason="no nasm")
@pytest.mark.parametrize("text, count", [("", 0), (NM, 3)])
def test_assembles(tmp_path, text, count):
    source = subprocess.run([sys.executable, ROOT / "tools" / "ksyms.py"], input=text, check=True,
                            capture_output=True, text=True).stdout
    (tmp_path / "k.asm").write_text(source, "utf-8")
    subprocess.run(["nasm", "-f", "elf64", "-Werror", "-o", tmp_path / "k.o", tmp_path / "k.asm"],
                   check=True)
    subprocess.run(["objcopy", "-O", "binary", "-j", ".ksyms", tmp_path / "k.o",
                    tmp_path / "k.bin"], check=True)
    data = (tmp_path / "k.bin").read_bytes()
    assert struct.unpack_from("<I", data)[0] == count
    names = data[8 + 8 * count:]
    table = [struct.unpack_from("<II", data, 8 + 8 * i) for i in range(count)]
    found = [(offset, names[at:names.index(b"\0", at)].decode()) for offset, at in table]
    assert found == ksyms.read_symbols(text.splitlines())
