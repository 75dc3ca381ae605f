"""The allocator as a library: the example and other programs, built against header and archive alone.

Everything is copied out of the tree first, so that nothing of it can help.
SPDX-License-Identifier: MIT
"""
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import tsan_run

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / os.environ.get("BUILD", "build")
LIB = BUILD / "lib"
WARN = ["-std=gnu11", "-Wall", "-Wextra", "-Werror"]
# libc's, and the linker's own name for its table.
UNDEFINED = """_GLOBAL_OFFSET_TABLE_ abort aligned_alloc calloc clock_gettime close fprintf fputc fputs free ftruncate
    fwrite madvise malloc memcmp memcpy memfd_create memmove memset mmap mprotect munmap sched_yield
    stderr strcmp strlen strncmp strnlen syscall vsnprintf""".split()


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """A directory outside of the tree with the two files a user gets, and the programs."""
    there = tmp_path_factory.mktemp("library")
    assert ROOT not in there.parents
    for name in ("libperch-percpu.a", "perch-percpu.h"):
        shutil.copy(LIB / name, there)
    for source in [ROOT / "tools/example/percpu_example.c",
                   *(ROOT / "tests/tools/library").glob("*.c*")]:
        shutil.copy(source, there)
    return there


@pytest.fixture(scope="module", params=["gcc", "clang"])
def compiler(request):
    if not shutil.which(request.param):
        pytest.skip(f"no {request.param} here")
    return request.param


