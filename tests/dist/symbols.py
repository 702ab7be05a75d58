#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The visible symbols of an object are exactly the names that the public headers declare.

    symbols.py OBJECT HEADER... -- COMPILER FLAG...

Each function that is not inline and each variable in a HEADER must be defined and visible in
OBJECT, and nothing else may be visible. The port's panic function must be the only undefined
symbol. FLAGs are those of the object, because settings decide what is declared. Prints each breach
and exits 1 if there is one.
"""

import re
import subprocess
import sys

FROM_THE_KERNEL = {"quarry_port_panic"}
ATTRIBUTE = re.compile(r"__attribute__\s*\(\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)\)")


def preprocessed(headers, command):
    text = "".join(f'#include "{header}"\n' for header in headers)
    done = subprocess.run([*command, "-E", "-P", "-x", "c", "-"], input=text, text=True, check=True,
                          stdout=subprocess.PIPE)
    return done.stdout


def declarations(text):
    """The declarations at file scope, without attributes, strings and the contents of braces."""
    text = re.sub(r'"(?:\\.|[^"\\])*"', '""', ATTRIBUTE.sub("", text))
    before = None
    while before != text:
        before = text
        text = re.sub(r"\{[^{}]*\}", "$", text)
    return [declaration.strip() for declaration in re.split(r"[;$]", text)]


def declared(text):
    """The names that some object must define."""
    names = set()
    for declaration in declarations(text):
        if re.search(r"\b(inline|typedef|_Static_assert)\b", declaration):
            continue
        function = re.search(r"(\w+)\s*\(", declaration)
        variable = re.search(r"^extern\b.*?(\w+)\s*(\[.*)?$", declaration, re.S)
        if function or variable:
            names.add((function or variable)[1])
    return names


def symbols(path):
    """The visible and the undefined symbols of an object."""
    done = subprocess.run(["nm", "--extern-only", "--format=posix", path], text=True, check=True,
                          stdout=subprocess.PIPE)
    entries = [line.split()[:2] for line in done.stdout.splitlines()]
    undefined = {name for name, kind in entries if kind in "Uvw"}
    return {name for name, _ in entries} - undefined, undefined


def main():
    end = sys.argv.index("--")
    path, headers, command = sys.argv[1], sys.argv[2:end], sys.argv[end + 1:]
    wanted = declared(preprocessed(headers, command)) - FROM_THE_KERNEL
    visible, undefined = symbols(path)
    breaches = [f"{name}: declared in a public header, but not visible" for name in sorted(wanted - visible)]
    breaches += [f"{name}: visible, but in no public header" for name in sorted(visible - wanted)]
    breaches += [f"{name}: undefined" for name in sorted(undefined - FROM_THE_KERNEL)]
    if not wanted:
        breaches.append("no declarations found")
    for breach in breaches:
        print(f"{path}: {breach}")
    sys.exit(bool(breaches))


if __name__ == "__main__":
    main()
