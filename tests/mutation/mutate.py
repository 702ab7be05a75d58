#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Mutation testing: makes small changes to mm/, one at a time, and checks that a test fails.

    mutate.py --flags FLAGS [--count 1000] [--seed 1] [--jobs 2] [--only TEXT] [--again FILE] [--list]

A mutant is one change at one place: another operator, another constant, a negated condition, a removed
statement, another return value, a weaker memory order. A random sample of all mutants is built and
tested in several variants of the build (FLAVOURS). A mutant is killed if the tests of one variant fail,
stop or take too long. A mutant with the same object code as the original in every variant does not
count. With --again, only the survivors that an earlier run printed into FILE are tested.

Survivors are compared with survivors.txt, which lists mutants that no test can detect, with reasons.
These are "explained". The score is killed / (tested - explained). The exit status is 1 if a survivor is
not explained or the score is below 95%.
"""

import argparse
import collections
import concurrent.futures
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).parent
BUILD = pathlib.Path("build/mutate")
GOAL = 95.0

Flavour = collections.namedtuple("Flavour", "name flags sources commands")
Mutant = collections.namedtuple("Mutant", "path number kind old new")


def sources(*patterns, without=()):
    found = []
    for pattern in patterns:
        found += sorted(str(p) for p in pathlib.Path(".").glob(pattern))
    return [path for path in found if path not in without]


CORE = sources("lib/*.c", "mm/*/*.c", without=("lib/compiler_calls.c",))
HOST = CORE + sources("arch/linux/*.c", "tests/framework/test.c", "tests/framework/*_linux.c",
                      "tests/unit/*.c", "tests/bench/baselines/*.c", "tests/selftest/*.c", "tests/stress/*.c",
                      "tests/fuzz/*.c",
                      without=("tests/fuzz/fuzz_main.c",))
EXPLORE = CORE + sources("arch/linux/*.c", "tests/explore/*.c")
EXPLORED = CORE + sources("tests/explore/*_programs.c", "tests/explore/explore_heap.c")
EXPLORE_FLAGS = ["-fno-pie", "-DQUARRY_FRAME_CACHE_FRAMES=0",
                 "-UQUARRY_DRAIN_WAIT_ROUNDS", "-DQUARRY_DRAIN_WAIT_ROUNDS=3"]
RUN = (["first"], 15)
WALL_SECONDS = 300  # for a mutant that waits without using CPU time

# The cheapest first. Each command is (arguments, limit in seconds of CPU time). CPU time, because other
# load on the machine must not make a test fail.
FLAVOURS = [
    Flavour("host", ["-O1"], HOST, [RUN]),
    Flavour("harden2", ["-O1", "-DQUARRY_HARDEN=2"], HOST, [RUN]),
    Flavour("harden1", ["-O1", "-DQUARRY_HARDEN=1"], HOST, [RUN]),
    Flavour("explore", ["-O1", *EXPLORE_FLAGS], EXPLORE,
            [(["bound=2", "executions=100", "random=10"], 30)]),
    Flavour("explore1", ["-O1", "-DQUARRY_HARDEN=1", *EXPLORE_FLAGS], EXPLORE,
            [(["T=free the same", "bound=2", "executions=100", "random=10"], 30)]),
    Flavour("asan", ["-O1", "-DQUARRY_HARDEN=2", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"], HOST,
            [(["first"], 60)]),
    Flavour("tsan", ["-O1", "-fsanitize=thread"], HOST, [(["first", "stress"], 60)]),
]

# ---- the mutations ----

SWAPS = [
    (re.compile(r"(?<![<>=!\-&|+*/%^])<(?![<=])"), ["<=", ">="]),
    (re.compile(r"(?<![<>\-])>(?![>=])"), [">=", "<="]),
    (re.compile(r"<="), ["<", ">"]),
    (re.compile(r">="), [">", "<"]),
    (re.compile(r"=="), ["!="]),
    (re.compile(r"!="), ["=="]),
    (re.compile(r"&&"), ["||"]),
    (re.compile(r"\|\|"), ["&&"]),
    (re.compile(r"(?<=[\w)\]] )\+(?= )"), ["-"]),
    (re.compile(r"(?<=[\w)\]] )-(?= )"), ["+"]),
    (re.compile(r"(?<=[\w)\]] )\*(?= [\w(])"), ["/"]),
    (re.compile(r"(?<=[\w)\]] )/(?= )"), ["*"]),
    (re.compile(r"(?<=[\w)\]] )%(?= )"), ["/"]),
    (re.compile(r"<<(?!=)"), [">>"]),
    (re.compile(r">>(?!=)"), ["<<"]),
    (re.compile(r"(?<=[\w)\]] )&(?= [\w(~])"), ["|"]),
    (re.compile(r"(?<=[\w)\]] )\|(?= [\w(~])"), ["&"]),
    (re.compile(r"\+="), ["-="]),
    (re.compile(r"(?<!<)-="), ["+="]),
    (re.compile(r"&="), ["|="]),
    (re.compile(r"\|="), ["&="]),
    (re.compile(r"\+\+"), ["--"]),
    (re.compile(r"(?<!-)--(?!-)"), ["++"]),
    (re.compile(r"\btrue\b"), ["false"]),
    (re.compile(r"\bfalse\b"), ["true"]),
    (re.compile(r"\bmin_u64\b"), ["max_u64"]),
    (re.compile(r"\bmax_u64\b"), ["min_u64"]),
    (re.compile(r"\bround_up\b"), ["round_down"]),
    (re.compile(r"\bround_down\b"), ["round_up"]),
    (re.compile(r"\blist_push_front\b"), ["list_push_back"]),
    (re.compile(r"\blist_push_back\b"), ["list_push_front"]),
]
CONSTANT = re.compile(r"(?<![\w.])(\d+)(u?)(?![\w.])")
CONDITION = re.compile(r"^(\s*(?:} else )?(?:if|while) \()(.*)(\)(?: \{)?)$")
RETURN = re.compile(r"^(\s*return )([^;]+)(;)$")
STATEMENT = re.compile(r"^(\s+)((?:[A-Za-z_*(][\w\->.\[\]*&() ]*?(?: = | \+= | -= | \|= | &= )|[a-z_]\w*\(|\+\+|--).*;)$")
ORDER = [("atomic_load_acquire", "atomic_load_relaxed"),
         ("atomic_store_release", "atomic_store_relaxed")]
TEXT = re.compile(r'"(?:\\.|[^"\\])*"')


def code_lines(path):
    """(number, line, line with blanked comments and strings) for lines inside functions."""
    comment = False
    depth = 0
    for number, line in enumerate(path.read_text().splitlines()):
        blank = TEXT.sub(lambda m: '"' + " " * (len(m.group()) - 2) + '"', line)
        kept = ""
        at = 0
        while at < len(blank):
            if comment:
                end = blank.find("*/", at)
                stop = len(blank) if end < 0 else end + 2
                kept += " " * (stop - at)
                comment = end < 0
                at = stop
            elif blank.startswith("/*", at):
                comment = True
            else:
                kept += blank[at]
                at += 1
        inside = depth > 0
        depth += kept.count("{") - kept.count("}")
        if kept.startswith("}") and kept.strip() in ("};", "}"):
            depth = 0
        wanted = inside and not kept.lstrip().startswith(("#", "static const", "_Static_assert"))
        if wanted and kept.strip() not in ("", "{", "}"):
            yield number, line, kept


def changes(line, code):
    """(kind, new line) for one line."""
    for pattern, replacements in SWAPS:
        for found in pattern.finditer(code):
            for new in replacements:
                yield found.group() + " -> " + new, line[:found.start()] + new + line[found.end():]
    for found in CONSTANT.finditer(code):
        value = int(found.group(1))
        for new in {0: [1], 1: [0, 2]}.get(value, [value + 1, value - 1]):
            yield (f"{value} -> {new}",
                   line[:found.start()] + str(new) + found.group(2) + line[found.end():])
    condition = CONDITION.match(code)
    if condition:
        start, end = condition.span(2)
        yield "condition negated", line[:start] + "!(" + line[start:end] + ")" + line[end:]
    returned = RETURN.match(code)
    if returned and returned.group(2) not in ("true", "false", "0", "NULL"):
        start, end = returned.span(2)
        yield "returns 0", line[:start] + "0" + line[end:]
    statement = STATEMENT.match(code)
    if statement and not re.match(r"\s*(return|goto|break)\b", code):
        declares = re.match(r"\s+(?:const |static |unsigned |struct |enum )*\w+ \**\w+(?:\[\w*\])? = ", code)
        if not declares:
            yield "dropped", line[:statement.start(2)] + ";"
    for strong, weak in ORDER:
        for found in re.finditer(strong, code):
            yield "weaker order", line[:found.start()] + weak + line[found.end():]


def all_mutants(only):
    files = sources("mm/*/*.c", "mm/*/*.h", without=("mm/objects/size_class_table.h",))
    for path in files:
        if only not in path:
            continue
        for number, line, code in code_lines(pathlib.Path(path)):
            for kind, new in changes(line, code):
                yield Mutant(path, number, kind, line, new)


# ---- building ----

def is_hooked(flavour, source):
    """Whether the source calls tests/explore/accesses.c at each access to memory; see mk/host.mk."""
    return flavour.name.startswith("explore") and source in EXPLORED


def compile_one(flags, source, output, hooked=False):
    command = ["gcc", *flags, "-w", "-c", source, "-o", str(output)]
    if hooked:
        command += ["-fsanitize=thread", "-mmemset-strategy=libcall:-1:noalign",
                    "-mmemcpy-strategy=libcall:-1:noalign"]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    if hooked and done.returncode == 0:
        subprocess.run(["objcopy", "--redefine-sym", "memcpy=explore_memcpy", "--redefine-sym",
                        "memset=explore_memset", str(output)], check=True)
    return done.returncode == 0


def object_of(flavour, source):
    return BUILD / flavour.name / (source.replace("/", "-")[:-2] + ".o")


def build_originals(common, flavours, jobs):
    """Builds every source in every flavour; returns the sources that include each header."""
    work = []
    for flavour in flavours:
        (BUILD / flavour.name).mkdir(parents=True, exist_ok=True)
        work += [(flavour, source) for source in flavour.sources]

    def build(item):
        flavour, source = item
        done = compile_one(common + flavour.flags + ["-MMD"], source, object_of(flavour, source),
                           is_hooked(flavour, source))
        if not done:
            sys.exit(f"{source} does not build as {flavour.name}")

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        list(pool.map(build, work))
    includers = collections.defaultdict(set)
    for flavour in flavours:
        for source in flavour.sources:
            rule = object_of(flavour, source).with_suffix(".d").read_text().replace("\\\n", " ")
            for name in rule.split(":", 1)[1].split():
                includers[name].add(source)
    return includers


def link(flavour, replaced, output):
    objects = [str(replaced.get(source, object_of(flavour, source))) for source in flavour.sources]
    sanitizers = [flag for flag in flavour.flags if flag.startswith("-fsanitize=")]
    pie = ["-no-pie"] if flavour.name.startswith("explore") else []
    subprocess.run(["gcc", "-pthread", *sanitizers, *pie, "-o", str(output), *objects], check=True,
                   stderr=subprocess.DEVNULL)


class NoBuild(Exception):
    """The mutant does not compile."""


def build_mutant(common, flavour, mutant, tree, includers):
    """Builds the sources that include the changed file; returns the objects by source."""
    touched = [s for s in flavour.sources if s == mutant.path or s in includers[mutant.path]]
    replaced = {}
    for source in touched:
        output = tree / (flavour.name + "-" + source.replace("/", "-") + ".o")
        inputs = ["-I" + str(tree)] + common + flavour.flags
        path = str(tree / source) if source == mutant.path else source
        # The same file name in both builds, so that equal code gives equal objects.
        if not compile_one(inputs + [f"-ffile-prefix-map={tree}/="], path, output,
                           is_hooked(flavour, source)):
            raise NoBuild
        replaced[source] = output
    return replaced


# ---- testing ----

def is_killed(flavour, program):
    for arguments, seconds in flavour.commands:
        try:
            done = subprocess.run(["prlimit", f"--cpu={seconds}", "--core=0", str(program), *arguments],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  timeout=WALL_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return True
        if done.returncode != 0:
            return True
    return False


def check_originals(flavours):
    """Stops if the unchanged sources fail: every mutant would count as killed."""
    for flavour in flavours:
        program = BUILD / flavour.name / "unchanged"
        link(flavour, {}, program)
        if is_killed(flavour, program):
            sys.exit(f"the unchanged sources fail as {flavour.name}")


def make_tree(mutant):
    """A folder with the changed file, which precedes the original in the include path."""
    tree = pathlib.Path(tempfile.mkdtemp(prefix="mutant-", dir=BUILD))
    lines = pathlib.Path(mutant.path).read_text().splitlines()
    lines[mutant.number] = mutant.new
    target = tree / mutant.path
    target.parent.mkdir(parents=True)
    target.write_text("\n".join(lines) + "\n")
    return tree


def try_mutant(common, flavours, mutant, includers):
    """"killed by FLAVOUR", "survived", "same" (same object code) or "no build"."""
    tree = make_tree(mutant)
    try:
        differs = False
        for flavour in flavours:
            if flavour.name == "tsan" and mutant.kind != "weaker order":
                continue  # slow, and useful only for memory orders
            if flavour.name == "asan" and not differs:
                continue  # its objects contain source columns, so they always differ
            replaced = build_mutant(common, flavour, mutant, tree, includers)
            if all(new.read_bytes() == object_of(flavour, source).read_bytes()
                   for source, new in replaced.items()):
                continue
            differs = True
            program = tree / flavour.name
            link(flavour, replaced, program)
            if is_killed(flavour, program):
                return f"killed by {flavour.name}"
            program.unlink()
        return "survived" if differs else "same"
    except NoBuild:
        return "no build"
    finally:
        shutil.rmtree(tree)


# ---- the committed list ----

SURVIVOR = "# for survivors.txt: "


def describe(mutant):
    return f"{mutant.path} | {mutant.old.strip()} | {mutant.kind}"


def explanations():
    reasons = {}
    reason = ""
    for line in (HERE / "survivors.txt").read_text().splitlines():
        if line.startswith("#") or not line.strip():
            continue
        if line.startswith("= "):
            reason = line[2:]
        else:
            reasons[line.strip()] = reason
    return reasons


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flags", required=True)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", default="")
    parser.add_argument("--again")
    parser.add_argument("--flavours", default=",".join(f.name for f in FLAVOURS))
    parser.add_argument("--list", action="store_true", help="only print the sample")
    options = parser.parse_args()
    common = [flag for flag in options.flags.split()
              if flag != "-g" and not flag.startswith(("-W", "-MM", "-MP"))]
    flavours = [f for f in FLAVOURS if f.name in options.flavours.split(",")]
    mutants = list(all_mutants(options.only))
    random.Random(options.seed).shuffle(mutants)
    if options.again:
        text = pathlib.Path(options.again).read_text()
        wanted = {line.partition(SURVIVOR)[2] for line in text.splitlines() if SURVIVOR in line}
        mutants = [mutant for mutant in mutants if describe(mutant) in wanted]
    print(f"# {len(mutants)} possible mutants; {options.count} are tested", flush=True)
    if options.list:
        for mutant in mutants[:options.count]:
            print(describe(mutant))
        return
    includers = build_originals(common, flavours, options.jobs)
    check_originals(flavours)
    reasons = explanations()
    tally = collections.Counter()
    kinds = collections.Counter()
    unexplained = []
    queue = iter(mutants)
    lock = threading.Lock()

    def tried():
        return tally["killed"] + tally["survived"]

    def worker():
        while True:
            with lock:
                mutant = next(queue, None) if tried() < options.count else None
            if mutant is None:
                return
            verdict = try_mutant(common, flavours, mutant, includers)
            with lock:
                tally[verdict.split()[0]] += 1
                kinds[verdict] += 1
                if verdict == "survived":
                    reason = reasons.get(describe(mutant))
                    tally["explained"] += reason is not None
                    if reason is None:
                        unexplained.append(mutant)
                        print(f"survived: {mutant.path}:{mutant.number + 1}: {mutant.kind}\n"
                              f"  - {mutant.old.strip()}\n  + {mutant.new.strip()}", flush=True)
                if tried() % 100 == 0 and verdict != "same":
                    print(f"# {tried()} tested, {tally['killed']} killed", flush=True)

    threads = [threading.Thread(target=worker) for _ in range(options.jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    score = 100.0 * tally["killed"] / max(1, tried() - tally["explained"])
    for verdict, number in sorted(kinds.items()):
        print(f"# {verdict}: {number}")
    for mutant in unexplained:
        print(SURVIVOR + describe(mutant))
    print(f"{tried()} mutants: {tally['killed']} killed, {tally['survived']} survived, of them "
          f"{tally['explained']} explained; score {score:.1f}%")
    sys.exit(0 if not unexplained and score >= GOAL else 1)


if __name__ == "__main__":
    main()
