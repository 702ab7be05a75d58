#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the allocator as one pair of files, quarry.h and quarry.c, with a rule for make.

    dist.py FOLDER

quarry.h is the public headers, one behind the other; quarry.c is lib/, mm/ and the x86-64 fast path.
Comments stay. What only other files of the allocator saw becomes static, so that nothing but
quarry_* leaves the object; a name that two files have for themselves gets the file's name before
it, and a file's macros end with it. Nothing else is changed, so a line here is a line there.

The sources are formatted by clang-format, which is what makes so little of a parser do: whatever
is declared at file scope begins in the first column.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PUBLIC = ["config.h", "port.h", "quarry.h", "frame.h", "guard.h", "stats.h", "inline.h"]
ARCH = "arch/x86_64/quarry_arch.h"
MASKED = "arch/generic/masked.h"
FAST_PATH = "arch/x86_64/fast_path.c"
# What the compiler wants of any freestanding program is the kernel's to give; see docs/PORTING.md.
LEFT_OUT = {"lib/compiler_calls.c"}

INCLUDE = re.compile(r'^#\s*include\s+([<"])([^>"]+)[>"].*\n', re.M)
WORDS = re.compile(r'/\*.*?\*/|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|(?P<member>(?:\.|->)\s*\w+)|(?P<name>[A-Za-z_]\w*)',
                   re.S)
ATTRIBUTE = re.compile(r"__attribute__\(\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)\)")
# At file scope: what a line declares or defines. The name is before the first ( [ = or ;.
DECLARED = re.compile(r"^(?P<type>[A-Za-z_][\w \t*]*?[ *])(?P<name>[A-Za-z_]\w*)\s*(?=[(\[=;])", re.M)
# What a name of the allocator's own becomes: (the fast path uses it, it is not in every build).
MARKS = {(False, False): "QUARRY_OWN", (False, True): "QUARRY_HARDENED",
         (True, False): "QUARRY_USED", (True, True): "QUARRY_USED_HERE"}
# What is static already, by a macro's name.
PRIVATE = {"static", "HEAP_INLINE"}


def read(name):
    return (ROOT / name).read_text()


def places(folder, pattern):
    return [str(path.relative_to(ROOT)) for path in sorted((ROOT / folder).rglob(pattern))]


def blank(text):
    """The text with comments, strings and attributes blanked, at the same places."""
    text = WORDS.sub(lambda m: re.sub(r"[^\n]", " ", m[0]) if m[0][0] in "/\"'" else m[0], text)
    return ATTRIBUTE.sub(lambda m: re.sub(r"[^\n]", "_", m[0]), text)


def declared(text):
    """What stands at file scope: matches, whether it is private, and whether it is conditional."""
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
    """Each word in `names` becomes what it maps to; members of structs stay."""
    return WORDS.sub(lambda m: names.get(m["name"], m[0]) if m["name"] else m[0], text)


def section(name):
    line = "=" * max(4, 96 - len(name))
    return f"/* ==== {name} {line} */\n\n"


def strip_guard(text):
    """Without the lines that keep a header from being read twice, and its licence line."""
    text = text.replace("/* SPDX-License-Identifier: MIT */\n", "", 1)
    guard = re.search(r"^#ifndef (\w+_H)\n#define \1\n", text, re.M)
    if guard:
        text = text.replace(guard[0], "", 1)
        text = text[:text.rindex("#endif")].rstrip() + "\n"
    return text


def own_text(name):
    return re.sub(r"\n{3,}", "\n\n", INCLUDE.sub("", strip_guard(read(name)))).strip() + "\n\n"


# ---- quarry.h ----

def without_cplusplus(text):
    for braces in ('extern "C" {', "}"):
        text = text.replace(f"#ifdef __cplusplus\n{braces}\n#endif\n\n", "").replace(
            f"#ifdef __cplusplus\n{braces}\n#endif\n", "")
    return text


