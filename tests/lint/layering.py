#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""layering.py [--circles] [BUILD-FOLDER...]: checks that each component uses only what stands below it.

components.py says what the components are and what each may use. Each breach is printed; exits 1 if any.

By the text of the sources:
* An include names a header from the root, of a component that may be used. No "../", no bare name.
* lib/, mm/ and the port include no system header that a freestanding compiler lacks.
* No C file declares by hand what another file defines: neither a prototype nor an `extern` variable.
* lib/, mm/ and the public headers have no condition on the machine or system.
* Every source says its licence.

By the symbols of the objects in each build folder:
* What an object needs is defined in a component that it may use. A name that a contract or a public header
  declares counts to that header's component, wherever a build defines it.
* What a header declares is defined in the header's component.
* The files form no circle, but for those that components.py names with a reason. --circles prints these too.
"""

import collections
import pathlib
import re
import subprocess
import sys

import components as tree

MACHINE = re.compile(r"^\s*#\s*(if|ifdef|ifndef|elif)\b.*(__x86_64__|__i386__|__aarch64__|__linux__|__APPLE__|_WIN32|__unix__)")
LICENCE = "SPDX-License-Identifier: MIT"
FREESTANDING = {"stdarg.h", "stdbool.h", "stddef.h", "stdint.h"}
# Headers without a folder: made by the build; the one header of dist/, which examples and tests use.
UNNAMED = {("boot/screen.c", "font.h")}
ALONE = ("examples/", "tests/dist/")  # each folder there is a program of its own


# ---- includes ----

def check_include(path, bracket, name, used):
    """The complaint about one include, or None; `used` collects the exceptions that were needed."""
    component = tree.component_of(path)
    header = tree.header_path(bracket, name)
    if header is None:
        core = component in tree.CORE or component == "arch/x86_64"
        hosted = path.startswith("arch/linux/")
        return f"<{name}> is no freestanding header" if core and not hosted and name not in FREESTANDING else None
    if bracket == '"' and ("/" not in name or name.startswith(".") or "/../" in name):
        fits = (path, name) in UNNAMED or (path.startswith(ALONE) and "/" not in name)
        return None if fits else f'"{name}" is not named from the root'
    target = tree.component_of(header)
    if target is None:
        return f"no component is declared for {header}"
    if tree.may_use(component, target):
        return None
    if header.startswith("include/") and tree.COMPONENTS[component].public:
        return None
    if (exception := tree.exception_for(path, target)) is not None:
        used.add(exception)
        return None
    if target in tree.CORE and component not in tree.CORE:
        return f'{component} may not use the inside of {target}: "{name}"'
    return f'"{name}" stands above {component}' if component in tree.CORE else f'{component} may not use {target}: "{name}"'


def check_public_include(path, bracket, name, used):
    """Public headers stand alone: they include each other and what every compiler has."""
    if bracket == '"' or not (name.startswith("quarry/") or name in FREESTANDING):
        return f"a public header includes {name}"
    return check_include(path, bracket, name, used)


# ---- declarations by hand ----

def statements(text):
    """(line, statement) at file scope, comments and preprocessor lines left out; `{` ends one, too."""
    text = tree.strip_comments(text)
    text = re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", "", text, flags=re.MULTILINE)
    text = re.sub(r'"(?:\\.|[^"\\\n])*"', '""', text)
    text = re.sub(r'\bextern\s*""\s*\{', lambda found: " " * len(found[0]), text)
    depth, start = 0, 0
    for at, letter in enumerate(text):
        if letter == "{":
            if depth == 0:
                yield line_and_statement(text, start, at + 1)
            depth += 1
        elif letter == "}":
            depth = max(depth - 1, 0)
            if depth == 0:
                start = at + 1
        elif letter == ";" and depth == 0:
            yield line_and_statement(text, start, at + 1)
            start = at + 1


def line_and_statement(text, start, end):
    while start < end and text[start].isspace():
        start += 1
    return text.count("\n", 0, start) + 1, text[start:end]


def without_attributes(statement):
    """Drops __attribute__((...)) and the like, with their nested parentheses."""
    while (found := re.search(r"\b(__attribute__|__asm__|_Alignas|_Static_assert)\s*\(", statement)) is not None:
        depth, at = 1, found.end()
        while depth > 0 and at < len(statement):
            depth += {"(": 1, ")": -1}.get(statement[at], 0)
            at += 1
        statement = statement[: found.start()] + statement[at:]
    return statement


def declared_names(statement):
    """Names of functions or `extern` variables that the statement declares and does not define."""
    statement = without_attributes(statement)
    if re.match(r"\s*(static|typedef|enum\s*\{|struct\s+\w+\s*;|union\s+\w+\s*;)", statement):
        return []
    if not statement.endswith(";"):
        return []
    outside = statement.split("(")[0]
    if re.match(r"\s*extern\b", statement) and "(" not in statement:
        return [name for part in statement[:-1].split(",")
                if (name := re.split(r"[\[=]", part)[0].split()[-1].lstrip("*")).isidentifier()]
    if "(" not in statement or "=" in outside or statement.split("(", 1)[1].lstrip().startswith("*"):
        return []
    words = re.findall(r"\w+", outside)
    return words[-1:] if len(words) > 1 else []


def defines(text, name):
    """Whether the text defines the name: a function's body, a variable, or a label of assembly."""
    label = rf'(?:^|["\s]){re.escape(name)}\s*(?::|=)'
    if re.search(label, text, re.MULTILINE):
        return True
    for _, statement in statements(text):
        body = without_attributes(statement)
        if body.endswith("{") and re.search(rf"\b{re.escape(name)}\s*\(", body):
            return True
        if not re.match(r"\s*(extern|typedef)\b", body) and "(" not in body and re.search(rf"\b{re.escape(name)}\b", body):
            return True
    return False


