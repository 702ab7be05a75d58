#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Instructions per operation, beside those of the committed baseline.

    count.py --svg FILE [--update] [--alone] -- COMMAND...

Runs COMMAND, which boots the guest with the option `bench`, reads its lines

    bench NAME ARGUMENT COST

and prints for each the goal, the baseline's figure, this one and the difference; draws cost against
size. --update writes the figures into baseline.json, whose goals stay as they are; --alone is for
builds that the baseline is not about. The counts are exact, so any difference is one in the code.
"""

import argparse
import json
import math
import pathlib
import re
import subprocess
import sys

BASELINE = pathlib.Path(__file__).with_name("baseline.json")
LINE = re.compile(r"^bench (.+?)\s+(\d+)\s+(\d+\.\d+)\s*$")


def measure(command):
    figures = {}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, errors="replace", check=False)
    for line in done.stdout.splitlines():
        found = LINE.match(line)
        if found:
            # Reading the counter costs part of an instruction per operation.
            figures[found[1], int(found[2])] = round(float(found[3]) + 0.01, 1)
    if done.returncode != 0 or not figures:
        sys.stdout.write(done.stdout[-2000:])
        sys.exit("the benchmark did not end well")
    return figures


def key(row):
    return row["operation"], row["argument"]


def text(value):
    return "-" if value is None else f"{value:g}"


def print_table(figures, rows):
    known = {key(row): row for row in rows}
    print(f"{'operation':<14}{'argument':>9}{'at most':>9}{'baseline':>10}{'now':>9}{'difference':>12}")
    for operation, argument in figures:
        row = known.get((operation, argument), {})
        goal, old = row.get("goal"), row.get("instructions")
        new = figures[operation, argument]
        difference = "new" if old is None else "=" if new == old else f"{new - old:+g}"
        mark = "  above the goal" if goal is not None and new > goal else ""
        print(f"{operation:<14}{argument:>9}{text(goal):>9}{text(old):>10}{text(new):>9}"
              f"{difference:>12}{mark}")
    for lost in sorted(known.keys() - figures.keys()):
        print(f"{lost[0]:<14}{lost[1]:>9}  is in the baseline and was not measured")


def update(figures, rows):
    goals = {key(row): row.get("goal") for row in rows}
    new = [{"operation": operation, "argument": argument, "instructions": value,
            "goal": goals.get((operation, argument))}
           for (operation, argument), value in figures.items()]
    BASELINE.write_text("[\n" + ",\n".join("  " + json.dumps(row) for row in new) + "\n]\n")


# ---- the plot: both axes in powers, for sizes span five orders of magnitude ----

WIDTH, HEIGHT, MARGIN = 760, 380, 60


def draw(figures, goals, path):
    points = sorted((argument, cost) for (name, argument), cost in figures.items() if name == "pair")
    limits = sorted((argument, goal) for (name, argument), goal in goals.items()
                    if name == "pair" and goal is not None)
    low, high = math.log2(points[0][0]), math.log2(points[-1][0])
    top = math.ceil(math.log10(max(cost for _, cost in points)))

    def place(size, cost):
        x = MARGIN + (math.log2(size) - low) / (high - low) * (WIDTH - 2 * MARGIN)
        y = HEIGHT - MARGIN - (math.log10(cost) - 1) / (top - 1) * (HEIGHT - 2 * MARGIN)
        return f"{x:.1f},{y:.1f}"

    def size_name(size):
        return f"{size >> 20} MiB" if size >> 20 else f"{size >> 10} KiB" if size >> 10 else str(size)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
           'font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
           f'<text x="{MARGIN}" y="28" font-size="15">Instructions for an allocation and its free, '
           'by size</text>']
    for exponent in range(1, top + 1):
        for digit in (1, 2, 5) if exponent < top else (1,):
            cost = digit * 10 ** exponent
            x, y = place(points[0][0], cost).split(",")
            out.append(f'<line x1="{MARGIN}" x2="{WIDTH - MARGIN}" y1="{y}" y2="{y}" stroke="#ddd"/>'
                       f'<text x="{MARGIN - 6}" y="{float(y) + 4}" text-anchor="end">{cost}</text>')
    for size, _ in points[::2]:
        x = place(size, 10).split(",")[0]
        out.append(f'<text x="{x}" y="{HEIGHT - MARGIN + 20}" text-anchor="middle">'
                   f'{size_name(size)}</text>')
    for line, colour, dashes in ((limits, "#999", "5,4"), (points, "#1f6feb", "none")):
        out.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" '
                   f'stroke-dasharray="{dashes}" points="{" ".join(place(*p) for p in line)}"/>')
    out += [f'<circle r="3.5" fill="#1f6feb" cx="{place(*p).split(",")[0]}" '
            f'cy="{place(*p).split(",")[1]}"/>' for p in points]
    out += [f'<text x="{WIDTH - MARGIN}" y="28" text-anchor="end" fill="#666">'
            'dashed: the goal</text>', "</svg>"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(out) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--svg", type=pathlib.Path, required=True)
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    rows = [] if options.alone else json.loads(BASELINE.read_text())
    figures = measure(options.command)
    print_table(figures, rows)
    draw(figures, {key(row): row.get("goal") for row in rows}, options.svg)
    print(f"plot: {options.svg}")
    if options.update:
        update(figures, rows)


if __name__ == "__main__":
    main()
