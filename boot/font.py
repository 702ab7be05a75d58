#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turns a bitmap font of X11 (.pcf.gz) into a C header with its ASCII glyphs.

    font.py FONT.pcf.gz HEADER

The font is Terminus, from Debian's package xfonts-terminus (SIL Open Font License). Only the build
contains it, not the source. A PCF file is a list of tables in either byte order. Three are used:
metrics (table 4), bitmaps (8) and encodings (32).
"""

import gzip
import struct
import sys

METRICS, BITMAPS, ENCODINGS = 4, 8, 32
FIRST, LAST = 0x20, 0x7e


def tables(data):
    assert data[:4] == b"\1fcp", "not a PCF font"
    (count,) = struct.unpack_from("<I", data, 4)
    for i in range(count):
        kind, form, size, offset = struct.unpack_from("<IIII", data, 8 + 16 * i)
        yield kind, data[offset:offset + size]


class Table:
    """A table's body, read in its own byte order."""

    def __init__(self, body):
        (self.form,) = struct.unpack_from("<I", body, 0)
        self.order = ">" if self.form & 4 else "<"
        self.body = body

    def read(self, pattern, offset):
        return struct.unpack_from(self.order + pattern, self.body, offset)


def read_metrics(table):
    """Per glyph: width, ascent, descent."""
    if table.form & 0x100:  # compressed: bytes with 0x80 added
        (count,) = table.read("h", 4)
        for i in range(count):
            left, right, width, ascent, descent = (b - 0x80 for b in table.read("5B", 6 + 5 * i))
            yield width, ascent, descent
    else:
        (count,) = table.read("i", 4)
        for i in range(count):
            left, right, width, ascent, descent, _ = table.read("6h", 8 + 12 * i)
            yield width, ascent, descent


def read_glyphs(table):
    """Per glyph: a function from its height to its rows, each an integer, leftmost pixel highest."""
    (count,) = table.read("i", 4)
    offsets = table.read(f"{count}i", 8)
    start = 8 + 4 * count + 16
    padding = 1 << (table.form & 3)
    assert table.form & 8, "bits are stored most significant first in Terminus"

    def rows(index, width, height):
        stride = (width + 8 * padding - 1) // (8 * padding) * padding
        at = start + offsets[index]
        for row in range(height):
            line = table.body[at + row * stride:at + (row + 1) * stride]
            yield int.from_bytes(line, "big") >> (8 * stride - width)

    return rows


def main():
    source, target = sys.argv[1:]
    with gzip.open(source) as font:
        found = {kind: Table(body) for kind, body in tables(font.read())}
    metrics = list(read_metrics(found[METRICS]))
    rows = read_glyphs(found[BITMAPS])
    low, high, _, _, _ = found[ENCODINGS].read("5h", 4)
    encodings = found[ENCODINGS].read(f"{high - low + 1}H", 14)
    width, ascent, descent = metrics[encodings[ord("A") - low]]
    height = ascent + descent
    assert width <= 16
    with open(target, "w", encoding="ascii") as out:
        out.write(f"/* Written by boot/font.py from {source.rsplit('/', 1)[-1]}. */\n"
                  f"#define FONT_WIDTH {width}u\n#define FONT_HEIGHT {height}u\n"
                  f"#define FONT_FIRST {FIRST}\n#define FONT_LAST {LAST}\n"
                  "static const unsigned short font_rows[][FONT_HEIGHT] = {\n")
        for code in range(FIRST, LAST + 1):
            glyph = rows(encodings[code - low], width, height)
            out.write("    {" + ", ".join(f"0x{row:x}" for row in glyph) + "},\n")
        out.write("};\n")


if __name__ == "__main__":
    main()