def public_header(version):
    out = [f"""/* SPDX-License-Identifier: MIT */
/*
 * Quarry, a memory allocator for kernels: {version}.
 *
 * Written by `make dist` from include/quarry and arch/x86_64; change those. Settings are macros, in
 * the first section: define them on the command line, the same for quarry.c and for whoever
 * includes this. QUARRY_ARCH_HEADER, if defined, is the name of a port's header, with quotes, that
 * takes the place of the one for x86-64; it may leave push and pop to the masked form.
 */
#ifndef QUARRY_H
#define QUARRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

"""]
    for name in PUBLIC:
        out += [section(f"include/quarry/{name}"), without_cplusplus(own_text(f"include/quarry/{name}"))]
    out += [section(ARCH), "#ifdef QUARRY_ARCH_HEADER\n#include QUARRY_ARCH_HEADER\n#else\n\n",
            own_text(ARCH), "#endif\n\n", section(MASKED), "#ifndef QUARRY_PORT_HAS_FAST_PATH\n\n",
            own_text(MASKED), "#endif\n\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n"]
    return re.sub(r"\n{3,}", "\n\n", "".join(out))


# ---- quarry.c ----

def in_order(names):
    """Headers, each behind those that it includes."""
    done = []

    def visit(name):
        if name in done:
            return
        for quote, inner in INCLUDE.findall(read(name)):
            if quote == '"' and inner != name:
                visit(inner)
        done.append(name)

    for name in names:
        visit(name)
    return done


def file_names(text):
    """The functions, variables and tags that a file has for itself."""
    private = {match["name"] for match, is_private, _ in declared(text) if is_private}
    tags = set(re.findall(r"^(?:static )?(?:struct|union|enum) (\w+) \{", blank(text), re.M))
    return private, tags


def shared_names(texts):
    """What is declared at file scope, is not static, and is not the public API's."""
    return {match["name"] for text in texts for match, is_private, _ in declared(text)
            if not is_private and not match["name"].startswith("quarry_")}


def conditional_names(texts):
    """Those of them that are not defined in every build."""
    return {match["name"] for text in texts for match, _, conditional in declared(text) if conditional}


def make_static(text, marks):
    """File-scope declarations of the names get their mark: a macro for what they are. And so do
    inline functions, for nobody knows which of them a build needs."""
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


def source(version):
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
 * Quarry, a memory allocator for kernels: {version}.
 *
 * Written by `make dist` from lib/, mm/ and arch/x86_64; change those. Compile it as C11,
 * freestanding, without floating point and red zone, as the kernel is; only quarry_* is visible.
 */
#include "quarry.h"

#include <stdarg.h>

/* Many files in one: what is local in one may be another's name. */
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wredundant-decls"
#pragma GCC diagnostic ignored "-Wdeclaration-after-statement"

#define QUARRY_OWN static __attribute__((__unused__))
#define QUARRY_USED static __attribute__((__used__)) /* by the fast path, which is assembly */

/* Not in every build; named, but never called, in the others. */
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


RULES = """# SPDX-License-Identifier: MIT
# quarry.o, for a kernel's Makefile to include: give QUARRY the folder of this file, and in
# QUARRY_FLAGS what the rest of the kernel is compiled with, settings (quarry.h) among it.
QUARRY ?= .
QUARRY_FLAGS ?= -O2
QUARRY_NEEDS := -std=c11 -ffreestanding -fno-strict-aliasing -mno-red-zone -mgeneral-regs-only

quarry.o: $(QUARRY)/quarry.c $(QUARRY)/quarry.h
\t$(CC) $(QUARRY_FLAGS) $(QUARRY_NEEDS) -c $< -o $@
"""


def main():
    folder = pathlib.Path(sys.argv[1])
    version = sys.argv[2] if len(sys.argv) > 2 else "unreleased"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "quarry.h").write_text(public_header(version))
    (folder / "quarry.c").write_text(source(version))
    (folder / "quarry.mk").write_text(RULES)


if __name__ == "__main__":
    main()
