#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""All tests, counted: host binaries, and the guest on a matrix of machines.

    run.py --image IMAGE [--elf ELF] [--host PROGRAM] [--asan PROGRAM] [--tsan PROGRAM]
           [--explore PROGRAM] [--filter TEXT]

Each host program and each boot prints TAP and closes with "N passed, N failed"; the counts are
added up. A run that ends in another way, or too late, counts as one failure, and its last lines
are shown. The last line is "N passed, N failed, N skipped"; the exit status is 0 if none failed.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import time
import xml.dom.minidom

sys.path[:0] = [str(pathlib.Path(__file__).parent / "qemu"), str(pathlib.Path(__file__).parent.parent / "tools")]
import heapmap  # noqa: E402
from qemu import EXIT_PASSED, Guest, Monitor  # noqa: E402

EXIT_FAILED = 35
COUNT = re.compile(r"(\d+) passed, (\d+) failed(?:, (\d+) skipped)?")
# (name, CPUs, memory, machine, CPU model, options). At least: 1, 2, 4, 16 and once 64 CPUs; 64 MiB
# to 6 GiB and once nearly all that 40 address bits allow; both chipsets; an old and a new CPU model.
MATRIX = [
    ("64 cpus, 1 GiB, q35, max", 64, "1G", "q35", "max", ""),
    ("16 cpus, 512 MiB, q35, max", 16, "512M", "q35", "max", ""),
    ("2 cpus, 900 GiB, q35, max", 2, "900G", "q35", "max", ""),
    ("4 cpus, 6 GiB, q35, max", 4, "6G", "q35", "max", ""),
    ("4 cpus, 3 GiB, pc, qemu64", 4, "3G", "pc", "qemu64", ""),
    ("4 cpus, 256 MiB, q35, qemu64", 4, "256M", "q35", "qemu64", ""),
    ("1 cpu, 256 MiB, pc, max", 1, "256M", "pc", "max", ""),
    ("2 cpus, 64 MiB, q35, max", 2, "64M", "q35", "max", ""),
    ("2 cpus of 4, no timer, 256 MiB, q35, max", 4, "256M", "q35", "max", "cpus=2 notimer"),
    ("4 cpus, one of them not responding, 256 MiB, q35, max", 4, "256M", "q35", "max", "fault=cpu"),
]
# An instruction takes a nanosecond here, and every second interrupt allocates and frees.
INTERRUPTED = ("guest: stress, an interrupt every 500 instructions", 1, "256M", "q35", "max",
               "tests=stress timer=2000000")
# What must end badly, and what it must say: (name, options, text, exit status or None for killed).
FAULTS = [
    ("a page fault is reported", "tests=none fault=page",
     r"fault: page fault .vector 14.*\n  rip .*cr2 0000000000000000", EXIT_FAILED),
    ("a stop is reported", "tests=none fault=stop",
     r"quarry: bad free: foreign pointer\n  address  0x00000123456789a0", EXIT_FAILED),
    ("a wrong option is refused", "tests=none stess=60",
     r"not ok: stess=60 is not an option; did you mean stress=SECONDS\?", EXIT_FAILED),
    ("a missing CPU needs a second one", "tests=none fault=cpu cpus=1", r"fault=cpu needs 2 CPUs", EXIT_FAILED),
    ("a hang is killed", "tests=none fault=hang", r"cpus +2 online", None),
]
# What `make run` refuses before QEMU starts: (CPUs, memory, options, text).
REFUSED = [
    ("0", "512M", "", r"SMP=0 is wrong: a number of CPUs, 1 or more"),
    ("four", "512M", "", r"SMP=four is wrong"),
    ("1", "32M", "", r"MEM=32M is too little: the firmware needs 64M"),
    ("1", "512", "", r"MEM=512 is wrong: a number with K, M, G or T"),
    ("1", "512M", "live stess=60", r"stess=60 is not an option; did you mean stress=SECONDS\?\nOptions: tests=TEXT "),
    ("1", "512M", "cpus=0", r"cpus=0 is wrong: N is a number from 1 "),
]
EXPLORE_EFFORT = ["executions=1000", "random=60"]
EXPLORE_EFFORT_OTHERS = ["executions=300", "random=30"]
HOST_DEADLINE = 600
GUEST_DEADLINE = 600
HANG_DEADLINE = 25


