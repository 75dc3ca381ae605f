"""build/perch.iso: one hybrid image for BIOS and UEFI, from CD-ROM, USB stick and virtual CD.

    iso.py ELF OUT [COMMAND LINE]

With a command line the image boots at once with exactly that one, as the tests need it. Without one
it has the menu of boot/grub.cfg.
SPDX-License-Identifier: MIT
"""
import hashlib
import os
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

import child

FIXED = Path(__file__).resolve().parent / "iso_fixed.py"
CONFIG = Path(__file__).resolve().parent.parent / "boot/grub.cfg"
# Modules for the menu, for an administrator at its command line, and for GRUB's own start;
# with all of GRUB's modules the image is twice as large.
PARTS = "acorn amiga apple bsd dfly dvh gpt msdos plan sun sunpc".split()
MODULES = " ".join(["multiboot2", "serial", "normal", "echo", "test", "configfile", "ls", "cat",
                    "halt", "reboot", "iorw", "lsacpi", "lsmmap", "all_video", "fat", "iso9660",
                    *(f"part_{p}" for p in PARTS)])


class IsoError(Exception):
    """grub-mkrescue failed; the text is the end of its output."""


def config(cmdline=None, gfx=""):
    """The text of grub.cfg, changed to boot one command line without waiting when one is given, and
    in another video mode."""
    text = CONFIG.read_text(encoding="utf-8")
    if cmdline is None:
        return text
    if '"' in cmdline or "$" in cmdline or "\\" in cmdline:
        raise IsoError(f"GRUB cannot take this command line unchanged: {cmdline}")
    out = []
    for line in text.splitlines():
        if line.startswith("set timeout="):
            line = "set timeout=0"
        elif line.startswith("set perch_args="):
            line = f'set perch_args="{cmdline}"'
        elif line.startswith("set perch_gfx="):
            line = f'set perch_gfx="{gfx}"'
        out.append(line)
    return "\n".join(out) + "\n"


def fixed(tree, content):
    """
    The environment in which grub-mkrescue gives the same image for the same content. GRUB may find its image by
    the volume's date, so the date is drawn from the content: two images in one machine have different ones.
    """
    programs, temporary = Path(tree, "programs"), Path(tree, "tmp")
    programs.mkdir()
    temporary.mkdir()
    for name in ("xorriso", "mformat", "mcopy"):
        path = programs / name
        path.write_text(f"#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(FIXED))} {name} \"$@\"\n",
                        encoding="utf-8")
        path.chmod(0o755)
    drawn = int(hashlib.sha256(content).hexdigest()[:8], 16)
    path = os.environ.get("PATH", os.defpath)
    return {**os.environ, "PERCH_TREE": str(tree), "TMPDIR": str(temporary), "TZ": "UTC", "LC_ALL": "C.UTF-8",
            "SOURCE_DATE_EPOCH": str(10**9 + drawn % 10**9), "PERCH_PATH": path,
            "PATH": f"{programs}{os.pathsep}{path}"}


def make(elf, out, cmdline=None, gfx=""):
    """
    Writes the image; the old one stays until the new one is whole. The same kernel, command line, and GRUB give the
    same bytes (docs/adr/0028).
    """
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent.resolve(), prefix="iso.") as tree:
        grub = Path(tree, "root/boot/grub")
        grub.mkdir(parents=True)
        shutil.copyfile(elf, Path(tree, "root/boot/perch.elf"))
        (grub / "grub.cfg").write_text(config(cmdline, gfx), encoding="utf-8")
        image = Path(tree, "perch.iso")
        content = Path(elf).read_bytes() + config(cmdline, gfx).encode()
        done = child.output(
            ["grub-mkrescue", f"--install-modules={MODULES}", "--locales=", "--fonts=", "--themes=",
             "-o", str(image), str(Path(tree, "root")), "--", "-volid", "PERCH"],
            env=fixed(tree, content))
        if done.returncode or not image.exists():
            words = (done.stdout + done.stderr).splitlines()
            raise IsoError("grub-mkrescue: " + "\n".join(words[-5:]))
        os.replace(image, out)
    return out


def netboot(elf, cmdline, directory, uefi=False):
    """A TFTP directory with GRUB for BIOS and UEFI; returns the file to boot, relative to it."""
    Path(directory).mkdir(parents=True)
    done = child.output(["grub-mknetdir", f"--net-directory={directory}", "--subdir=boot/grub",
                         "--locales=", "--fonts="])
    if done.returncode:
        raise IsoError("grub-mknetdir: " + "\n".join(done.stderr.splitlines()[-5:]))
    shutil.copyfile(elf, Path(directory, "boot/perch.elf"))
    Path(directory, "boot/grub/grub.cfg").write_text(config(cmdline), encoding="utf-8")
    return "boot/grub/x86_64-efi/core.efi" if uefi else "boot/grub/i386-pc/core.0"


def chain(directory, loader):
    """An iPXE script, in a directory of netboot(), that chains to that loader; returns its name."""
    Path(directory, "perch.ipxe").write_text(f"#!ipxe\nchain {loader}\n", encoding="ascii")
    return "perch.ipxe"


def cached(elf, cmdline, directory, gfx=""):
    """The image for this kernel and command line, made if it does not exist yet."""
    content = Path(elf).read_bytes() + (MODULES + config(cmdline, gfx)).encode()
    key = hashlib.sha256(content).hexdigest()[:16]
    path = Path(directory, f"{key}.iso")
    if not path.exists():
        for old in sorted(Path(directory).glob("*.iso"), key=lambda p: p.stat().st_mtime)[:-30]:
            old.unlink(missing_ok=True)
        make(elf, path, cmdline, gfx)
    return path


def main(args):
    if len(args) not in (2, 3):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    try:
        make(args[0], args[1], args[2] if len(args) == 3 else None)
    except (IsoError, OSError) as error:
        print(f"iso: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
