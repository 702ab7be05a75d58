#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Plants each kind of breach once, and expects the checks of this folder to name it; exits 1 otherwise.

Breaches of the text are planted in a copy of the tree's sources in memory. Breaches of the symbols
are planted in small C files, which are compiled into a temporary folder. A planted breach counts as
seen if it adds exactly one complaint, with the expected words, to those that the tree has without it.
"""

import pathlib
import subprocess
import sys
import tempfile

import architecture
import components as tree
import layering
import words

HEAD = "/* SPDX-License-Identifier: MIT */\n/* Planted. */\n"

# What is planted: (file, text that is added at its end or makes it, words of the complaint).
INCLUDES = [
    ("mm/frames/frame_child.c", '#include "mm/pages/span.h"', '"mm/pages/span.h" stands above mm/frames'),
    ("mm/objects/size_class.c", "#include <quarry/quarry.h>", '"quarry/quarry.h" stands above mm/objects'),
    ("lib/format.c", "#include <quarry/frame.h>", '"quarry/frame.h" stands above lib'),
    ("lib/bits.h", '#include "mm/frames/frame.h"', '"mm/frames/frame.h" stands above lib'),
    ("lib/bits.h", "#include <stdio.h>", "<stdio.h> is no freestanding header"),
    ("mm/api/resize.c", "#include <string.h>", "<string.h> is no freestanding header"),
    ("mm/api/resize.c", '#include "arch/linux/host.h"', '"arch/linux/host.h" stands above mm/api'),
    ("mm/api/resize.c", '#include "heap.h"', '"heap.h" is not named from the root'),
    ("mm/api/resize.c", '#include "../api/heap.h"', '"../api/heap.h" is not named from the root'),
    ("mm/api/resize.c", '#include "mm/../lib/bits.h"', '"mm/../lib/bits.h" is not named from the root'),
    ("arch/generic/masked.h", '#include "lib/bits.h"', '"lib/bits.h" stands above port'),
    ("arch/x86_64/fast_path.c", '#include "boot/console.h"', "arch/x86_64 may not use boot"),
    ("boot/x86_64/serial.c", '#include "boot/console.h"', "boot/x86_64 may not use boot"),
    ("boot/console.c", '#include "mm/pages/span.h"', "boot may not use the inside of mm/pages"),
    ("hosted/sharing.c", '#include "mm/debug/misuse.h"', "hosted may not use the inside of mm/debug"),
    ("tests/selftest/step_tests.c", '#include "mm/pages/span.h"', "tests/selftest may not use the inside of mm/pages"),
    ("tests/stress/stress.c", '#include "mm/api/heap.h"', "tests/stress may not use the inside of mm/api"),
    ("tests/bench/memory.c", '#include "mm/api/heap.h"', "tests/bench may not use the inside of mm/api"),
    ("tests/unit/lib_tests.c", '#include "boot/console.h"', "tests/unit may not use boot"),
    ("examples/host/heap.c", '#include "mm/api/heap.h"', "examples may not use the inside of mm/api"),
    ("examples/host/heap.c", '#include "../../lib/bits.h"', '"../../lib/bits.h" is not named from the root'),
    ("include/quarry/frame.h", '#include "lib/bits.h"', "a public header includes lib/bits.h"),
    ("include/quarry/config.h", "#include <quarry/frame.h>", '"quarry/frame.h" stands above port'),
    ("include/quarry/planted.h", HEAD, "the file is in no component"),
    ("mm/planted/planted.c", HEAD, "the file is in no component"),
]
FORM = [
    ("mm/frames/frame_child.c", "void *quarry_alloc(size_t bytes);", "declares quarry_alloc by hand"),
    ("mm/frames/frame_child.c", "extern struct heap heap;", "declares heap by hand"),
    ("boot/console.c", "extern void panic_now(const char *why);", "declares panic_now by hand"),
    ("mm/api/resize.c", "#ifdef __x86_64__", "a condition on the machine or system"),
    ("lib/bits.h", "#if defined(__linux__)", "a condition on the machine or system"),
    ("include/quarry/quarry.h", "#if defined(__aarch64__)", "a condition on the machine or system"),
    ("tools/planted.py", "pass", "no SPDX line"),
    ("hosted/planted.c", "/* Planted. */", "no SPDX line"),
]
# These must add no complaint.
FINE = [
    ("mm/api/resize.c", '#include "mm/frames/frame_child.h"'),
    ("mm/frames/frame_child.c", "#include <quarry/frame.h>"),
    ("tests/stress/stress.c", "#include <quarry/guard.h>"),
    ("mm/frames/frame_child.c", "void own(void);\nvoid own(void)\n{\n}"),
    ("mm/frames/frame_child.c", '/* #include "mm/pages/span.h"\nextern int heap; */'),
    ("boot/x86_64/smp.c", "extern const char trampoline_planted[];\n__asm__(\"trampoline_planted: .byte 0\");"),
]
WORDS = [
    ("mm/api/resize.c", "/* The door. */", "write sentinel"),
    ("mm/api/resize.c", "/* Whoever comes. */", "name the caller"),
    ("mm/api/resize.c", "void heap_settle(void);", "write bind"),
    ("README.md", "A ladder of includes.", "write layering"),
    ("mm/api/planted.c", "/* SPDX-License-Identifier: MIT */\nint planted;", "no comment at the head"),
    ("mm/api/planted.c", HEAD + "\n" * 400, "more than 400"),
]
PROGRAM = {
    "mm/frames/low.h": "int low(void);",
    "mm/frames/low.c": "int low(void) { return 1; }",
    "mm/frames/low_user.c": '#include "mm/frames/low.h"\nint low_user(void) { return low(); }',
    "mm/api/high.h": "int high(void);",
    "mm/api/high.c": "int low(void); int high(void) { return low(); }",
    "include/quarry/quarry.h": "int quarry_high(void);",
    "mm/api/public.c": "int quarry_high(void) { return 1; }",
    "include/quarry/port.h": "int quarry_port_panic(void);",
    "boot/panic.c": "int quarry_port_panic(void) { return 1; }",
    "lib/check.c": "int quarry_port_panic(void); int stop(void) { return quarry_port_panic(); }",
    "tests/stress/stress.c": "int quarry_high(void); int stress(void) { return quarry_high(); }",
}
SYMBOLS = [
    ({"mm/frames/up.c": "int high(void); int up(void) { return high(); }"}, "mm/frames may not use mm/api: high"),
    ({"mm/frames/up.c": "int quarry_high(void); int up(void) { return quarry_high(); }"},
     "mm/frames may not use mm/api: quarry_high"),
    ({"mm/frames/up.c": "extern int number; int up(void) { return number; }", "mm/api/data.c": "int number = 1;"},
     "mm/frames may not use mm/api: number"),
    ({"tests/stress/inside.c": "int low(void); int inside(void) { return low(); }"},
     "tests/stress may not use mm/frames: low"),
    ({"hosted/inside.c": "int low_user(void); int inside(void) { return low_user(); }"},
     "hosted may not use mm/frames: low_user"),
    ({"mm/frames/foreign.h": "int high(void);"}, "declares high, which mm/api/high.c defines"),
    ({"mm/pages/a.c": "int b(void); int a(void) { return b(); }", "mm/pages/b.c": "int a(void); int b(void) { return a(); }"},
     "circle of files: mm/pages/a.c mm/pages/b.c"),
    ({"tests/unit/a.c": "int b(void); int a(void) { return b(); }", "tests/unit/b.c": "int c(void); int b(void) { return c(); }",
      "tests/unit/c.c": "int a(void); int c(void) { return a(); }"},
     "circle of files: tests/unit/a.c tests/unit/b.c tests/unit/c.c"),
]


class Outcome:
    def __init__(self):
        self.planted = self.missed = 0

    def expect(self, what, added, complaint):
        """One new complaint with these words; with None: no new complaint."""
        self.planted += 1
        seen = not added if complaint is None else len(added) == 1 and complaint in added[0]
        if not seen:
            self.missed += 1
            print(f"planted: {what}\n    expected: {complaint or 'no complaint'}\n    got: {added}")


def with_planted(files, path, addition):
    old = files.get(path, "")
    return files | {path: old + "\n" + addition if old else addition}


def complaints(files, path):
    return [wrong for _, wrong in layering.check_source(path, files[path], files, set())] if path in files else []


def added_to(before, after):
    left = list(before)
    return [wrong for wrong in after if wrong not in left or left.remove(wrong)]


def plant_text(outcome, files):
    for path, addition, complaint in INCLUDES + FORM + [(*fine, None) for fine in FINE]:
        after = with_planted(files, path, addition)
        outcome.expect(f"{path}: {addition!r}", added_to(complaints(files, path), complaints(after, path)), complaint)
    for path, addition, complaint in WORDS:
        text = files.get(path) or (pathlib.Path(path).read_text() if pathlib.Path(path).exists() else "")
        after = text + "\n" + addition if text else addition
        found = [[wrong for _, _, wrong in words.check_text(path, each)] if each else [] for each in (text, after)]
        outcome.expect(f"{path}: {addition[:60]!r}", added_to(*found), complaint)
    tree.EXCEPTIONS["mm/frames/planted.c", "mm/api"] = "planted"
    tree.PROGRAMS.add("boot/planted.c")
    found = [wrong for wrong in layering.check_files(files) if "planted" in wrong]
    del tree.EXCEPTIONS["mm/frames/planted.c", "mm/api"]
    tree.PROGRAMS.remove("boot/planted.c")
    outcome.expect("an exception that nothing needs", [wrong for wrong in found if "exception" in wrong], "nothing needs")
    outcome.expect("a program that is not there", [wrong for wrong in found if "program" in wrong], "there is no program")


def plant_arrow(outcome, files):
    after = with_planted(files, "lib/bits.h", '#include "mm/api/heap.h"')
    arrows = [architecture.draw(each)[1] for each in (files, after)]
    outcome.expect("an arrow that runs up", [" ".join(arrow) for arrow in added_to(*arrows)], "lib/bits.h mm/api/heap.h")


def complaints_of_program(program):
    with tempfile.TemporaryDirectory() as folder:
        for path, text in program.items():
            at = pathlib.Path(folder, path)
            at.parent.mkdir(parents=True, exist_ok=True)
            at.write_text(text)
        for path in (path for path in program if path.endswith(".c")):
            subprocess.run(["gcc", "-O0", "-fno-pie", "-I.", "-c", path, "-o", path[:-2] + ".o"], cwd=folder, check=True)
        builds = [layering.Build(folder, program)]
        return [*layering.check_symbols(builds[0], program), *layering.check_headers(builds, program),
                *layering.check_circles(builds, program, False)]


def plant_symbols(outcome):
    outcome.expect("nothing", complaints_of_program(PROGRAM), None)
    for planted, complaint in SYMBOLS:
        outcome.expect(" ".join(planted), complaints_of_program(PROGRAM | planted), complaint)
    circle = frozenset(SYMBOLS[-2][0])
    tree.CIRCLES[circle] = "planted"
    outcome.expect("a circle that is declared", complaints_of_program(PROGRAM | SYMBOLS[-2][0]), None)
    alone = {path: "int own_%d(void) { return 1; }" % at for at, path in enumerate(sorted(circle))}
    alone["mm/pages/a.c"] += " int low(void); int more(void) { return low(); }"
    alone["mm/pages/b.c"] += " int low(void); int less(void) { return low(); }"
    outcome.expect("a declared circle that is gone", complaints_of_program(PROGRAM | alone), "is gone")
    del tree.CIRCLES[circle]


def main():
    outcome = Outcome()
    files = tree.read_sources()
    plant_text(outcome, files)
    plant_arrow(outcome, files)
    plant_symbols(outcome)
    print(f"{outcome.planted} planted, {outcome.missed} not seen")
    sys.exit(1 if outcome.missed else 0)


if __name__ == "__main__":
    main()
