"""The same source and compiler give the same bytes: kernel and image, in another folder, at another time, by
another user's settings (docs/adr/0028).

SPDX-License-Identifier: MIT
"""
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import iso
import iso_fixed

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / os.environ.get("BUILD", "build")
ELF = BUILD / "perch.elf"
FOLDERS = ("acpi", "boot", "kernel", "mm", "percpu", "smp", "tests", "tools")


def copy_of_the_source(there):
    there.mkdir(parents=True)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, there / name, symlinks=True,
                        ignore=shutil.ignore_patterns("data", "__pycache__"))
    for name in ("Makefile", "linker.ld"):
        shutil.copy(ROOT / name, there)


def sections(elf):
    out = subprocess.run(["readelf", "-SW", elf], capture_output=True, text=True, check=True).stdout
    return [line.split("]", 1)[1].split() for line in out.splitlines() if "] ." in line]


def first_difference(a, b):
    """For the message: the section with the first byte that differs."""
    at = next((i for i, (x, y) in enumerate(zip(a.read_bytes(), b.read_bytes())) if x != y), None)
    names = [s[0] for s in sections(a) if at is not None
             and int(s[3], 16) <= at < int(s[3], 16) + int(s[4], 16)]
    return f"at {at} in {names}"


def test_kernel_of_another_folder(tmp_path):
    """
    $BUILD/perch.elf, which was made in this tree, against one that is made elsewhere without a compiler cache,
    which could hand out this tree's objects.
    """
    if not ELF.is_file():
        pytest.skip(f"{ELF} is not built")
    there = tmp_path / "a folder's length that is another one".replace(" ", "-").replace("'", "")
    copy_of_the_source(there)
    version = (BUILD / "version").read_text("utf-8").strip()
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "BUILD")}
    environment |= {"CCACHE_DISABLE": "1", "TZ": "Asia/Tokyo"}
    done = subprocess.run(["make", f"-j{min(2, os.cpu_count())}", "BUILD=elsewhere/b", f"VERSION={version}",
                           "elsewhere/b/perch.elf"], cwd=there, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    made = there / "elsewhere/b/perch.elf"
    same = made.read_bytes() == ELF.read_bytes()
    assert same, first_difference(ELF, made)


def test_no_path_of_this_folder_in_the_kernel():
    if not ELF.is_file():
        pytest.skip(f"{ELF} is not built")
    assert os.fsencode(ROOT) + b"/" not in ELF.read_bytes()
    assert os.fsencode(ROOT) + b"\0" not in ELF.read_bytes()


def make_image(elf, out, **environment):
    code = (f"import os, sys; os.umask(int(sys.argv[3], 8)); sys.path.insert(0, {str(ROOT / 'tools')!r}); "
            "import iso; iso.make(sys.argv[1], sys.argv[2])")
    mask = environment.pop("umask")
    subprocess.run([sys.executable, "-c", code, elf, out, mask], check=True, cwd=out.parent,
                   env={**os.environ, **environment})


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A kernel is not needed for an image."""
    if not shutil.which("grub-mkrescue") or not shutil.which("mformat"):
        pytest.skip("no grub-mkrescue or no mtools here")
    elf = tmp_path_factory.mktemp("elf") / "perch.elf"
    elf.write_bytes(b"not a kernel" * 1000)
    return elf


def test_image_of_another_folder_and_time(tmp_path, small):
    first, second = tmp_path / "a.iso", tmp_path / "another/folder/b.iso"
    second.parent.mkdir(parents=True)
    make_image(small, first, TZ="UTC", umask="022")
    os.utime(small, (1, 1))
    time.sleep(2)                       # a FAT entry's time counts in twos
    make_image(small, second, TZ="Asia/Tokyo", umask="077", SOURCE_DATE_EPOCH="5")
    assert first.read_bytes() == second.read_bytes()
    assert [p.name for p in second.parent.iterdir()] == ["b.iso"]   # and nothing is left behind


def test_images_of_other_content_have_other_names(tmp_path, small):
    """GRUB finds its image by this; a constant one would confuse a stick and a CD."""
    other = tmp_path / "other.elf"
    other.write_bytes(small.read_bytes() + b"!")
    names = []
    for elf in (small, other):
        image = iso.make(elf, tmp_path / f"{elf.stem}.iso")
        raw = image.read_bytes()
        date = raw[0x8000 + 830:0x8000 + 846].decode()  # ISO 9660: modification date of the volume
        dashed = "-".join([date[:4], *(date[i:i + 2] for i in range(4, 16, 2))])
        found = {m.decode() for m in iso_fixed.NAME.findall(raw)}
        assert found <= {dashed}, "GRUB's programs look for another image"
        names.append(date)
    assert names[0] != names[1]


def test_names_of_the_second_in_files(tmp_path):
    """As GRUB 2.06 may and 2.12 does write them: in an EFI program, and as a file's name."""
    old, new = b"2026-11-30-18-06-17-00", b"2001-09-09-01-46-40-00"
    (tmp_path / "efi/boot").mkdir(parents=True)
    (tmp_path / ".disk").mkdir()
    (tmp_path / "efi/boot/bootx64.efi").write_bytes(b"\0MZ" + old + b"\0\xff")
    (tmp_path / ".disk" / (old.decode() + ".uuid")).write_bytes(b"")
    (tmp_path / "perch.elf").write_bytes(old)
    iso_fixed.settle(tmp_path, 10**9)
    assert (tmp_path / "efi/boot/bootx64.efi").read_bytes() == b"\0MZ" + new + b"\0\xff"
    assert [p.name for p in (tmp_path / ".disk").iterdir()] == [new.decode() + ".uuid"]
    assert (tmp_path / "perch.elf").read_bytes() == old
    assert {p.stat().st_mtime for p in tmp_path.rglob("*")} == {10**9}


def test_only_the_temporary_folder_is_changed(tmp_path, monkeypatch):
    """Among the arguments are folders of the image: `--sort-weight 0 /`."""
    (tmp_path / "tree/inner").mkdir(parents=True)
    (tmp_path / "beside").mkdir()
    monkeypatch.setenv("PERCH_TREE", str(tmp_path / "tree"))
    monkeypatch.chdir(tmp_path)
    assert iso_fixed.mine(str(tmp_path / "tree/inner"))
    for word in ("/", "/boot", str(tmp_path), str(tmp_path / "tree"), str(tmp_path / "beside"),
                 str(tmp_path / "tree/../beside"), "tree/inner", "", "-r"):
        assert not iso_fixed.mine(word), word
