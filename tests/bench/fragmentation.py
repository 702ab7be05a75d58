#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Held and live memory while the mix of sizes changes: Quarry beside other allocators.

    fragmentation.py --library SO --program PROGRAM --svg FILE

Runs PROGRAM (fragmentation.c) once with each installed allocator. Prints for each the highest memory and
the ratio of held to live memory (mean, worst, and at the end), and draws live and held memory over time.
"""

import argparse
import os
import pathlib
import statistics
import subprocess

import plot
from compare import OURS, PEERS

COLOURS = {"glibc": "#d62728", "jemalloc": "#ff7f0e", "tcmalloc": "#9467bd", "mimalloc": "#2ca02c",
           OURS: "#1f6feb"}
MIB = 1 << 20


def run(program, library):
    environment = dict(os.environ, LD_PRELOAD=str(library)) if library else dict(os.environ)
    done = subprocess.run([program], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return [tuple(map(int, line.split())) for line in done.stdout.splitlines()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", type=pathlib.Path, required=True)
    parser.add_argument("--program", required=True)
    parser.add_argument("--svg", type=pathlib.Path, required=True)
    options = parser.parse_args()
    libraries = {**PEERS, OURS: str(options.library.resolve())}
    print(f"{'':<12}{'highest MiB':>12}{'held / live: mean':>20}{'worst':>8}{'at the end':>12}")
    lines = []
    for name, library in libraries.items():
        if library and not pathlib.Path(library).exists():
            print(f"{name:<12} is not installed (make bench installs it)")
            continue
        samples = run(options.program, library)
        shares = [held / live for live, held in samples]
        print(f"{name:<12}{max(held for _, held in samples) / MIB:>12.1f}"
              f"{statistics.mean(shares):>20.2f}{max(shares):>8.2f}{shares[-1]:>12.2f}")
        lines.append(plot.Line(name, [(at, held / MIB) for at, (_, held) in enumerate(samples)],
                               COLOURS[name], dots=False))
    live = [(at, live / MIB) for at, (live, _) in enumerate(samples)]
    lines.append(plot.Line("live", live, "#444", dashed=True, dots=False))
    plot.draw(options.svg, "MiB held, while the mix of sizes changes", lines,
              [0, len(live) // 4, len(live) // 2, 3 * len(live) // 4, len(live) - 1],
              x_name=lambda at: f"{round(100 * at / (len(live) - 1))}%", x_title="of the run",
              x_powers=False)
    print(f"plot: {options.svg}")


if __name__ == "__main__":
    main()
