"""The programs behind grub-mkrescue, so that the same files give the same image whenever and wherever it is made.

    iso_fixed.py xorriso|mformat|mcopy ARGUMENTS      with SOURCE_DATE_EPOCH; called by tools/iso.py only

grub-mkrescue names its image after the present second: in the volume's date, and with some versions in the EFI
programs, which find the image by it, or in the name of a file; mformat draws a serial number; every file has the time at which it was copied. Here all of these
become SOURCE_DATE_EPOCH. Only what lies in the folder $PERCH_TREE is ever changed: among grub-mkrescue's own
arguments are folders of the image, as "/". docs/adr/0028 has the reasons.
SPDX-License-Identifier: MIT
"""
import os
import re
import sys
import time
from pathlib import Path

# What grub-mkrescue makes of the present second: 2026-11-30-18-06-17-00.
NAME = re.compile(rb"20\d\d(?:-\d\d){6}")
MODIFICATION = "--modification-date="


def name_of(epoch):
    return time.strftime("%Y-%m-%d-%H-%M-%S-00", time.gmtime(epoch))


def mine(word):
    """Is this a folder in the temporary one that tools/iso.py has made?"""
    tree = Path(os.environ["PERCH_TREE"]).resolve(strict=True)
    path = Path(word)
    return path.is_absolute() and path.is_dir() and tree in path.resolve().parents


def settle(tree, epoch):
    """Names, contents and times of the files in a folder that grub-mkrescue has filled."""
    name = name_of(epoch).encode()
    for folder, _, files in os.walk(tree, topdown=False):
        for file in (Path(folder, f) for f in files):
            if file.suffix in (".efi", ".cfg", ".img") or NAME.search(os.fsencode(file.name)):
                raw = file.read_bytes()
                if NAME.search(raw) and file.name != "efi.img":
                    file.write_bytes(NAME.sub(name, raw))
            wanted = Path(folder, os.fsdecode(NAME.sub(name, os.fsencode(file.name))))
            os.replace(file, wanted)
            os.utime(wanted, (epoch, epoch))
        os.utime(folder, (epoch, epoch))


def main(program, *words):
    epoch = int(os.environ["SOURCE_DATE_EPOCH"])
    if program == "mformat":
        words = ("-N", f"{epoch:08x}", *words)
    elif program == "mcopy":
        words = ("-m", *words)
    if program != "mformat":
        for tree in filter(mine, words):
            settle(tree, epoch)
    words = [MODIFICATION + name_of(epoch).replace("-", "") if w.startswith(MODIFICATION) else w
             for w in words]
    # Behind the folder with the links to this file.
    os.environ["PATH"] = os.environ["PERCH_PATH"]
    os.execvp(program, [program, *words])


if __name__ == "__main__":
    main(*sys.argv[1:])
