"""What the documents show as printed by a command is what that command prints.

A code block that shows output has a comment in front, which the rendered page does not show:

    <!-- printed by: ./perch run --topology tests/qemu/ap-silent.machine -->

The command runs once, and every block that names it is compared with its output: each line of the
block must be in the output, in this order; other lines may stand between. VARIES says what is not
compared. A decimal integer may be 5 % off: the kernel may grow a little, a sample may not grow old.
`...` stands for any text. A time stamp may be left out. tools/bench_docs.py checks figures.
SPDX-License-Identifier: MIT
"""
import fnmatch
import os
import re
import shlex
import subprocess
import sys

import pytest

import bench
import bench_docs
import machine as machines
import qemu
from conftest import BUILD, ROOT

PAGES = [ROOT / "README.md", ROOT / "CAVEATS.md", *sorted(ROOT.glob("docs/**/*.md")),
         *sorted(ROOT.glob("tests/**/*.md"))]
MARKER = re.compile(r"^ *<!-- printed by: (.*) -->$")
# The look of our output: time stamps, KTAP, objects, blocks, and lines `subsystem: text`.
PRINTED = re.compile(r'\[ +\d|KTAP |(not )?ok \d|# |\{"|-----BEGIN|[A-Za-z][\w -]*: ')
STAMP = re.compile(r"^\[ *\d+\.\d+\] ")
# Versions and numbers with a point; places in functions; virtual addresses, checksums, commits.
VARIES = re.compile(r"\b\d+(?:\.\d+)+|\+0x[0-9a-f]+|\b0x[0-9a-f]{12,}"
                    r"|\b[0-9a-f]{8,16}(?:-dirty)?\b")
NUMBER = re.compile(r"(?<![\w.])\d+(?![\w.])|(?<=[a-z])\d{4,}\b|\b\d{4,}(?=[A-Z])")
TOLERANCE = 0.05


def blocks(text):
    """(number of the first line, command or None, lines) of each code block, indented or fenced."""
    out, block, command, fenced = [], None, None, False
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        bare = line.strip()
        inside = fenced or bare and len(line) - len(line.lstrip()) >= 4 and (
            block is not None or not lines[number - 2].strip() or MARKER.match(lines[number - 2]))
        if bare.startswith("```"):
            fenced, inside = not fenced, False
            block = None
        elif inside:
            if block is None:
                block = []
                out.append((number, command, block))
                command = None
            block.append(bare)
        elif bare:
            block = None
            match = MARKER.match(line)
            command = match.group(1) if match else None
    return out


def samples():
    """{command: [(page, line, block)]}"""
    found = {}
    for page in PAGES:
        for number, command, block in blocks(page.read_text("utf-8")):
            if command:
                found.setdefault(command, []).append((page.relative_to(ROOT), number, block))
    return found


def same(sample, line):
    """One line of a page against one line of the output."""
    if not STAMP.match(sample):
        line = STAMP.sub("", line)
    pattern, numbers = [], []
    for part in re.split(r"(\.\.\.)", VARIES.sub("\0", STAMP.sub("\1", sample))):
        numbers += [int(n) for n in NUMBER.findall(part)]
        pattern.append(".*?" if part == "..." else
                       re.escape(NUMBER.sub("\2", part)).replace("\2", r"(\d+)"))
    match = re.fullmatch("".join(pattern), VARIES.sub("\0", STAMP.sub("\1", line)).strip())
    return bool(match) and all(abs(int(found) - shown) <= TOLERANCE * shown
                               for shown, found in zip(numbers, match.groups()))


def missing(block, output):
    """The lines of a block that the output has not, or not in this order."""
    lines, out = iter(output), []
    for sample in block:
        if sample.startswith("..."):
            continue
        if not any(same(sample, line) for line in lines):
            out.append(sample)
            lines = iter(output)
    return out


def run(command):
    """Lines that it prints, errors after the output. What is built is not built again."""
    words = shlex.split(command)
    environment = {**os.environ, "BUILD": str(BUILD), "PERCH_LAST": os.devnull}
    if words[:2] == ["./perch", "run"]:
        options = dict(zip(words[2::2], words[3::2]))
        environment.update({name[2:].upper(): value for name, value in options.items()})
        if "--topology" in options:
            qemu.check_needs(machines.load(ROOT / options["--topology"]))
        words = [sys.executable, "tools/run.py"]
    elif words[:2] in (["./perch", "layout"], ["./perch", "acpi"]):
        words = [BUILD / f"perch-{words[1]}", *words[2:]]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True)
    return (done.stdout + done.stderr).splitlines()


