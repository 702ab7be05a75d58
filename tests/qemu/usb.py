#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The stick in QEMU: USB mass storage behind xHCI, as a machine would start from it.

    stick.py IMAGE APPLICATION    tests; ends with "N passed, N failed"

The menu is answered on the serial line, the end by a key on the PS/2 keyboard. What must hold: a
run's results are on the stick after the next start; a write-protected stick runs, and says where
its results are not; firmware that enforces Secure Boot refuses the application, and takes it when
it is signed with a key that the firmware knows.
"""

import filecmp
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

from qemu import Guest, Monitor

PARTITION = "@@1M"
DEADLINE = 240
SECURE_CODE = "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd"
SECURE_VARIABLES = "/usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd"
SNAKEOIL_KEY, SNAKEOIL_CERT = "/usr/share/ovmf/PkKek-1-snakeoil.key", "/usr/share/ovmf/PkKek-1-snakeoil.pem"


class Checks:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, holds, what, output=""):
        print(f"{'ok' if holds else 'not ok'} - stick: {what}")
        self.passed += bool(holds)
        self.failed += not holds
        if not holds:
            print(output[-3000:])


class Start:
    """One start from a stick: keys for the menu, then perhaps one at the end."""

    def __init__(self, folder, image, protected=False, secure=False, smp=2):
        self.guest = Guest(image, smp, "256M", exit_device=False, usb="protected" if protected else "writable",
                           variables=folder / "variables.fd", secure=SECURE_CODE if secure else None)
        self.output = ""

    def run(self, answers, until):
        """`answers`: (pattern in the output, key); each is given once. Ends by itself, or when the
        pattern `until` is there."""
        waiting, monitor = list(answers), []

        def watch(text):
            self.output += text
            if waiting and re.search(waiting[0][0], self.output):
                if not monitor:
                    monitor.append(Monitor(self.guest.folder / "qmp"))
                monitor[0].ask("send-key", keys=[{"type": "qcode", "data": waiting.pop(0)[1]}])
            return until and re.search(until, self.output)

        begun = time.monotonic()
        self.status = self.guest.run(DEADLINE, watch)
        print(f"# {time.monotonic() - begun:.0f} s, status {self.status}")
        return self.output


def results_on(image):
    done = subprocess.run(["mcopy", "-n", "-i", f"{image}{PARTITION}", "::/results.txt", "-"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return done.stdout.decode("ascii", "replace")


def put_config(image, text):
    with tempfile.NamedTemporaryFile("w", suffix=".cfg") as file:
        file.write(text)
        file.flush()
        subprocess.run(["mcopy", "-o", "-i", f"{image}{PARTITION}", file.name, "::/quarry.cfg"], check=True)


def writable(checks, folder, image):
    first = Start(folder, image)
    output = first.run([("starts in", "5"), ("press a key|results  ", "spc")], None)
    checks.check("cpus        1 running" in output, "the menu's answer is done", output)
    checks.check(re.search(r"PASSED: \d+ passed, 0 failed", output), "a run from the stick", output)
    checks.check("kept by the firmware" in output, "it says where the results are", output)
    early = results_on(image)
    checks.check("begun 20" in early and "PASSED" not in early, "the beginning is on the stick at once", early)
    second = Start(folder, image)
    output = second.run([("results.txt", "6")], None)
    late = results_on(image)
    checks.check(re.search(r"PASSED: \d+ passed, 0 failed", late), "the results are there after the next start", late)
    checks.check("have been written to this stick" in output, "and the menu says so", output)
    checks.check("starts in" not in output, "and waits then", output)
    checks.check(second.status == 0, "the menu switches off", output)


def protected(checks, folder, image):
    put_config(image, "menu=1\ndefault=failsafe # one CPU\ntests=bits\n")
    start = Start(folder, image, protected=True)
    output = start.run([("nowhere but here", "spc")], None)
    checks.check("cpus        1 running" in output, "the countdown ends in quarry.cfg's default", output)
    checks.check(re.search(r"PASSED: \d+ passed, 0 failed", output), "a run from a write-protected stick", output)
    checks.check("the stick cannot be written to" in output, "which says that it keeps no results", output)
    checks.check("begun" not in results_on(image), "and keeps none", "")


def repeatable(checks, folder, image, application):
    again = folder / "again.img"
    subprocess.run(["sh", "tools/usb.sh", application, "boot/quarry.cfg", str(again)], check=True)
    checks.check(filecmp.cmp(image, again, shallow=False), "the image is the same when it is made again")


def secure_boot(checks, folder, image, application):
    put_config(image, "tests=bits\n")
    output = Start(folder, image, secure=True).run([], r"Access Denied|Security Violation|PASSED")
    checks.check(re.search(r"Access Denied|Security Violation", output) and "PASSED" not in output,
                 "Secure Boot refuses the unsigned application", output)
    key = folder / "key.pem"
    subprocess.run(["openssl", "rsa", "-in", SNAKEOIL_KEY, "-passin", "pass:snakeoil", "-out", str(key)],
                   stderr=subprocess.DEVNULL, check=True)
    signed = folder / "signed.img"
    subprocess.run(["sh", "tools/usb.sh", application, "boot/quarry.cfg", str(signed)], check=True,
                   env=dict(os.environ, SIGN_KEY=str(key), SIGN_CERT=SNAKEOIL_CERT))
    put_config(signed, "tests=bits\n")
    output = Start(folder, signed, secure=True).run([], r"PASSED: |Access Denied|Security Violation")
    checks.check(re.search(r"PASSED: \d+ passed, 0 failed", output), "and takes the signed one", output)


def main():
    image, application = sys.argv[1:3]
    checks = Checks()
    with tempfile.TemporaryDirectory(prefix="quarry-stick-") as name:
        folder = pathlib.Path(name)
        repeatable(checks, folder, image, application)
        for test in (writable, protected):
            shutil.copy("/usr/share/OVMF/OVMF_VARS_4M.fd", folder / "variables.fd")
            shutil.copy(image, folder / "stick.img")
            test(checks, folder, folder / "stick.img")
        shutil.copy(SECURE_VARIABLES, folder / "variables.fd")
        shutil.copy(image, folder / "stick.img")
        secure_boot(checks, folder, folder / "stick.img", application)
    print(f"{checks.passed} passed, {checks.failed} failed")
    return checks.failed != 0


if __name__ == "__main__":
    sys.exit(main())
