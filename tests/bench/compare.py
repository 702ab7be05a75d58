#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Quarry's hosted library beside other allocators: CPU time and peak memory, as ratios.

    compare.py --library SO --workloads PROGRAM --launcher PROGRAM --out FOLDER [--rounds N] [--only TEXT]

Each case is run once per allocator in each round. The order rotates from round to round, so that other
load on the machine affects all allocators. A number is the median over the rounds of Quarry's time (user
and system) divided by the other allocator's time in the same round. Below 1, Quarry is better. Prints
the tables and writes FOLDER/compare.json and two plots.
"""

import argparse
import json
import math
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

LIBRARIES = "/usr/lib/x86_64-linux-gnu/"
PEERS = {
    "glibc": "",
    "jemalloc": LIBRARIES + "libjemalloc.so.2",
    "tcmalloc": LIBRARIES + "libtcmalloc_minimal.so.4",
    "mimalloc": LIBRARIES + "libmimalloc.so.2.0",
}
OURS = "quarry"
MICRO = ("pair-", "batch-", "replace", "zeroed-", "grow-")

PYTHON = """
import json, random
random.seed(1)
table = {str(i): [i, {"name": "x" * (i % 97), "values": list(range(i % 30))}] for i in range(60000)}
for _ in range(3):
    table = json.loads(json.dumps(table))