@pytest.mark.parametrize("command", sorted(samples()))
def test_samples_are_what_the_command_prints(command):
    try:
        output = run(command)
    except qemu.Missing as why:
        pytest.skip(f"{command}: {why}")
    old = [f"{page}:{number}: {line}" for page, number, block in samples()[command]
           for line in missing(block, output)]
    assert old == [], f"not printed by {command}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_looks_printed_names_its_command(page):
    bare = [f"{number}: {line}" for number, command, block in blocks(page.read_text("utf-8"))
            for line in block[:1] if not command and any(map(PRINTED.match, block))]
    assert bare == [], "without <!-- printed by: COMMAND -->"


SAMPLE = "[    0.1] cpu: cpu 2 unit [mem 0x3fe00000-0x3fe0cfff] s15296 961 pages... crc 1461e0c1"
LINE = "[    7.12] cpu: cpu 2 unit [mem 0x3fe00000-0x3fe0cfff] s15300 970 pages, 3 crc 00000000"


@pytest.mark.parametrize("line, equal", [
    (LINE, True),
    (LINE.replace("cpu 2", "cpu 3"), False),
    (LINE.replace("0x3fe0cfff", "0x3fe0dfff"), False),
    (LINE.replace("s15300", "s13504"), False),
    (LINE.replace("970", "99"), False),
    (LINE.replace("unit", "units"), False),
    (LINE + " more", False),
    (STAMP.sub("", LINE), False),
])
def test_what_may_differ(line, equal):
    assert same(SAMPLE, line) == equal
    assert same(STAMP.sub("", SAMPLE), line) == (equal or not line.startswith("["))


def test_blocks_and_their_order():
    page = "x\n\n<!-- printed by: ./perch run -->\n\n    a: 1\n    ...\n    b: 2\n\nx\n\n    c: 3\n"
    assert blocks(page) == [(5, "./perch run", ["a: 1", "...", "b: 2"]), (11, None, ["c: 3"])]
    assert missing(["a: 1", "...", "b: 2"], ["a: 1", "other", "b: 2"]) == []
    assert missing(["a: 1", "b: 2"], ["b: 2", "a: 1"]) == ["b: 2"]
    assert blocks("```\n# c\n```\n") == [(2, None, ["# c"])]


def test_figures_that_other_pages_quote():
    assert bench_docs.misquoted() == []


PERFORMANCE = """
| pair of | 1/1 | 4/4 |
|---|---|---|
| 8 B | 147 / 1,494 | 151 / 16,756 |
| 32768 B | 1.01 M / 60,242 | 25,086 / 159 k |
"""


@pytest.mark.parametrize("figure, value, right", [
    ("percpu size=8 op=pair_steady gross", 149.0, True),
    ("percpu size=8 op=pair_steady gross", 151.0, False),
    ("percpu size=32768 op=pair_steady gross", 1020000.0, True),
    ("percpu size=32768 op=pair_steady gross", 1050000.0, False),
])
def test_a_figure_may_be_two_percent_off(figure, value, right):
    found = {"trace total": 1.0, "percpu size=8 op=pair_steady gross": 147.0,
             "percpu size=32768 op=pair_steady gross": 1010000.0, figure: value}
    assert (bench_docs.stale({"1/1": found}, PERFORMANCE) == []) == right


def test_the_output_of_the_benchmark_is_read():
    text = ("\n16 CPUs, 4 nodes: guest instructions, 9 s\n"
            "  figure                                           Perch       budget   Linux 6.12\n"
            "  atomic size=64 when=cold first_fail_at             640       >= 512          261\n"
            "  cleared trace                                  781.250            -            -\n")
    assert bench_docs.measured(text) == {"16/4": {
        "atomic size=64 when=cold first_fail_at": 640.0, "cleared trace": 781.25}}