class Result:
    def __init__(self, name):
        self.name = name
        self.passed = 0
        self.failed = 0
        self.skipped = 0
        self.output = ""
        self.seconds = 0.0

    def fail(self, why):
        self.failed += 1
        self.output += f"\n{why}\n"


def count(result, output):
    """The last closing line decides."""
    lines = COUNT.findall(output)
    if lines:
        result.passed, result.failed, result.skipped = (int(n or 0) for n in lines[-1])
    return bool(lines)


def run_program(name, command):
    result = Result(name)
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", timeout=HOST_DEADLINE, check=False)
        result.output = done.stdout
        counted = count(result, done.stdout)
        if not counted or (done.returncode != 0 and result.failed == 0):
            result.fail(f"ended with status {done.returncode}")
    except subprocess.TimeoutExpired as late:
        result.output = (late.stdout or b"").decode("utf-8", "replace")
        result.fail(f"killed after {HOST_DEADLINE} seconds")
    return result


def run_guest(options, name, smp, memory, machine, cpu, arguments, image=None, icount=False):
    result = Result(name)
    words = f"{arguments} tests={options.filter}" if options.filter else arguments
    guest = Guest(image or options.image, smp, memory, words, machine, cpu, options.accel, icount)
    status = guest.run(GUEST_DEADLINE)
    result.output = guest.output
    counted = count(result, guest.output)
    if status is None:
        result.fail(f"killed after {GUEST_DEADLINE} seconds")
    elif not counted or (status != EXIT_PASSED and result.failed == 0):
        result.fail(f"QEMU ended with status {status}")
    if "fault=cpu" in arguments and "does not answer and is left out" not in guest.output:
        result.fail("the CPU that does not respond was not reported")
    return result


def run_nmis(options, name, smp):
    """QEMU injects NMIs while CPUs allocate; their handler frees frames."""
    result = Result(name)
    guest = Guest(options.image, smp, "256M", "tests=nmi_frees", accel=options.accel)
    ended = threading.Event()

    def inject():
        monitor = Monitor(guest.folder / "qmp")
        while not ended.wait(0.0005):
            monitor.ask("inject-nmi")

    injector = threading.Thread(target=inject, daemon=True)

    def watch(line):
        if "NMIs are expected from here" in line:
            injector.start()
        elif "NMIs until here" in line:
            ended.set()

    status = guest.run(GUEST_DEADLINE, watch)
    ended.set()
    result.output = guest.output
    freed = re.search(r"(\d+) NMIs until here, (\d+) frames freed in them", guest.output)
    if not count(result, guest.output) or status != EXIT_PASSED:
        result.fail(f"QEMU ended with status {status}")
    elif not freed or int(freed[2]) < 10:
        result.fail("fewer than 10 frames were freed in NMIs")
    return result


def run_heapmap(options, name):
    """The heap that a guest tells can be drawn."""
    result = Result(name)
    guest = Guest(options.image, 2, "256M", "tests=none heapmap", accel=options.accel)
    guest.run(GUEST_DEADLINE)
    result.output = guest.output
    try:
        report = json.loads(heapmap.told(guest.output) or "")
        heapmap.check(report)
        tiles = xml.dom.minidom.parseString(heapmap.draw(report)).getElementsByTagName("title")
        if len(tiles) == len(heapmap.USES) + len(report["arenas"]) > 50:
            result.passed = 1
        else:
            result.fail(f"{len(tiles)} tiles and bars for {len(report['arenas'])} arenas")
    except ValueError as error:
        result.fail(f"no heap that can be drawn: {error}")
    return result


