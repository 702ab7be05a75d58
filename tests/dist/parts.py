#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A kernel that only allocates and frees contains no optional part of Quarry.

    parts.py KERNEL OBJECT

KERNEL was linked from tests/dist/tiny.c and OBJECT with --gc-sections. No symbol of KERNEL may
belong to an optional part: statistics, their text and JSON, verification, leaks, memory use, guard
pages. Each public prefix below must occur in OBJECT, so the list cannot become outdated unnoticed.
Prints each breach and exits 1 if there is one.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.append(str(ROOT / "tools"))
import dist  # noqa: E402

PREFIXES = ["quarry_stats", "quarry_class_stats", "quarry_stats_text", "quarry_stats_json", "quarry_verify",
            "quarry_leak_", "quarry_memory_use", "quarry_guard_"]
INTERNAL = re.compile(r"guard_pages_|heap_walk|json|_verify$")
# The sources of optional parts: what only they define may not be in the kernel.
OPTIONAL = ["mm/inspect/", "mm/debug/guard_pages."]
NEEDED = {"quarry_init", "quarry_cpu_online", "quarry_alloc", "quarry_free"}


def names_by_part():
    """The names that optional sources define, and those that other sources define."""
    optional, others = set(), set()
    sources = dist.places("lib", "*.c") + dist.places("mm", "*.c")
    for part in OPTIONAL:
        if not any(name.startswith(part) for name in sources):
            sys.exit(f"parts.py: no source begins with {part}")
    for name in sources:
        names = optional if any(name.startswith(part) for part in OPTIONAL) else others
        names |= {match["name"] for match, _, _ in dist.declared(dist.own_text(name))}
    return optional, others


def symbols(path):
    """The symbols of a file, without what compilers append (.cold, .constprop.0)."""
    done = subprocess.run(["nm", "--defined-only", "--format=posix", path], text=True, check=True,
                          stdout=subprocess.PIPE)
    return {line.split()[0].split(".")[0] for line in done.stdout.splitlines()}


def main():
    kernel, whole = symbols(sys.argv[1]), symbols(sys.argv[2])
    optional, others = names_by_part()
    forbidden = {name for name in kernel if name.startswith(tuple(PREFIXES)) or INTERNAL.search(name)}
    forbidden |= kernel & (optional - others)
    breaches = [f"{name}: of an optional part" for name in sorted(forbidden)]
    breaches += [f"{name}: missing" for name in sorted(NEEDED - kernel)]
    breaches += [f"{prefix}: no symbol of {sys.argv[2]} begins so" for prefix in PREFIXES
                 if not any(name.startswith(prefix) for name in whole)]
    for breach in breaches:
        print(f"{sys.argv[1]}: {breach}")
    sys.exit(bool(breaches))


if __name__ == "__main__":
    main()
