"""Disassembles the image: what this_cpu_* really becomes, and that GS is never loaded as a selector.

SPDX-License-Identifier: MIT
"""
import os
import re
import subprocess
from pathlib import Path

import pytest

BUILD = Path(os.environ.get("BUILD", "build"))
IMAGES = {"gcc": BUILD / "perch.elf", "clang": BUILD / "clang/perch.elf"}

OPS = {  # operation: (kinds, mnemonics of its GS accesses in order)
    "read": (("var", "ptr"), ["mov"]),
    "write": (("var", "imm", "ptr"), ["mov"]),
    "add": (("var", "imm", "ptr"), ["add"]),
    "sub": (("var", "imm", "ptr"), ["sub"]),
    "and": (("var", "imm", "ptr"), ["and"]),
    "or": (("var", "imm", "ptr"), ["or"]),
    "inc": (("var", "ptr"), ["inc"]),
    "dec": (("var", "ptr"), ["dec"]),
    "xchg": (("var", "imm", "ptr"), ["mov", "cmpxchg"]),
    "add_return": (("var", "imm", "ptr"), ["xadd"]),
    "cmpxchg": (("var", "ptr"), ["cmpxchg"]),
    "try_cmpxchg": (("var", "ptr"), ["cmpxchg"]),
}
SUFFIX = {1: "b", 2: "w", 4: "l", 8: "q"}
NAMES = [f"gsop_{op}_{size}_{kind}" for op, (kinds, _) in OPS.items()
         for size in (1, 2, 4, 8) for kind in kinds]

# localop_ functions: the instructions that may write the counter, in order.
LOCAL_OPS = {"read": [], "set": ["mov"], "inc": ["inc"], "dec": ["dec"], "add": ["add"],
             "sub": ["sub"], "sub_and_test": ["sub"], "dec_and_test": ["dec"],
             "inc_and_test": ["inc"], "add_negative": ["add"], "add_return": ["xadd"],
             "sub_return": ["xadd"], "cmpxchg": ["cmpxchg"], "xchg": ["cmpxchg"],
             "inc_not_zero": ["cmpxchg"]}

# Loads that are right: each CPU's first 64-bit code, before GS has a base (boot/entry32.asm,
# smp/start/trampoline.asm).
SELECTOR_LOADS = {"start64", "ap_entry64"}


def instructions(text):
    """{function: [(mnemonic, operands)]} of objdump's text; prefixes stay in front of a mnemonic."""
    functions, current = {}, None
    for line in text.splitlines():
        if head := re.match(r"^[0-9a-f]+ <(.+)>:$", line):
            current = functions.setdefault(head[1], [])
        elif current is not None and (insn := re.match(r"^\s*[0-9a-f]+:\t(.*)$", line)):
            words = re.sub(r"\s*(#|<).*$", "", insn[1]).split(None, 1)
            current.append((words[0], words[1] if len(words) > 1 else ""))
    return functions


def problems(name, code):
    """What is wrong with one gsop_ function."""
    op, size = re.match(r"gsop_(\w+)_(\d)_(?:var|imm|ptr)$", name).groups()
    found = []
    gs = [mnemonic for mnemonic, operands in code if "%gs:" in operands]
    bare = [re.sub(r"(?<=[a-z])[bwlq]$", "", m) if m not in ("sub",) else m for m in gs]
    want = OPS[op][1]
    if bare != want and gs != want:
        found.append(f"GS accesses {gs}, expected {want}")
    for mnemonic, operands in code:
        if mnemonic.startswith("lock") or operands.startswith("lock"):
            found.append("a LOCK prefix")
        if mnemonic.startswith("xchg") and "(" in operands + ("(" if "%gs:" in operands else ""):
            found.append("XCHG with memory")
        if mnemonic.startswith("call"):
            found.append("a call")
    if op == "xchg" and not any(m.startswith("jne") for m, _ in code):
        found.append("no loop around CMPXCHG")
    # The width of the access, by suffix or by register.
    for mnemonic, operands in code:
        if "%gs:" in operands and not wide(mnemonic, operands, int(size)):
            found.append(f"{mnemonic} {operands} is not {size} bytes wide")
    return found


