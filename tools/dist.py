#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the allocator as one pair of files, quarry.h and quarry.c, with a rule for make.

    dist.py FOLDER

quarry.h contains the public headers; quarry.c contains lib/, mm/ and the x86-64 fast path. Comments
are kept. Functions and variables that only other files of the allocator use become static, so only
quarry_* is visible in the object. A static name that two files define gets the file's name as a
prefix, and the macros of a file are undefined at its end. Nothing else changes: each line is a line
of the repository.

The sources are formatted by clang-format, so a small parser is enough: each declaration at file
scope begins in the first column.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PUBLIC = "include/quarry/"
# The order in which a reader wants them; further headers follow by name.
PUBLIC_ORDER = ["config.h", "port.h", "version.h", "status.h", "quarry.h", "frame.h", "guard.h", "stats.h", "inline.h"]
ARCH = "arch/x86_64/quarry_arch.h"
GENERIC = "arch/generic/"
# What ports share: (file, the macro that a port with its own defines).
SHARED = [(GENERIC + "masked.h", "QUARRY_PORT_HAS_FAST_PATH"), (GENERIC + "memory.h", "QUARRY_PORT_HAS_MEMORY")]
FAST_PATH = "arch/x86_64/fast_path.c"
# The kernel has the functions that compilers call (memcpy() and its like); see docs/PORTING.md.
LEFT_OUT = {"lib/compiler_calls.c"}
# How quarry.c is compiled, besides -std=c11 and the kernel's own flags. The sections let the
# kernel's linker leave out functions that the kernel does not call (--gc-sections).
FLAGS = ["-ffreestanding", "-fno-strict-aliasing", "-mno-red-zone", "-mgeneral-regs-only",
         "-ffunction-sections", "-fdata-sections"]

INCLUDE = re.compile(r'^#\s*include\s+([<"])([^>"]+)[>"].*\n', re.M)
WORDS = re.compile(r'/\*.*?\*/|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|(?P<member>(?:\.|->)\s*\w+)|(?P<name>[A-Za-z_]\w*)',
                   re.S)
ATTRIBUTE = re.compile(r"__attribute__\(\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)\)")
# A declaration or definition at file scope. The name stands before the first ( [ = or ;.
DECLARED = re.compile(r"^(?P<type>[A-Za-z_][\w \t*]*?[ *])(?P<name>[A-Za-z_]\w*)\s*(?=[(\[=;])", re.M)
# The mark of an internal name, by (the fast path uses it, some builds do not define it).
MARKS = {(False, False): "QUARRY_OWN", (False, True): "QUARRY_HARDENED",
         (True, False): "QUARRY_USED", (True, True): "QUARRY_USED_HERE"}
# Words before a declaration that is static already.
PRIVATE = {"static", "HEAP_INLINE"}


def read(name):
    return (ROOT / name).read_text()


def places(folder, pattern):
    return [str(path.relative_to(ROOT)) for path in sorted((ROOT / folder).rglob(pattern))]


def blank(text):
    """The text with comments, strings and attributes blanked; all else keeps its position."""
    text = WORDS.sub(lambda m: re.sub(r"[^\n]", " ", m[0]) if m[0][0] in "/\"'" else m[0], text)
    return ATTRIBUTE.sub(lambda m: re.sub(r"[^\n]", "_", m[0]), text)


def declared(text):
    """Declarations at file scope: the match, whether it is static, whether it is conditional."""
    plain = blank(text)
    depth, at = 0, 0
    for match in DECLARED.finditer(plain):
        words = match["type"].split()
        if words[0] in ("return", "typedef", "else", "goto", "case") or \
                (words[0] in ("struct", "enum", "union") and len(words) < 2):
            continue
        for line in re.findall(r"^#\s*(if|endif)", plain[at:match.start()], re.M):
            depth += 1 if line == "if" else -1
        at = match.start()
        yield match, words[0] in PRIVATE, depth > 0


def rename(text, names):
    """Replaces each word in `names` by its value; members of structs stay."""
    return WORDS.sub(lambda m: names.get(m["name"], m[0]) if m["name"] else m[0], text)


def section(name):
    line = "=" * max(4, 96 - len(name))
    return f"/* ==== {name} {line} */\n\n"


def strip_guard(text):
    """Without the lines that keep a header from being read twice."""
    guard = re.search(r"^#ifndef (\w+_H)\n#define \1\n", text, re.M)
    if guard:
        text = text.replace(guard[0], "", 1)
        text = text[:text.rindex("#endif")].rstrip() + "\n"
    return text


def without_includes(text):
    """The text without #include lines and licence line."""
    text = INCLUDE.sub("", text.replace("/* SPDX-License-Identifier: MIT */\n", "", 1))
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n\n"


