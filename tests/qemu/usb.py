#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Boots the USB image in QEMU from USB mass storage behind xHCI.

    usb.py IMAGE APPLICATION    ends with "N passed, N failed"

Keys of an emulated PS/2 keyboard choose in the menu and end the run. Tested: a run's results are on
the USB stick after the next start; a write-protected USB stick runs, and reports that the results are
not stored; a wrong word in quarry.cfg is refused; firmware with Secure Boot refuses the unsigned application, and accepts it when it is signed
with a key that the firmware knows.
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
        print(f"{'ok' if holds else 'not ok'} - usb: {what}")
        self.passed += bool(holds)
        self.failed += not holds
        if not holds:
            print(output[-3000:])


class Start:
    """One start from the USB stick, with keys for the menu and for the end of the run."""

    def __init__(self, folder, image, protected=False, secure=False, smp=2):
        self.guest = Guest(image, smp, "256M", exit_device=False, usb="protected" if protected else "writable",
                           variables=folder / "variables.fd", secure=SECURE_CODE if secure else None)
        self.output = ""

    def run(self, answers, until):
        """`answers`: (pattern in the output, key); each key is pressed once. Ends when the guest ends or when
        the output contains the pattern `until`."""
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
    checks.check("cpus        1 online" in output, "the chosen entry of the menu runs", output)
    checks.check(re.search(r"PASSED: \d+ passed, 0 failed", output), "a run from the USB stick passes", output)
    checks.check("kept by the firmware" in output, "the run reports where the results are", output)
    early = results_on(image)
    checks.check("started 20" in early and "PASSED" not in early, "the start is on the USB stick at once", early)
    second = Start(folder, image)
    output = second.run([("results.txt", "6")], None)
    late = results_on(image)
    checks.check(re.search(r"PASSED: \d+ passed, 0 failed", late), "the results are on the USB stick after the next start", late)
    checks.check("have been written to this USB stick" in output, "the menu reports the results", output)
    checks.check("starts in" not in output, "after results the menu has no countdown", output)
    checks.check(second.status == 0, "the menu switches off", output)


def protected(checks, folder, image):
    put_config(image, "menu=1\ndefault=failsafe # one CPU\ntests=bits\n")
    start = Start(folder, image, protected=True)
    output = start.run([("results     not stored", "spc")], None)
    checks.check("cpus        1 online" in output, "the countdown ends in the default of quarry.cfg", output)
    checks.check(re.search(r"PASSED: \d+ passed, 0 failed", output), "a run from a write-protected USB stick passes", output)
    checks.check("cannot write to the USB stick" in output, "the run reports that no results are stored", output)
    checks.check("started" not in results_on(image), "no results are stored", "")


def wrong_options(checks, folder, image):
    put_config(image, "tests=bits\nstres=60\n")
    output = Start(folder, image).run([("press a key", "spc")], "FAILED: |PASSED: ")
    checks.check("stres=60 is not an option; did you mean stress=SECONDS?" in output and "PASSED" not in output,
                 "a wrong word in quarry.cfg is refused", output)


def repeatable(checks, folder, image, application):
    again = folder / "again.img"
    subprocess.run(["sh", "tools/usb.sh", application, "boot/quarry.cfg", str(again)], check=True)
    checks.check(filecmp.cmp(image, again, shallow=False), "a second build gives the same image")


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
    checks.check(re.search(r"PASSED: \d+ passed, 0 failed", output), "Secure Boot accepts the signed application", output)


def main():
    image, application = sys.argv[1:3]
    checks = Checks()
    with tempfile.TemporaryDirectory(prefix="quarry-usb-") as name:
        folder = pathlib.Path(name)
        repeatable(checks, folder, image, application)
        for test in (writable, protected, wrong_options):
            shutil.copy("/usr/share/OVMF/OVMF_VARS_4M.fd", folder / "variables.fd")
            shutil.copy(image, folder / "usb.img")
            test(checks, folder, folder / "usb.img")
        shutil.copy(SECURE_VARIABLES, folder / "variables.fd")
        shutil.copy(image, folder / "usb.img")
        secure_boot(checks, folder, folder / "usb.img", application)
    print(f"{checks.passed} passed, {checks.failed} failed")
    return checks.failed != 0


if __name__ == "__main__":
    sys.exit(main())