def wide(mnemonic, operands, size):
    # movzbl and the like: the letter before the last is the memory operand's
    if re.match(r"mov[zs][bw]", mnemonic):
        return mnemonic[4] == SUFFIX[size]
    register = next((r for r in re.findall(r"%(\w+)", re.sub(r"%gs:[^(,]*(\([^)]*\))?", "", operands))), None)
    if register is None:
        return mnemonic.endswith(SUFFIX[size])
    kinds = {1: r"([abcd][lh]|[sd]il|[sb]pl|r\d+b)$", 2: r"([abcd]x|[sd]i|[sb]p|r\d+w)$",
             4: r"(e\w\w|r\d+d)$", 8: r"(r[a-ds]\w|r[sb]p|rdi|r\d+)$"}
    return re.match(kinds[size], register) is not None


def selector_loads(functions):
    """Functions that load GS as a selector or swap it, other than those that may."""
    return sorted({name for name, code in functions.items() for mnemonic, operands in code
                   if mnemonic == "swapgs" or re.search(r",\s*%gs$", operands)
                   or (mnemonic.startswith("pop") and operands == "%gs")
                   or mnemonic.startswith("lgs")} - SELECTOR_LOADS)


def local_problems(op, code):
    """What is wrong with one localop_ function: more than one write, LOCK, XCHG, GS, a call."""
    found, writes = [], []
    for mnemonic, operands in code:
        if mnemonic.startswith(("lock", "call")) or "%gs:" in operands:
            found.append(f"{mnemonic} {operands}")
        if re.search(r"\((%rdi|%rsi|%rdx|%rcx|%r8)\)$", operands):
            writes.append(re.sub(r"(?<=[a-z])q$", "", mnemonic) if mnemonic != "sub" else mnemonic)
    return found + ([] if writes == LOCAL_OPS[op] else [f"writes {writes}"])


@pytest.fixture(scope="module", params=IMAGES)
def image(request):
    path = IMAGES[request.param]
    if not path.exists():
        pytest.skip(f"{path} is not built")
    text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", str(path)], check=True,
                          capture_output=True, text=True).stdout
    return instructions(text)


def test_every_operation(image):
    missing = [name for name in NAMES if name not in image]
    assert not missing
    wrong = {name: found for name in NAMES if (found := problems(name, image[name]))}
    assert not wrong


def test_every_local_operation(image):
    wrong = {op: found for op in LOCAL_OPS
             if (found := local_problems(op, image.get(f"localop_{op}", [("lock", "missing")])))}
    assert not wrong


def test_gs_is_never_a_selector(image):
    assert selector_loads(image) == []


def test_application_processors_load_gs_before_its_base(image):
    code = image["ap_entry64"]
    load = max(i for i, (_, operands) in enumerate(code) if operands.endswith(",%gs"))
    assert load < min(i for i, (mnemonic, _) in enumerate(code) if mnemonic == "wrmsr")


GOOD = """
ffffffff80300000 <gsop_add_4_var>:
ffffffff80300000:\tadd    %edi,%gs:0x10(%rip)        # ffffffff80210010 <gsop_var_4>
ffffffff80300007:\tret
"""


@pytest.mark.parametrize("change, complaint", [
    (("add    %edi", "lock add %edi"), "LOCK"),
    (("add    %edi", "xchg   %edi"), "XCHG"),
    (("add    %edi", "sub    %edi"), "expected"),
    (("%edi,", "%rdi,"), "wide"),
    (("%gs:0x10(%rip)", "0x10(%rip)"), "expected"),
    (("ret", "call   ffffffff80300010 <f>"), "call"),
    (("ret", "add    %edi,%gs:0x10(%rip)"), "expected"),
])
def test_the_check_can_fail(change, complaint):
    assert problems("gsop_add_4_var", instructions(GOOD)["gsop_add_4_var"]) == []
    code = instructions(GOOD.replace(*change, 1))["gsop_add_4_var"]
    assert any(complaint in text for text in problems("gsop_add_4_var", code))


@pytest.mark.parametrize("op, code", [
    ("inc", [("lock", "incq (%rdi)"), ("ret", "")]),
    ("xchg", [("xchg", "%rax,(%rdi)"), ("ret", "")]),
    ("add", [("mov", "(%rdi),%rax"), ("add", "%rsi,%rax"), ("mov", "%rax,(%rdi)")]),
    ("dec", [("decq", "%gs:(%rdi)")]),
])
def test_a_local_operation_that_is_wrong(op, code):
    assert local_problems(op, code)


@pytest.mark.parametrize("line", ["mov    %eax,%gs", "swapgs", "pop    %gs", "lgs    (%rax),%eax"])
def test_a_selector_load_is_found(line):
    text = f"ffffffff80300000 <f>:\nffffffff80300000:\t{line}\n"
    assert selector_loads(instructions(text)) == ["f"]