def own_text(name):
    return without_includes(strip_guard(read(name)))


def version():
    """The version of include/quarry/version.h, which states it as numbers and as text."""
    text = read(PUBLIC + "version.h")
    numbers = ".".join(re.search(rf"define QUARRY_VERSION_{part} (\d+)", text)[1]
                       for part in ("MAJOR", "MINOR", "PATCH"))
    if re.search(r'define QUARRY_VERSION "(.*)"', text)[1] != numbers:
        sys.exit(f"dist.py: include/quarry/version.h: QUARRY_VERSION is not {numbers}")
    return numbers


def in_order(names, path=lambda quote, name: name if quote == '"' else None):
    """Headers, each after those that it includes. `path` finds the included file, or returns None."""
    done = []

    def visit(name):
        if name in done:
            return
        for include in INCLUDE.findall(read(name)):
            inner = path(*include)
            if inner and inner != name:
                visit(inner)
        done.append(name)

    for name in names:
        visit(name)
    return done


# ---- quarry.h ----

def without_cplusplus(text):
    for braces in ('extern "C" {', "}"):
        text = text.replace(f"#ifdef __cplusplus\n{braces}\n#endif\n\n", "").replace(
            f"#ifdef __cplusplus\n{braces}\n#endif\n", "")
    return text


# Each header keeps its guard, so that a file may include quarry.h and <quarry/frame.h> as well.
HEADER_BEGIN = """#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

"""
HEADER_END = """#ifdef __cplusplus
}
#endif

#endif
"""


def public_headers():
    names = places(PUBLIC, "*.h")
    rank = {PUBLIC + name: number for number, name in enumerate(PUBLIC_ORDER)}
    names.sort(key=lambda name: (rank.get(name, len(rank)), name))
    return in_order(names, lambda _, name: "include/" + name if "include/" + name in names else None)


def arch_sections():
    """The x86-64 port's header, and the generic functions for a port that lacks some."""
    shared = {name for name, _ in SHARED}
    inner = lambda m: without_includes(read(m[2])) if m[2].startswith(GENERIC) and m[2] not in shared else m[0]
    arch = without_cplusplus(without_includes(INCLUDE.sub(inner, read(ARCH))))
    generic = "".join(f"{section(name)}#ifndef {macro}\n\n{without_cplusplus(without_includes(read(name)))}#endif\n\n"
                      for name, macro in SHARED)
    return arch, generic


def public_header():
    out = [f"""/* SPDX-License-Identifier: MIT */
/*
 * Quarry {version()}, a memory allocator for kernels.
 *
 * `make dist` writes this file from include/quarry and arch/x86_64; change those. Settings are
 * macros, described in the first section: define them on the command line, the same for quarry.c
 * and for each file that includes this. QUARRY_ARCH_HEADER, if defined, is the name of a header,
 * with quotes, that replaces the port for x86-64. Push, pop, copy, fill and clear have generic forms
 * for a port that defines neither QUARRY_PORT_HAS_FAST_PATH nor QUARRY_PORT_HAS_MEMORY.
 */
#ifndef QUARRY_PAIR_H
#define QUARRY_PAIR_H

""", HEADER_BEGIN]
    for name in public_headers():
        out += [section(name), without_cplusplus(without_includes(read(name)))]
    arch, generic = arch_sections()
    out += [section(ARCH), "#ifdef QUARRY_ARCH_HEADER\n#include QUARRY_ARCH_HEADER\n#else\n\n",
            arch, "#endif\n\n", generic, HEADER_END]
    return re.sub(r"\n{3,}", "\n\n", "".join(out))


def arch_header():
    """quarry_arch.h for the separate headers of a release: the port and the generic functions in one file."""
    arch, generic = arch_sections()
    text = f"""/* SPDX-License-Identifier: MIT */
#ifndef QUARRY_ARCH_ONE_H
#define QUARRY_ARCH_ONE_H

#include <quarry/port.h>

{HEADER_BEGIN}{section(ARCH)}{arch}{generic}{HEADER_END}"""
    return re.sub(r"\n{3,}", "\n\n", text)


# ---- quarry.c ----

def file_names(text):
    """The static functions and variables, and the tags, of a file."""
    private = {match["name"] for match, is_private, _ in declared(text) if is_private}
    tags = set(re.findall(r"^(?:static )?(?:struct|union|enum) (\w+) \{", blank(text), re.M))
    return private, tags


def shared_names(texts):
    """Names declared at file scope that are neither static nor public."""
    return {match["name"] for text in texts for match, is_private, _ in declared(text)
            if not is_private and not match["name"].startswith("quarry_")}


