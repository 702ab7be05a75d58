#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""words.py [--count]: the form of sources and documents that clang-format does not see; exits 1 at a breach.

* A file of mm/, lib/, arch/ or boot/ has at most 400 lines, but for LONG.
* A C file or header of those folders says at its head what it is: a comment behind the licence.
* Sources and documents use the words of the field: WORDS lists the others, with what to write.

--count prints only the number of breaches by word and by file.
"""

import collections
import pathlib
import re
import sys

LINES_MAX = 400
# Files that may be longer: path -> reason.
LONG = {"mm/frames/frame_allocator.c": "one path, from the CPU's reservation to the last tree"}

FORM_ROOTS = ("mm/", "lib/", "arch/", "boot/")
HEAD = re.compile(r"\A(?:#![^\n]*\n)?/\* SPDX-License-Identifier: MIT \*/\n/\*")
GENERATED = ("mm/objects/size_class_table.h",)

# Pattern (ignoring case; a word may be part of a name: test_heap_drain) -> what to write instead.
WORDS = {
    "doors?": "sentinel (class 0 or cache id 0), or the slow path",
    "fences?": "canary",
    "ladders?": "layering",
    "yardsticks?": "baseline allocators",
    "torn": "corrupted, or malformed",
    "settl(?:e|es|ed|ing)": "bind, or drain",
    "narrow(?:s|ed|er|ing)?": "shrink",
    "widen(?:s|ed|ing)?": "grow",
    "depart(?:s|ed|ing|ures?)?": "evict, flush",
    "adopt(?:s|ed|ing|ion)?": "reap",
    "windows?": "2 MiB block, or range",
    "deeds?": "violation kind",
    "takings": "transactions",
    "whoever": "name the caller, thread or CPU",
    "whose hand": "name the author",
    "nobody(?:'s)?": "no caller, no CPU, unowned",
    "somebody(?:'s)?": "a caller, a thread",
    "look(?:s|ed|ing)? at": "read, check, inspect",
    "comes? and go(?:es)?": "goes online and offline",
    "com(?:e|es|ing),? (?:and )?go(?:es|ing)": "goes online and offline",
    "firmware is gone": "after ExitBootServices",
    "memory is gone": "out of memory",
    "is worth while": "can succeed",
    "worth while": "useful",
    "(?:it|that|this|they|which|what) used to": "say what is so now",
    "(?:makes?|made) a lie": "say what goes wrong",
    "is nothing": "is ignored",
    "(?:himself|herself)": "itself",
    "in nobody's list": "unlisted",
    "honest": "say what is measured or defined",
}
PATTERN = re.compile("|".join(rf"(?<![A-Za-z])(?:{word})(?![A-Za-z])" for word in WORDS), re.IGNORECASE)
EACH = [(re.compile(rf"(?:{word})", re.IGNORECASE), advice) for word, advice in WORDS.items()]

# (path or folder, word) -> reason: there the word means something else.
ALLOWED = {
    ("lib/atomic.h", "fence"): "the processor's memory fence",
} | {(where, "window"): "the range of addresses that plays physical memory" for where in (
    "arch/linux/", "hosted/", "examples/host/", "tests/bench/", "tests/dist/", "tests/explore/", "tests/framework/",
    "tests/preload/", "tests/scaling/")}
# Names of other things that have such a word.
NAMES = re.compile(r"atomic_(?:thread|signal)_fence|\b[lms]fence\b|(?<=[a-z,] )Windows\b")

SKIPPED = ("CHANGELOG.md", "tests/lint/", "tests/fuzz/corpus/", "tests/mutation/survivors.txt")
TEXT = {".md", ".py", ".sh", ".c", ".h", ".S", ".cpp", ".rs", ".ld", ".mk", ".cfg", ".gdb", ".pml", ".yml"}


def is_allowed(path, word):
    return any(path.startswith(where) and word.lower().startswith(stem) for where, stem in ALLOWED)


def check_words(path, text):
    for number, line in enumerate(text.splitlines(), 1):
        for found in PATTERN.finditer(NAMES.sub(lambda name: " " * len(name[0]), line)):
            if not is_allowed(path, found[0]):
                advice = next(advice for pattern, advice in EACH if pattern.fullmatch(found[0]))
                yield number, found[0].lower(), f'"{found[0]}": write {advice}'


def check_form(path, text):
    if not path.startswith(FORM_ROOTS) or not path.endswith((".c", ".h", ".S")) or path in GENERATED:
        return
    lines = text.count("\n")
    if lines > LINES_MAX and path not in LONG:
        yield LINES_MAX, "long file", f"{lines} lines: more than {LINES_MAX}"
    if lines <= LINES_MAX and path in LONG:
        yield 1, "long file", "tests/lint/words.py names it as long, and it is not"
    if path.endswith((".c", ".h")) and not HEAD.match(text):
        yield 1, "head comment", "no comment at the head says what the file is"


def check_text(path, text):
    yield from check_form(path, text)
    yield from check_words(path, text)
    for _, word, wrong in check_words(path, path):
        yield 1, word, f"the file's name has {wrong}"


def documents(root="."):
    """Path -> text of every source and document of the project."""
    files = {}
    for file in sorted(pathlib.Path(root).rglob("*")):
        path = file.relative_to(root).as_posix()
        if path.startswith((".git/", "build/", "dist/") + SKIPPED) or not file.is_file():
            continue
        if file.suffix in TEXT or file.name in ("Makefile", "Kbuild", "CMakeLists.txt"):
            files[path] = file.read_text()
    return files


def main():
    by_word, by_file = collections.Counter(), collections.Counter()
    for path, text in documents().items():
        for line, word, wrong in check_text(path, text):
            by_word[word] += 1
            by_file[path] += 1
            if "--count" not in sys.argv:
                print(f"{path}:{line}: {wrong}")
    if "--count" in sys.argv:
        for counts in (by_word, by_file):
            print("\n".join(f"{number:5} {what}" for what, number in counts.most_common()), end="\n\n")
        print(f"{by_word.total()} breaches")
    sys.exit(1 if by_word else 0)


if __name__ == "__main__":
    main()
