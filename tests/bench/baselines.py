#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Quarry beside simple allocators: instructions by the number of free blocks.

    baselines.py --svg FILE -- COMMAND...

Runs COMMAND, which boots the guest with the option `baselines` (tests/bench/guest/baselines.c), prints a
table of the results and draws a plot.
"""

import argparse
import pathlib

import plot
from count import measure

COLOURS = {"linear": "#8c8c8c", "first fit": "#d62728", "next fit": "#ff7f0e",
           "best fit": "#9467bd", "segregated fit": "#2ca02c", "Quarry": "#1f6feb"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--svg", type=pathlib.Path, required=True)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    figures = measure(options.command)
    blocks = sorted({argument for _, argument in figures})
    print(f"{'free blocks':<12}" + "".join(f"{name:>16}" for name in COLOURS))
    for count in blocks:
        print(f"{count:<12}" + "".join(f"{figures[name, count]:>16.0f}" for name in COLOURS))
    lines = [plot.Line(name, [(count, figures[name, count]) for count in blocks], colour)
             for name, colour in COLOURS.items()]
    plot.draw(options.svg, "Instructions for an allocation and its free", lines, blocks, x_name=str,
              x_title="free blocks")
    print(f"plot: {options.svg}")


if __name__ == "__main__":
    main()