def check_declarations(path, text, files):
    """A name that a C file declares itself must be its own, or assembly's, the linker's, the compiler's."""
    folder = path.rsplit("/", 1)[0] + "/"
    for line, statement in statements(text):
        for name in declared_names(statement):
            assembly = any(defines(other, name) for where, other in files.items()
                           if (where.startswith(folder) and where.endswith(".S")) or where.endswith(".ld"))
            if not (name.startswith("__") or assembly or defines(text, name)):
                yield line, f"declares {name} by hand: include the header that declares it"


# ---- one file ----

def check_source(path, text, files, used):
    component = tree.component_of(path)
    if LICENCE not in "\n".join(text.splitlines()[:2]):
        yield 1, "no SPDX line"
    if not path.endswith((".c", ".h")):
        return
    if component is None:
        yield 1, "the file is in no component that components.py declares"
        return
    public = path.startswith("include/")
    for number, line in enumerate(tree.strip_comments(text).splitlines(), 1):
        if (public or path.startswith(("mm/", "lib/"))) and MACHINE.search(line):
            yield number, "a condition on the machine or system"
        if found := tree.INCLUDE.match(line):
            check = check_public_include if public else check_include
            if wrong := check(path, *found.groups(), used):
                yield number, wrong
    if path.endswith(".c") and not path.startswith("examples/"):
        yield from check_declarations(path, text, files)


def check_files(files):
    """Every complaint about the text of the sources, as PATH:LINE: WHAT."""
    used = set()
    breaches = [f"{path}:{line}: {wrong}" for path, text in files.items() if not path.endswith(".ld")
                for line, wrong in check_source(path, text, files, used)]
    breaches += [f"tests/lint/components.py: nothing needs the exception {owner} -> {target}"
                 for owner, target in tree.EXCEPTIONS if (owner, target) not in used]
    breaches += [f"tests/lint/components.py: there is no program {path}" for path in tree.PROGRAMS if path not in files]
    return breaches


# ---- symbols ----

class Build:
    """Who defines and who needs which symbol, by source file; objects without a source are left out."""

    def __init__(self, folder, files):
        self.folder = folder
        self.defined = {}
        self.needed = collections.defaultdict(set)
        objects = {}
        for at in sorted(pathlib.Path(folder).rglob("*.o")):
            stem = at.relative_to(folder).as_posix()[:-2].removesuffix("-sharing")  # a second build of one source
            source = next((stem + suffix for suffix in (".c", ".S") if stem + suffix in files), None)
            if source is not None:
                objects[str(at)] = source
        if not objects:
            return
        listing = subprocess.run(["nm", "-A", "-P", "-g", *objects], capture_output=True, text=True, check=True).stdout
        for line in listing.splitlines():
            at, name, kind = line.rsplit(": ", 1)[0], *line.rsplit(": ", 1)[1].split()[:2]
            if kind == "U":
                self.needed[objects[at]].add(name)
            else:
                self.defined[name] = objects[at]


def names_in(files, select):
    """Every identifier in the headers that `select` accepts, to the header that has it."""
    return {word: path for path, text in files.items() if path.endswith(".h") and select(path)
            for word in re.findall(r"[A-Za-z_]\w*", tree.strip_comments(text))}


