#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Boots Quarry's image in QEMU.

As a program:   qemu.py --image IMAGE boot|gdb [options]    (make run, make gdb)
As a module:    Guest(...).run() for the tests; see run.py

The guest reports its result through the isa-debug-exit device: 33 for passed, 35 for failed. A guest
that has not ended at its deadline is killed, and the last lines of its output are shown.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

FIRMWARE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
VARIABLES = "/usr/share/OVMF/OVMF_VARS_4M.fd"
EXIT_PASSED = 33
LINES_SHOWN = 40
# The least memory with which OVMF starts the image.
MEMORY_LEAST = 64 << 20
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class Guest:
    """One boot. Its files are in a folder of its own, so several guests can run at the same time."""

    def __init__(self, image, smp=4, memory="512M", arguments="", machine="q35", cpu="max",
                 accel="tcg", icount=False, exit_device=True, usb=None, variables=None, secure=None):
        """`usb`: the image is a USB stick, "writable" or "protected". `variables`: the file of the firmware's
        variables, for more than one start. `secure`: firmware that enforces Secure Boot.
        """
        self.image = pathlib.Path(image)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="quarry-"))
        self.output = ""
        if not variables:
            variables = self.folder / "variables.fd"
            shutil.copy(VARIABLES, variables)
        threads = "single" if icount else "multi"
        accelerator = f"tcg,thread={threads}" if accel == "tcg" else accel
        self.command = [
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot",
            "-machine", f"{machine},memory-backend=ram" + (",smm=on" if secure else ""), "-accel", accelerator, "-cpu", "host" if accel == "kvm" else cpu,
            "-smp", str(smp), "-m", memory,
            # Not reserved: a guest may have far more memory than it accesses.
            "-object", f"memory-backend-ram,id=ram,size={memory},reserve=off",
            "-drive", f"if=pflash,format=raw,readonly=on,file={secure or FIRMWARE}",
            "-drive", f"if=pflash,format=raw,file={variables}",
            "-drive", f"if=none,id=disk,format=raw,readonly={'off' if usb == 'writable' else 'on'},file={self.image}",
            "-vga", "std", "-display", "none", "-serial", "stdio",
            "-qmp", f"unix:{self.folder / 'qmp'},server=on,wait=off",
        ]
        if usb:
            self.command += ["-device", "qemu-xhci", "-device", "usb-storage,drive=disk,bootindex=0,removable=on"]
        else:
            self.command += ["-device", "virtio-blk-pci,drive=disk,bootindex=0"]
        if secure:
            self.command += ["-global", "driver=cfi.pflash01,property=secure,value=on"]
        if icount:
            self.command += ["-icount", "shift=0,sleep=off"]
        if arguments:
            # QEMU ends an option at a single comma.
            text = arguments.replace(",", ",,")
            self.command += ["-fw_cfg", f"name=opt/quarry/options,string={text}"]
        if exit_device:
            self.command += ["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]

    def run(self, deadline, echo=None):
        """Returns the exit status (None: killed at the deadline). Output is in self.output. `echo` is called
        with each line; if it returns true, QEMU is ended."""
        process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT)
        killed = threading.Event()

        def kill():
            killed.set()
            process.kill()

        timer = threading.Timer(deadline, kill)
        timer.start()
        try:
            for line in process.stdout:
                text = clean(line.decode("utf-8", "replace"))
                self.output += text
                if echo and echo(text):
                    break
        finally:
            timer.cancel()
            process.kill()
            status = process.wait()
            shutil.rmtree(self.folder, ignore_errors=True)
        return None if killed.is_set() else status

    def last_lines(self):
        return "".join(self.output.splitlines(keepends=True)[-LINES_SHOWN:])


def clean(text):
    """Removes the escape sequences and carriage returns of the firmware's console."""
    out = []
    i = 0
    while i < len(text):
        if text[i] == "\x1b":
            i += 1
            if i < len(text) and text[i] == "[":
                i += 1
                while i < len(text) and not text[i].isalpha():
                    i += 1
            i += 1
            continue
        if text[i] != "\r":
            out.append(text[i])
        i += 1
    return "".join(out)


class Monitor:
    """A minimal client of QEMU's machine protocol (QMP)."""

    def __init__(self, path, timeout=10):
        end = time.monotonic() + timeout
        while True:
            try:
                self.socket = socket.socket(socket.AF_UNIX)
                self.socket.connect(str(path))
                break
            except OSError:
                self.socket.close()
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
        self.stream = self.socket.makefile("rw")
        self.stream.readline()
        self.ask("qmp_capabilities")

    def ask(self, command, **arguments):
        self.stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.stream.flush()
        while True:
            answer = json.loads(self.stream.readline())
            if "return" in answer or "error" in answer:
                return answer


