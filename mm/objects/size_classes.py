#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Chooses the size classes and writes mm/objects/size_class_table.h.

    size_classes.py            prints the header
    size_classes.py --check    exits 1 unless the committed header is what this prints

Sizes: steps of 8 bytes up to 128, then 16 steps per doubling up to 32 KiB and 8 up to 1 MiB. So at
most 6.25% of an object above 128 bytes is rounding, 12.5% above 32 KiB, and every power of two is a
class. From 32 KiB on the steps are whole pages, so a table by pages is enough to look them up.

Pages of a span: above 32 KiB those of its one object. Else the fewest for which, in this order of
importance,
  * the span has at least 4 objects,
  * its descriptor is at most 0.5% of it (more for the smallest, whose bitmap alone is more),
  * the tail behind the last object is at most 1/64 of it.
"""

import pathlib
import re
import sys

PAGE = 4096
LARGEST = 1 << 20
LOOKUP_LARGEST = 32768
SPAN_PAGES_MAX = 32
SPAN_H = pathlib.Path(__file__).parents[1] / "pages" / "span.h"
DESCRIPTOR_SLOTS = tuple(int(re.search(rf"SPAN_SLOTS_{name} (\d+)u", SPAN_H.read_text())[1])
                         for name in ("SHORT", "MEDIUM", "MAX"))
DESCRIPTOR_HEAD = 48  # sizeof(struct span) at level 0
DESCRIPTOR_PER_MILLE = {8: 20, 16: 10, 24: 7, 32: 6}
HEADER = pathlib.Path(__file__).with_name("size_class_table.h")


def sizes():
    yield from range(8, 129, 8)
    base = 128
    while base < LARGEST:
        step = base // 16 if base < LOOKUP_LARGEST else base // 8
        yield from range(base + step, 2 * base + 1, step)
        base *= 2


def descriptor_bytes(slots):
    for limit in DESCRIPTOR_SLOTS:
        if slots <= limit:
            return (DESCRIPTOR_HEAD + limit // 8 + 63) // 64 * 64
    return None


def span_pages(size):
    if size > LOOKUP_LARGEST:
        return size // PAGE
    for pages in range(1, SPAN_PAGES_MAX + 1):
        span = pages * PAGE
        slots = span // size
        descriptor = descriptor_bytes(slots)
        if slots < 4 or descriptor is None:
            continue
        if descriptor * 1000 > span * DESCRIPTOR_PER_MILLE.get(size, 5):
            continue
        if (span - slots * size) * 64 <= span:
            return pages
    raise ValueError(f"no span length for {size} bytes")


def rows():
    previous = 0
    for index, size in enumerate(sizes(), start=1):
        pages = span_pages(size)
        span = pages * PAGE
        slots = span // size
        row = dict(index=index, size=size, pages=pages, slots=slots,
                   tail=100 * (span - slots * size) / span,
                   worst=100 * (size - previous - 1) / (previous + 1),
                   descriptor=100 * descriptor_bytes(slots) / span)
        previous = size
        yield row


def lookup(classes, largest, unit):
    """The class for each size / unit, rounded up."""
    table = [1]
    index = 0
    for units in range(1, largest // unit + 1):
        while classes[index]["size"] < units * unit:
            index += 1
        table.append(classes[index]["index"])
    return table


def macro(name, table):
    lines = [f"#define {name} \\\n"]
    for start in range(0, len(table), 24):
        lines.append("    " + ", ".join(str(c) for c in table[start:start + 24]) + ", \\\n")
    return lines + ["\n"]


def header():
    classes = list(rows())
    out = ["""/* SPDX-License-Identifier: MIT */
/*
 * Written by mm/objects/size_classes.py, where the choices are explained; do not edit. `make lint`
 * compares the two.
 *
 *   bytes    object size
 *   pages    pages of a span
 *   objects  objects in a span
 *   tail     % of the span behind its last object
 *   worst    % that rounding up costs the smallest size of the class
 *   records  % of the span that its descriptor takes, out of band
 */
"""]
    out.append(f"#define SIZE_CLASS_COUNT {len(classes) + 1}u /* with class 0, the sentinel */\n")
    out.append(f"#define SIZE_CLASS_BYTES_MAX {LARGEST}\n")
    out.append(f"#define SIZE_CLASS_LOOKUP_BYTES_MAX {LOOKUP_LARGEST} /* beyond: by pages */\n")
    out.append("\n#define SIZE_CLASS_TABLE(ROW) \\\n")
    out.append("    /*  class bytes pages objects      tail  worst records */ \\\n")
    for c in classes:
        out.append("    ROW({index:3}, {size:6}, {pages:3}, {slots:5})"
                   " /* {tail:4.1f}  {worst:5.1f}  {descriptor:4.2f} */ \\\n".format(**c))
    out.append("\n/* The class for each size, by (bytes + 7) / 8. */\n")
    out += macro("SIZE_CLASS_LOOKUP", lookup(classes, LOOKUP_LARGEST, 8))
    out.append("/* The same, by pages, rounded up. */\n")
    out += macro("SIZE_CLASS_LOOKUP_PAGES", lookup(classes, LARGEST, PAGE))
    return "".join(out)


def main():
    text = header()
    if "--check" not in sys.argv[1:]:
        sys.stdout.write(text)
    elif HEADER.read_text() != text:
        sys.exit(f"{HEADER} is not what size_classes.py writes")


if __name__ == "__main__":
    main()