def check_symbols(build, files):
    contract = names_in(files, tree.is_contract)
    public = names_in(files, lambda path: path.startswith("include/"))
    for source in sorted(build.needed):
        component = tree.component_of(source)
        reached = opened(source, files)
        wrong = collections.defaultdict(list)
        for name in sorted(build.needed[source] & build.defined.keys()):
            if name in contract or (name in public and tree.COMPONENTS[component].public):
                continue
            target = tree.component_of(public[name]) if name in public else tree.component_of(build.defined[name])
            if not tree.may_use(component, target) and target not in reached:
                wrong[build.defined[name]].append(name)
        for definer, names in wrong.items():
            yield f"{source}: {component} may not use {tree.component_of(definer)}: {', '.join(names)} ({definer})"


def opened(source, files):
    """Components that the exceptions open to the file: those named, and what their headers contain inline."""
    named = {target for owner, target in tree.EXCEPTIONS if owner in (source, source.rsplit("/", 1)[0])}
    own = tree.component_of(source)
    reached, waiting = set(), [(source, False)] if named else []
    while waiting:
        file, inside = waiting.pop()
        for bracket, header in tree.INCLUDE.findall(files.get(file, "")):
            component = tree.component_of(header) if bracket == '"' else None
            if component in named or (inside and component is not None):
                reached.add(component)
                waiting.append((header, True))
            elif component == own:
                waiting.append((header, False))
    return reached


def check_headers(builds, files):
    """What a header declares is defined in its component; contracts and public headers excepted."""
    for path, text in files.items():
        if not path.endswith(".h") or tree.is_contract(path) or path.startswith(("include/", "examples/", "tests/dist/")):
            continue
        for line, statement in statements(text):
            for name in declared_names(statement):
                for definer in sorted({build.defined[name] for build in builds if name in build.defined}):
                    if tree.component_of(definer) not in (tree.component_of(path), "programs"):
                        yield f"{path}:{line}: declares {name}, which {definer} defines"


# ---- circles ----

def file_graph(build, files):
    contract = names_in(files, tree.is_contract)
    graph = collections.defaultdict(lambda: collections.defaultdict(set))
    for source, names in build.needed.items():
        for name in names:
            definer = build.defined.get(name)
            if definer not in (None, source) and name not in contract:
                graph[source][definer].add(name)
    return graph


def circles_of(graph):
    """Strongly connected sets of more than one file (Tarjan's algorithm)."""
    order, low, path, found = {}, {}, [], []

    def visit(node):
        order[node] = low[node] = len(order)
        path.append(node)
        for other in sorted(graph[node]) if node in graph else ():
            if other not in order:
                visit(other)
            if other in path:
                low[node] = min(low[node], low[other])
        if low[node] == order[node]:
            at = path.index(node)
            component, path[at:] = path[at:], []
            if len(component) > 1:
                found.append(frozenset(component))

    for node in sorted(graph):
        if node not in order:
            visit(node)
    return found


def describe(circle, graph):
    lines = ["circle of files: " + " ".join(sorted(circle))]
    for source in sorted(circle):
        for target in sorted(circle & graph[source].keys()):
            lines.append(f"    {source} -> {target}: {', '.join(sorted(graph[source][target]))}")
    return "\n".join(lines)


def check_circles(builds, files, show_declared):
    """A circle of a smaller build may be part of a larger build's: only the largest are named."""
    found = {}
    for build in builds:
        graph = file_graph(build, files)
        for circle in circles_of(graph):
            found.setdefault(circle, describe(circle, graph))
    for circle, text in found.items():
        if any(circle < other for other in found):
            continue
        reason = tree.CIRCLES.get(circle)
        if reason is None:
            yield text
        elif show_declared:
            print(text + f"\n    stays: {reason}")
    present = {source for build in builds for source in build.needed}
    for circle in tree.CIRCLES:
        if circle <= present and circle not in found:
            yield f"tests/lint/components.py: the circle {' '.join(sorted(circle))} is gone"


def main():
    options = [word for word in sys.argv[1:] if word.startswith("-")]
    folders = [word for word in sys.argv[1:] if not word.startswith("-")]
    files = tree.read_sources() | {"linker.ld": pathlib.Path("linker.ld").read_text()}
    builds = [Build(folder, files) for folder in folders]
    breaches = check_files(files)
    for build in builds:
        breaches += check_symbols(build, files)
    breaches += check_headers(builds, files)
    breaches += check_circles(builds, files, "--circles" in options)
    for breach in dict.fromkeys(breaches):
        print(breach)
    sys.exit(1 if breaches else 0)


if __name__ == "__main__":
    main()
