# SPDX-License-Identifier: MIT
"""The components of the tree, what each may use, and a reader of the sources by component.

A component is a folder with one subject. Four rules place the files that a folder's name does not place:

* The port is the lowest component: <quarry/config.h>, <quarry/port.h>, arch/generic/, and the
  <quarry_arch.h> of each machine. Everything else may use it.
* A public header belongs to the component that implements it: <quarry/frame.h> to mm/frames. It may be
  used where that component may be used, and by every component that is marked `public`.
* A C file under arch/ stands above mm/api: it implements functions of the API for one machine.
* A program (the files with an entry point, and what they start first) stands above everything: it
  starts what the others have.

Some functions are called by lower components and defined in higher ones. They are a contract: a header
of CONTRACTS declares them, and each platform defines them.
"""

import pathlib
import re

# Bottom to top. Each uses the port, lib and what stands before it.
CORE = [
    "port",
    "lib",
    "mm/frames",
    "mm/pages",
    "mm/debug",
    "mm/objects",
    "mm/kinds",
    "mm/reclaim",
    "mm/api",
    "mm/inspect",
]

SUBJECT = {
    "port": "what the machine and the kernel give",
    "lib": "bits, lists, locks, checks, text",
    "mm/frames": "physical memory in frames of 4 KiB",
    "mm/pages": "runs of pages, spans, the page map",
    "mm/debug": "misuse, canaries, guard pages",
    "mm/objects": "size classes and their caches",
    "mm/kinds": "objects without a size class",
    "mm/reclaim": "memory back to the frame allocator",
    "mm/api": "allocate, free, resize, start",
    "mm/inspect": "statistics, leaks, verification",
    "arch/x86_64": "the fast path in assembly",
}

PUBLIC_HEADERS = {
    "config.h": "port",
    "port.h": "port",
    "version.h": "port",
    "frame.h": "mm/frames",
    "guard.h": "mm/debug",
    "quarry.h": "mm/api",
    "inline.h": "mm/api",
    "stats.h": "mm/inspect",
    "status.h": "port",
}


class Component:
    """What a component may use beside itself; `public`: every public header too."""

    def __init__(self, *uses, public=False):
        self.uses = set(uses) | {"port"}
        self.public = public


# The tests: tests/unit and tests/fuzz see the insides of mm/; the others see what a kernel sees, and
# lib/. What they need beyond that is in EXCEPTIONS, file by file.
COMPONENTS = {component: Component(*CORE[:at]) for at, component in enumerate(CORE)}
COMPONENTS |= {
    "arch/x86_64": Component(*CORE[: CORE.index("mm/api") + 1]),
    "arch/linux": Component("lib"),
    "boot/x86_64": Component("lib"),
    "tests/framework": Component("lib", public=True),
    "boot": Component("lib", "boot/x86_64", "tests/framework", public=True),
    "hosted": Component("lib", public=True),
    "tests/bench/baselines": Component("lib"),
    "tests/bench/guest": Component("lib", "boot", "boot/x86_64", "tests/framework", "tests/bench/baselines", public=True),
    "tests/bench": Component("lib", "arch/linux", public=True),
    "tests/scaling": Component("lib", "arch/linux", public=True),
    "tests/explore": Component("lib", "arch/linux", public=True),
    "tests/preload": Component(),
    "tests/dist": Component(public=True),
    "tests/stress": Component("lib", "tests/framework", public=True),
    "tests/selftest": Component("lib", "tests/framework", public=True),
    "tests/harness": Component("lib", "boot", "boot/x86_64", "tests/framework"),
    "tests/unit": Component(*CORE, "tests/framework", "tests/bench/baselines", public=True),
    "tests/fuzz": Component(*CORE, "tests/framework", "tests/unit", public=True),
    "programs": Component("lib", "boot", "boot/x86_64", "tests/framework", "tests/fuzz", "tests/stress",
                     "tests/bench/guest", public=True),
    "examples": Component(public=True),
}