def run_key(options, name):
    """Without QEMU's exit device, as on a real machine: a key at the end switches it off."""
    result = Result(name)
    guest = Guest(options.image, 2, "256M", "tests=bits", accel=options.accel, exit_device=False)
    seen = {"monitor": None}

    def press_when_done(line):
        if "PASSED: " in line:
            seen["monitor"] = Monitor(guest.folder / "qmp")
            seen["monitor"].ask("send-key", keys=[{"type": "qcode", "data": "spc"}])

    status = guest.run(GUEST_DEADLINE, press_when_done)
    result.output = guest.output
    if status == 0 and seen["monitor"]:
        result.passed = 1
    else:
        result.fail(f"QEMU ended with status {status}, expected to be switched off")
    return result


def run_gdb(options, name):
    """A debugger finds the symbols where the firmware has put the image."""
    result = Result(name)
    command = [sys.executable, str(pathlib.Path(__file__).parent / "qemu/qemu.py"),
               "--image", options.image, "--accel", options.accel, "gdb", "--elf", options.elf,
               "--gdb-args=-batch", "--gdb-command", "break run_everything",
               "--gdb-command", "continue", "--gdb-command", "backtrace",
               "--gdb-command", "quarry info", "--gdb-command", "quarry verify"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=GUEST_DEADLINE, check=False)
    result.output = done.stdout
    if not re.search(r"hit Breakpoint 1, run_everything .* at boot/main.c", done.stdout):
        result.fail("gdb did not stop at run_everything()")
    elif not re.search(r"arenas: all counts agree", done.stdout):
        result.fail("gdb could not verify the heap")
    else:
        result.passed = 1
    return result


def run_fault(options, name, arguments, text, expected):
    result = Result(name)
    guest = Guest(options.image, 2, "256M", arguments, accel=options.accel)
    status = guest.run(HANG_DEADLINE if expected is None else GUEST_DEADLINE)
    result.output = guest.output
    if status == expected and re.search(text, guest.output):
        result.passed = 1
    else:
        result.fail(f"QEMU ended with status {status}, expected {expected} and: {text}")
    return result


def run_refused(options, name):
    """Wrong settings of `make run` are refused. QEMU cannot start: the PATH is empty."""
    result = Result(name)
    for smp, memory, words, text in REFUSED:
        command = [sys.executable, str(pathlib.Path(__file__).parent / "qemu/qemu.py"), "--image", "none",
                   "--check-options", str(pathlib.Path(options.host[0]).with_name("check-options")),
                   "boot", "--smp", smp, "--mem", memory, "--args", words]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env=dict(os.environ, PATH=""), timeout=HANG_DEADLINE, check=False)
        if done.returncode == 1 and re.search(text, done.stdout):
            result.passed += 1
        else:
            result.fail(f"SMP={smp} MEM={memory} ARGS={words!r}: status {done.returncode}\n{done.stdout}")
    return result


