"""tools/screen.py reads what is there and nothing else: drawn text, a stray pixel, a cut image.

SPDX-License-Identifier: MIT
"""
import pytest

import screen


def draw(lines, width, height, ink=(200, 200, 200), paper=(0, 0, 0)):
    """A PPM with that text, drawn here from the font."""
    rows = {letter: bits for bits, letter in screen.glyphs().items()}
    scale = screen.scale_of(width, height)
    data = bytearray(bytes(paper) * (width * height))
    for row, text in enumerate(lines):
        for col, letter in enumerate(text):
            for y in range(screen.HEIGHT * scale):
                for x in range(screen.WIDTH * scale):
                    if rows[letter][y // scale] >> (7 - x // scale) & 1:
                        at = (row * screen.HEIGHT * scale + y) * width
                        at += col * screen.WIDTH * scale + x
                        data[3 * at:3 * at + 3] = bytes(ink)
    return bytearray(b"P6\n%d %d\n255\n" % (width, height)) + data


LINES = ["Perch: all held", "", "~!@#$%^&*()_+ {}|<>?", "  iIlL1 oO0"]


@pytest.mark.parametrize("size", [(800, 600), (1024, 768), (1920, 1080)])
def test_reads_what_was_drawn(size):
    assert screen.Image(bytes(draw(LINES, *size))).lines()[:4] == LINES
    assert not any(screen.Image(bytes(draw([], *size))).lines())


def test_colours_do_not_matter():
    image = draw(LINES, 800, 600, ink=(0, 0, 0), paper=(32, 176, 64))
    assert screen.Image(bytes(image)).line(0) == LINES[0]


@pytest.mark.parametrize("size", [(800, 600), (1920, 1080)])
def test_one_pixel_more_is_unreadable(size):
    image = draw(LINES, *size)
    head = image.index(b"255\n") + 4
    image[head + 3 * size[0] * 2 + 3] ^= 0xff  # a pixel within the first row's first two letters
    assert screen.UNREADABLE in screen.Image(bytes(image)).line(0)


def test_a_page_is_taken_when_it_is_whole():
    """Not while it is drawn: half of the lines, or half of a letter. What stays unreadable is shown in the end."""
    half, torn = LINES[:2], LINES[:3] + [screen.UNREADABLE]
    shown = [None, half, torn, LINES, LINES, LINES, LINES]
    settled = screen.Settled()
    taken = [settled.take(page, 0.4 * i) for i, page in enumerate(shown)]
    assert taken == [None] * 6 + [LINES]
    settled = screen.Settled()
    taken = [settled.take(torn, 0.5 * i) for i in range(100)]
    assert taken.index(torn) == screen.PAINT / 0.5


def test_a_bad_image_is_an_error():
    for bad in (b"", b"P5\n8 13\n255\n", bytes(draw([], 800, 600))[:-1]):
        with pytest.raises(ValueError):
            screen.Image(bad)


def test_every_letter_has_a_shape_of_its_own():
    assert sorted(screen.glyphs().values()) == [chr(c) for c in range(0x20, 0x7f)]
