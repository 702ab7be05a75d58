#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the layering of includes and a few rules of form; prints each breach, exits 1 if any.

A folder includes what stands below it, never what stands above:

    boot, hosted, tests > include > mm (inspect > api > reclaim > kinds > objects > debug > pages > frames) > lib > arch
"""

import pathlib
import re
import sys

ORDER = ["lib", "mm/frames", "mm/pages", "mm/debug", "mm/objects", "mm/kinds", "mm/reclaim", "mm/api", "mm/inspect"]
LADDER = {folder: set(ORDER[:at + 1]) for at, folder in enumerate(ORDER)}
LADDER |= {
    "arch/generic": {"arch/generic"},
    "arch/x86_64": {"arch/generic", "arch/x86_64", "mm/api"},
    "arch/linux": {"lib", "arch/generic", "arch/linux"},
    "boot/x86_64": {"lib", "boot/x86_64"},
    "boot": {"lib", "boot", "tests/framework", "tests/stress", "tests/bench/guest"},
    "tests/bench/guest": {"lib", "boot", "tests"},
    "hosted": {"lib", "mm", "arch/generic", "hosted"},
    "include": set(),
    "tests": {"lib", "mm", "arch/linux", "arch/generic", "tests"},
}
EXCEPTIONS = {("mm/kinds/large.c", "mm/debug/misuse.h"), ("mm/kinds/large.c", "mm/debug/harden.h")}
MACHINE = re.compile(r"^\s*#\s*(if|ifdef|ifndef|elif)\b.*(__x86_64__|__i386__|__aarch64__|__linux__|__APPLE__|_WIN32|__unix__)")
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')
SPDX = "SPDX-License-Identifier: MIT"
# Headers that a freestanding implementation has; what else stands in <> is ours.
FREESTANDING = {"stdarg.h", "stdbool.h", "stddef.h", "stdint.h"}


def folder_of(path):
    parts = path.split("/")
    for length in (3, 2, 1):
        folder = "/".join(parts[:length])
        if folder in LADDER and len(parts) > length:
            return folder
    return parts[0]


def allowed(folder, target):
    return any(target == root or target.startswith(root + "/") for root in LADDER[folder])


def check_include(path, kind, name):
    folder = folder_of(path)
    if kind == "<":
        ours = name.startswith("quarry/") or name == "quarry_arch.h"
        core = folder.startswith(("lib", "mm"))
        if core and not ours and name not in FREESTANDING:
            return f"<{name}> is no freestanding header"
        return None
    if "/" not in name:
        # dist/ has one header, which no folder names.
        exempt = name == "font.h" or path.startswith("tests/dist/")
        return None if exempt else f'"{name}" is not named from the root'
    if (path, name) in EXCEPTIONS:
        return None
    if not allowed(folder, name.rsplit("/", 1)[0]):
        return f'"{name}" stands above {folder}'
    return None


def check_source(path, text):
    for number, line in enumerate(text.splitlines(), 1):
        if path.startswith(("mm/", "lib/")) and MACHINE.search(line):
            yield number, "a condition on the machine or system"
        found = INCLUDE.match(line)
        if found:
            wrong = check_include(path, *found.groups())
            if wrong:
                yield number, wrong


def main():
    breaches = 0
    roots = ["lib", "mm", "arch", "boot", "include", "tests"]
    for root in roots:
        for file in sorted(pathlib.Path(root).rglob("*")):
            if not file.is_file() or file.suffix not in {".c", ".h", ".S", ".py", ".sh"}:
                continue
            path = file.as_posix()
            text = file.read_text()
            if SPDX not in "\n".join(text.splitlines()[:2]):
                print(f"{path}:1: no SPDX line")
                breaches += 1
            for number, wrong in check_source(path, text) if file.suffix in {".c", ".h"} else ():
                print(f"{path}:{number}: {wrong}")
                breaches += 1
    sys.exit(1 if breaches else 0)


if __name__ == "__main__":
    main()
