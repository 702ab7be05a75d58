#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Ordering mutants: memory that is published too early, weaker memory orders, missing locks.

    ordering.py [--only TEXT] [--not-found]

Each mutant is applied to a copy of the sources. The exploration of the copy must fail. A mutant whose
text is no longer in the sources is an error. So are unchanged sources that fail. The exit status is 1 if
a mutant passes. With --not-found, the mutants that no program finds are tried instead.
"""

import argparse
import collections
import pathlib
import re
import shutil
import subprocess
import sys

TREE = pathlib.Path("build/ordering")
FOLDERS = ("arch", "boot", "examples", "hosted", "include", "lib", "mk", "mm", "tests", "tools")
PROGRAM = "build/explore-gcc/explore"
EFFORT = ("executions=300", "random=30", "bound=2")

# Why: what goes wrong in the mutant.
Mutant = collections.namedtuple("Mutant", "path old new why")

ACQUIRE = re.compile(r"spinlock_acquire\(&?[\w>.\-]+\)")
RELEASE = re.compile(r"spinlock_release\(&?[\w>.\-]+, irq\)")


def moved_up(path, before, statement, why):
    """The statement is executed before `before` too."""
    return Mutant(path, before, f"{statement}\n    {before}", why)


def unlocked(path, function):
    """The function does not acquire its lock; interrupts are still off."""
    text = pathlib.Path(path).read_text()
    found = re.search(r"^[\w *]*\b" + function + r"\([^;{]*\)\n\{\n.*?^\}\n", text, re.M | re.S)
    if found is None:
        sys.exit(f"{path} has no function {function}")
    if not ACQUIRE.search(found.group()):
        sys.exit(f"{path}: {function}() acquires no lock")
    body = RELEASE.sub("quarry_port_irq_restore(irq)", ACQUIRE.sub("quarry_port_irq_save()", found.group()))
    return Mutant(path, found.group(), body, f"{function}() changes shared memory without the lock")


MUTANTS = [
    # ---- published too early ----
    Mutant("mm/frames/frame_frontier.c",
           "        usable = tree_build(allocator, tree++);",
           "    {\n        atomic_store_release(&allocator->frontier, tree + 1);\n"
           "        usable = tree_build(allocator, tree++);\n    }",
           "another CPU allocates from a tree that is not built yet"),
    # ---- weaker orders ----
    Mutant("mm/frames/frame_frontier.c", "atomic_store_release(&allocator->frontier",
           "atomic_store_relaxed(&allocator->frontier", "nothing orders the tree before the frontier"),
    Mutant("lib/spinlock.h", "atomic_store_release(&lock->held, false)",
           "atomic_store_relaxed(&lock->held, false)", "a release of a lock releases nothing"),
    # ---- missing locks ----
    unlocked("mm/frames/frame_frontier.c", "frame_frontier_advance"),
    unlocked("mm/pages/metadata_pool.c", "metadata_pool_alloc"),
    unlocked("mm/pages/metadata_pool.c", "metadata_pool_free"),
    unlocked("mm/pages/page_heap.c", "locked"),
    unlocked("mm/pages/page_heap.c", "page_heap_free"),
    unlocked("mm/pages/page_heap_release.c", "release_one"),
    unlocked("mm/objects/central_list.c", "central_list_alloc"),
    unlocked("mm/objects/central_list.c", "central_list_free"),
    unlocked("mm/objects/transfer_cache.c", "alloc_cached"),
    unlocked("mm/objects/transfer_cache.c", "transfer_cache_free"),
    # ---- a decision that is not atomic ----
    Mutant("mm/kinds/large.c", "span_of_address(object) != span || !starts_at(span, object)", "false",
           "a double free of a large object frees another one"),
]


# The exploration does not find these. The likely reason, which is not verified: in the programs the bound
# of the page map does not rise, and CPUs that meet at an arena hold the lock of the page heap.
NOT_FOUND = [
    moved_up("mm/pages/page_map.c", "memory_clear(&page_map.cache_ids[old]",
             "atomic_store_release(&page_map.bound, bound);",
             "another CPU reads entries that are not cleared yet"),
    Mutant("mm/pages/arena.c",
           "    if (everywhere == NULL)\n        memory_clear(table, FRAME_BYTES);",
           "    atomic_store_release(&arena->table, table);\n"
           "    if (everywhere == NULL)\n        memory_clear(table, FRAME_BYTES);",
           "another CPU reads a table that is not cleared yet"),
    Mutant("mm/pages/page_map.c", "atomic_store_release(&page_map.bound",
           "atomic_store_relaxed(&page_map.bound", "nothing orders the cleared entries before the bound"),
    Mutant("mm/pages/page_map.h", "atomic_load_acquire(&page_map.bound)",
           "atomic_load_relaxed(&page_map.bound)", "nothing orders the bound before the entries"),
    Mutant("mm/pages/page_map.c", "atomic_store_release(&page_map.arenas",
           "atomic_store_relaxed(&page_map.arenas", "nothing orders the record of an arena before its pointer"),
    Mutant("mm/pages/arena.c", "atomic_store_release(&arena->table, table)",
           "atomic_store_relaxed(&arena->table, table)", "nothing orders the table before its pointer"),
]


def copy_sources():
    for name in (*FOLDERS, "Makefile"):
        source = pathlib.Path(name)
        if source.is_dir():
            shutil.copytree(source, TREE / name, dirs_exist_ok=True, symlinks=True)
        elif source.exists():
            shutil.copy2(source, TREE / name)


def passes():
    """Whether the copy builds and its exploration finds nothing."""
    built = subprocess.run(["make", "-C", str(TREE), "CC=gcc", PROGRAM], stdout=subprocess.DEVNULL,
                           stderr=subprocess.PIPE, text=True, check=False)
    if built.returncode != 0:
        sys.exit("the mutant does not build:\n" + built.stderr)
    try:
        done = subprocess.run([str(TREE / PROGRAM), *EFFORT], stdout=subprocess.PIPE, text=True, timeout=120,
                              check=False)
    except subprocess.TimeoutExpired:
        return False, "too long"
    failures = [line for line in done.stdout.splitlines() if line.startswith("# ")]
    return done.returncode == 0, failures[0] if failures else ""


def try_mutant(mutant):
    original = pathlib.Path(mutant.path).read_text()
    if mutant.old not in original or mutant.old == mutant.new:
        sys.exit(f"{mutant.path} has no longer: {mutant.old}")
    target = TREE / mutant.path
    target.write_text(original.replace(mutant.old, mutant.new))
    passed, failure = passes()
    target.write_text(original)
    print(f"{'NOT FOUND' if passed else 'found'}: {mutant.path}: {mutant.why}\n    {failure[:240]}", flush=True)
    return passed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--not-found", action="store_true")
    options = parser.parse_args()
    copy_sources()
    passed, failure = passes()
    if not passed:
        sys.exit("the unchanged sources fail: " + failure)
    wanted = [m for m in (NOT_FOUND if options.not_found else MUTANTS) if options.only in m.path + m.why]
    survivors = sum(try_mutant(mutant) for mutant in wanted)
    print(f"{len(wanted)} mutants, {survivors} not found")
    sys.exit(survivors > 0)


main()