def build(there, compiler, name, *flags):
    program = there / f"{name}-{compiler}"
    done = subprocess.run([compiler, *WARN, "-O2", *flags, "-I.", "-o", program, f"{name}.c",
                           "libperch-percpu.a", "-pthread"],
                          cwd=there, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return program


def run(program, *args):
    return subprocess.run([program, *args], capture_output=True, text=True, timeout=120)


# ---- programs ------------------------------------------------------------------------------------

def test_example(outside, compiler):
    done = run(build(outside, compiler, "percpu_example"))
    assert (done.returncode, done.stdout) == (0, "sum 400000\n")
    lines = done.stderr.splitlines()
    assert "pcpu-alloc: [0] 0 1 [1] 2 3" in lines  # two nodes of two CPUs
    assert any(re.match(r"percpu: allocs 1, frees 1, failed 0 .*refused frees 0$", line)
               for line in lines)
    assert sum(line.startswith("percpu: node ") for line in lines) == 2


def test_example_is_short():
    lines = (ROOT / "tools/example/percpu_example.c").read_text().splitlines()
    assert len([line for line in lines if line.strip() not in ("", "{", "}")]) <= 32


def test_names_of_the_program_stay_its_own(outside, compiler):
    done = run(build(outside, compiler, "names"))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "called 0"
    assert re.fullmatch(r"<3>percpu: free of 0x[0-9a-f]+ refused: freed before", lines[-1])
    assert any(line.startswith("<6>percpu: Embedded ") for line in lines)


def test_stress(outside, compiler):
    done = run(build(outside, compiler, "stress"), "2000")
    assert (done.returncode, done.stderr) == (0, "")
    counts = re.fullmatch(r"allocs (\d+), chunks made (\d+), writes (\d+)\n", done.stdout)
    assert counts and all(int(n) > 0 for n in counts.groups())


@pytest.mark.parametrize("kind, flag", [("asan", "address,undefined"), ("tsan", "thread")])
def test_stress_under_sanitizers(outside, kind, flag):
    """gcc, which made the archive, for both: a sanitizer belongs to a compiler."""
    program = outside / f"stress-{kind}"
    subprocess.run(["gcc", *WARN, "-O1", "-g", f"-fsanitize={flag}", f"-I{outside}",
                    "-o", program, outside / "stress.c",
                    BUILD / f"lib-{kind}/libperch-percpu.a", "-pthread"], check=True)
    done = run(*tsan_run.command(program, "300"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("allocs ")


@pytest.mark.parametrize("what, status, text", [
    ("no-cpu", -6, "panic: a thread that is no CPU"),
    ("direct", -11, ""),
    ("behind", -11, ""),
    ("interior", 0, "refused"),
    ("nothing", 0, ""),
])
def test_misuse(outside, compiler, what, status, text):
    done = run(build(outside, compiler, "misuse"), what)
    assert done.returncode == status
    assert text in done.stderr
    assert what != "interior" or done.stdout == "size 0\n"


def test_position_dependent_too(outside, compiler):
    done = run(build(outside, compiler, "percpu_example", "-no-pie", "-fno-pie"))
    assert (done.returncode, done.stdout) == (0, "sum 400000\n")


def test_beside_other_allocators():
    """`make bench-library` in short: every cell is a time, with glibc beside ours; speed is not judged here."""
    done = run("/usr/bin/env", "python3", ROOT / "tools/bench_library.py", BUILD / "bench-library", "1", "5")
    assert (done.returncode, done.stderr) == (0, "")
    for cpus in (4, 64):
        part = done.stdout.split(f"{cpus} CPUs, ns")[1].splitlines()[1:]
        rows = {line[:26].strip(): [float(x.replace(",", "")) for x in line[26:].split()]
                for line in part[:part.index("")]}
        assert list(rows)[:2] == ["Perch", "glibc"] and "Perch / glibc" in rows
        assert all(len(cells) == 7 and all(x > 0 for x in cells) for cells in rows.values()), rows


def test_a_hit_has_no_locked_instruction():
    """percpu_alloc() and percpu_free() themselves; what misses is in other functions."""
    code = subprocess.run(["objdump", "-d", "--no-show-raw-insn", LIB / "libperch-percpu.a"], check=True,
                          capture_output=True, text=True).stdout
    for name in ("percpu_alloc", "percpu_free"):
        body = re.search(rf"<{name}>:\n(.*?)\n\n", code, re.S)[1]
        assert "ret" in body and not re.search(r"\block\b|xchg.*\(|cpuid|[lsm]fence|syscall", body), body


# ---- symbols and header --------------------------------------------------------------------------

def symbols(there):
    out = subprocess.run(["nm", "-f", "posix", "libperch-percpu.a"], cwd=there, check=True,
                         capture_output=True, text=True).stdout
    for line in out.splitlines():
        parts = line.split()
        if len(parts) >= 2 and len(parts[1]) == 1:
            yield parts[0], parts[1]


def test_needs_nothing_but_libc(outside):
    undefined = {name for name, kind in symbols(outside) if kind == "U"}
    # Some distributions' compilers check by default, in functions of libc.
    undefined = {name for name in undefined if not re.fullmatch(r"__\w+_chk(_fail)?", name)}
    assert undefined and undefined <= set(UNDEFINED)


def test_exports_what_the_header_declares(outside, compiler):
    exported = {name for name, kind in symbols(outside) if kind.isupper() and kind != "U"}
    weak = {name for name, kind in symbols(outside) if kind in "Ww"}
    assert weak == {"perch_log", "perch_panic"}
    # The compiler's own list of what the header declares: every name has to link.
    source = outside / f"all-{compiler}.c"
    declared = declared_names(outside, compiler)
    assert exported == declared
    source.write_text("#include <perch-percpu.h>\n#include <stdio.h>\nint main(void)\n{\n"
                      + "".join(f"    printf(\"%p\\n\", (void *)&{name});\n"
                                for name in sorted(declared)) + "    return 0;\n}\n")
    build(outside, compiler, f"all-{compiler}")


def declared_names(there, compiler):
    """External names that the preprocessed header declares and that are not from a system header."""
    text = subprocess.run([compiler, *WARN, "-E", "-I.", "perch-percpu.h"], cwd=there, check=True,
                          capture_output=True, text=True).stdout
    ours, keep = True, []
    for line in text.splitlines():
        mark = re.match(r'# \d+ "([^"]+)"', line)
        if mark:
            ours = mark[1].endswith("perch-percpu.h")
        elif ours:
            keep.append(line)
    text, depth = "", 0
    for char in "\n".join(keep):
        depth += (char == "{") - (char == "}")
        text += char if depth == 0 else ""
    text = re.sub(r"__attribute__\s*\(\((?:[^()]|\([^()]*\))*\)\)", " ", text)
    names = set()
    for piece in re.split(r"[;}]", text):
        piece = " ".join(piece.split())
        function = re.match(r"(?!static|typedef|_Static_assert|struct \w+$|enum \w+$)"
                            r"[\w *]*?\b(\w+) ?\(", piece)
        variable = re.match(r"extern [\w *]*?\b(\w+)(?:\[.*\])?$", piece)
        if function or variable:
            names.add((function or variable)[1])
    return names


def test_header_alone(outside, compiler):
    text = (outside / "perch-percpu.h").read_text()
    assert not re.search(r'^\s*#\s*include\s*"', text, re.M)
    assert not re.search(r"\b[us](8|16|32|64)\b", re.sub(r"/\*.*?\*/", "", text, flags=re.S))
    (outside / "twice.c").write_text("#include <perch-percpu.h>\n#include <perch-percpu.h>\n"
                                     "int main(void) { return 0; }\n")
    build(outside, compiler, "twice", "-Wshadow=local" if compiler == "gcc" else "-Wshadow")


@pytest.mark.parametrize("standard", ["c++17", "c++20"])
@pytest.mark.parametrize("cxx", ["g++", "clang++"])
def test_in_cxx(outside, cxx, standard):
    if not shutil.which(cxx):
        pytest.skip(f"no {cxx} here")
    program = outside / f"cxx-{cxx}-{standard}"
    done = subprocess.run([cxx, f"-std={standard}", "-Wall", "-Wextra", "-Werror",
                           "-O2", "-I.", "-o", program, "cxx.cc", "libperch-percpu.a", "-pthread"],
                          cwd=outside, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    done = run(program)
    assert (done.returncode, done.stdout) == (0, "hits 3000 counter 6000\n")


def test_in_strict_c11(outside, compiler):
    (outside / "strict.c").write_text("#include <perch-percpu.h>\nint main(void) { return 0; }\n")
    build(outside, compiler, "strict", "-std=c11")
