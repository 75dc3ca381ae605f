"""An image that asks its loader for another place (docs/adr/0023), by the header of its own file.

The least address in the tag "relocatable" is changed: GRUB puts the image there when that is free.
SPDX-License-Identifier: MIT
"""
import struct

import iso
import qemu
from check_image import MB2_MAGIC

RELOCATABLE = 10  # Multiboot2 3.1.10
LINKED, HIGH = 2 << 20, 64 << 20


def relocatable_tag(image):
    """The tag's offset in the file."""
    at = image.index(struct.pack("<II", MB2_MAGIC, 0)) + 16
    while True:
        kind, _, size = struct.unpack_from("<HHI", image, at)
        assert kind, "the image has no relocatable tag"
        if kind == RELOCATABLE:
            return at
        at += (size + 7) & ~7


def set_least(image, at, address=HIGH):
    """Changes the tag at that offset of an image."""
    struct.pack_into("<I", image, at + 8, address)


def changed_iso(machine, tmp_path, change, cmdline):
    """The path of an ISO with the machine's kernel, whose tag was changed by change(bytes, offset)."""
    image = bytearray(qemu.image(machine).read_bytes())
    change(image, relocatable_tag(image))
    (tmp_path / "changed.elf").write_bytes(image)
    return iso.make(tmp_path / "changed.elf", tmp_path / "changed.iso", cmdline)