def jobs(options):
    for kind in ("host", "asan", "tsan"):
        for program in getattr(options, kind):
            command = [program] + ([options.filter] if options.filter else [])
            yield f"{kind}: {program}", run_program, (command,)
    for program in options.explore:
        effort = EXPLORE_EFFORT if program == options.explore[0] else EXPLORE_EFFORT_OTHERS
        yield f"explored schedules: {program}", run_program, (
            [program, f"T={options.filter}", "bound=2"] + effort,)
    if options.model and not options.filter:
        yield "models", run_program, (["sh", options.model, "build/model"],)
    if options.dist and not options.filter:
        guest = [options.object, options.settings] if options.object else []
        yield "one pair of files", run_program, (["sh", "tests/dist/check.sh", options.dist] + guest,)
        yield "a release", run_program, (["sh", "tests/dist/release.sh"],)
        yield "examples", run_program, (["sh", "tests/examples.sh", "build/examples", "short"],)
    if options.scaling and not options.filter:
        yield "scaling", run_program, ([options.scaling],)
    for library in options.preload if not options.filter else []:
        yield f"hosted library: {library}", run_program, (
            ["sh", "tests/preload/check.sh", library,
             str(pathlib.Path(library).with_name("family"))],)
    if options.host and not options.filter:
        for target in ("object", "frame", "map"):
            yield f"fuzz inputs: {target}", lambda n, t: run_replay(options, n, t), (target,)
        yield "make run refuses wrong settings", lambda n: run_refused(options, n), ()
    if options.image:
        for name, *rest in MATRIX:
            yield f"guest: {name}", lambda n, *a: run_guest(options, n, *a), tuple(rest)
        if options.usb and options.accel == "tcg" and not options.filter:
            yield "the USB stick", run_program, (
                [sys.executable, "tests/qemu/usb.py", options.usb, options.application],)
        if not options.filter:
            yield "guest: a heap that can be drawn", lambda n: run_heapmap(options, n), ()
        for image in options.variant:
            name = f"guest: {pathlib.Path(image).parent.name}, 4 cpus, 256 MiB, q35, max"
            yield name, lambda n, i: run_guest(options, n, 4, "256M", "q35", "max", "", i), (image,)
        if options.accel == "tcg" and not options.filter:
            yield INTERRUPTED[0], lambda n, *a: run_guest(options, n, *a, icount=True), INTERRUPTED[1:]
        for name, *rest in FAULTS if not options.filter else []:
            yield f"guest: {name}", lambda n, *a: run_fault(options, n, *a), tuple(rest)
        if not options.filter:
            yield "guest: NMIs that free frames, 4 cpus", lambda n: run_nmis(options, n, 4), ()
            yield "guest: a key switches off", lambda n: run_key(options, n), ()
            if options.elf:
                yield "guest: gdb has symbols", lambda n: run_gdb(options, n), ()


def run_replay(options, name, target):
    """Inputs that were worth keeping, through the plain host build."""
    files = sorted(str(file) for file in pathlib.Path("tests/fuzz/corpus", target).glob("*"))
    if not files:
        result = Result(name)
        result.fail(f"there are no inputs for {target}")
        return result
    return run_program(name, [options.host[0], "replay", target] + files)


def timed(work, name, arguments):
    start = time.monotonic()
    result = work(name, *arguments)
    result.seconds = time.monotonic() - start
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("image", "elf", "model", "scaling", "dist", "object", "settings", "usb", "application"):
        parser.add_argument(f"--{name}")
    for name in ("host", "asan", "tsan", "explore", "preload"):
        parser.add_argument(f"--{name}", action="append", default=[],
                            help="a program; of several builds, if given more than once")
    parser.add_argument("--variant", action="append", default=[],
                        help="another build's image, for one boot")
    parser.add_argument("--accel", default="tcg")
    parser.add_argument("--filter", default="")
    options = parser.parse_args()
    passed = failed = skipped = 0
    workers = max(1, min(4, os.cpu_count() or 1))
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        running = [pool.submit(timed, work, name, arguments)
                   for name, work, arguments in jobs(options)]
        for done in concurrent.futures.as_completed(running):
            result = done.result()
            passed += result.passed
            failed += result.failed
            skipped += result.skipped
            word = "ok    " if result.failed == 0 else "NOT OK"
            print(f"{word} {result.name}: {result.passed} passed, {result.failed} failed, "
                  f"{result.skipped} skipped, {result.seconds:.0f} s", flush=True)
            if result.failed:
                shown = [line for line in result.output.splitlines() if not line.startswith("ok ")]
                print("\n".join(shown[-60:]), flush=True)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(0 if failed == 0 and passed > 0 else 1)


if __name__ == "__main__":
    main()