def take_screenshots(guest, pattern, stop):
    """Writes the screen to a PNG file every two seconds; the last picture stays."""
    try:
        monitor = Monitor(guest.folder / "qmp")
        while not stop.wait(2):
            monitor.ask("screendump", filename=str(pathlib.Path(pattern).absolute()), format="png")
    except (OSError, ValueError):
        pass  # the guest has ended


def boot(options):
    guest = Guest(options.image, options.smp, options.mem, options.args, options.machine,
                  options.cpu, options.accel, options.icount)
    start = time.monotonic()
    shown = {"quarry": False}

    def echo(text):
        # Leave out the firmware's own lines.
        shown["quarry"] = shown["quarry"] or "Quarry" in text
        if shown["quarry"]:
            sys.stdout.write(text)
            sys.stdout.flush()

    stop = threading.Event()
    if options.screenshot:
        threading.Thread(target=take_screenshots, args=(guest, options.screenshot, stop),
                         daemon=True).start()
    status = guest.run(options.deadline, echo)
    stop.set()
    seconds = time.monotonic() - start
    if status is None:
        print(guest.last_lines())
        sys.exit(f"killed after {options.deadline} seconds without a result")
    if status != EXIT_PASSED:
        if not shown["quarry"]:
            print(guest.last_lines())
        sys.exit(f"QEMU ended with status {status} after {seconds:.1f} s: failed")
    print(f"QEMU ended after {seconds:.1f} s: passed")


def wait_for_image(log, deadline=60):
    """The image's address, which the guest prints when it waits for the debugger (option `debug`)."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        found = re.search(r"waiting for a debugger, image at (0x[0-9a-f]+)",
                          log.read_text(errors="replace") if log.exists() else "")
        if found:
            return found[1]
        time.sleep(0.1)
    sys.exit(f"the guest does not wait for a debugger; see {log}")


def debug(options):
    """Starts the guest with the option `debug`, and gdb with the symbols at the image's address."""
    guest = Guest(options.image, options.smp, options.mem, f"{options.args} debug",
                  options.machine, options.cpu, options.accel)
    log = guest.folder / "serial"
    gdbstub = guest.folder / "gdb"
    guest.command[guest.command.index("stdio")] = f"file:{log}"
    guest.command += ["-gdb", f"unix:{gdbstub},server=on,wait=off"]
    with subprocess.Popen(guest.command, stdin=subprocess.DEVNULL) as process:
        try:
            commands = [
                "set confirm off",
                "source tools/gdb/quarry.py",
                f"add-symbol-file {options.elf} -o {wait_for_image(log)}",
                f"target remote {gdbstub}",
                "set var debugger_attached = 1",
                f"echo \\nThe guest waits at its start. Its output is in {log}\\n",
            ]
            gdb = ["gdb", "-q"] + options.gdb_args.split()
            for command in commands + options.gdb_command:
                gdb += ["-ex", command]
            subprocess.run(gdb, check=False)
        finally:
            process.kill()
    shutil.rmtree(guest.folder, ignore_errors=True)


def check_machine(smp, memory):
    """What is wrong with SMP or MEM; None: they can be tried."""
    if not smp.isdecimal() or int(smp) < 1:
        return f"SMP={smp} is wrong: a number of CPUs, 1 or more"
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT])", memory.upper())
    if not found:
        return f"MEM={memory} is wrong: a number with K, M, G or T, as in 512M"
    if float(found[1]) * UNITS[found[2]] < MEMORY_LEAST:
        return f"MEM={memory} is too little: the firmware needs {MEMORY_LEAST >> 20}M"
    return None


def check_arguments(program, words):
    """What the guest would say to wrong options; None: they are right, or there is no program to ask."""
    if not program:
        return None
    done = subprocess.run([program, words], stdout=subprocess.PIPE, text=True, check=False)
    return f"ARGS: {done.stdout.strip()}" if done.returncode else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image", required=True)
    parser.add_argument("--accel", default="tcg")
    parser.add_argument("--machine", default="q35")
    parser.add_argument("--cpu", default="max")
    parser.add_argument("what", choices=["boot", "gdb"])
    parser.add_argument("--smp", default="4")
    parser.add_argument("--mem", default="512M")
    parser.add_argument("--args", default="")
    parser.add_argument("--icount", action="store_true")
    parser.add_argument("--screenshot", help="a PNG file, written every two seconds")
    parser.add_argument("--deadline", type=float,
                        default=float(os.environ.get("QUARRY_DEADLINE", "900")))
    parser.add_argument("--elf", help="for gdb: the image with its symbols")
    parser.add_argument("--gdb-args", default="", help="for gdb: options of gdb itself")
    parser.add_argument("--gdb-command", action="append", default=[], help="for gdb: what it does")
    parser.add_argument("--check-options", help="the program that checks --args")
    options = parser.parse_args()
    wrong = check_machine(options.smp, options.mem) or check_arguments(options.check_options, options.args)
    if wrong:
        sys.exit(wrong)
    if options.what == "boot":
        boot(options)
    else:
        debug(options)


if __name__ == "__main__":
    main()