words = [str(random.random()) for _ in range(300000)]
print(len("".join(sorted(words))), len(set(w[:4] for w in words)))
"""
SQL = """
create table t(a integer primary key, b text, c real);
with recursive n(x) as (select 1 union all select x + 1 from n where x < 300000)
insert into t select x, hex(x * 7919), x / 3.0 from n;
create index i on t(b);
select count(*), sum(length(b)) from t where b > '4';
update t set b = b || 'x' where a % 3 = 0;
select substr(b, 1, 2), count(*) from t group by 1 order by 2 desc limit 5;
"""
LUA = """
local t = {}
for i = 1, 3000000 do t[i % 5000 + 1] = tostring(i) .. (t[i % 5000 + 1] or ""):sub(1, 60) end
local n = 0
for r = 1, 40 do local u = {} for i = 1, 20000 do u[i] = {i, tostring(i)} end n = n + #u end
print(#table.concat(t), n)
"""
PERL = """
my %h; $h{$_ % 9973} .= "x$_," for 1 .. 1500000;
my @w = map { join ",", sort split /,/, $_ } values %h; print length(join "|", @w), "\\n";
"""


def environment():
    words = dict(os.environ, PYTHONMALLOC="malloc")
    words.pop("LD_PRELOAD", None)
    return words


def launch(launcher, folder, library, words, source=subprocess.DEVNULL):
    return subprocess.Popen([launcher, folder / "usage", library, *words], stdin=source,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                            env=environment(), cwd=folder)


def finish(process, folder):
    """(CPU seconds, peak KiB) of the launched program."""
    if process.wait() != 0:
        raise RuntimeError(f"{process.args} could not be measured")
    seconds, kib, status = (folder / "usage").read_text().split()
    if status != "0":
        raise RuntimeError(f"{process.args} ended with status {status}")
    return float(seconds), int(kib)


class Command:
    """A program and its standard input."""

    def __init__(self, name, words, text=None):
        self.name, self.words, self.text = name, words, text

    def usable(self):
        return shutil.which(self.words[0]) is not None

    def run(self, launcher, library, folder):
        path = folder / self.name
        path.write_text(self.text or "")
        with open(path, encoding="utf-8") as source:
            return finish(launch(launcher, folder, library, self.words, source), folder)


class Redis:
    """The server runs with the allocator, the clients without it."""

    name = "redis"

    def usable(self):
        return all(shutil.which(word) for word in ("redis-server", "redis-benchmark", "redis-cli"))

    def run(self, launcher, library, folder):
        socket = folder / "redis.socket"
        server = launch(launcher, folder, library, ["redis-server", "--port", "0", "--unixsocket",
                                                    socket, "--save", "", "--appendonly", "no"])
        while subprocess.run(["redis-cli", "-s", socket, "ping"], capture_output=True,
                             check=False).stdout != b"PONG\n":
            time.sleep(0.02)
        subprocess.run(["redis-benchmark", "-s", socket, "-q", "-n", "60000", "-r", "100000", "-d",
                        "200", "-P", "16", "-t", "set,get,lpush,lpop,sadd,hset,zadd,mset"],
                       stdout=subprocess.DEVNULL, check=True)
        subprocess.run(["redis-cli", "-s", socket, "shutdown", "nosave"], check=False)
        return finish(server, folder)


def compiler_case(folder):
    """The compiler proper (cc1) on a large file: both files of workloads and 400 generated functions."""
    root = pathlib.Path(__file__).resolve().parents[2]
    sources = "".join(f'#include "tests/bench/{name}.c"\n' for name in ("operations", "workloads"))
    functions = "".join(
        f"static int f{i}(int a, char *s) {{ int n = 0; for (int j = a; j < {i} + 40; j++) "
        f"switch (s[j] % 7) {{ case 1: n += j * {i}; break; case 2: n ^= s[j + 1]; break; "
        f"case 3: if (n > {i}) n -= a; break; default: n += s[j] << (n & 7); }} return n; }}\n"
        for i in range(400))
    calls = "int all(char *s) { int n = 0;" + "".join(f" n += f{i}(n & 15, s);"
                                                      for i in range(400)) + " return n; }\n"
    path = folder / "large.c"
    path.write_text(sources + functions + calls)
    done = subprocess.run(["gcc", "-E", "-D_GNU_SOURCE", "-I", root, path, "-o", folder / "large.i"],
                          check=False)
    cc1 = subprocess.run(["gcc", "-print-prog-name=cc1"], capture_output=True, text=True,
                         check=False).stdout.strip()
    if done.returncode != 0:
        sys.exit("cannot make the compiler's input")
    return Command("cc1", [cc1, "-fpreprocessed", "-O2", "-quiet", str(folder / "large.i"), "-o",
                           "/dev/null"])


def cases(options, folder):
    names = subprocess.run([options.workloads], capture_output=True, text=True,
                           check=True).stdout.split()
    found = [Command(name, [options.workloads, name]) for name in names]
    found += [Command("python3", ["python3", "-c", PYTHON]), compiler_case(folder),
              Command("sqlite3", ["sqlite3", ":memory:"], SQL), Command("lua", ["lua5.4", "-"], LUA),
              Command("perl", ["perl", "-e", PERL]), Redis()]
    for case in found:
        if options.only not in case.name:
            continue
        if case.usable():
            yield case
        else:
            print(f"{case.name}: not installed", flush=True)


def measure(case, allocators, options, folder):
    """{allocator: [(seconds, KiB), one per round]}"""
    figures = {name: [] for name in allocators}
    names = list(allocators)
    for turn in range(options.rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            figures[name].append(case.run(options.launcher, allocators[name], folder))
    return figures


def ratios(figures, peer, column):
    return [ours[column] / max(theirs[column], 1e-3)
            for ours, theirs in zip(figures[OURS], figures[peer])]


def geometric_mean(values):
    return math.exp(sum(math.log(value) for value in values) / len(values))


def print_table(table, peers, title, column):
    print(f"\n{title}: Quarry's value divided by the other's (median of the rounds, lowest to highest)")
    print(f"{'':<16}{OURS:>10}" + "".join(f"{peer:>20}" for peer in peers))
    for name, figures in table.items():
        own = statistics.median(figure[column] for figure in figures[OURS])
        line = f"{name:<16}" + (f"{own:>8.2f} s" if column == 0 else f"{own / 1024:>7.1f}MiB")
        for peer in peers:
            values = ratios(figures, peer, column)
            line += (f"{statistics.median(values):>8.2f}"
                     f" ({min(values):.2f}-{max(values):.2f})".ljust(12))
        print(line)
    kinds = {"one operation": lambda name: name.startswith(MICRO),
             "loads": lambda name: not name.startswith(MICRO) and name not in PROGRAMS,
             "programs": lambda name: name in PROGRAMS, "all": lambda name: True}
    means = {}
    for kind, belongs in kinds.items():
        rows = [figures for name, figures in table.items() if belongs(name)]
        if not rows:
            continue
        means[kind] = {peer: geometric_mean([statistics.median(ratios(figures, peer, column))
                                             for figures in rows]) for peer in peers}
        print(f"{'mean, ' + kind:<26}" +
              "".join(f"{means[kind][peer]:>8.2f}".ljust(20) for peer in peers))
    return means


PROGRAMS = ("python3", "cc1", "sqlite3", "lua", "perl", "redis")
COLOURS = ("#1f6feb", "#d29922", "#2da44e", "#cf222e")


def draw(table, peers, title, column, path):
    """A row per case, a dot per peer. The dark line marks equality."""
    row, left, width = 22, 130, 760
    height = 70 + row * len(table)

    def place(ratio):
        return left + (math.log2(min(max(ratio, 1 / 16), 4)) + 4) / 6 * (width - left - 20)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
           'font-family="sans-serif" font-size="12">',
           f'<rect width="{width}" height="{height}" fill="white"/>',
           f'<text x="10" y="22" font-size="15">{title}: Quarry\'s divided by the other\'s</text>']
    for power in range(-4, 3):
        x = place(2.0 ** power)
        label = f"1/{2 ** -power}" if power < 0 else str(2 ** power)
        label = {-4: "≤ ", 2: "≥ "}.get(power, "") + label  # ratios beyond the ends are drawn at the ends
        out.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="50" y2="{height - 10}" '
                   f'stroke="{"#333" if power == 0 else "#ddd"}"/>'
                   f'<text x="{x:.1f}" y="44" text-anchor="middle">{label}</text>')
    for index, peer in enumerate(peers):
        x = width - 320 + 82 * index
        out.append(f'<circle cx="{x}" cy="18" r="4" fill="{COLOURS[index]}"/>'
                   f'<text x="{x + 8}" y="22">{peer}</text>')
    for line, (name, figures) in enumerate(table.items()):
        y = 64 + row * line
        out.append(f'<text x="{left - 8}" y="{y + 4}" text-anchor="end">{name}</text>')
        for index, peer in enumerate(peers):
            x = place(statistics.median(ratios(figures, peer, column)))
            out.append(f'<circle cx="{x:.1f}" cy="{y}" r="4" fill="{COLOURS[index]}" '
                       'fill-opacity="0.85"/>')
    path.write_text("\n".join(out + ["</svg>"]) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", required=True)
    parser.add_argument("--workloads", required=True)
    parser.add_argument("--launcher", required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    options.workloads = str(pathlib.Path(options.workloads).resolve())
    options.launcher = str(pathlib.Path(options.launcher).resolve())
    missing = [path for path in PEERS.values() if path and not os.path.exists(path)]
    if missing:
        sys.exit(f"not installed: {' '.join(missing)}")
    allocators = {OURS: str(pathlib.Path(options.library).resolve()), **PEERS}
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    options.out.mkdir(parents=True, exist_ok=True)
    table = {}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for case in cases(options, folder):
            table[case.name] = measure(case, allocators, options, folder)
            print(f"{case.name:<16}" + "".join(
                f"{allocator} {statistics.median(f[0] for f in figures):.2f} s "
                f"{statistics.median(f[1] for f in figures) / 1024:.1f} MiB   "
                for allocator, figures in table[case.name].items()), flush=True)
    means = {"time": print_table(table, PEERS, "CPU time", 0),
             "memory": print_table(table, PEERS, "Peak memory", 1)}
    (options.out / "compare.json").write_text(json.dumps({"cases": table, "means": means}, indent=1))
    draw(table, PEERS, "CPU time", 0, options.out / "time.svg")
    draw(table, PEERS, "Peak memory", 1, options.out / "memory.svg")
    print(f"\n{options.out}/compare.json, time.svg, memory.svg")


if __name__ == "__main__":
    main()