def test_boot_figures():
    """docs/percpu.md's table of `perch bench boot`, for the machine that is quickest to see."""
    if not (BUILD / "perch.elf").exists():
        pytest.skip("perch.elf is not built")
    entry = next(e for e in bench.budgets()["machine"] if (e["cpus"], e["nodes"]) == (8, 4))
    found, _ = bench.stages(bench.boot(bench.build(entry), icount=True).text)
    assert bench_docs.stale_boot({"8/4": found}) == []


# Folders of the tree, and files by their name alone. Not ours: Linux's files, a server's folder, a
# folder that is gone, and x.h, which stands for any header.
HOUSE = ("acpi", "boot", "docs", "kernel", "mm", "percpu", "smp", "tests", "tools")
PATH = re.compile(rf"(?:{'|'.join(HOUSE)})/[\w./*-]+|[\w*-]+\.(?:c|h|asm|py)")
OTHERS = ("mm/percpu.c", "tools/testing/", "boot/grub/", "kernel/app", "x.")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_exist(page):
    """A path may be a pattern, leave its ending out (docs/adr/0001), or have NAME in it."""
    names = {path.name for folder in HOUSE for path in (ROOT / folder).rglob("*")}
    lost = []
    for name in re.findall(r"`([^`\s]+)`", page.read_text("utf-8")):
        if not PATH.fullmatch(name) or name.startswith(OTHERS):
            continue
        pattern = name.rstrip("/").replace("NAME", "*")
        if not (any(fnmatch.filter(names, pattern)) if "/" not in pattern
                else any(ROOT.glob(pattern + "*"))):
            lost.append(name)
    assert lost == []


def test_every_decision_is_in_the_index():
    folder = ROOT / "docs/adr"
    index = (folder / "README.md").read_text("utf-8")
    listed = re.findall(r"^\| \[(\d{4})\]\((.*)\) \|", index, re.M)
    assert [name for _, name in listed] == sorted(path.name for path in folder.glob("0*.md"))
    assert all(name.startswith(number) for number, name in listed)


def first_cells(page, head):
    """What stands in backquotes, or bare, in the first cells of the table with this head."""
    text = (ROOT / page).read_text("utf-8")
    rows = re.search(rf"^\| {head} \|.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.M).group(1)
    cells = [row.split("|")[1].strip() for row in rows.splitlines()]
    return [word for cell in cells for word in re.findall(r"`([^`]+)`", cell) or [cell]]


def option_keys():
    source = (ROOT / "kernel/base/options.c").read_text("utf-8")
    return set(re.findall(r'^ +(?:FIELD\(|\{)"(\w+)", set_', source, re.M))


def test_every_key_of_the_command_line_has_its_row():
    """README.md has those in daily use; docs/boot.md has all, those without effect in a sentence."""
    keys = option_keys()
    assert {key.rstrip("=") for key in first_cells("README.md", "key")} <= keys
    text = (ROOT / "docs/boot.md").read_text("utf-8")
    idle = re.search(r"^Accepted, without effect yet:.*?\n\n", text, re.M | re.S).group()
    rows = [key.rstrip("=") for key in first_cells("docs/boot.md", "key")]
    assert sorted(rows + re.findall(r"`(\w+)=`", idle)) == sorted(keys)


def test_every_fault_on_purpose_has_its_row():
    source = "".join(path.read_text("utf-8") for folder in ("kernel/stages", "smp/start")
                     for path in sorted((ROOT / folder).glob("*.c")))
    words = re.findall(r'(?:asked\(o|fail_next\(&list|take\(&c), "(\w+):?"', source)
    rows = [re.match(r"\w+", word).group() for word in first_cells("docs/boot.md", "word")]
    assert sorted(rows) == sorted(set(words))
    lists = "".join(re.findall(r"(?:plain|valued)\[\] = \{(.*?)\}", source, re.S))  # of fail_check()
    assert sorted(rows) == sorted(set(re.findall(r'"(\w+):?"', lists)))


def test_every_stage_has_its_row():
    printed = [match.group(1) for line in run("./perch run --append run=report")
               if (match := re.search(r"stage: (\w+) \d+ us$", line))]
    assert printed, "no stage was printed"
    assert first_cells("docs/boot.md", "stage") == [*printed, "end"]