def conditional_names(texts):
    """Names declared at file scope that some builds do not define."""
    return {match["name"] for text in texts for match, _, conditional in declared(text) if conditional}


def make_static(text, marks):
    """Declarations of the names at file scope get their mark, a macro. Inline functions get one
    too, because not every build uses all of them."""
    out, at = [], 0
    for match, is_private, _ in declared(text):
        if match["name"] not in marks or is_private:
            continue
        kept = re.sub(r"^extern ", "", text[match.start():match.end()])
        out += [text[at:match.start()], marks[match["name"]], " ", kept]
        at = match.end()
    text = "".join(out) + text[at:]
    return re.sub(r"^static inline ", "QUARRY_OWN inline ", text, flags=re.M)


def end_macros(text):
    names = list(dict.fromkeys(re.findall(r"^#\s*define (\w+)", text, re.M)))
    return "".join(f"#undef {name}\n" for name in names) + ("\n" if names else "")


def source():
    headers = in_order([h for folder in ("lib", "mm") for h in places(folder, "*.h")])
    files = [c for folder in ("lib", "mm") for c in places(folder, "*.c") if c not in LEFT_OUT]
    files.append(FAST_PATH)
    texts = {name: own_text(name) for name in headers + files}
    shared = shared_names(text for name, text in texts.items() if name != FAST_PATH)
    conditional = conditional_names(texts[name] for name in files if name != FAST_PATH)
    fast_path = read(FAST_PATH)
    used = {name for name in shared if re.search(rf"\b{name}\b", fast_path)}
    marks = {name: MARKS[name in used, name in conditional] for name in shared}
    owners = {}
    for name, text in texts.items():
        private, tags = file_names(text)
        for word in private | tags:
            owners.setdefault(word, []).append(name)
    out = [f"""/* SPDX-License-Identifier: MIT */
/*
 * Quarry {version()}, a memory allocator for kernels.
 *
 * `make dist` writes this file from lib/, mm/ and arch/x86_64; change those. Compile it as C11 with
 * the kernel's own flags and those of quarry.mk; only quarry_* is visible in the object.
 */
#include "quarry.h"

#include <stdarg.h>

/* Many files are one here: a local name of one file may be a function's name in another. */
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wredundant-decls"
#pragma GCC diagnostic ignored "-Wdeclaration-after-statement"

#define QUARRY_OWN static __attribute__((__unused__))
#define QUARRY_USED static __attribute__((__used__)) /* by the fast path, which is assembly */

/* Defined in some builds only; the others name them but never call them. */
#if QUARRY_HARDEN
#define QUARRY_HARDENED QUARRY_OWN
#else
#define QUARRY_HARDENED extern
#endif
#if QUARRY_HARDEN || !QUARRY_PORT_HAS_FAST_PATH
#define QUARRY_USED_HERE extern
#else
#define QUARRY_USED_HERE QUARRY_USED
#endif

"""]
    for name in headers:
        out += [section(name), make_static(texts[name], marks)]
    for name in files:
        text = texts[name]
        own = re.sub(r"\W", "_", pathlib.PurePath(name).stem)
        private, tags = file_names(text)
        twice = {word: f"{own}__{word}" for word in private | tags if len(owners[word]) > 1}
        if name == FAST_PATH:
            text = text.replace("#if !QUARRY_MASKED", "#if !defined QUARRY_ARCH_HEADER && !QUARRY_MASKED")
            text = re.sub(r'^ *"\.hidden (?!quarry_restart).*\\n"\n', "", text, flags=re.M)
        out += [section(name), rename(make_static(text, marks), twice), end_macros(text)]
    return re.sub(r"\n{3,}", "\n\n", "".join(out)).rstrip() + "\n"


RULES = f"""# SPDX-License-Identifier: MIT
# The rule for quarry.o. A kernel's Makefile includes this file. Set QUARRY to the folder of this
# file, and QUARRY_FLAGS to the kernel's own flags and Quarry's settings (quarry.h, first section).
# Link with --gc-sections to leave out what the kernel does not call.
QUARRY ?= .
QUARRY_FLAGS ?= -O2
QUARRY_NEEDS := -std=c11 {' '.join(FLAGS)}

quarry.o: $(QUARRY)/quarry.c $(QUARRY)/quarry.h
\t$(CC) $(QUARRY_FLAGS) $(QUARRY_NEEDS) -c $< -o $@
"""


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "quarry.h").write_text(public_header())
    (folder / "quarry.c").write_text(source())
    (folder / "quarry.mk").write_text(RULES)


if __name__ == "__main__":
    main()