PROGRAMS = {"boot/firmware.c", "boot/main.c", "tests/qemu/check_options.c", "tests/framework/main_linux.c"}

# (file or folder, component) -> why it may use that one's private headers. One that nothing needs is a breach.
EXCEPTIONS = {
    ("hosted", "mm/api"): "malloc() contains the fast path inline",
    ("hosted", "mm/objects"): "a thread's cache is bound and closed as a CPU's is",
    ("hosted", "mm/pages"): "malloc_usable_size() and reports find the span",
    ("hosted/resident.c", "mm/frames"): "claims freed frames before it returns them to Linux",
    ("hosted/resident.c", "mm/kinds"): "keeps as much as is in live large objects",
    ("tests/framework/platform_linux.c", "arch/linux"): "it is the platform on Linux",
    ("tests/selftest/guard_tests.c", "mm/debug"): "counts the guarded pages",
    ("tests/selftest/harden_tests.c", "mm/frames"): "corrupts metadata on purpose",
    ("tests/selftest/harden_tests.c", "mm/pages"): "corrupts metadata on purpose",
    ("tests/selftest/memory_tests.c", "mm/objects"): "fills one magazine to its end",
    ("examples/linux-module", "tests/framework"): "runs tests/selftest inside Linux",
}

# What their headers declare is called below and defined above; so is what a <quarry_arch.h> names.
CONTRACTS = {"include/quarry/port.h", "tests/framework/platform.h", "hosted/restartable.h"}

# Circles of files by symbols that stay, with the reason. One that is gone is a breach.
CIRCLES = {
    frozenset({"boot/x86_64/entry.S", "boot/x86_64/interrupts.c"}):
        "one unit in two languages: the entries call the handler, and the table of interrupts names the entries",
}

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.MULTILINE)
ROOTS = ["arch", "boot", "examples", "hosted", "include", "lib", "mm", "tests", "tools"]


def is_contract(path):
    return path in CONTRACTS or path.endswith("/quarry_arch.h")


def component_of(path):
    """The component of a source or header, by its path from the root; None: no component is declared."""
    if path in PROGRAMS:
        return "programs"
    if path.startswith("include/quarry/"):
        return PUBLIC_HEADERS.get(path.removeprefix("include/quarry/"))
    if path.startswith("arch/generic/") or re.fullmatch(r"arch/\w+/quarry_arch\.h", path):
        return "port"
    folder = path
    while "/" in folder:
        folder = folder.rsplit("/", 1)[0]
        if folder in COMPONENTS:
            return folder
    return None


def header_path(bracket, name):
    """The path of a header of ours that an include names; None for the system's."""
    if bracket == '"':
        return name
    if name == "quarry_arch.h":
        return "arch/generic/quarry_arch.h"  # of some machine: it is the port
    return "include/" + name if name.startswith("quarry/") else None


def exception_for(path, target):
    """The key of EXCEPTIONS that opens the component to the file, or None."""
    owners = (path, path.rsplit("/", 1)[0])
    return next(((owner, target) for owner in owners if (owner, target) in EXCEPTIONS), None)


def may_use(component, target):
    return target == component or target in COMPONENTS[component].uses


def read_sources(root="."):
    """Path -> text of every source under the roots."""
    files = {}
    for top in ROOTS:
        for file in sorted(pathlib.Path(root, top).rglob("*")):
            if file.is_file() and file.suffix in {".c", ".h", ".S", ".cpp", ".rs", ".py", ".sh"}:
                files[file.relative_to(root).as_posix()] = file.read_text()
    return files


def strip_comments(text):
    """The text with comments blanked; lines keep their numbers, and strings stay."""
    blank = lambda found: found[0] if found[0][0] in "\"'" else re.sub(r"[^\n]", " ", found[0])
    return re.sub(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|/\*.*?\*/|//[^\n]*', blank, text, flags=re.DOTALL)
