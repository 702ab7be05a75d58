#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Follows the porting guide word by word, in an empty folder, to a kernel that boots.

    follow.py PORTING.md DIST FOLDER

Every block behind a line "`NAME`:" becomes that file; the first block of commands behind the last
of them is run; what the kernel prints must be what the guide says it does.
"""

import pathlib
import re
import shutil
import subprocess
import sys


def main():
    guide, dist, folder = map(pathlib.Path, sys.argv[1:4])
    text = guide.read_text()
    folder.mkdir(parents=True)
    for name in ("quarry.c", "quarry.h"):
        shutil.copy(dist / name, folder / name)
    end = 0
    for block in re.finditer(r"^`([\w.]+)`:\n\n```\w+\n(.*?)^```\n", text, re.M | re.S):
        (folder / block[1]).write_text(block[2])
        end = block.end()
    commands = re.compile(r"^```sh\n(.*?)^```\n\n```\n(.*?)^```\n", re.M | re.S).search(text, end)
    run = subprocess.run(["sh", "-ec", commands[1]], cwd=folder, text=True, timeout=120,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if run.returncode != 1 or run.stdout != commands[2]:  # 1: what isa-debug-exit makes of 0
        sys.exit(f"status {run.returncode}, and the kernel said:\n{run.stdout}")


if __name__ == "__main__":
    main()
