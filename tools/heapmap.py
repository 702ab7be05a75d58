#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws a heap: one tile per arena, coloured by the part in use.

    heapmap.py --svg FILE [--json FILE] -- COMMAND...    from the JSON that a booted guest prints
    heapmap.py --svg FILE --json FILE                    from the output of quarry_stats_json()

COMMAND boots the guest with the option `heapmap` (tests/bench/guest/heapmap.c).
"""

import argparse
import json
import pathlib
import subprocess
import sys

ARENA_PAGES = 512
PAGE_BYTES = 4096
TILE, GAP, COLUMNS, MARGIN = 22, 3, 32, 24
WIDTH = 2 * MARGIN + COLUMNS * (TILE + GAP)
BAR_HEIGHT = 22
FONT = 'font-family="sans-serif" font-size="12" fill="#24292f"'

# Uses of memory: name in the JSON, text, colour.
USES = [("small_live_bytes", "small objects", "#1f6feb"), ("large_live_bytes", "large objects", "#8250df"),
        ("small_cached_bytes", "in caches", "#2da44e"), ("small_free_bytes", "free slots of spans", "#9be9a8"),
        ("small_tail_bytes", "ends of spans", "#bf8700"), ("page_free_bytes", "free pages of arenas", "#d0d7de")]


def mix(part):
    """From white to blue by the part in use; grey if nothing is in use."""
    if part == 0:
        return "#eaeef2"
    light, full = (0xdd, 0xf4, 0xff), (0x0a, 0x30, 0x69)
    return "#" + "".join(f"{round(a + (b - a) * part):02x}" for a, b in zip(light, full))


def size_text(count):
    return f"{count / (1 << 20):.1f} MiB" if count >= 1 << 20 else f"{count / 1024:.1f} KiB"


def text(x, y, words, more=""):
    return f'<text x="{x}" y="{y}" {FONT} {more}>{words}</text>'


def bar(report, y):
    """One bar: all memory of the arenas by use."""
    whole = max(1, report["arena_bytes"])
    x, parts = float(MARGIN), []
    for name, words, colour in USES:
        width = (WIDTH - 2 * MARGIN) * report[name] / whole
        parts.append(f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{BAR_HEIGHT}" fill="{colour}">'
                     f"<title>{words}: {size_text(report[name])}</title></rect>")
        x += width
    return parts


def legend(report, y):
    parts = []
    for i, (name, words, colour) in enumerate(USES):
        x, line = MARGIN + i % 3 * 270, y + i // 3 * 20
        parts.append(f'<rect x="{x}" y="{line - 10}" width="11" height="11" fill="{colour}"/>')
        parts.append(text(x + 17, line, f"{words}  {size_text(report[name])}"))
    return parts


def tiles(arenas, y):
    parts = []
    for i, arena in enumerate(sorted(arenas, key=lambda arena: arena["address"])):
        used = arena["pages"] - arena["free_pages"]
        x, line = MARGIN + i % COLUMNS * (TILE + GAP), y + i // COLUMNS * (TILE + GAP)
        parts.append(
            f'<rect x="{x}" y="{line}" width="{TILE}" height="{TILE}" rx="2" fill="{mix(used / ARENA_PAGES)}"'
            f'{"" if arena["pages"] == ARENA_PAGES else " stroke=%s#cf222e%s" % (chr(34), chr(34))}>'
            f'<title>{arena["address"]:#x}: {used} of {arena["pages"]} pages in use, longest free run '
            f'{arena["longest_free_run"]}</title></rect>')
    return parts


def draw(report):
    arenas = report["arenas"]
    rows = (len(arenas) + COLUMNS - 1) // COLUMNS
    top = 150
    height = top + rows * (TILE + GAP) + 50
    idle = sum(arena["pages"] == arena["free_pages"] for arena in arenas)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}">',
           f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
           text(MARGIN, 28, f"{len(arenas)} arenas of 2 MiB, {idle} of them idle: {size_text(report['arena_bytes'])}; "
                            f"frames free: {size_text(report['frames_free'] * PAGE_BYTES)} of "
                            f"{size_text(report['frames_total'] * PAGE_BYTES)}", 'font-weight="bold"')]
    out += bar(report, 44) + legend(report, 90) + tiles(arenas, top - 20)
    y = height - 24
    for i in range(11):
        out.append(f'<rect x="{MARGIN + i * 16}" y="{y - 11}" width="14" height="12" fill="{mix(i / 10)}"/>')
    out.append(text(MARGIN + 186, y, "idle, then from a small part in use to all; red border: the heap owns only a part of the 2 MiB"))
    return "\n".join(out + ["</svg>", ""])


def told(output):
    """The JSON between the two lines in the guest's output; None if it is missing."""
    _, begin, rest = output.replace("\r", "").partition("heapmap begin\n")
    inside, end, _ = rest.partition("heapmap end\n")
    return inside if begin and end else None


def boot(command):
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    words = told(run.stdout)
    if run.returncode != 0 or words is None:
        sys.exit(f"{run.stdout}\nheapmap: no JSON in the guest's output")
    return words


def check(report):
    """The uses must add up to the memory of all arenas, in the totals and in the list of arenas."""
    parts = sum(report[name] for name, _, _ in USES)
    pages = sum(arena["pages"] for arena in report["arenas"])
    if not parts == report["arena_bytes"] == pages * PAGE_BYTES:
        raise ValueError(f"{parts} bytes by use, {report['arena_bytes']} in all, {pages} pages")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--svg", type=pathlib.Path, required=True)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("command", nargs="*")
    options = parser.parse_args()
    if options.command:
        words = boot(options.command)
        if options.json:
            options.json.write_text(words)
    else:
        words = options.json.read_text()
    report = json.loads(words)
    check(report)
    options.svg.write_text(draw(report))
    print(f"{len(report['arenas'])} arenas, {size_text(report['arena_bytes'])}: {options.svg}")


if __name__ == "__main__":
    main()
