"""Debian's cloud kernel and its headers, unpacked under build/linux/ and installed nowhere.

packages() downloads them with apt on the first call. They are the newest 6.12 that apt knows; on
Debian 12 that is the suite bookworm-backports.
SPDX-License-Identifier: MIT
"""
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import child
import qemu

SERIES = "6.12."
SOURCES = "/usr/src/"


class Unavailable(Exception):
    """The packages, or what their build needs, cannot be had here; the text says what and why."""


@dataclass
class Packages:
    release: str   # as uname -r has it
    image: Path    # bzImage
    headers: Path  # for make -C
    busybox: Path  # static


def release(show):
    """The release of this series, of the text of `apt-cache show linux-image-cloud-amd64`; None."""
    found = re.findall(rf"linux-image-({re.escape(SERIES)}[^ ]*)", show)
    return max(found, key=lambda name: [int(n) for n in re.findall(r"\d+", name)], default=None)


def fetch(name, folder):
    """Downloads and unpacks one package."""
    for old in folder.glob("*.deb"):
        old.unlink()
    done = child.output(["apt-get", "-q", "download", name], cwd=folder)
    debs = list(folder.glob("*.deb"))
    if done.returncode or not debs:
        said = (done.stderr.strip().splitlines() or ["no word from apt-get"])[-1]
        raise Unavailable(f"apt cannot download {name}: {said}")
    done = child.output(["dpkg-deb", "-x", str(debs[0]), str(folder / "root")])
    debs[0].unlink()
    if done.returncode:
        raise Unavailable(f"{name} cannot be unpacked: {done.stderr.strip()}")


def prepare(headers, root):
    """Debian's Makefile names the place where the package would be installed. Without vmlinux no type
    information is made for the module, which needs a program of its own."""
    makefile = headers / "Makefile"
    makefile.write_text(makefile.read_text("utf-8").replace(f" {SOURCES}", f" {root}{SOURCES}"),
                        encoding="utf-8")
    (headers / "vmlinux").unlink(missing_ok=True)


def packages():
    """As unpacked; the first call takes half a minute."""
    folder = qemu.BUILD / "linux"
    root = folder / "root"
    stamp = folder / "release"
    if not stamp.exists():
        for program in ("apt-get", "apt-cache", "dpkg-deb"):
            if not shutil.which(program):
                raise Unavailable(f"no {program} here")
        name = release(child.output(["apt-cache", "show", "--all-versions",
                                     "linux-image-cloud-amd64"]).stdout)
        if not name:
            raise Unavailable(f"apt knows no cloud kernel {SERIES}x (bookworm-backports)")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        version = name.removesuffix("-cloud-amd64")
        for package in (f"linux-image-{name}", f"linux-headers-{name}",
                        f"linux-headers-{version}-common", f"linux-kbuild-{version}",
                        "busybox-static"):
            fetch(package, folder)
        prepare(root / f"usr/src/linux-headers-{name}", root)
        stamp.write_text(name, encoding="utf-8")
    name = stamp.read_text("utf-8")
    found = Packages(name, root / f"boot/vmlinuz-{name}", root / f"usr/src/linux-headers-{name}",
                     root / "bin/busybox")
    check_tools(found)
    return found


def check_tools(found):
    """What the build of a module runs: the kernel's compiler, and objtool."""
    compiler = "gcc-12"
    if not shutil.which(compiler):
        raise Unavailable(f"the kernel was built with {compiler}, which is not here")
    objtool = found.headers / "tools/objtool/objtool"
    try:
        said = child.output([str(objtool), "--help"]).stderr
    except OSError as error:
        said = str(error)
    if "shared libraries" in said or "such file" in said:
        raise Unavailable(f"objtool of the kernel's build does not run (libelf1): {said.strip()}")
