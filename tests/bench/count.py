#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Instructions per operation, compared with the committed baseline.

    count.py --svg FILE [--update] [--alone] -- COMMAND...

Runs COMMAND, which boots the guest with the option `bench`, reads its lines

    bench NAME ARGUMENT COST

and prints for each the goal, the baseline's count, this count and the difference, and draws the cost by
size. --update writes the counts into baseline.json and keeps its goals. --alone is for builds for which
there is no baseline. The counts are exact, so every difference comes from the code.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys

import plot

BASELINE = pathlib.Path(__file__).with_name("baseline.json")
LINE = re.compile(r"^bench (.+?)\s+(\d+)\s+(\d+\.\d+)\s*$")


def measure(command):
    figures = {}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, errors="replace", check=False)
    for line in done.stdout.splitlines():
        found = LINE.match(line)
        if found:
            # Reading the counter adds a fraction of an instruction per operation.
            figures[found[1], int(found[2])] = round(float(found[3]) + 0.01, 1)
    if done.returncode != 0 or not figures:
        sys.stdout.write(done.stdout[-2000:])
        sys.exit("the benchmark failed")
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
        print(f"{lost[0]:<14}{lost[1]:>9}  is in the baseline but was not measured")


def update(figures, rows):
    goals = {key(row): row.get("goal") for row in rows}
    new = [{"operation": operation, "argument": argument, "instructions": value,
            "goal": goals.get((operation, argument))}
           for (operation, argument), value in figures.items()]
    BASELINE.write_text("[\n" + ",\n".join("  " + json.dumps(row) for row in new) + "\n]\n")


def draw(figures, goals, path):
    points = sorted((argument, cost) for (name, argument), cost in figures.items() if name == "pair")
    limits = sorted((argument, goal) for (name, argument), goal in goals.items()
                    if name == "pair" and goal is not None)
    lines = [plot.Line("Quarry", points, "#1f6feb")]
    if limits:
        lines.append(plot.Line("the goal", limits, "#999", dashed=True, dots=False))
    sizes = [size for size, _ in points]
    plot.draw(path, "Instructions for an allocation and its free", lines, sizes[::3] + sizes[-1:],
              x_title="bytes")


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
